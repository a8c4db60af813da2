"""Folders: exports of experiment trackers, or one file for each run."""

from collections.abc import Callable
from pathlib import Path

from scalingbayes._core.errors import InputError
from scalingbayes.data.reading.many_files import read_many_files
from scalingbayes.data.reading.mlflow_folder import mlflow_runs, read_mlflow
from scalingbayes.data.reading.raw_table import RawTable
from scalingbayes.data.reading.tensorboard_events import event_files, read_events
from scalingbayes.data.reading.wandb_folder import read_wandb_folder, wandb_runs

_Find = Callable[[Path], list[Path]]
_Read = Callable[[list[Path], Path], RawTable]

_EXPORTS: tuple[tuple[_Find, _Read], ...] = (
    (mlflow_runs, read_mlflow),
    (wandb_runs, read_wandb_folder),
    (event_files, read_events),
)
"""What finds the runs of each tracker, and what reads them."""


def read_folder(folder: Path) -> RawTable:
    """Read the runs of a folder.

    Parameters
    ----------
    folder
        The ``mlruns`` of MLflow, the ``wandb`` of W&B, a folder of TensorBoard's event files, or
        a folder of tables with one file for each run.

    Raises
    ------
    InputError
        If the folder has none of these, or its files do not belong together.
    """
    try:
        for find, read in _EXPORTS:
            if found := find(folder):
                return read(found, folder)
        return read_many_files(folder)
    except OSError as error:
        raise InputError(f"{error.filename or folder} cannot be read: {error.strerror}.") from error
