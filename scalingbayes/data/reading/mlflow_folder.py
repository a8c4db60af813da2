"""The files in which MLflow keeps runs: ``mlruns/EXPERIMENT/RUN/{params,metrics,tags}``."""

from pathlib import Path

import pandas as pd

from scalingbayes._core.errors import InputError
from scalingbayes.data.reading.cells import convert_cells
from scalingbayes.data.reading.raw_table import RawTable, raw_table

_STATUS = {"1": "RUNNING", "2": "SCHEDULED", "3": "FINISHED", "4": "FAILED", "5": "KILLED"}


def mlflow_runs(folder: Path) -> list[Path]:
    """Return the folders of MLflow's runs that are in a folder, or the folder if it is a run."""
    return sorted(
        meta.parent
        for meta in folder.rglob("meta.yaml")
        if (meta.parent / "metrics").is_dir() and (meta.parent / "params").is_dir()
    )


def read_mlflow(runs: list[Path], folder: Path) -> RawTable:
    """Return one row for each run: its parameters, and the last value of each metric.

    Raises
    ------
    InputError
        If all runs are deleted, or a metric's file is damaged.
    """
    records: list[dict[str, str]] = []
    deleted = 0
    for run in runs:
        meta = _read_meta(run / "meta.yaml")
        if meta.get("lifecycle_stage") == "deleted":
            deleted += 1
            continue
        records.append(_read_run(run, meta))
    if not records:
        raise InputError(f"All {deleted} runs in {folder} are deleted: restore them in MLflow.")
    fields = list(dict.fromkeys(name for record in records for name in record))
    columns, notes = convert_cells({f: [r.get(f, "") for r in records] for f in fields})
    notes.insert(
        0,
        f"{folder} has {len(records)} runs of MLflow; each metric has the value of its last step.",
    )
    if deleted:
        notes.insert(1, f"{deleted} deleted runs are skipped.")
    return raw_table(pd.DataFrame(columns), notes)


def _read_meta(path: Path) -> dict[str, str]:
    """Return the entries of a ``meta.yaml``, which has one in each line."""
    pairs = (line.partition(":") for line in path.read_text("utf-8").splitlines())
    return {key.strip(): value.strip().strip("'\"") for key, _, value in pairs if value.strip()}


def _read_run(run: Path, meta: dict[str, str]) -> dict[str, str]:
    name = run / "tags" / "mlflow.runName"
    title = name.read_text("utf-8").strip() if name.is_file() else meta.get("run_name", run.name)
    status = meta.get("status", "")
    record = {"run": title, "run_id": run.name, "status": _STATUS.get(status, status)}
    record |= {f"{n} (parameter)" if n in record else n: v for n, v in _params(run).items()}
    record |= {f"{n} (metric)" if n in record else n: v for n, v in _metrics(run).items()}
    return record


def _params(run: Path) -> dict[str, str]:
    folder = run / "params"
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_text("utf-8").strip() for path in files}


def _metrics(run: Path) -> dict[str, str]:
    """Return the value of each metric at its last step; a line is a time, a value and a step."""
    folder = run / "metrics"
    values: dict[str, str] = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        lines = [line.split() for line in path.read_text("utf-8").splitlines() if line.strip()]
        try:
            last = max(lines, key=lambda line: (int(line[2]) if len(line) > 2 else 0, int(line[0])))
            values[path.relative_to(folder).as_posix()] = last[1]
        except (ValueError, IndexError) as error:
            raise InputError(
                f"{path} is damaged: every line must be a time, a value and a step. Correct the "
                f"file, or delete it to leave out the metric."
            ) from error
    return values
