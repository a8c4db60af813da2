"""The table of training runs: checked, completed and unchanged from then on."""

import hashlib
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from scalingbayes._core.checked import checked
from scalingbayes._core.domains import POSITIVE, Domain
from scalingbayes._core.errors import InputError, InputWarning, unknown
from scalingbayes._core.escaping import for_html, for_terminal
from scalingbayes._core.numbers import kind_of, write, write_distinct
from scalingbayes.data.columns import COLUMNS, COUNTS, check_column, missing_column, show_column
from scalingbayes.data.prepare import Options, hashable, prepare
from scalingbayes.data.reading.in_memory import TableLike, as_raw_table
from scalingbayes.data.reading.raw_table import RawTable
from scalingbayes.data.recount import Counted, recount
from scalingbayes.data.row_labels import label_rows
from scalingbayes.data.rows import Keep
from scalingbayes.data.units import Units


@checked
class Runs:
    """A checked table of training runs, one run a row.

    Parameters
    ----------
    table
        A DataFrame, a list of dicts, or a mapping from column names to arrays of one length.
        ``params`` (parameters), ``tokens`` (training tokens) and ``compute`` (training FLOPs) are
        counts; any two of them give the third by compute = 6 * params * tokens. Texts such as
        ``"70M"`` are counts too. Without tokens, columns of steps, batch size and sequence length
        give them. ``loss`` is in any unit, and answers are in the same unit. ``n_layer``,
        ``d_model`` and ``seq_len`` give ``flops_per_token``. Other columns are kept: a law may read
        or predict them.
    name
        The name of the table in output.
    where
        A condition that rows must meet, an expression of ``pandas.DataFrame.query``:
        ``"state == 'finished'"``. Names that are no identifiers stand in backticks.
    drop_empty
        Whether to drop rows that have no value, or an infinite one, in a column that is used, and
        rows at step 0. By default such values are an error.
    keep
        ``"best"`` keeps the row of least loss of each params and tokens, for instance of a sweep of
        learning rates. ``"last"`` keeps the last row of each run, for tables of training curves;
        the column ``run_id`` names the run.
    units
        Units of columns. ``{"loss": "perplexity"}``: the loss is exp(loss), and answers are
        perplexities too. ``{"tokens": "samples"}`` (or bytes, patches ...): what the column counts.
        ``{"params": "non_embedding"}`` (or total, active): which parameters were counted.
        ``{"params": "billions"}``: the column is in billions. ``{"compute": "PF-days"}``. By
        default the unit that a column's name states.
    **columns
        The name in the table of each column that has another name there: ``params="n_params"``;
        None if the table has no such column. Columns that are not named are chosen by their names,
        with a warning, where a single column can be meant.

    Attributes
    ----------
    frame
        The table as a DataFrame, with the package's column names. The index is the number of each
        row in the table that was given, from 0.
    notes
        What was converted, dropped or assumed, one sentence each.
    units
        The units of the columns.
    sources
        The name in the given table of each column that has another name there.

    Raises
    ------
    InputError
        If a value cannot be used. One message lists all problems; each names the column, the first
        such row (the first row of the table is row 1) and what to do.

    Warns
    -----
    InputWarning
        If columns were chosen by their names, tokens were computed from steps, rows are exact
        duplicates, values look like millions or billions, or compute of a few rows contradicts
        params and tokens.

    Notes
    -----
    Missing values (NaN, None, empty cells) are never dropped or filled in unless ``drop_empty`` is
    set. In ``params``, ``tokens``, ``compute`` and ``loss`` they are an error here. Any other
    column is kept as it is; a missing value there is an error once the column is used, as numbers
    (:meth:`column`) or as labels (:meth:`labels`). To fit the complete rows alone, name the column
    and drop the others: ``Runs(table, drop_empty=True, accuracy="accuracy")``.

    Examples
    --------
    >>> table = {"n_params": ["100M", "1B"], "tokens": [2e9, 2e10], "loss": [3.2, 2.5]}
    >>> Runs(table, name="sweep", params="n_params")
    Runs('sweep': 2 rows)
      params   100M to 1B
      tokens   2B to 20B
      compute  1.2e18 to 1.2e20
      loss     2.5 to 3.2
      Column 'n_params' (params) was read from text such as '100M'.
    """

    frame: pd.DataFrame
    name: str
    notes: tuple[str, ...]
    units: Units
    sources: Mapping[str, str]

    def __init__(
        self,
        table: TableLike | RawTable,
        *,
        name: str = "runs",
        where: str | None = None,
        drop_empty: bool = False,
        keep: Keep | None = None,
        units: Mapping[str, str] | None = None,
        **columns: str | None,
    ) -> None:
        options = Options(columns, where, drop_empty, keep, units or {})
        prepared = prepare(as_raw_table(table), options)
        for problem in prepared.warnings:
            warnings.warn(problem, InputWarning, stacklevel=2)
        self.frame, self.name = prepared.frame, name
        self.notes, self.units, self.sources = prepared.notes, prepared.units, prepared.sources

    @classmethod
    def of_frame(
        cls,
        frame: pd.DataFrame,
        name: str,
        notes: tuple[str, ...] = (),
        units: Units | None = None,
        sources: Mapping[str, str] | None = None,
    ) -> "Runs":
        """Return the runs of a table that was checked before, such as a part of another one.

        Parameters
        ----------
        frame
            A table with the package's column names.
        name, notes, units, sources
            As the attributes.
        """
        runs = cls.__new__(cls)
        runs.frame, runs.name = frame, name
        runs.notes, runs.units, runs.sources = notes, units or Units(), sources or {}
        return runs

    def with_frame(self, frame: pd.DataFrame, name: str | None = None) -> "Runs":
        """Return a table that was made from this one, with the same notes, units and sources.

        Parameters
        ----------
        frame
            A table with the package's column names.
        name
            The name of the table; by default this table's.
        """
        return Runs.of_frame(frame, name or self.name, self.notes, self.units, self.sources)

    def shown(self, column: str) -> str:
        """Return what messages call a column: its name in the user's table, and the package's."""
        return show_column(column, self.sources.get(column, column))

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
            raise missing_column(name, self.frame)
        return check_column(self.frame, name, domain, self.shown(name)).to_numpy()

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
            row = label_rows(self.frame)[int(np.argmax(values.isna()))]
            raise InputError(
                f"Column {self.shown(name)}, {row}: the label is empty; fill it in or drop the row."
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
            label: self.with_frame(self.frame[labels == label], f"{self.name}, {by} {label}")
            for label in pd.unique(labels)
        }

    def with_losses(
        self, losses: Iterable[str], *, drop_empty: bool = False, unit: str | None = None
    ) -> dict[str, "Runs"]:
        """Return the same runs with each of several losses, for :func:`scalingbayes.fit_many`.

        Parameters
        ----------
        losses
            Columns of evaluation losses. Perplexities, as their names say, become losses.
        drop_empty
            Whether to drop, for each loss, the runs that have no value.
        unit
            The unit of all losses, such as ``"perplexity"``; by default the unit that each name
            states.

        Raises
        ------
        InputError
            If a column is missing or has a value that cannot be used.

        Examples
        --------
        >>> runs = Runs({"params": [1e8, 1e9], "c4_loss": [3.2, 2.5], "pile_loss": [2.9, 2.2]})
        >>> tables = runs.with_losses(["c4_loss", "pile_loss"])
        >>> {name: table.column("loss").tolist() for name, table in tables.items()}
        {'c4_loss': [3.2, 2.5], 'pile_loss': [2.9, 2.2]}
        """
        found = {}
        for column in losses:
            is_read = "loss" in self.frame and column == self.sources.get("loss", "loss")
            if is_read and unit in (None, self.units.loss):
                found[column] = self.with_frame(self.frame, f"{self.name}, {column}")
                continue
            source = "loss" if is_read and column not in self.frame else column
            if source not in self.frame or column in COUNTS:
                raise unknown("loss", column, map(str, self.frame), "Name a column of losses.")
            raw = RawTable(self.frame[[source]].set_axis([column], axis=1))
            units = {} if unit is None else {"loss": unit}
            options = Options({"loss": column}, drop_empty=drop_empty, units=units, propose=False)
            prepared = prepare(raw, options)
            frame = self.frame.loc[prepared.frame.index].assign(loss=prepared.frame["loss"])
            of_loss = replace(self.units, loss=prepared.units.loss)
            notes = (*self.notes, *prepared.notes)
            sources = {**self.sources, "loss": column}
            found[column] = Runs.of_frame(frame, f"{self.name}, {column}", notes, of_loss, sources)
        return found

    def count_params(
        self, counted: Counted, *, vocab: float | None = None, matrices: int = 1
    ) -> "Runs":
        """Return the same runs with params counted with or without embeddings.

        Parameters
        ----------
        counted
            ``"total"`` or ``"non_embedding"``.
        vocab
            Size of the vocabulary; by default the column ``n_vocab`` or ``vocab_size``.
        matrices
            Number of embedding matrices of a model: 1 if input and output share one, 2 if not.

        Returns
        -------
        Runs
            Compute that was derived from params is derived again; measured compute is kept.

        Raises
        ------
        InputError
            If it is not known what params counts now (``units={"params": ...}``), or the table
            lacks the width of the models (``d_model``) or the vocabulary.

        Examples
        --------
        >>> table = {"params": [1e8], "tokens": [2e9], "loss": [3.2], "d_model": [768]}
        >>> runs = Runs(table, units={"params": "total"})
        >>> runs.count_params("non_embedding", vocab=50_000).column("params").tolist()
        [61600000.0]
        """
        frame, note = recount(self.frame, self.units.params, counted, vocab, matrices)
        units = replace(self.units, params=counted)
        return Runs.of_frame(frame, self.name, (*self.notes, note), units, self.sources)

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
        if not mask.any():
            raise InputError("filter keeps no run: give at least one True.")
        return self.with_frame(self.frame[mask])

    @property
    def digest(self) -> str:
        """SHA-256 of the table's column names and values, in hexadecimal digits."""
        hashed = hashlib.sha256("\0".join(self.frame.columns).encode())
        rows = pd.util.hash_pandas_object(hashable(self.frame), index=False)
        hashed.update(rows.to_numpy().tobytes())
        return hashed.hexdigest()

    def __repr__(self) -> str:
        ranges = "".join(
            f"\n  {column:8} {_write_range(self.frame[column])}"
            for column in COLUMNS
            if column in self.frame
        )
        others = [column for column in self.frame if column not in COLUMNS]
        return for_terminal(
            f"Runs({self.name!r}: {len(self)} rows){ranges}"
            + (f"\n  and {', '.join(map(str, others))}" if others else "")
            + "".join(f"\n  {note}" for note in self.notes)
        )

    def _repr_html_(self) -> str:
        title = f"{for_html(self.name)}: {len(self)} training runs"
        notes = "<br>".join(map(for_html, self.notes))
        formatters = {
            name: partial(write, kind=kind_of(name)) for name in COLUMNS if name in self.frame
        }
        table = self.frame.to_html(max_rows=10, formatters=formatters)
        return f"<p>{title}</p>{table}<p>{notes}</p>"


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


def _write_range(values: pd.Series) -> str:
    kind = kind_of(str(values.name))
    return " to ".join(write_distinct([values.min(), values.max()], kind))
