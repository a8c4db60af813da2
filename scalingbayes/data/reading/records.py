"""Records, such as JSON has them: nested fields become columns, curves become rows."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from scalingbayes._core.errors import InputError
from scalingbayes.data.reading.raw_table import RawTable, listing, raw_table

Record = dict[str, Any]

_CURVE = 3
"""Two lists of numbers of one length are a curve from this length on; shorter ones are settings."""

_NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
"""Numbers that JSON lacks, as W&B and JavaScript write them."""


def table_of_records(records: Sequence[Mapping[Any, Any]], source: str) -> RawTable:
    """Return one row for each record, or for each point of a curve that a record holds.

    A nested field becomes a column named like ``model.n_layer``. A record that has lists of numbers
    of one length becomes one row for each position; its other fields are repeated.

    Raises
    ------
    InputError
        If there are no records, two fields get the same name, or curves differ in length.
    """
    if not records:
        raise InputError(f"{source} is empty: give one record for each run.")
    notes: list[str] = []
    flat = [flatten(record, source) for record in records]
    if nested := [name for name in _fields(flat) if name not in _fields(records)]:
        notes.append(f"Nested fields became columns with joined names: {listing(nested)}.")
    rows, note = _explode(flat, source)
    notes += note
    columns: dict[str, pd.Series] = {}
    for name in _fields(rows):
        columns[name], note = _column(name, [row.get(name) for row in rows])
        notes += note
    return raw_table(pd.DataFrame(columns, index=range(len(rows))), notes)


def flatten(record: Mapping[Any, Any], source: str) -> Record:
    """Return a record whose nested fields have names joined with dots, as W&B has them.

    A list of records becomes a list for each field.

    Raises
    ------
    InputError
        If two fields get the same name.

    Examples
    --------
    >>> flatten({"model": {"d": 8}, "history": [{"loss": 3}, {"loss": 2}]}, "file")
    {'model.d': 8, 'history.loss': [3, 2]}
    """
    flat: Record = {}
    for name, value in _leaves(record):
        if name in flat:
            raise InputError(f"Two fields of a record of {source} are called {name!r}: rename one.")
        flat[name] = value
    return flat


def _leaves(record: Mapping[Any, Any]) -> Iterable[tuple[str, Any]]:
    for key, value in record.items():
        name = str(key).strip()
        if isinstance(value, Mapping):
            yield from ((f"{name}.{inner}", leaf) for inner, leaf in _leaves(value))
        elif is_list(value) and len(value) and all(isinstance(each, Mapping) for each in value):
            inner = [dict(_leaves(each)) for each in value]
            for field in _fields(inner):
                yield f"{name}.{field}", [each.get(field) for each in inner]
        else:
            yield name, value


def is_list(value: object) -> bool:
    """Return whether a value is a list, a tuple or an array of one dimension."""
    return isinstance(value, list | tuple) or (isinstance(value, np.ndarray) and value.ndim == 1)


def _fields(records: Iterable[Mapping[Any, Any]]) -> list[str]:
    """Return the fields of all records, in the order in which they first occur."""
    return list(dict.fromkeys(str(name).strip() for record in records for name in record))


def _is_numbers(value: object) -> bool:
    return is_list(value) and all(
        each is None
        or (isinstance(each, int | float | np.number) and not isinstance(each, bool))
        or (isinstance(each, str) and each in _NOT_FINITE)
        for each in value  # type: ignore[attr-defined]
    )


def _explode(records: list[Record], source: str) -> tuple[list[Record], list[str]]:
    """Return one row for each point of the curves of records."""
    curves = _curve_fields(records, source)
    if not curves:
        return records, []
    rows: list[Record] = []
    exploded = 0
    label = _label(records, curves)
    for number, record in enumerate(records, start=1):
        lists = {name: list(record[name]) for name in curves if is_list(record.get(name))}
        lengths = {len(values) for values in lists.values()}
        if len(lengths) > 1:
            sizes = ", ".join(f"{name!r} has {len(values)}" for name, values in lists.items())
            raise InputError(
                f"Record {number} of {source} has curves of different lengths: {sizes} values. "
                f"Give every curve of a record one value for each point."
            )
        constant = {name: value for name, value in record.items() if name not in lists}
        constant = {label: number, **constant} if label else constant
        exploded += bool(lists)
        for point in range(lengths.pop() if lengths else 1):
            rows.append({**constant, **{name: values[point] for name, values in lists.items()}})
    notes = [
        f"Curves became rows: {exploded} records with lists of {listing(curves)} became one row "
        f"for each point, and their other fields are repeated."
    ]
    if label:
        notes.append(f"Column {label!r} numbers the records, which have no name.")
    return rows, notes


def _curve_fields(records: list[Record], source: str) -> list[str]:
    """Return the fields that are curves: lists that have one length in each record."""
    found: dict[str, None] = {}
    for number, record in enumerate(records, start=1):
        lengths = {name: len(value) for name, value in record.items() if is_list(value)}
        numeric = [lengths[name] for name in lengths if _is_numbers(record[name])]
        curves = [n for n, fields in Counter(numeric).items() if fields > 1 and n >= _CURVE]
        if len(curves) > 1:
            groups = "; ".join(
                f"{size} values: {listing(name for name in lengths if lengths[name] == size)}"
                for size in curves
            )
            raise InputError(
                f"Record {number} of {source} has curves of different lengths ({groups}). Keep the "
                f"fields of one length, and delete the others."
            )
        found.update((name, None) for name in lengths if lengths[name] in curves)
    return list(found)


def _label(records: list[Record], curves: list[str]) -> str | None:
    """Return the name of a column that tells curves apart, if no field does."""
    if len(records) == 1:
        return None
    for name in _fields(records):
        values = [record.get(name) for record in records]
        scalar = name not in curves and all(isinstance(each, str | int | float) for each in values)
        if scalar and len(set(values)) == len(values):
            return None
    return next(name for name in ("run", "record", "record number") if name not in _fields(records))


def _column(name: str, values: list[Any]) -> tuple[pd.Series, list[str]]:
    """Return values as a column; the text "NaN" and "Infinity" among numbers become numbers."""
    text = [each for each in values if isinstance(each, str)]
    if not text or not {*text} <= {*_NOT_FINITE}:
        return pd.Series(values), []
    converted = [_NOT_FINITE[each] if isinstance(each, str) else each for each in values]
    shown = " and ".join(dict.fromkeys(map(repr, text)))
    return pd.Series(converted), [
        f"The text {shown} in column {name!r} is read as numbers ({len(text)} values)."
    ]
