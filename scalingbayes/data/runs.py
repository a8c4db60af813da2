"""The table of training runs: checked, completed and unchanged from then on."""

import hashlib
import warnings
from collections.abc import Iterable, Iterator
from html import escape
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from scalingbayes._core.domains import POSITIVE, REAL, Domain
from scalingbayes._core.errors import InputError, InputWarning, unknown
from scalingbayes.data.columns import COLUMNS, check_column, missing_column, rename
from scalingbayes.data.derived import add_flops_per_token, add_missing_count
from scalingbayes.data.reading.in_memory import TableLike, as_raw_table
from scalingbayes.data.reading.raw_table import RawTable

_SUSPICIOUS = {"params": 1e4, "tokens": 1e5, "compute": 1e9}
"""Counts below these are probably in thousands, millions or billions."""


class Runs:
    """A checked table of training runs, one run a row.

    Parameters
    ----------
    table
        A DataFrame, or a mapping from column names to arrays of one length. ``params``
        (parameters), ``tokens`` (training tokens) and ``compute`` (training FLOPs) are counts; any
        two of them give the third by compute = 6 * params * tokens. ``loss`` is in any unit, and
        answers are in the same unit. ``n_layer``, ``d_model`` and ``seq_len`` give
        ``flops_per_token``. Other columns are kept: a law may read or predict them.
    name
        The name of the table in output.
    **columns
        The name in the table of each column that has another name there: ``params="n_params"``.

    Attributes
    ----------
    frame
        The table as a DataFrame, with the package's column names.
    notes
        What was converted, dropped or assumed when the table was read, one sentence each.

    Raises
    ------
    InputError
        If a value cannot be used. The message names the column, the first such row (the first row
        of the table is row 1) and what to do.

    Warns
    -----
    InputWarning
        If rows are exact duplicates, values look like millions or billions, or compute differs
        from 6 * params * tokens.

    Notes
    -----
    Missing values (NaN, None, empty cells) are never dropped or filled in. In ``params``,
    ``tokens``, ``compute`` and ``loss`` they are an error here. Any other column is kept as it is;
    a missing value there is an error once the column is used, as numbers (:meth:`column`) or as
    labels (:meth:`labels`). To fit the complete rows alone, drop the others first, for instance
    with ``runs.filter(runs.frame["accuracy"].notna())``.

    Examples
    --------
    >>> table = {"n_params": [1e8, 1e9], "tokens": [2e9, 2e10], "loss": [3.2, 2.5]}
    >>> Runs(table, name="sweep", params="n_params")
    Runs('sweep': 2 rows)
      params   1e+08 to 1e+09
      tokens   2e+09 to 2e+10
      compute  1.2e+18 to 1.2e+20
      loss     2.5 to 3.2
    """

    def __init__(self, table: TableLike | RawTable, *, name: str = "runs", **columns: str) -> None:
        raw = as_raw_table(table)
        frame = rename(raw.frame, columns)
        if frame.empty:
            raise InputError("The table has no rows: give one row for each training run.")
        for column in COLUMNS:
            if column in frame:
                frame[column] = check_column(frame[column], REAL if column == "loss" else POSITIVE)
        for problem in _small_counts(frame):
            warnings.warn(problem, InputWarning, stacklevel=2)
        for problem in (add_missing_count(frame), _duplicates(frame)):
            if problem:
                warnings.warn(problem, InputWarning, stacklevel=2)
        add_flops_per_token(frame)
        self.frame = frame
        self.name = name
        self.notes = raw.notes

    def __len__(self) -> int:
        return len(self.frame)

    def column(self, name: str, domain: Domain = POSITIVE) -> Float[np.ndarray, " runs"]:
        """Return a column of numbers.

        Parameters
        ----------
        name
            The column.
        domain
            The numbers that are allowed.

        Raises
        ------
        InputError
            If the column is missing, or a value is missing or not a finite number of the domain.
        """
        if name not in self.frame:
            raise missing_column(name, self.frame.columns)
        return check_column(self.frame[name], domain).to_numpy()

    def labels(self, name: str) -> np.ndarray:
        """Return a column of labels, such as the id of a run or its IsoFLOP budget.

        Raises
        ------
        InputError
            If the column is missing or has empty cells.
        """
        if name not in self.frame:
            raise unknown("column", name, map(str, self.frame), "Give one of these.")
        values = self.frame[name]
        if values.isna().any():
            row = int(np.argmax(values.isna()))
            raise InputError(
                f"Column {name!r}, row {row + 1}: the label is empty; fill it in or drop the row."
            )
        return values.to_numpy()

    def split(self, by: str) -> dict[Any, "Runs"]:
        """Return one table for each label of a column, for :func:`scalingbayes.fit_many`.

        Raises
        ------
        InputError
            If the column is missing or has empty cells.

        Examples
        --------
        >>> runs = Runs({"loss": [3.2, 2.5, 2.9], "corpus": ["c4", "c4", "pile"]})
        >>> {corpus: len(table) for corpus, table in runs.split("corpus").items()}
        {'c4': 2, 'pile': 1}
        """
        labels = self.labels(by)
        return {
            label: Runs(self.frame[labels == label], name=f"{self.name}, {by} {label}")
            for label in pd.unique(labels)
        }

    def filter(self, keep: Iterable[bool]) -> "Runs":
        """Return the runs for which ``keep`` is true, such as ``runs.frame["loss"] < 4``.

        Raises
        ------
        InputError
            If ``keep`` is not one boolean for each run, or keeps none.
        """
        mask = np.asarray(keep)
        if mask.dtype != bool or mask.shape != (len(self),):
            raise InputError(
                f"filter needs {len(self)} booleans, one for each run; got {mask.dtype} of shape "
                f"{mask.shape}."
            )
        return Runs(self.frame[mask], name=self.name)

    @property
    def digest(self) -> str:
        """SHA-256 of the table's column names and values, in hexadecimal digits."""
        hashed = hashlib.sha256("\0".join(self.frame.columns).encode())
        rows = pd.util.hash_pandas_object(_hashable(self.frame), index=False)
        hashed.update(rows.to_numpy().tobytes())
        return hashed.hexdigest()

    def __repr__(self) -> str:
        ranges = "".join(
            f"\n  {column:8} {self.frame[column].min():.4g} to {self.frame[column].max():.4g}"
            for column in COLUMNS
            if column in self.frame
        )
        others = [column for column in self.frame if column not in COLUMNS]
        return f"Runs({self.name!r}: {len(self)} rows){ranges}" + (
            f"\n  and {', '.join(map(str, others))}" if others else ""
        )

    def _repr_html_(self) -> str:
        title = f"{escape(self.name)}: {len(self)} training runs"
        return f"<p>{title}</p>{self.frame.to_html(max_rows=10)}"


