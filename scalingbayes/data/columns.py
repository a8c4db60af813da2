"""The columns of a table: their names, and the check that a column is numeric."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from scalingbayes._core.domains import Domain
from scalingbayes._core.errors import InputError, unknown

COLUMNS = {
    "params": ("n", "n_params", "num_params", "parameters", "model_size", "size", "model_params"),
    "tokens": ("d", "n_tokens", "num_tokens", "training_tokens", "train_tokens", "data"),
    "compute": ("c", "flops", "flop", "training_flops", "total_flops"),
    "loss": ("l", "val_loss", "eval_loss", "test_loss", "final_loss", "validation_loss"),
}
"""The columns that every table is checked for, each with other names that are in common use."""


def rename(frame: pd.DataFrame, columns: Mapping[str, str]) -> pd.DataFrame:
    """Return the table with the package's column names.

    A column that already has one of these names, and is not renamed itself, becomes
    ``"NAME (unused)"``.

    Parameters
    ----------
    frame
        The table.
    columns
        The name in the table of each renamed column: ``{"loss": "val_loss"}``.

    Raises
    ------
    InputError
        If the table has no such column.
    """
    sources = {str(source): column for column, source in columns.items()}
    for source, column in sources.items():
        if source not in frame:
            remedy = f"Correct the name of the column for {column}."
            raise unknown("column", source, frame.columns, remedy)
    replaced = {name: f"{name} (unused)" for name in columns if name not in sources}
    return frame.rename(columns={**replaced, **sources})


def missing_column(column: str, present: Iterable[str], needed: str = "") -> InputError:
    """Return the error for a missing column, with the column that is probably meant.

    Parameters
    ----------
    column
        The missing column.
    present
        The columns of the table.
    needed
        What needs the column: ``"Law 'chinchilla' reads params, tokens and predicts loss."``.

    Examples
    --------
    >>> str(missing_column("loss", ["params", "val_loss"]))  # doctest: +ELLIPSIS
    "There is no column 'loss'. ... If it is 'val_loss', pass loss='val_loss' to sb.Runs..."
    """
    present = [str(name) for name in present]
    aliases = (column, *COLUMNS.get(column, ()))
    likely = next((name for name in present if name.lower().strip() in aliases), None)
    if likely is None:
        return unknown(
            "column", column, present, f"{needed} Name the column: {_how_to_rename(column, 'NAME')}"
        )
    return InputError(
        f"There is no column {column!r}. Available: {', '.join(map(repr, present))}. {needed} "
        f"If it is {likely!r}, {_how_to_rename(column, likely)}"
    )


def _how_to_rename(column: str, name: str) -> str:
    return (
        f"pass {column}={name!r} to sb.Runs or sb.read_runs, or --column {column}={name} in the "
        f"shell."
    )


def check_column(values: pd.Series, domain: Domain) -> pd.Series:
    """Return a column as floats after a check that every value is a finite number of the domain.

    Nothing is dropped or filled in: an empty cell (NaN, None) is an error, as are text, infinity,
    dates, booleans and complex numbers. Text that is a number, such as ``"7e10"``, is converted.

    Raises
    ------
    InputError
        If a value cannot be used. The message names the column, the first such row (the first row
        of a table is row 1) and what to do.
    """
    column = values.name
    if values.dtype.kind in "bcmM":
        raise InputError(
            f"Column {column!r}, row 1: {values.iloc[0]!r} is not a number; write plain numbers, "
            f"such as 7e10."
        )
    numbers = pd.to_numeric(values, errors="coerce").astype(float)
    text = numbers.isna() & values.notna()
    outside = domain.excludes(numbers.to_numpy())
    correct = "correct the value or drop the row"
    problems: tuple[tuple[Any, str, str], ...] = (
        (text, "is not a number", "write plain numbers, such as 7e10"),
        (numbers.isna(), "is empty", "fill it in or drop the row"),
        (np.isinf(numbers), "is infinite", correct),
        (outside, f"is not {domain.name}", correct),
    )
    for bad, problem, remedy in problems:
        if bad.any():
            row = int(np.argmax(bad))
            more = f" ({int(bad.sum())} such rows)" if bad.sum() > 1 else ""
            raise InputError(
                f"Column {column!r}, row {row + 1}: {values.iloc[row]} {problem}{more}; {remedy}."
            )
    return numbers
