"""Tables that have one column for each run, and one row for each quantity."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from scalingbayes.data.reading.raw_table import RawTable, raw_table
from scalingbayes.data.reading.typed_cells import convert_values

USUAL_WORDS = re.compile("loss|param|token|flop|compute|step|perplexity|batch", re.IGNORECASE)
"""Words that names of quantities contain."""


def name_quantities(names: Iterable[str], others: Iterable[str]) -> bool:
    """Return whether names are quantities: two different ones, and none among the others.

    Examples
    --------
    >>> name_quantities(["params", "loss"], ["run 1", "run 2"])
    True
    """
    found = {match[0].lower() for name in names if (match := USUAL_WORDS.search(name))}
    return len(found) > 1 and not any(map(USUAL_WORDS.search, others))


def transpose_quantities(table: RawTable) -> RawTable:
    """Return the table with one row for each run, if its first column names quantities.

    Two different quantities are among the names there, and none is in the header.
    """
    frame = table.frame
    if len(frame) < 2 or len(frame.columns) < 2:
        return table
    names = list(frame.iloc[:, 0])
    if not all(isinstance(name, str) for name in names) or len({*names}) < len(names):
        return table
    if not name_quantities(names, map(str, frame)):
        return table
    label = "run" if "run" not in names else "column"
    columns: dict[str, Sequence[Any]] = {label: list(frame.columns[1:])}
    columns |= {name: list(frame.iloc[row, 1:]) for row, name in enumerate(names)}
    converted, notes = convert_values(columns)
    note = "The table has one column for each run; rows and columns are exchanged."
    return raw_table(pd.DataFrame(converted, columns=list(columns)), [*table.notes, note, *notes])
