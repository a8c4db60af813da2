"""Tables in memory: data frames of any library, mappings, records, arrays."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from scalingbayes._core.errors import InputError
from scalingbayes.data.reading.json_text import table_of_document
from scalingbayes.data.reading.optional import needs, optional_import
from scalingbayes.data.reading.raw_table import RawTable, raw_table, refuse_same_names
from scalingbayes.data.reading.records import is_list, table_of_records

TableLike = Any
"""A table in memory: see :func:`as_raw_table`."""

_EXPECTED = "Expected a DataFrame, or a mapping from column names to arrays of one length"


def as_raw_table(table: TableLike) -> RawTable:
    """Return a table in memory as a raw table: rows numbered, column names unique text.

    Parameters
    ----------
    table
        A DataFrame of pandas, polars, pyarrow or any library whose frames have ``to_pandas()`` or
        the Arrow interface; a mapping from column names to values; a list of records; a structured
        NumPy array; an xarray Dataset of one dimension.

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
    if isinstance(table, pd.DataFrame):
        return table_of_frame(table)
    if isinstance(table, Mapping) and not _is_dataset(table):
        return _table_of_mapping(table)
    if isinstance(table, list | tuple) and table and all(isinstance(e, Mapping) for e in table):
        return table_of_records(table, "The list")
    if isinstance(table, np.ndarray) and table.dtype.names:
        return table_of_frame(pd.DataFrame(table))
    return table_of_frame(_frame_of_other(table))


def table_of_frame(frame: pd.DataFrame) -> RawTable:
    """Return a DataFrame as a raw table. Cells that hold records or curves become columns and rows.

    Raises
    ------
    InputError
        If two columns have the same name.
    """
    table = raw_table(frame)
    if not any(_is_nested(table.frame[name]) for name in table.frame):
        return table
    nested = table_of_records(table.frame.to_dict("records"), "The table")
    untouched = {
        str(name): table.frame[name]
        for name in nested.frame
        if name in table.frame and len(nested.frame) == len(table.frame)
    }
    return RawTable(nested.frame.assign(**untouched), (*table.notes, *nested.notes))


def _is_nested(column: pd.Series) -> bool:
    """Return whether a column holds records, or lists."""
    if column.dtype != object:
        return False
    present = (each for each in column if each is not None and not isinstance(each, float))
    first = next(present, None)
    return isinstance(first, Mapping) or is_list(first)


def _is_dataset(table: object) -> bool:
    """Return whether a table is an xarray Dataset, which is a mapping too."""
    return hasattr(table, "to_dataframe") and hasattr(table, "sizes")


def _frame_of_other(table: Any) -> pd.DataFrame:
    """Return the DataFrame that another library's table converts to."""
    kind = type(table).__name__
    if isinstance(table, Iterator):
        raise InputError(f"A {kind} can be read only once: pass list(...) of it.")
    if isinstance(table, Sequence | np.ndarray | set | pd.Series):
        raise InputError(
            f"{_EXPECTED}; got a {kind} whose columns have no names. Name them: "
            f'pd.DataFrame(table, columns=["params", "tokens", "loss"]).'
        )
    if hasattr(table, "sizes") and hasattr(table, "to_dataframe"):
        return _frame_of_xarray(table)
    if hasattr(table, "toPandas"):  # of Spark
        return pd.DataFrame(table.toPandas())
    if hasattr(table, "collect") and not hasattr(table, "to_pandas"):  # lazy, as of polars
        table = table.collect()
    if hasattr(table, "column_names"):
        refuse_same_names([str(name) for name in table.column_names])
    try:
        if hasattr(table, "to_pandas"):
            return pd.DataFrame(table.to_pandas())
        if hasattr(table, "__arrow_c_stream__"):
            pyarrow = optional_import("pyarrow", "scalingbayes[parquet]", f"A table of type {kind}")
            return pd.DataFrame(pyarrow.table(table).to_pandas())
    except ImportError as error:
        raise needs(f"A table of type {kind}", "scalingbayes[parquet]") from error
    raise InputError(f"{_EXPECTED}; got {kind}. Convert it to a DataFrame first.")


def _frame_of_xarray(dataset: Any) -> pd.DataFrame:
    """Return an xarray Dataset of one dimension as a DataFrame."""
    if len(dataset.sizes) != 1:
        raise InputError(
            f"The {type(dataset).__name__} has {len(dataset.sizes)} dimensions; runs have one. If "
            f"each point is a run, pass table.to_dataframe().reset_index()."
        )
    frame: pd.DataFrame = dataset.to_dataframe()
    dimension = next(iter(dataset.sizes))
    return frame if dimension in dataset.coords else frame.reset_index(drop=True)


def _table_of_mapping(table: Mapping[Any, Any]) -> RawTable:
    """Return the table of columns by name. A single value is the value of every row."""
    values = list(table.values())
    if values and all(isinstance(each, Mapping) for each in values):
        return table_of_document({str(name): column for name, column in table.items()}, "The table")
    columns = {name: _column(name, each) for name, each in table.items()}
    names = [str(name).strip() for name in columns]
    refuse_same_names(names)
    lengths = {len(column) for column in columns.values() if column is not None}
    if len(lengths) > 1:
        sizes = {str(n): len(column) for n, column in columns.items() if column is not None}
        shown = ", ".join(f"{name!r} has {size}" for name, size in sizes.items())
        raise InputError(f"{_EXPECTED}; got columns of different lengths: {shown} values.")
    length = lengths.pop() if lengths else 1
    single = [str(name) for name, column in columns.items() if column is None]
    frame = pd.DataFrame(
        {
            name: column if column is not None else pd.Series([table[name]] * length)
            for name, column in columns.items()
        }
    )
    found = table_of_frame(frame)
    if not single or length == 1:
        return found
    note = f"Columns with one value have that value in every row: {', '.join(single)}."
    return RawTable(found.frame, (note, *found.notes))


def _column(name: object, values: Any) -> pd.Series | None:
    """Return the values of a column without changing any, or None if it is a single value."""
    if isinstance(values, Iterator):
        raise InputError(f"Column {name!r} is a {type(values).__name__}: pass list(...) of it.")
    if values is None or np.isscalar(values) or isinstance(values, str):
        return None
    try:
        if isinstance(values, pd.Series):
            return values.reset_index(drop=True)
        if isinstance(values, list | tuple | range | pd.Index | pd.api.extensions.ExtensionArray):
            return pd.Series(list(values) if isinstance(values, tuple) else values)
        array = values if isinstance(values, np.ma.MaskedArray) else np.asarray(values)
        if array.ndim == 0:
            return None
        if array.dtype.kind == "V":  # bfloat16 and the like
            array = array.astype(np.float32)
        return pd.Series(array)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(
            f"{_EXPECTED}; column {name!r} is a {type(values).__name__} that is none ({error})."
        ) from error
