"""``scalingbayes compare``."""

import re
from dataclasses import replace
from typing import Annotated

import typer

from scalingbayes._core.errors import InputError
from scalingbayes._core.progress_bar import progress_bar
from scalingbayes.cli.options import (
    ComputeColumn,
    LossColumn,
    NoiseName,
    OtherColumns,
    ParamsColumn,
    Seed,
    Source,
    TokensColumn,
    read_table,
)
from scalingbayes.cli.printing import exit_if_failed, print_verdict, print_view
from scalingbayes.data.folds import as_folds
from scalingbayes.evaluation.compare import compare
from scalingbayes.fitting.fit import fit
from scalingbayes.inference import Bootstrap, Engine, Optimize, PriorDraws, get_engine
from scalingbayes.laws import get_law
from scalingbayes.model.model import Model

_LEGEND = (
    "elpd, se: log predictive density of held-out runs, in nats, and its standard error.",
    "elpd_diff, dse: elpd minus that of the best law, and the standard error of this difference.",
)


def compare_command(
    source: Source,
    laws: Annotated[
        str, typer.Option(metavar="LAWS", help="Two or more scaling laws, separated by commas.")
    ] = "chinchilla,coupled",
    by: Annotated[
        str | None,
        typer.Option(
            help="Which runs are held out together: `compute` (one level of compute at a time), "
            "`largest` (levels of the runs with the most compute, each predicted from smaller "
            "runs), or a column (one of its labels at a time). Default: each run alone."
        ),
    ] = None,
    engine: Annotated[
        str,
        typer.Option(
            metavar="ENGINE",
            help="How to fit: nuts, laplace or grid. Options in parentheses: 'nuts(draws=2000)'.",
        ),
    ] = "nuts",
    noise: NoiseName = None,
    params: ParamsColumn = None,
    tokens: TokensColumn = None,
    compute: ComputeColumn = None,
    loss: LossColumn = None,
    column: OtherColumns = None,
    seed: Seed = 0,
) -> None:
    """Fit several scaling laws; print which of them predicts held-out runs best.

    Exit status: 0 if all fits passed their checks, 3 if one failed them, 2 if the input cannot be
    used.
    """
    columns = {"params": params, "tokens": tokens, "compute": compute, "loss": loss}
    runs = read_table(source, columns, column)
    names, chosen = _law_names(laws), _engine(engine)
    models = {name: Model(name, noise) for name in names}
    if by is not None:
        as_folds(by, runs)  # report unusable folds before the fits
    with progress_bar() as bar:
        posts = {name: fit(runs, model, engine=chosen, seed=seed) for name, model in models.items()}
        comparison = compare(posts, by, seed=seed, progress=bar)
    view = comparison.view()
    print_view(replace(view, lines=(*view.lines, *_LEGEND), verdict=None))
    print_verdict(comparison.verdict)
    exit_if_failed(comparison.verdict)


def _law_names(text: str) -> list[str]:
    """Return the laws that a text names; commas in parentheses separate the options of a law."""
    names = [name.strip() for name in re.split(r",(?![^(]*\))", text)]
    if len(set(names)) < 2:
        raise InputError(
            f"--laws must name two or more laws, such as chinchilla,coupled; got {text}."
        )
    for name in names:
        get_law(name)
    return names


def _engine(text: str) -> Engine:
    engine = get_engine(text)
    if isinstance(engine, Optimize | Bootstrap | PriorDraws):
        raise InputError(
            f"Laws are compared by their posteriors, and --engine {text} computes none: choose "
            f"nuts, laplace or grid."
        )
    return engine
