"""From a table as it was read to a table of runs: columns, rows, units, checks."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from scalingbayes._core.domains import POSITIVE, REAL
from scalingbayes._core.errors import InputError
from scalingbayes.data.column_choice import (
    Choice,
    choose_columns,
    describe_ambiguous,
    describe_choice,
    is_other_data,
)
from scalingbayes.data.columns import (
    COLUMNS,
    COUNTS,
    are_usable,
    find_problems,
    read_numbers,
    rename,
    show_column,
)
from scalingbayes.data.counts import is_plain, states_multiple
from scalingbayes.data.derived import derive
from scalingbayes.data.reading.raw_table import RawTable
from scalingbayes.data.row_labels import label_rows
from scalingbayes.data.rows import (
    RUN,
    count_dropped,
    describe_unfinished,
    keep_rows,
    select,
    without_values,
)
from scalingbayes.data.units import Units, convert, read_units

_RUN_NAMES = ("run", "run_name", "name", "Name", "ID", "id", "run_uuid")


@dataclass(frozen=True)
class Options:
    """How a table is read: the arguments of :class:`~scalingbayes.Runs`.

    Parameters
    ----------
    columns
        The name in the table of each column that has another name there; None if the table has no
        such column.
    where, drop_empty, keep, units
        See :class:`~scalingbayes.Runs`.
    propose
        Whether columns that are not named are chosen by their names.
    """

    columns: Mapping[str, str | None] = field(default_factory=dict)
    where: str | None = None
    drop_empty: bool = False
    keep: str | None = None
    units: Mapping[str, str] = field(default_factory=dict)
    propose: bool = True


@dataclass(frozen=True, eq=False)
class Prepared:
    """A table of runs, and what was done to it.

    Parameters
    ----------
    frame
        The table, checked and completed. The index is the number of each row in the table that was
        read, from 0.
    notes
        What was converted, dropped or assumed, one sentence each.
    warnings
        What is probably a mistake.
    units
        The units of the columns.
    sources
        The name in the given table of each column that has another name there.
    """

    frame: pd.DataFrame
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    units: Units
    sources: Mapping[str, str]


def prepare(raw: RawTable, options: Options) -> Prepared:
    """Return a table of runs: chosen columns and rows, in the package's units, checked.

    Parameters
    ----------
    raw
        The table as it was read.
    options
        How to read it.

    Raises
    ------
    InputError
        If a value cannot be used. One message lists all problems of the table.
    """
    frame, notes, warnings = raw.frame, list(raw.notes), list[str]()
    if frame.empty:
        raise InputError("The table has no rows: give one row for each training run.")
    if options.where is not None:
        selected = select(frame, options.where)
        if len(selected) < len(frame):
            notes.append(f"Kept {len(selected)} of {len(frame)} rows: {options.where}.")
        frame = selected
    given = {column: name for column, name in options.columns.items() if name is not None}
    choice = _choose(frame, options)
    if (choices := describe_choice(choice.chosen)) is not None:
        notes.append(choices[0])
        warnings.append(" ".join(choices))
    notes += filter(None, [describe_ambiguous(choice)])
    warnings += filter(None, [describe_unfinished(frame)])
    sources = {**given, **choice.chosen}
    # A chosen column is also kept under its own name, by which a law may read it.
    chosen = {name: frame[source] for name, source in choice.chosen.items()}
    frame = rename(frame, given).assign(**chosen)
    sources |= {name: name for name in COLUMNS if name in frame and name not in sources}
    if "compute" in choice.chosen and {"params", "tokens"} <= set(frame.columns):
        notes += _leave_out_if_unusable(frame, sources, "compute")
    if options.drop_empty:
        frame, dropped = _drop_empty(frame, sources)
        notes += dropped
    texts, read = _check_values(frame, sources)
    units, converted = convert(frame, read_units(options.units, sources), options.units, texts)
    notes += [*read, *converted]
    derived, doubtful = derive(frame, sources, choice.ambiguous, units)
    notes += derived
    warnings += doubtful
    if options.keep is not None:
        frame, note = keep_rows(frame, options.keep)
        notes.append(note)
    warnings += filter(None, [_duplicates(frame)])
    renamed = {column: source for column, source in sources.items() if source != column}
    return Prepared(frame, tuple(notes), tuple(warnings), units, renamed)


def _choose(frame: pd.DataFrame, options: Options) -> Choice:
    """Return the columns that are chosen by their names, and those that are ambiguous."""
    if not options.propose:
        return Choice()
    with_values = {str(name) for name in frame.columns if not frame[name].isna().all()}
    known = {*options.columns, *with_values}
    wanted = [name for name in COLUMNS if name not in known]
    taken = [name for name in options.columns.values() if name is not None]
    found = choose_columns(frame, wanted, taken)
    chosen = dict(found.chosen)
    sized = {"params", "compute"} & {*known, *chosen}
    if "tokens" in chosen and is_other_data(chosen["tokens"]) and not sized:
        del chosen["tokens"]  # the table is of one quantity, which a law reads under its own name
    if options.keep == "last" and RUN not in known and {*_RUN_NAMES} & {*frame.columns}:
        chosen[RUN] = next(name for name in _RUN_NAMES if name in frame)
    return Choice(chosen, found.ambiguous)


def _leave_out_if_unusable(
    frame: pd.DataFrame, sources: dict[str, str], column: str
) -> Iterator[str]:
    """Delete a column that was chosen but is not needed if a value cannot be used; say so."""
    if not are_usable(read_numbers(frame[column], counts=True), POSITIVE):
        yield f"Column {sources[column]!r} is not used as {column}: some rows have no value."
        del frame[column], sources[column]


def _drop_empty(frame: pd.DataFrame, sources: Mapping[str, str]) -> tuple[pd.DataFrame, list[str]]:
    """Return the rows that can be used, and a sentence on the others."""
    needed = [name for name in sources if name in frame]
    progress = choose_columns(frame, ["steps", "batch_size", "seq_len"]).chosen
    if "tokens" not in frame:
        needed += progress.values()
    steps = [progress["steps"]] if "steps" in progress else []
    reasons = without_values(frame, dict.fromkeys(needed), steps)
    if not reasons:
        return frame, []
    unusable = np.logical_or.reduce(list(reasons.values()))
    if unusable.all():
        raise InputError(
            f"No row has a value in each of {', '.join(map(repr, needed))}: name other columns, or "
            f"fill them in."
        )
    return frame[~unusable].copy(), [count_dropped(reasons, len(frame))]


def _check_values(
    frame: pd.DataFrame, sources: Mapping[str, str]
) -> tuple[dict[str, str], list[str]]:
    """Make the columns floats, in place, and raise all problems at once.

    Returns
    -------
    tuple
        A text of each column that had texts such as ``"70M"``, and notes.
    """
    texts: dict[str, str] = {}
    labels: list[str] | None = None
    problems: list[str] = []
    notes: list[str] = []
    for column in COLUMNS:
        if column not in frame:
            continue
        values, source = frame[column], sources[column]
        numbers = read_numbers(values, counts=column in COUNTS)
        shown = show_column(column, source)
        domain = REAL if column == "loss" else POSITIVE
        if not are_usable(numbers, domain):
            labels = labels or label_rows(frame)
            problems += find_problems(values, numbers, domain, labels, shown)
        cells = () if values.dtype.kind in "iuf" else values
        words = [x for x in cells if isinstance(x, str) and not is_plain(x)]
        if words and not problems:
            notes.append(f"Column {shown} was read from text such as {words[0]!r}.")
            own = [x for x in words if states_multiple(x)]
            if own and column in COUNTS:
                texts[column] = own[0]
        frame[column] = numbers
    if len(problems) == 1:
        raise InputError(problems[0])
    if problems:
        raise InputError("\n  ".join([f"The table has {len(problems)} problems:", *problems]))
    return texts, notes


def _duplicates(frame: pd.DataFrame) -> str:
    """Return a warning about rows that repeat an earlier row, or ""."""
    duplicated = hashable(frame).duplicated()
    if not duplicated.any():
        return ""
    first = int(frame.index[int(np.argmax(duplicated))]) + 1
    return (
        f"{int(duplicated.sum())} rows repeat an earlier row exactly (the first is row {first}). "
        f"They are kept and count as separate runs: drop them if they are copies."
    )


def hashable(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the table with columns that pandas cannot compare, such as lists, as text."""
    others = [column for column in frame if frame[column].dtype == object]
    return frame.astype(dict.fromkeys(others, str))
