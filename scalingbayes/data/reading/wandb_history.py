"""Exports of W&B charts: one column for each run and metric, made into one row for each point."""

import pandas as pd

from scalingbayes.data.reading.raw_table import RawTable, listing

_BETWEEN = " - "  # a run and its metric
_BOUNDS = ("__MIN", "__MAX")


def melt_history(table: RawTable) -> RawTable:
    """Return a chart's export with columns ``run``, the horizontal axis, and each metric.

    Any other table is returned as it is. The export of a W&B chart has a first column such as
    ``Step``, and columns ``RUN - METRIC``, each with ``RUN - METRIC__MIN`` and ``__MAX``.
    """
    frame = table.frame
    names = list(frame.columns)
    if len(names) < 2 or not _is_export(names):
        return table
    axis, *others = names
    by_run: dict[str, dict[str, pd.Series]] = {}
    for name in others:
        run, _, metric = name.rpartition(_BETWEEN)
        by_run.setdefault(run, {})[metric] = frame[name]
    parts = [
        pd.DataFrame({"run": run, axis: frame[axis], **metrics}).dropna(
            subset=[metric for metric in metrics if metric not in ("_step", axis)], how="all"
        )
        for run, metrics in by_run.items()
    ]
    long = pd.concat(parts, ignore_index=True)
    repeated = [name for name in long if _repeats(long, str(name), axis)]
    note = (
        f"The table is the export of a W&B chart: its columns for {len(by_run)} runs "
        f"({listing(by_run)}) became rows, and column 'run' names the run."
    )
    return RawTable(long.drop(columns=repeated), (*table.notes, note))


def _is_export(names: list[str]) -> bool:
    axis, *others = names
    if _BETWEEN in axis or not all(_BETWEEN in name for name in others):
        return False
    bounds = any(f"{name}{bound}" in others for name in others for bound in _BOUNDS)
    return bounds or axis in ("Step", "_step", "Wall Time") or axis.startswith("Relative Time")


def _repeats(long: pd.DataFrame, name: str, axis: str) -> bool:
    """Return whether a column is the step again, or a minimum or maximum equal to its metric."""
    for bound in _BOUNDS:
        base = name.removesuffix(bound)
        if base != name and base in long:
            return bool(long[name].equals(long[base]))
    return (
        name == "_step"
        and name != axis
        and bool(long[name].astype(float).equals(long[axis].astype(float)))
    )
