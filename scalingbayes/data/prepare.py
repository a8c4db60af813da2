"""From a table as it was read to a table of runs: columns, rows, units, checks."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from scalingbayes._core.domains import POSITIVE, REAL
from scalingbayes._core.errors import InputError
from scalingbayes.data.column_choice import choose_columns, describe_choice, is_other_data
from scalingbayes.data.columns import COLUMNS, COUNTS, find_problems, read_numbers, rename
from scalingbayes.data.counts import parse_number
from scalingbayes.data.derived import (
    add_flops_per_token,
    add_missing_count,
    describe_compute,
    tokens_from_steps,
)
from scalingbayes.data.reading.raw_table import RawTable
from scalingbayes.data.rows import (
    RUN,
    count_dropped,
    keep_rows,
    label_rows,
    select,
    without_values,
)
from scalingbayes.data.units import Units, convert, read_units

_SUSPICIOUS = {"params": 1e4, "tokens": 1e5, "compute": 1e9}
"""Counts below these are probably in thousands, millions or billions."""

_RUN_NAMES = ("run", "run_name", "name", "Name", "ID", "id", "run_uuid")


@dataclass(frozen=True)
class Options:
    """How a table is read: the arguments of :class:`~scalingbayes.Runs`.

    Parameters
    ----------
    columns
        The name in the table of each column that has another name there.
    where, drop_empty, keep, units
        See :class:`~scalingbayes.Runs`.
    propose
        Whether columns that are not named are chosen by their names.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
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
    frame, notes = raw.frame, list(raw.notes)
    if frame.empty:
        raise InputError("The table has no rows: give one row for each training run.")
    if options.where is not None:
        selected = select(frame, options.where)
        notes.append(f"Kept {len(selected)} of {len(frame)} rows: {options.where}.")
        frame = selected
    given, chosen = _name_columns(frame, options)
    warnings = []
    if chosen:
        read, how = describe_choice(chosen)
        notes.append(read)
        warnings.append(f"{read} {how}")
    sources = {**given, **chosen}
    # A chosen column is also kept under its own name, by which a law may read it.
    frame = rename(frame, given).assign(**{name: frame[chosen[name]] for name in chosen})
    sources |= {name: name for name in COLUMNS if name in frame and name not in sources}
    if options.drop_empty:
        frame, dropped = _drop_empty(frame, sources, given)
        notes += dropped
    notes += _check_values(frame, sources)
    units, converted = convert(frame, read_units(options.units, sources), options.units)
    notes += converted
    if "tokens" not in frame:
        tokens, note = tokens_from_steps(frame)
        if tokens is not None and not {"params", "compute"} <= set(frame.columns):
            frame["tokens"] = tokens
            notes.append(note)
            warnings.append(note)
    warnings += _small_counts(frame)
    add_missing_count(frame)
    note, warning = describe_compute(frame)
    notes += filter(None, [note])
    warnings += filter(None, [warning])
    add_flops_per_token(frame)
    if options.keep is not None:
        frame, note = keep_rows(frame, options.keep)
        notes.append(note)
    warnings += filter(None, [_duplicates(frame)])
    renamed = {column: source for column, source in sources.items() if source != column}
    return Prepared(frame, tuple(notes), tuple(warnings), units, renamed)


def _name_columns(frame: pd.DataFrame, options: Options) -> tuple[dict[str, str], dict[str, str]]:
    """Return the columns that the caller named, and those that were chosen by their names."""
    given = dict(options.columns)
    if not options.propose:
        return given, {}
    known = {*given, *map(str, frame.columns)}
    wanted = [name for name in COLUMNS if name not in known]
    chosen = choose_columns(frame, wanted, given.values()).chosen
    sized = {"params", "compute"} & {*known, *chosen}
    if "tokens" in chosen and is_other_data(chosen["tokens"]) and not sized:
        del chosen["tokens"]  # the table is of one quantity, which a law reads under its own name
    if options.keep == "last" and RUN not in known and {*_RUN_NAMES} & {*frame.columns}:
        chosen[RUN] = next(name for name in _RUN_NAMES if name in frame)
    return given, chosen


def _drop_empty(
    frame: pd.DataFrame, sources: Mapping[str, str], given: Mapping[str, str]
) -> tuple[pd.DataFrame, list[str]]:
    """Return the rows that can be used, and a sentence on the others."""
    needed = [name for name in {**sources, **given} if name in frame]
    if "tokens" not in frame:
        needed += choose_columns(frame, ["steps", "batch_size", "seq_len"]).chosen.values()
    reasons = without_values(frame, dict.fromkeys(needed))
    if not reasons:
        return frame, []
    unusable = np.logical_or.reduce(list(reasons.values()))
    if unusable.all():
        raise InputError(
            f"No row has a value in each of {', '.join(map(repr, needed))}: name other columns, or "
            f"fill them in."
        )
    return frame[~unusable].copy(), [count_dropped(reasons, len(frame))]


def _check_values(frame: pd.DataFrame, sources: Mapping[str, str]) -> list[str]:
    """Make the columns floats, in place; raise all problems at once; return notes."""
    labels: list[str] | None = None
    problems: list[str] = []
    notes: list[str] = []
    for column in COLUMNS:
        if column not in frame:
            continue
        values, source = frame[column], sources[column]
        numbers = read_numbers(values, counts=column in COUNTS)
        shown = repr(column) if source == column else f"{source!r} ({column})"
        domain = REAL if column == "loss" else POSITIVE
        if not np.isfinite(numbers).all() or domain.excludes(numbers.to_numpy()).any():
            labels = labels or label_rows(frame)
            problems += find_problems(values, numbers, domain, labels, shown)
        cells = () if values.dtype.kind in "iuf" else values
        words = [x for x in cells if isinstance(x, str) and np.isnan(parse_number(x))]
        if words and not problems:
            notes.append(f"Column {shown} was read from text such as {words[0]!r}.")
        frame[column] = numbers
    if len(problems) == 1:
        raise InputError(problems[0])
    if problems:
        raise InputError("\n  ".join([f"The table has {len(problems)} problems:", *problems]))
    return notes


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
                f"Name the unit: units={{{column!r}: 'billions'}} (--unit {column}=billions in the "
                f"shell), or millions."
            )
            return  # compute that was derived from this column is small for the same reason
        if small.any():
            row = int(np.argmax(small))
            yield (
                f"Column {column!r}, row {int(frame.index[row]) + 1}: {values.iloc[row]:.4g} looks "
                f"like millions or billions among counts ({int(small.sum())} such rows). Correct "
                f"these rows: they distort every answer."
            )


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
