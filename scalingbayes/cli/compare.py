"""``scalingbayes compare``."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

import scalingbayes as sb
from scalingbayes.cli.options import NoiseName, Seed
from scalingbayes.cli.printing import exit_if_failed, print_verdict, print_view
from scalingbayes.cli.table_options import (
    ComputeColumn,
    DropEmpty,
    KeepRows,
    LossColumn,
    OtherColumns,
    ParamsColumn,
    RowOptions,
    Source,
    TokensColumn,
    UnitsOfColumns,
    Where,
    read_table,
)

if TYPE_CHECKING:
    from scalingbayes.inference import Engine

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
    where: Where = None,
    drop_empty: DropEmpty = False,
    keep: KeepRows = None,
    unit: UnitsOfColumns = None,
    column: OtherColumns = None,
    seed: Seed = 0,
) -> None:
    """Fit several scaling laws; print which of them predicts held-out runs best.

    Exit status: 0 if all fits passed their checks, 3 if one failed them, 2 if the input cannot be
    used.
    """
    columns = {"params": params, "tokens": tokens, "compute": compute, "loss": loss}
    runs = read_table(source, columns, column, RowOptions(where, drop_empty, keep, unit))
    names, chosen = _law_names(laws), _engine(engine)
    models = {name: sb.Model(name, noise) for name in names}
    if by is not None:
        sb.folds.as_folds(by, runs)  # report unusable folds before the fits
    with sb.progress_bar() as bar:
        posts = {name: sb.fit(runs, x, engine=chosen, seed=seed) for name, x in models.items()}
        comparison = sb.compare(posts, by, seed=seed, progress=bar)
    view = comparison.view()
    print_view(replace(view, lines=(*view.lines, *_LEGEND), verdict=None))
    print_verdict(comparison.verdict)
    exit_if_failed(comparison.verdict)


def _law_names(text: str) -> list[str]:
    """Return the laws that a text names; commas in parentheses separate the options of a law."""
    names = [name.strip() for name in re.split(r",(?![^(]*\))", text)]
    if len(set(names)) < 2:
        raise sb.InputError(
            f"--laws must name two or more laws, such as chinchilla,coupled; got {text}."
        )
    for name in names:
        sb.get_law(name)
    return names


def _engine(text: str) -> Engine:
    from scalingbayes.inference import get_engine

    engine = get_engine(text)
    if isinstance(engine, sb.Optimize | sb.Bootstrap | sb.PriorDraws):
        raise sb.InputError(
            f"Laws are compared by their posteriors, and --engine {text} computes none: choose "
            f"nuts, laplace or grid."
        )
    return engine
