"""Columns of cells that have types already, as sheets and JSON have them."""

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

from scalingbayes.data.reading.cells import convert_cells


def convert_values(columns: dict[str, Sequence[Any]]) -> tuple[dict[str, pd.Series], list[str]]:
    """Return columns of typed cells; a column of text alone is read as a text file's would be."""
    converted: dict[str, pd.Series] = {}
    text: dict[str, Sequence[str]] = {}
    for name, cells in columns.items():
        present = [cell for cell in cells if not _is_missing(cell)]
        if present and all(isinstance(cell, str) for cell in present):
            text[name] = ["" if _is_missing(cell) else cell for cell in cells]
        else:
            converted[name] = pd.Series([None if _is_missing(cell) else cell for cell in cells])
    from_text, notes = convert_cells(text)
    return converted | from_text, notes


def _is_missing(cell: Any) -> bool:
    if isinstance(cell, str):
        return cell == ""
    return cell is None or (isinstance(cell, float) and math.isnan(cell))
