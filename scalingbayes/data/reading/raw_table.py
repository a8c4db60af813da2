"""A table as it was read, before columns are named, rows are chosen and values are checked."""

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from scalingbayes._core.errors import InputError


@dataclass(frozen=True, eq=False)
class RawTable:
    """A table as it was read.

    Parameters
    ----------
    frame
        The table. Rows are numbered from 0, and column names are unique text.
    notes
        What was converted or assumed when the table was read, one sentence each.
    """

    frame: pd.DataFrame
    notes: tuple[str, ...] = ()


def raw_table(frame: pd.DataFrame, notes: Iterable[str] = ()) -> RawTable:
    """Return a DataFrame as a raw table: a meaningful index becomes columns, names become text.

    Values are not changed. An unnamed index of numbers only counts rows, and is dropped.

    Raises
    ------
    InputError
        If two columns have the same name.
    """
    notes = list(notes)
    frame, note = _without_index(frame)
    notes += note
    frame.columns, note = _text_names(frame.columns)
    notes += note
    refuse_same_names(list(frame.columns))
    return RawTable(frame, tuple(notes))


def refuse_same_names(names: list[str], source: str = "") -> None:
    """Raise an error if two columns have the same name, which is an empty text for no name.

    Raises
    ------
    InputError
        If so; the message gives the positions of both columns.
    """
    for position, name in enumerate(names):
        if name and (first := names.index(name)) < position:
            where = f" of {source}" if source else ""
            raise InputError(
                f"Two columns{where} are called {name!r} (columns {first + 1} and "
                f"{position + 1}): rename or drop one."
            )


def listing(names: Iterable[object]) -> str:
    """Return names as text for a message, at most six of them.

    Examples
    --------
    >>> listing(["loss", "tokens"])
    "'loss', 'tokens'"
    """
    names = list(names)
    more = f" and {len(names) - 6} more" if len(names) > 6 else ""
    return ", ".join(map(repr, names[:6])) + more


def _without_index(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Return a copy whose rows are numbered; a named index, or one of labels, becomes columns."""
    index = frame.index
    named = [name for name in index.names if name is not None]
    if not named and index.nlevels == 1 and index.dtype.kind in "iuf":
        return frame.reset_index(drop=True), []
    if not named and index.nlevels == 1 and len(index) == 0:
        return frame.reset_index(drop=True), []
    levels = [
        name if name is not None else ("index" if index.nlevels == 1 else f"index {level + 1}")
        for level, name in enumerate(index.names)
    ]
    columns = {level: index.get_level_values(i) for i, level in enumerate(levels)}
    numbered = frame.reset_index(drop=True)
    left = pd.DataFrame(dict(enumerate(columns.values())))
    left.columns = pd.Index(levels)
    if isinstance(frame.columns, pd.MultiIndex):
        left.columns = pd.MultiIndex.from_tuples(
            [(level, *[""] * (frame.columns.nlevels - 1)) for level in levels]
        )
    note = f"The index of the table is kept as column {listing(levels)}."
    return pd.concat([left, numbered], axis=1), [note]


def _text_names(columns: pd.Index) -> tuple[list[str], list[str]]:
    """Return the names of columns as text; the levels of a name are joined with a dot."""
    if not isinstance(columns, pd.MultiIndex):
        return [str(name).strip() for name in columns], []
    names = [
        ".".join(text for level in name if (text := str(level).strip()) not in ("", "nan"))
        for name in columns
    ]
    return names, [
        f"Column names of {columns.nlevels} levels are joined with a dot: {names[-1]!r}."
    ]
