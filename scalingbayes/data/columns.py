"""The columns of a table: their names, and the check that a column is numeric."""

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from scalingbayes._core.domains import LARGEST_CELL, SMALLEST_CELL, Domain
from scalingbayes._core.errors import InputError, unknown
from scalingbayes.data.column_choice import choose_columns
from scalingbayes.data.counts import is_empty, parse_count, parse_number, size_in_name
from scalingbayes.data.row_labels import label_rows

COLUMNS = ("params", "tokens", "compute", "loss")
"""The columns that every table is checked for."""

_DROP = "drop_empty=True (--drop-empty in the shell)"
_LISTED = 60  # columns that a message lists

COUNTS = ("params", "tokens", "compute")
"""Of these, the columns in which a text such as ``"70M"`` is a number."""


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
        If the table has no such column, or a column is named for two quantities.
    """
    sources: dict[str, str] = {}
    for column, source in columns.items():
        if not isinstance(source, str):
            raise InputError(
                f"{column} must be the name of a column, such as {column}='NAME'; got {source!r}."
            )
        if source in sources:
            raise InputError(
                f"Column {source!r} cannot be both {sources[source]} and {column}: name another "
                f"column for one of the two."
            )
        if source not in frame:
            remedy = f"Correct the name of the column for {column}."
            raise unknown("column", source, frame.columns, remedy)
        sources[source] = column
    replaced = {
        name: f"{name} (unused)"
        for name in columns
        if name not in sources and columns[name] != name
    }
    return frame.rename(columns={**replaced, **sources})


def missing_columns(missing: Sequence[str], frame: pd.DataFrame, needed: str = "") -> InputError:
    """Return the error for missing columns, with the columns that are probably meant.

    Parameters
    ----------
    missing
        The missing columns.
    frame
        The table.
    needed
        What needs the columns: ``"Law 'chinchilla' reads params, tokens and predicts loss."``.

    Examples
    --------
    >>> table = pd.DataFrame({"params": [1e8], "c4_loss": [3.1], "pile_loss": [2.9]})
    >>> str(missing_columns(["loss"], table))  # doctest: +ELLIPSIS
    "There is no column 'loss'. ... Candidates for loss: 'c4_loss', 'pile_loss'. Name the column..."
    """
    present = [str(name) for name in frame.columns]
    hints = []
    for column in missing:
        known = choose_columns(frame, [column]) if column in COLUMNS else None
        if known and (candidates := known.ambiguous.get(column) or [*known.chosen.values()]):
            hints.append(f"Candidates for {column}: {', '.join(map(repr, candidates))}.")
    named = missing[0] if len(missing) == 1 else None
    if named and not hints:
        near = difflib.get_close_matches(named, present, n=1, cutoff=0.5)
        listed = list(dict.fromkeys([*near, *present[:_LISTED]]))
        return unknown("column", named, listed, f"{needed} Name the column: {_how(missing)}")
    names = " and no column ".join(map(repr, missing))
    listing = ", ".join(map(repr, present[:_LISTED])) + (", ..." if len(present) > _LISTED else "")
    parts = [f"There is no column {names}.", f"Available: {listing}.", needed, *hints]
    noun = "column" if named else "columns"
    return InputError(" ".join(filter(None, [*parts, f"Name the {noun}: {_how(missing)}"])))


def missing_column(column: str, frame: pd.DataFrame, needed: str = "") -> InputError:
    """Return the error for one missing column: see :func:`missing_columns`."""
    return missing_columns([column], frame, needed)


def _how(columns: Iterable[str]) -> str:
    columns = list(columns)
    python = ", ".join(f"{column}='NAME'" for column in columns)
    shell = " ".join(
        f"--{column} NAME" if column in COLUMNS else f"--column {column}=NAME" for column in columns
    )
    return f"pass {python} to sb.Runs or sb.read_runs, or {shell} in the shell."


def read_numbers(values: pd.Series, *, counts: bool = False) -> pd.Series:
    """Return a column as floats; NaN where a cell is empty or holds no number.

    Parameters
    ----------
    values
        The column.
    counts
        Whether texts such as ``"70M"`` are numbers. If no cell is a number, and each cell contains
        one size, as in ``"pythia-70m"``, these sizes are returned.
    """
    if values.dtype.kind in "iuf":
        return pd.Series(values.to_numpy(float, na_value=np.nan), values.index, name=values.name)
    if values.dtype.kind in "bcmM":
        return pd.Series(np.nan, values.index, name=values.name)
    parse: Callable[[Any], float] = parse_count if counts else parse_number
    numbers = np.array([parse(cell) for cell in values.astype(object)], float)
    if counts and np.isnan(numbers).all():
        cells = [cell for cell in values if not is_empty(cell)]
        if np.isfinite([size_in_name(cell) for cell in cells]).all():
            numbers = np.array([size_in_name(cell) for cell in values], float)
    return pd.Series(numbers, values.index, name=values.name)


def are_usable(numbers: pd.Series, domain: Domain) -> bool:
    """Return whether all numbers are finite, of the domain, and not too extreme."""
    found = numbers.to_numpy()
    bad = ~np.isfinite(found) | domain.excludes(found) | too_extreme(found, domain)
    return not bad.any()


def too_extreme(found: Float[np.ndarray, " runs"], domain: Domain) -> Bool[np.ndarray, " runs"]:
    """Return which numbers are too large or too small for a fit."""
    return domain.too_extreme(found, LARGEST_CELL, SMALLEST_CELL)


def show_column(column: str, source: str) -> str:
    """Return what messages call a column: its name in the user's table, and the package's."""
    return repr(column) if source == column else f"{source!r} ({column})"


def find_problems(
    values: pd.Series,
    numbers: pd.Series,
    domain: Domain,
    labels: Sequence[str],
    column: str | None = None,
) -> list[str]:
    """Return a sentence for each kind of value in a column that cannot be used.

    Parameters
    ----------
    values
        The column as it was given.
    numbers
        The same column from :func:`read_numbers`.
    domain
        The numbers that are allowed.
    labels
        What to call each row.
    column
        What to call the column; by default its name.
    """
    is_number = numbers.notna().to_numpy()
    empty = np.array([not ok and is_empty(x) for ok, x in zip(is_number, values, strict=True)])
    text = ~is_number & ~empty
    found = numbers.to_numpy()
    infinite = np.isinf(found)
    outside: Float[np.ndarray, " runs"] = domain.excludes(found) & ~infinite & is_number
    extreme = too_extreme(found, domain) & ~outside
    plain = "write plain numbers, such as 7e10"
    problems = (
        (text, "is not a number", plain),
        (empty, "is empty", f"fill it in, or drop rows without values by {_DROP}"),
        (infinite, "is infinite", f"correct the value, or drop the row by {_DROP}"),
        (outside, f"is not {domain.name}", "correct the value or drop the row"),
        (
            extreme,
            f"is not between {SMALLEST_CELL:g} and {LARGEST_CELL:g} in size",
            "correct the value",
        ),
    )
    name, sentences = column or repr(values.name), []
    for bad, problem, remedy in problems:
        if not bad.any():
            continue
        row = int(np.argmax(bad))
        more = f" ({int(bad.sum())} such rows)" if bad.sum() > 1 else ""
        cell = values.iloc[row]
        if bad is text:
            remedy = _remedy_for_text(cell, plain)
        shown = "the cell" if bad is empty else str(cell)
        sentences.append(f"Column {name}, {labels[row]}: {shown} {problem}{more}; {remedy}.")
    return sentences


def _remedy_for_text(cell: Any, plain: str) -> str:
    if isinstance(cell, str):
        text = cell.strip()
        if text.isalpha():
            return (
                "correct the value, or leave out such rows by a condition, where= (--where in the "
                "shell)"
            )
        if text.endswith("%"):
            return "write fractions, such as 0.45 for 45%"
        if text.count(",") == 1 and not text.replace(",", "").strip("-+").isalpha():
            return "write a decimal point in place of the comma, such as 3.1"
    return plain


def check_column(
    frame: pd.DataFrame, name: str, domain: Domain, shown: str | None = None
) -> pd.Series:
    """Return a column as floats after a check that every value is a finite number of the domain.

    Nothing is dropped or filled in: an empty cell (NaN, None) is an error, as are text, infinity,
    dates, booleans and complex numbers. Text that is a number, such as ``"7e10"``, is converted.

    Parameters
    ----------
    frame
        The table.
    name
        The column.
    domain
        The numbers that are allowed.
    shown
        What messages call the column; by default its name.

    Raises
    ------
    InputError
        If a value cannot be used. The message names the column, the first such row and what to do.
    """
    numbers = read_numbers(frame[name], counts=name in COUNTS)
    # Rows are labelled only if there is a problem: labels of millions of rows take seconds.
    if are_usable(numbers, domain):
        return numbers
    raise InputError(
        " ".join(find_problems(frame[name], numbers, domain, label_rows(frame), shown))
    )
