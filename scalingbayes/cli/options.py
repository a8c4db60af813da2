"""Options that commands share, and the tables that they name."""

from pathlib import Path
from typing import Annotated

import typer

from scalingbayes._core.errors import InputError, unknown
from scalingbayes.data import datasets
from scalingbayes.data.readers import read_runs
from scalingbayes.data.runs import Runs

Source = Annotated[
    str, typer.Argument(help="A CSV or Parquet file, or the name of a bundled data set.")
]
Column = Annotated[str | None, typer.Option(metavar="COLUMN", help="Its name in the table.")]
OtherColumns = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=COLUMN",
        help="What another column that the law needs is called; may be repeated.",
    ),
]
Prob = Annotated[float, typer.Option(help="Probability of the credible intervals.")]
Seed = Annotated[int, typer.Option(help="Seed of all that is random.")]


def read_table(source: str, given: dict[str, str | None], others: list[str] | None) -> Runs:
    """Read the table of a command.

    Parameters
    ----------
    source
        A file, or the name of a bundled table.
    given, others
        What its columns are called: by name, and as ``NAME=COLUMN``.

    Raises
    ------
    InputError
        If there is no such table, or it cannot be used.
    """
    columns = {name: column for name, column in given.items() if column is not None}
    columns |= dict(_renaming(each) for each in others or ())
    if not Path(source).is_file() and source in datasets.names():
        runs = datasets.load(source)
        return Runs(runs.frame, name=runs.name, **columns) if columns else runs
    if not Path(source).exists():
        raise unknown("file or bundled data set", source, datasets.names())
    return read_runs(source, **columns)


def _renaming(text: str) -> tuple[str, str]:
    name, equals, column = text.partition("=")
    if not (name and equals and column):
        raise InputError(f"--column takes NAME=COLUMN, such as accuracy=acc_mmlu; got {text!r}.")
    return name, column
