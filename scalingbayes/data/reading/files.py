"""Read a table from a file, or from a folder of files."""

from pathlib import Path

from scalingbayes._core.errors import InputError
from scalingbayes.data.reading.folders import read_folder
from scalingbayes.data.reading.raw_table import RawTable
from scalingbayes.data.reading.single_file import read_single_file


def read_file(path: str | Path) -> RawTable:
    """Read a table from a file of any supported format, or from a folder.

    Parameters
    ----------
    path
        A file: delimited text, Markdown, JSON, JSON lines, Parquet, Feather or Excel, compressed
        or not. Or a folder: of W&B, MLflow or TensorBoard, or with one file for each run.

    Raises
    ------
    InputError
        If the path cannot be read. The message names what it is, and what to do.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"There is no file {path}: check its name and the working directory.")
    return read_folder(path) if path.is_dir() else read_single_file(path)
