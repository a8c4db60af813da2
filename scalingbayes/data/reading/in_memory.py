"""Tables in memory: a DataFrame, or a mapping from column names to arrays."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from scalingbayes._core.errors import InputError
from scalingbayes.data.reading.raw_table import RawTable

TableLike = pd.DataFrame | Mapping[str, Any]
"""A table in memory."""


def as_raw_table(table: "RawTable | TableLike") -> RawTable:
    """Return a table in memory as a raw table: rows numbered, column names unique text.

    Raises
    ------
    InputError
        If it is no table, or two columns have the same name.
    """
    if isinstance(table, RawTable):
        return table
    if isinstance(table, str | Path):
        raise InputError(
            f"Expected a table, not a text: read a file with sb.read_runs({str(table)!r}), or load "
            f"bundled runs with sb.datasets.load({str(table)!r})."
        )
    if not isinstance(table, pd.DataFrame):
        try:
            columns = {
                name: values if isinstance(values, list) else np.atleast_1d(values)
                for name, values in table.items()
            }
            table = pd.DataFrame(columns)
        except (AttributeError, TypeError, ValueError) as error:
            raise InputError(
                f"Expected a DataFrame, or a mapping from column names to arrays of one length; "
                f"got {type(table).__name__} ({error})."
            ) from error
    frame = table.reset_index(drop=True)
    frame.columns = [str(column).strip() for column in frame.columns]
    if not frame.columns.is_unique:
        twice = frame.columns[frame.columns.duplicated()][0]
        raise InputError(f"Two columns are called {twice!r}: rename or drop one.")
    return RawTable(frame)
