"""A folder with one file for each run, or with several exports of W&B."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from scalingbayes._core.errors import InputError
from scalingbayes.data.reading.raw_table import RawTable, listing, raw_table
from scalingbayes.data.reading.single_file import read_single_file

_TEXT = (".csv", ".tsv", ".txt", ".dat", ".json", ".jsonl", ".ndjson")
_TABLES = (*_TEXT, ".parquet", ".feather", ".arrow", ".xlsx", ".xls", ".ods")
_COMPRESSED = (".gz", ".bz2", ".xz", ".zst", ".zip")
_SHARED = 0.5
"""Share of columns that tables must have in common to be runs of one sweep."""


def read_many_files(folder: Path) -> RawTable:
    """Return the rows of the tables of a folder; column ``run`` is the name of the file.

    Raises
    ------
    InputError
        If the folder has no tables, or ones that have different columns.
    """
    paths = _tables(folder)
    if not paths:
        raise InputError(
            f"{folder} is a directory without tables: give a file, or a folder of CSV or JSON "
            f"files, or of W&B, MLflow or TensorBoard."
        )
    tables = [read_single_file(path) for path in paths]
    notes = [
        f"{path.name}: {n}" for path, table in zip(paths, tables, strict=True) for n in table.notes
    ]
    if len(paths) == 1:
        return RawTable(tables[0].frame, (f"{folder} has one table, {paths[0].name}.", *notes))
    frames = [table.frame for table in tables]
    if (merged := _merge_wandb_exports(frames)) is not None:
        note = f"{folder} has {len(paths)} exports of W&B, which are joined by run."
        return raw_table(merged, [note, *notes])
    _refuse_different(paths, frames, folder)
    names = [path.relative_to(folder) for path in paths]
    label = next(n for n in ("run", "file", "file name") if not any(n in frame for frame in frames))
    parts = [
        frame.assign(**{label: _run_name(name, names)})
        for name, frame in zip(names, frames, strict=True)
    ]
    joined = pd.concat(parts, ignore_index=True)
    note = (
        f"The rows of {len(paths)} files in {folder} are joined; column {label!r} is the name of "
        f"the file."
    )
    return raw_table(joined[[label, *joined.columns.drop(label)]], [note, *notes])


def _tables(folder: Path) -> list[Path]:
    """Return the tables in a folder, or in its subfolders if it has none itself."""
    for pattern in ("*", "**/*"):
        found = sorted(
            path
            for path in folder.glob(pattern)
            if path.is_file() and _is_table(path.relative_to(folder))
        )
        if found:
            return found
    return []


def _is_table(path: Path) -> bool:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    packed = suffixes and suffixes[-1] in _COMPRESSED
    last = suffixes[-2:-1] if packed else suffixes[-1:]
    hidden = any(part.startswith((".", "~$")) for part in path.parts)
    return not hidden and bool(last) and last[0] in _TABLES


def _refuse_different(paths: Sequence[Path], frames: Sequence[pd.DataFrame], folder: Path) -> None:
    """Raise an error if tables have too few columns in common."""
    first = {*frames[0].columns}
    for path, frame in zip(paths, frames, strict=True):
        columns = {*frame.columns}
        if len(columns & first) < _SHARED * len(columns | first):
            raise InputError(
                f"{folder} has {len(paths)} tables with different columns: {paths[0].name} has "
                f"{listing(first)}, and {path.name} has {listing(columns)}. Give one of the "
                f"files, or leave only files of runs with the same columns in the folder."
            )


def _run_name(path: Path, paths: Sequence[Path]) -> str:
    """Return the part of a path that tells it apart: the name, or the folder of equal names."""
    if len({each.name for each in paths}) == 1:
        return path.parent.as_posix()
    name = path.as_posix()
    for suffix in reversed(path.suffixes):
        if suffix.lower() in (*_TABLES, *_COMPRESSED):
            name = name.removesuffix(suffix)
    return name


def _merge_wandb_exports(frames: Sequence[pd.DataFrame]) -> pd.DataFrame | None:
    """Return the join of charts' exports by run and step, and of the table of runs by name."""
    charts = [
        frame for frame in frames if list(frame.columns[:1]) == ["run"] and len(frame.columns) > 2
    ]
    others = [frame for frame in frames if not any(frame is chart for chart in charts)]
    if not charts or len(others) > 1 or len({chart.columns[1] for chart in charts}) > 1:
        return None
    keys = ["run", charts[0].columns[1]]
    if any(set(chart.columns[2:]) & set(charts[0].columns[2:]) for chart in charts[1:]):
        return None
    joined = charts[0]
    for chart in charts[1:]:
        joined = joined.merge(chart, on=keys, how="outer")
    if not others:
        return joined
    runs = others[0]
    if "Name" not in runs or not {*joined["run"]} <= {*runs["Name"]} or not runs["Name"].is_unique:
        return None
    clash = {name: f"{name} (runs)" for name in runs if name in joined}
    return joined.merge(runs.rename(columns=clash), left_on="run", right_on="Name", how="left")
