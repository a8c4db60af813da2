"""Parquet, Feather and Arrow files."""

import io
from pathlib import PurePath

import pandas as pd

from scalingbayes._core.errors import InputError
from scalingbayes.data.reading.optional import optional_import
from scalingbayes.data.reading.raw_table import refuse_same_names

_FORMATS = {"parquet": "Parquet", "arrow": "Feather", "arrow stream": "an Arrow stream"}


def read_arrow(content: bytes, kind: str, path: PurePath) -> pd.DataFrame:
    """Return the table of a Parquet, Feather or Arrow file.

    Raises
    ------
    InputError
        If the file is damaged, columns have one name, or pyarrow is not installed.
    """
    pyarrow = optional_import("pyarrow", "scalingbayes[parquet]", f"Reading {path}")
    try:
        if kind == "parquet":
            parquet = optional_import("pyarrow.parquet", "scalingbayes[parquet]", f"Reading {path}")
            table = parquet.ParquetFile(io.BytesIO(content)).read()
        elif kind == "arrow":
            feather = optional_import("pyarrow.feather", "scalingbayes[parquet]", f"Reading {path}")
            table = feather.read_table(io.BytesIO(content))
        else:
            table = pyarrow.ipc.open_stream(io.BytesIO(content)).read_all()
        names = list(table.column_names)
        frame = None if len({*names}) < len(names) else table.to_pandas()
    except (pyarrow.ArrowException, OSError, ValueError, TypeError, KeyError) as error:
        raise InputError(
            f"{path} cannot be read as {_FORMATS[kind]}: {error}. Save or copy it again."
        ) from error
    refuse_same_names(names, str(path))
    return pd.DataFrame(frame)
