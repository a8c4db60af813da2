"""The files that W&B keeps of each run: ``wandb/run-*/files/{config.yaml,wandb-summary.json}``."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from scalingbayes._core.errors import InputError
from scalingbayes.data.reading.json_text import decode_json
from scalingbayes.data.reading.optional import optional_import
from scalingbayes.data.reading.raw_table import RawTable, listing
from scalingbayes.data.reading.records import flatten, table_of_records

_SUMMARY = "wandb-summary.json"
_INTERNAL = ("_wandb", "wandb_version")


class WandbRun(NamedTuple):
    """A run: what identifies it, its configuration, and the last values that it logged."""

    identity: Mapping[str, Any]
    config: Mapping[str, Any]
    summary: Mapping[str, Any]


def table_of_wandb_runs(runs: Sequence[WandbRun], source: str) -> RawTable:
    """Return one row for each run.

    A name that both the configuration and the summary have is the configuration's; the summary's
    becomes ``summary.NAME``, unless the values are the same.
    """
    records: list[dict[str, Any]] = []
    media: dict[str, None] = {}
    clashes: dict[str, None] = {}
    for run in runs:
        record = dict(run.identity)
        parts = (("config", run.config), ("summary", run.summary))
        for part, values in parts:
            for name, value in flatten(scalar_values(values, media), source).items():
                if name in record and record[name] != value:
                    clashes[f"{part}.{name}"] = None
                    name = f"{part}.{name}"
                record.setdefault(name, value)
        records.append(record)
    table = table_of_records(records, source)
    notes = list(table.notes)
    if clashes:
        notes.append(f"Values of W&B that have the name of another column are {listing(clashes)}.")
    if media:
        notes.append(f"Histograms, tables and media of W&B are left out: {listing(media)}.")
    return RawTable(table.frame, tuple(notes))


def scalar_values(values: Mapping[str, Any], media: dict[str, None]) -> dict[str, Any]:
    """Return the values without W&B's own entries, and without media, whose names are added."""
    kept = {}
    for name, value in values.items():
        if isinstance(value, Mapping) and "_type" in value:
            media[str(name)] = None
        elif name not in _INTERNAL:
            kept[name] = value
    return kept


def wandb_runs(folder: Path) -> list[Path]:
    """Return the folders with the files of W&B's runs in a folder, oldest first."""
    return sorted(
        path.parent for path in folder.rglob(_SUMMARY) if (path.parent / "config.yaml").is_file()
    )


def read_wandb_folder(runs: list[Path], folder: Path) -> RawTable:
    """Return one row for each run: its configuration, and the last value of each metric.

    Raises
    ------
    InputError
        If a file is damaged, or PyYAML is not installed.
    """
    yaml = optional_import("yaml", "pyyaml", f"Reading the runs of W&B in {folder}")
    found: list[WandbRun] = []
    for files in runs:
        config_path, summary_path = files / "config.yaml", files / _SUMMARY
        try:
            config = yaml.safe_load(config_path.read_text("utf-8")) or {}
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise InputError(
                f"{config_path} is damaged ({error}): correct it, or remove the folder of the run."
            ) from error
        documents = decode_json(summary_path.read_text("utf-8"), str(summary_path))
        summary = documents[0] if documents else {}
        identity = {"id": _id(files)}
        found.append(WandbRun(identity, config_values(config), summary))
    table = table_of_wandb_runs(found, str(folder))
    note = (
        f"{folder} has {len(runs)} runs of W&B; each metric has its last value. These files do not "
        f"say which runs finished; sb.read_wandb does."
    )
    return RawTable(table.frame, (note, *table.notes))


def _id(files: Path) -> str:
    """Return the id of a run, which ends the name of its folder: ``run-20260101_120000-ID``."""
    folder = files.parent if files.name == "files" else files
    return folder.name.rpartition("-")[2] or folder.name


def config_values(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a ``config.yaml``, which has them in entries ``value``."""
    return {
        name: entry["value"] if isinstance(entry, Mapping) and "value" in entry else entry
        for name, entry in config.items()
        if name not in _INTERNAL
    }