Table = Runs | TableLike
"""A table of training runs, checked or not."""


def as_runs(table: Table, name: str = "runs") -> Runs:
    """Return a table as :class:`Runs`.

    Raises
    ------
    InputError
        If the table cannot be used: see :class:`Runs`.
    """
    return table if isinstance(table, Runs) else Runs(table, name=name)


def _small_counts(frame: pd.DataFrame) -> Iterator[str]:
    """Yield warnings about counts that are probably in millions or billions."""
    for column, smallest in _SUSPICIOUS.items():
        if column not in frame:
            continue
        values = frame[column]
        small = values < smallest
        if values.median() < smallest:
            yield (
                f"Column {column!r} has a median of {values.median():.4g}: it looks like "
                f"thousands, millions or billions. Exponents are not affected, but answers will "
                f"be in the same unit, and compute = 6 * params * tokens holds for counts only. "
                f"Multiply the column to get counts, for instance by 1e6 or 1e9."
            )
            return  # compute that was derived from this column is small for the same reason
        if small.any():
            row = int(np.argmax(small))
            yield (
                f"Column {column!r}, row {row + 1}: {values.iloc[row]:.4g} looks like millions or "
                f"billions among counts ({int(small.sum())} such rows). Correct these rows: they "
                f"distort every answer."
            )


def _duplicates(frame: pd.DataFrame) -> str:
    """Return a warning about rows that repeat an earlier row, or ""."""
    duplicated = _hashable(frame).duplicated()
    if not duplicated.any():
        return ""
    return (
        f"{int(duplicated.sum())} rows repeat an earlier row exactly (the first is row "
        f"{int(np.argmax(duplicated)) + 1}). They are kept and count as separate runs: drop them "
        f"if they are copies."
    )


def _hashable(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the table with columns that pandas cannot compare, such as lists, as text."""
    others = [column for column in frame if frame[column].dtype == object]
    return frame.astype(dict.fromkeys(others, str))
