"""Cells that hold JSON objects as text, as exports of W&B's runs have them."""

import ast
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from scalingbayes.data.reading.in_memory import table_of_frame
from scalingbayes.data.reading.raw_table import RawTable, listing
from scalingbayes.data.reading.records import Record
from scalingbayes.data.reading.wandb_folder import config_values, scalar_values

_NOT_A_NUMBER = re.compile(r"(?<=: )nan(?=[,}])")
_INFINITE = re.compile(r"(?<=: )(-?)inf(?=[,}])")


def unpack_json_cells(table: RawTable) -> RawTable:
    """Return the table with the fields of JSON objects, which cells hold as text, as columns.

    A column is unpacked if all of its cells are objects or empty. An object may be written in
    Python's notation too, which is how pandas writes dictionaries to a CSV file.
    """
    found: dict[str, list[Record]] = {}
    for name in table.frame:
        if (objects := _objects(table.frame[name])) is not None:
            found[str(name)] = objects
    if not found:
        return table
    media: dict[str, None] = {}
    frame = table.frame.assign(
        **{
            name: pd.Series([scalar_values(each, media) for each in _plain(objects)])
            for name, objects in found.items()
        }
    )
    nested = table_of_frame(frame)
    notes = [*table.notes, f"The cells of {listing(found)} are JSON objects, written as text."]
    if media:
        notes.append(f"Histograms, tables and media of W&B are left out: {listing(media)}.")
    return RawTable(nested.frame, (*notes, *nested.notes))


def _objects(column: pd.Series) -> list[Record] | None:
    """Return the objects that cells hold, an empty one for an empty cell; None if one has none."""
    if pd.api.types.is_numeric_dtype(column):
        return None
    objects: list[Record] = []
    for cell, empty in zip(column, column.isna(), strict=True):
        found = {} if empty else _object(cell)
        if found is None:
            return None
        objects.append(found)
    return objects if any(objects) else None


def _object(cell: object) -> Record | None:
    if not isinstance(cell, str) or not (cell := cell.strip()).startswith("{"):
        return None
    try:
        return dict(json.loads(cell))
    except ValueError:
        python = _INFINITE.sub(r"\g<1>1e999", _NOT_A_NUMBER.sub("None", cell))
    try:
        value = ast.literal_eval(python)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return None
    return value if isinstance(value, dict) else None


def _plain(objects: Sequence[Record]) -> Sequence[Mapping[str, Any]]:
    """Return the values of objects, which a configuration of W&B has in entries ``value``."""
    wrapped = all(
        isinstance(entry, Mapping) and "value" in entry
        for each in objects
        for name, entry in each.items()
        if name != "_wandb"
    )
    return [config_values(each) for each in objects] if wrapped else objects
