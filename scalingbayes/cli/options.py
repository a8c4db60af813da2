"""Options that several commands have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

import scalingbayes as sb

if TYPE_CHECKING:
    from scalingbayes.inference import Engine

_NOISE_HELP = (
    "Noise model: student_t, normal, laplace, huber, one_sided (every run may be worse than the "
    "law), failures (some runs failed). Options in parentheses: varying (input or compute with "
    "which the spread falls), error (column of known standard errors), groups (column whose labels "
    "share an error), discrepancy (input or compute along which the law's own error varies). "
    "Default: student_t(varying=compute) if the law divides compute between size and tokens, else "
    "student_t."
)
_ENGINE_HELP = (
    "How to fit: nuts (samples the posterior), hmc (the same with many short chains, for an "
    "accelerator), laplace or grid (compute the same posterior in independent ways). Options in "
    "parentheses: 'nuts(draws=2000, chains=8, warmup=500, target_accept=0.95)', "
    "'laplace(draws=4000)'."
)


def parse_amount(text: str) -> float:
    """Return the number of an option: 7e10, 70B, 1.4T or 1,400,000."""
    from scalingbayes.data.counts import parse_count

    found = parse_count(text)
    if found != found:
        raise typer.BadParameter(f"{text!r} is no number: write it as 7e10 or 70B.")
    return found


AMOUNT: dict[str, Any] = {"parser": parse_amount, "metavar": "NUMBER"}
"""Arguments of ``typer.Option`` for numbers that may be large."""


def check_prob(prob: float | None) -> float | None:
    """Return the probability of an interval, if it is one."""
    from scalingbayes.results import check_interval

    if prob is not None:
        check_interval(prob)
    return prob


LawName = Annotated[
    str,
    typer.Option(
        metavar="LAW",
        help="Scaling law, with options if it has any: 'power_law(x=tokens)'. "
        "`scalingbayes laws` lists them.",
    ),
]
EngineName = Annotated[str, typer.Option("--engine", metavar="ENGINE", help=_ENGINE_HELP)]
NoiseName = Annotated[str | None, typer.Option("--noise", metavar="NOISE", help=_NOISE_HELP)]
Groups = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMN",
        help="Column whose labels say which runs share an error, such as the training curve.",
    ),
]
Exact = Annotated[
    bool,
    typer.Option(
        "--exact",
        help="Take the law as exact. By default the intervals allow for the law's own error.",
    ),
]
WeakPriors = Annotated[
    bool,
    typer.Option(
        "--weak-priors",
        help="Use the priors that `scalingbayes laws LAW` lists, not those learned from public "
        "sweeps.",
    ),
]
FoldsBy = Annotated[
    str | None,
    typer.Option(
        "--by",
        help="Which runs are held out together: `compute` (one level of compute at a time, of at "
        "most 12 levels), `largest` (levels of the runs with the most compute, each predicted "
        "from smaller runs), or a column (one of its labels at a time).",
    ),
]
Prob = Annotated[
    float,
    typer.Option(
        callback=check_prob, help="Probability of the credible intervals, between 0 and 1."
    ),
]
Seed = Annotated[int, typer.Option(help="Seed of the random numbers.")]


def posterior_engine(text: str) -> Engine:
    """Return the engine that a text such as ``"nuts(draws=500)"`` names, if it has posteriors.

    Raises
    ------
    InputError
        If there is no such engine, or it computes no posterior.
    """
    from scalingbayes.inference import get_engine

    engine = get_engine(text)
    if isinstance(engine, sb.Optimize | sb.Bootstrap | sb.PriorDraws):
        raise sb.InputError(
            f"Laws are compared by their posteriors, and --engine {text} computes none: choose "
            f"nuts, hmc, laplace or grid."
        )
    return engine
