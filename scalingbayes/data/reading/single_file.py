"""Read a table from one file: its content decides which reader does it."""

from pathlib import Path, PurePath

from scalingbayes._core.errors import InputError
from scalingbayes.data.reading.arrow import read_arrow
from scalingbayes.data.reading.compressed import COMPRESSIONS, decompress, kind_of_zip, unpack
from scalingbayes.data.reading.delimited import decode, read_delimited
from scalingbayes.data.reading.in_memory import table_of_frame
from scalingbayes.data.reading.json_cells import unpack_json_cells
from scalingbayes.data.reading.json_text import read_json
from scalingbayes.data.reading.kinds import kind_of
from scalingbayes.data.reading.raw_table import RawTable
from scalingbayes.data.reading.tensorboard_events import read_events
from scalingbayes.data.reading.training_log import refuse_training_log
from scalingbayes.data.reading.transposed import transpose_quantities
from scalingbayes.data.reading.wandb_history import melt_history
from scalingbayes.data.reading.workbook import read_workbook


def read_single_file(path: Path) -> RawTable:
    """Read a table from a file of any supported format, whatever its suffix.

    Parameters
    ----------
    path
        Delimited text, Markdown, JSON, JSON lines, Parquet, Feather or Excel, compressed or not.

    Raises
    ------
    InputError
        If the file cannot be read. The message names what the file is, and what to do.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from error
    table = unpack_json_cells(_read(content, path, path))
    return transpose_quantities(melt_history(table))


def _read(content: bytes, name: PurePath, path: Path) -> RawTable:
    """Read the content of a file; ``name`` has the suffix that belongs to the content."""
    kind = kind_of(content, name)
    if kind == "events":
        return read_events([path], path.parent)
    if kind == "zip":
        kind = kind_of_zip(content, path)
    if kind in COMPRESSIONS:
        return _read(*decompress(content, kind, name), path)
    if kind == "archive":
        return _read(*unpack(content, path), path)
    if kind == "workbook":
        return read_workbook(content, path)
    if kind in ("parquet", "arrow", "arrow stream"):
        return table_of_frame(read_arrow(content, kind, path))
    return _read_text(content, kind, path)


def _read_text(content: bytes, kind: str, path: Path) -> RawTable:
    text, notes = decode(content, str(path))
    refuse_training_log(text, str(path))
    read = read_json if kind == "json" else read_delimited
    table = read(text, str(path))
    return RawTable(table.frame, (*notes, *table.notes))
