"""Options that name a table of runs, its columns and its rows; and the table that they name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

import scalingbayes as sb
from scalingbayes._core.errors import unknown

Source = Annotated[
    str,
    typer.Argument(
        help="A file (CSV, JSON, Parquet, Excel, ...), a folder of a tracker, or the name of a "
        "bundled data set."
    ),
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
Where = Annotated[
    str | None,
    typer.Option(
        metavar="CONDITION",
        help="Use only rows that meet a condition on the table's columns, such as "
        "\"State == 'finished'\". Names that are no identifiers stand in backticks.",
    ),
]
DropEmpty = Annotated[
    bool,
    typer.Option(
        "--drop-empty",
        help="Drop rows without a value in a column that is used, and rows at step 0.",
    ),
]
KeepRows = Annotated[
    str | None,
    typer.Option(
        "--keep",
        metavar="best|last",
        help="best: keep the row of least loss of each params and tokens. last: keep the last row "
        "of each run (name its column by --column run_id=NAME).",
    ),
]
UnitsOfColumns = Annotated[
    list[str] | None,
    typer.Option(
        "--unit",
        metavar="COLUMN=UNIT",
        help="Unit of a column: loss=perplexity, tokens=samples, params=non_embedding, "
        "params=billions, compute=PF-days. May be repeated. Default: the unit in the column's "
        "name.",
    ),
]


_RESERVED = {"self", "path", "table", "name", "where", "drop_empty", "keep", "units"}


@dataclass(frozen=True)
class RowOptions:
    """The options that say which rows of a table are used, and in which units."""

    where: str | None = None
    drop_empty: bool = False
    keep: str | None = None
    units: list[str] | None = None


def read_table(
    source: str,
    given: dict[str, str | None],
    others: list[str] | None = None,
    rows: RowOptions | None = None,
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
    rows
        Which rows are used.

    Raises
    ------
    InputError
        If there is no such table, or it cannot be used.
    """
    columns = {name: column for name, column in given.items() if column is not None}
    columns = _parse_all("--column", others, "accuracy=acc_mmlu", columns)
    if reserved := columns.keys() & _RESERVED:
        raise sb.InputError(f"--column cannot name a quantity {min(reserved)!r}: choose another.")
    rows = rows or RowOptions()
    options: dict[str, Any] = {
        "where": rows.where,
        "drop_empty": rows.drop_empty,
        "keep": rows.keep,
        "units": _parse_all("--unit", rows.units, "loss=perplexity", {}),
    }
    if not Path(source).exists() and source in sb.datasets.names():
        return sb.datasets.load(source, columns=columns, **options)
    if not Path(source).exists():
        raise unknown("file or bundled data set", source, sb.datasets.names())
    options |= columns
    return sb.read_runs(source, **options)


def refuse_table_options(
    source: str,
    given: Mapping[str, object],
    others: list[str] | None,
    rows: RowOptions,
) -> None:
    """Refuse the options of tables for a saved posterior, whose table was read before.

    Raises
    ------
    InputError
        If one of them was given.
    """
    named = {f"--{name}": value for name, value in given.items()}
    named |= {"--column": others, "--where": rows.where, "--drop-empty": rows.drop_empty}
    named |= {"--keep": rows.keep, "--unit": rows.units}
    if used := [name for name, value in named.items() if value]:
        raise sb.InputError(
            f"{source} is a saved posterior, whose table was read when it was fitted: leave out "
            f"{', '.join(used)}, or give a table."
        )


def split_loss_unit(units: list[str] | None) -> tuple[str | None, list[str] | None]:
    """Return the unit of losses that the options ``--unit`` state, and the other options."""
    of_loss = [unit for unit in units or () if unit.startswith("loss=")]
    others = [unit for unit in units or () if unit not in of_loss]
    return (of_loss[-1].removeprefix("loss=") if of_loss else None), others


def _parse_all(
    option: str, texts: list[str] | None, example: str, known: dict[str, str]
) -> dict[str, str]:
    """Return the values of an option that may be repeated, beside those that are known."""
    found = dict(known)
    for text in texts or ():
        name, value = _parse(option, text, example)
        if found.get(name, value) != value:
            raise sb.InputError(
                f"{option} {text} contradicts {name}={found[name]}: give one of the two."
            )
        found[name] = value
    return found


def _parse(option: str, text: str, example: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise sb.InputError(f"{option} must be NAME=VALUE, such as {example}; got {text!r}.")
    return name, value
