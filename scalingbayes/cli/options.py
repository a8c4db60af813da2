"""Options that several commands have."""

from __future__ import annotations

from typing import Annotated

import typer

_NOISE_HELP = (
    "Noise model: student_t, normal, laplace, huber, one_sided (every run may be worse than the "
    "law), failures (some runs failed). Options in parentheses: varying (input or compute with "
    "which the spread falls), error (column of known standard errors), groups (column whose labels "
    "share an error), discrepancy (input or compute along which the law's own error varies). "
    "Default: student_t(varying=compute) if the law divides compute between size and tokens, else "
    "student_t."
)


def _check_prob(prob: float) -> float:
    from scalingbayes.results import check_interval

    check_interval(prob)
    return prob


NoiseName = Annotated[str | None, typer.Option("--noise", metavar="NOISE", help=_NOISE_HELP)]
WeakPriors = Annotated[
    bool,
    typer.Option(
        "--weak-priors",
        help="Use the priors that `scalingbayes laws LAW` lists, not those learned from public "
        "sweeps.",
    ),
]
Prob = Annotated[
    float,
    typer.Option(
        callback=_check_prob, help="Probability of the credible intervals, between 0 and 1."
    ),
]
Seed = Annotated[int, typer.Option(help="Seed of the random numbers.")]
