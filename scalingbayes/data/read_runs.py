"""Read a table of training runs from a file."""

from collections.abc import Mapping
from pathlib import Path

from scalingbayes._core.checked import checked
from scalingbayes.data.reading.files import read_file
from scalingbayes.data.rows import Keep
from scalingbayes.data.runs import Runs


@checked
def read_runs(
    path: str | Path,
    *,
    name: str | None = None,
    where: str | None = None,
    drop_empty: bool = False,
    keep: Keep | None = None,
    units: Mapping[str, str] | None = None,
    **columns: str | None,
) -> Runs:
    """Read a table of training runs from a file or a folder.

    The content decides the format, whatever the suffix. What is converted or assumed is in
    ``runs.notes``.

    Parameters
    ----------
    path
        A file: CSV and other delimited text, a Markdown table, JSON, JSON lines, Parquet, Feather,
        Excel, TensorBoard events; compressed or not. Or a folder: ``mlruns`` of MLflow, ``wandb``
        of W&B, event files of TensorBoard, or CSV or JSON files of one run each. Parquet, Excel and
        TensorBoard need the extras ``parquet``, ``excel`` and ``tensorboard``.
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
