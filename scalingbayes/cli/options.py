"""Options that several commands have, and the table of runs that they name."""

from pathlib import Path
from typing import Annotated

import typer

from scalingbayes._core.errors import InputError, unknown
from scalingbayes.data import datasets
from scalingbayes.data.readers import read_runs
from scalingbayes.data.runs import Runs
from scalingbayes.model.noise_models import NOISE_MODELS

_NOISE_HELP = (
    f"Noise model: {', '.join(NOISE_MODELS)}. Options in parentheses: varying (input or compute "
    f"with which the spread falls), error (column of known standard errors), groups (column whose "
    f"labels share an error), discrepancy (input or compute along which the law's own error "
    f"varies). Default: student_t(varying=compute) if the law divides compute between size and "
    f"tokens, else student_t."
)

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
    float, typer.Option(help="Probability of the credible intervals, between 0 and 1.")
]
Seed = Annotated[int, typer.Option(help="Seed of the random numbers.")]


def read_table(source: str, given: dict[str, str | None], others: list[str] | None = None) -> Runs:
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
    if not Path(source).is_file() and source in datasets.names():
        runs = datasets.load(source)
        return Runs(runs.frame, name=runs.name, **columns) if columns else runs
    if not Path(source).exists():
        raise unknown("file or bundled data set", source, datasets.names())
    return read_runs(source, **columns)


def _parse_column(text: str) -> tuple[str, str]:
    name, equals, column = text.partition("=")
    if not (name and equals and column):
        raise InputError(f"--column must be NAME=COLUMN, such as accuracy=acc_mmlu; got {text!r}.")
    return name, column
