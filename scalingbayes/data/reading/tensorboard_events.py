"""TensorBoard's event files: one row for each run and step."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from scalingbayes._core.errors import InputError
from scalingbayes.data.reading.optional import optional_import
from scalingbayes.data.reading.raw_table import RawTable, raw_table

_HPARAMS = "_hparams_/session_start_info"


def event_files(folder: Path) -> list[Path]:
    """Return TensorBoard's event files in a folder."""
    return sorted(path for path in folder.rglob("*tfevents*") if path.is_file())


def read_events(files: list[Path], folder: Path) -> RawTable:
    """Return one row for each run and step, with the scalars as columns.

    A folder of event files is a run. Its hyperparameters are repeated in its rows.

    Raises
    ------
    InputError
        If the files hold no scalars, or tensorboard is not installed.
    """
    parts = [_read_run(run, folder) for run in sorted({path.parent for path in files})]
    parts = [part for part in parts if not part.empty]
    if not parts:
        raise InputError(
            f"The event files in {folder} hold no scalars: log the loss with add_scalar, or make a "
            f"table of the runs by hand."
        )
    note = (
        f"{folder} has {len(parts)} runs of TensorBoard: a row is a step of a run, and a scalar "
        f"that was not logged at a step is missing there."
    )
    return raw_table(pd.concat(parts, ignore_index=True), [note])


def _read_run(run: Path, folder: Path) -> pd.DataFrame:
    events = _accumulate(run)
    columns: dict[str, pd.Series] = {}
    for tag in events.Tags()["scalars"]:
        columns[tag] = _series({e.step: e.value for e in events.Scalars(tag)})
    for tag in events.Tags()["tensors"]:  # as TensorFlow 2 writes scalars
        values = {e.step: _number(e.tensor_proto) for e in events.Tensors(tag)}
        if values and all(value is not None for value in values.values()):
            columns[tag] = _series(values)
    if not columns:
        return pd.DataFrame()
    frame = pd.DataFrame(columns).sort_index()
    left = pd.DataFrame({"run": _name(run, folder), "step": frame.index, **_hparams(events)})
    clash = {name: f"{name} (scalar)" for name in frame if name in left}
    return pd.concat([left, frame.rename(columns=clash).reset_index(drop=True)], axis=1)


def _series(values: dict[int, Any]) -> pd.Series:
    return pd.Series(list(values.values()), index=list(values), dtype=float)


def _name(run: Path, folder: Path) -> str:
    return run.name if run == folder else run.relative_to(folder).as_posix()


def _accumulate(run: Path) -> Any:
    """Return the events of a run, all of them."""
    what = f"Reading the event files of TensorBoard in {run}"
    module = optional_import(
        "tensorboard.backend.event_processing.event_accumulator", "scalingbayes[tensorboard]", what
    )
    events = module.EventAccumulator(str(run), size_guidance={"scalars": 0, "tensors": 0})
    return events.Reload()


def _number(proto: Any) -> float | None:
    """Return the number of a tensor, or None if it is no single number."""
    util = optional_import("tensorboard.util.tensor_util", "scalingbayes[tensorboard]", "A tensor")
    array = np.asarray(util.make_ndarray(proto))
    return float(array.item()) if array.size == 1 and array.dtype.kind in "iuf" else None


def _hparams(events: Any) -> dict[str, Any]:
    """Return the hyperparameters that a run was started with."""
    try:
        content = events.PluginTagToContent("hparams").get(_HPARAMS)
    except KeyError:
        return {}
    module = optional_import(
        "tensorboard.plugins.hparams.plugin_data_pb2",
        "scalingbayes[tensorboard]",
        "A hyperparameter",
    )
    start = module.HParamsPluginData.FromString(content or b"").session_start_info
    values = {
        name: getattr(value, value.WhichOneof("kind")) for name, value in start.hparams.items()
    }
    return {
        f"{name} (hyperparameter)" if name in ("run", "step") else name: v
        for name, v in values.items()
    }
