"""Options that several commands have, and the table of runs that they name."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import scalingbayes as sb
from scalingbayes._core.errors import unknown

_NOISE_HELP = (
    "Noise model: student_t, normal, laplace, huber. Options in parentheses: varying (input or "
    "compute with which the spread falls), error (column of known standard errors), groups (column "
    "whose labels share an error), discrepancy (input or compute along which the law's own error "
    "varies). Default: student_t(varying=compute) if the law divides compute between size and "
    "tokens, else student_t."
)


def _check_prob(prob: float) -> float:
    from scalingbayes.results import check_interval

    check_interval(prob)
    return prob


Source = Annotated[
    str, typer.Argument(help="A CSV or Parquet file, or the name of a bundled data set.")
]
ParamsColumn = Annotated[
    str | None, typer.Option("--params", metavar="COLUMN", help="Column of parameter counts.")
]
TokensColumn = Annotated[
    str | None, typer.Option("--tokens", metavar="COLUMN", help="Column of training tokens.")
]
ComputeColumn = Annotated[
    str | None, typer.Option("--compute", metavar="COLUMN", help="Column of training FLOPs.")
]
LossColumn = Annotated[
    str | None, typer.Option("--loss", metavar="COLUMN", help="Column of losses.")
]
OtherColumns = Annotated[
    list[str] | None,
    typer.Option(
        "--column",
        metavar="NAME=COLUMN",
        help="Column for another quantity that the law reads or predicts, such as "
        "accuracy=acc_mmlu. May be repeated.",
    ),
]
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


def read_table(
    source: str, given: dict[str, str | None], others: list[str] | None = None
) -> sb.Runs:
    """Return the table of runs that a command names.

    Parameters
    ----------
    source
        A file, or the name of a bundled data set.
    given
        The column of each quantity that has an option of its own; None where it was not given.
    others
        The columns of other quantities, each as ``NAME=COLUMN``.

    Raises
    ------
    InputError
        If there is no such table, or it cannot be used.
    """
    columns = {name: column for name, column in given.items() if column is not None}
    columns |= dict(_parse_column(each) for each in others or ())
    if not Path(source).is_file() and source in sb.datasets.names():
        runs = sb.datasets.load(source)
        return sb.Runs(runs.frame, name=runs.name, **columns) if columns else runs
    if not Path(source).exists():
        raise unknown("file or bundled data set", source, sb.datasets.names())
    return sb.read_runs(source, **columns)


def _parse_column(text: str) -> tuple[str, str]:
    name, equals, column = text.partition("=")
    if not (name and equals and column):
        raise sb.InputError(
            f"--column must be NAME=COLUMN, such as accuracy=acc_mmlu; got {text!r}."
        )
    return name, column
