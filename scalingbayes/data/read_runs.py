"""Read a table of training runs from a file."""

from collections.abc import Mapping
from pathlib import Path

from scalingbayes.data.reading.files import read_file
from scalingbayes.data.rows import Keep
from scalingbayes.data.runs import Runs


def read_runs(
    path: str | Path,
    *,
    name: str | None = None,
    where: str | None = None,
    drop_empty: bool = False,
    keep: Keep | None = None,
    units: Mapping[str, str] | None = None,
    **columns: str,
) -> Runs:
    """Read a table of training runs from a CSV or Parquet file.

    Parameters
    ----------
    path
        A ``.parquet`` file, or UTF-8 text whose columns are separated by commas, semicolons or
        tabs.
    name
        The name of the table in output; by default the name of the file.
    where, drop_empty, keep, units, **columns
        Which rows and columns are used, and in which units: see :class:`Runs`.

    Raises
    ------
    InputError
        If the file cannot be read, or the table cannot be used: see :class:`Runs`.

    Examples
    --------
    >>> runs = read_runs("sweep.csv", loss="val_loss")  # doctest: +SKIP
    """
    return Runs(
        read_file(path),
        name=name or Path(path).name,
        where=where,
        drop_empty=drop_empty,
        keep=keep,
        units=units,
        **columns,
    )
