"""Read a table from a file: one function a format.

To add a format, write a function from a path to a DataFrame and enter it in :data:`READERS`. It
may raise what its library raises; :func:`read_file` turns that into an ``InputError``.
"""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from scalingbayes._core.errors import InputError
from scalingbayes.data.reading.in_memory import as_raw_table
from scalingbayes.data.reading.raw_table import RawTable


def read_file(path: str | Path) -> RawTable:
    """Read a table from a CSV or Parquet file.

    Parameters
    ----------
    path
        A ``.parquet`` file, or UTF-8 text whose columns are separated by commas, semicolons or
        tabs.

    Raises
    ------
    InputError
        If the file cannot be read.
    """
    path = Path(path)
    if path.is_dir():
        raise InputError(f"{path} is a directory: give a CSV or Parquet file.")
    if not path.exists():
        raise InputError(f"There is no file {path}: check its name and the working directory.")
    return as_raw_table(_read(path))


def _read(path: Path) -> pd.DataFrame:
    """Read a file by the reader for its suffix, and turn failures into messages."""
    kind, reader = READERS.get(path.suffix, ("CSV", _read_text))
    try:
        return reader(path)
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path} is not UTF-8 text (byte {error.start}): save it as a CSV in UTF-8."
        ) from error
    except pd.errors.EmptyDataError as error:
        raise InputError(
            f"{path} is empty: it must have a header and one row for each run."
        ) from error
    except ImportError as error:
        raise InputError(f"Reading {path} needs pyarrow: pip install pyarrow.") from error
    except pd.errors.ParserWarning as error:
        raise InputError(
            f"{path} has rows with more fields than its header: give every column a name."
        ) from error
    except (pd.errors.ParserError, ValueError, OSError) as error:
        raise InputError(f"{path} cannot be read as {kind}: {error}") from error


def _read_text(path: Path) -> pd.DataFrame:
    """Read text whose separator is the comma, or the semicolon or tab if there is no comma."""
    options: Any = {"encoding": "utf-8-sig", "skipinitialspace": True, "index_col": False}
    with warnings.catch_warnings():
        # Without this, pandas truncates rows that are longer than the header.
        warnings.simplefilter("error", pd.errors.ParserWarning)
        table = pd.read_csv(path, **options)
        for separator in ";\t":
            if len(table.columns) == 1 and separator in table.columns[0]:
                table = pd.read_csv(path, sep=separator, **options)
    return table


READERS: dict[str, tuple[str, Callable[[Path], pd.DataFrame]]] = {
    ".parquet": ("Parquet", pd.read_parquet),
}
"""The name and the reader of each format, by suffix. Any other file is read as text."""
