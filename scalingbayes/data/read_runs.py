"""Read a table of training runs from a file."""

from pathlib import Path

from scalingbayes.data.reading.files import read_file
from scalingbayes.data.runs import Runs


def read_runs(path: str | Path, *, name: str | None = None, **columns: str) -> Runs:
    """Read a table of training runs from a CSV or Parquet file.

    Parameters
    ----------
    path
        A ``.parquet`` file, or UTF-8 text whose columns are separated by commas, semicolons or
        tabs.
    name
        The name of the table in output; by default the name of the file.
    **columns
        The name in the file of each column that has another name there: ``params="n_params"``.

    Raises
    ------
    InputError
        If the file cannot be read, or the table cannot be used: see :class:`Runs`.

    Examples
    --------
    >>> runs = read_runs("sweep.csv", loss="val_loss")  # doctest: +SKIP
    """
    return Runs(read_file(path), name=name or Path(path).name, **columns)
