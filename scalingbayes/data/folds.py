"""Which runs are held out together when a law is scored on runs that it has not seen.

Folds are a mapping from a fold's label to a mask: which of the runs it holds out.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from scalingbayes._core.errors import InputError, unknown
from scalingbayes.data.runs import Runs

Folds = Mapping[Any, Bool[np.ndarray, " runs"]]

_TOLERANCE = 0.05
_FEWEST = 5


def levels(
    compute: Float[np.ndarray, " runs"], tolerance: float = _TOLERANCE
) -> Int[np.ndarray, " runs"]:
    """Give numbers to levels of compute, such as IsoFLOP budgets; 0 is the largest.

    Budgets are met to a few per cent only: a level holds what is within ``tolerance`` below its
    largest run. Levels are cut from above, so that the largest is one wherever the others are.

    Parameters
    ----------
    compute
        Training FLOPs of each run; positive.
    tolerance
        Of a level: how far its runs may be below its largest, as a fraction of that.

    Raises
    ------
    InputError
        If ``tolerance`` is not from 0 to below 1.
    """
    if not 0 <= tolerance < 1:
        raise InputError(f"tolerance must be from 0 to below 1, such as 0.05; got {tolerance!r}.")
    found = np.empty(len(compute), int)
    top, level = np.inf, -1
    for place in np.argsort(-compute, kind="stable"):
        if level < 0 or compute[place] < (1 - tolerance) * top:
            top, level = compute[place], level + 1
        found[place] = level
    return found


def by_column(runs: Runs, column: str) -> dict[Any, Bool[np.ndarray, " runs"]]:
    """Hold out all runs of one label of a column, each label in turn.

    Raises
    ------
    InputError
        If the column is missing, or has empty cells or one label only.
    """
    labels = runs.labels(column)
    return _each(labels, f"Column {column!r}")


def by_compute(runs: Runs, tolerance: float = _TOLERANCE) -> dict[float, Bool[np.ndarray, " runs"]]:
    """Hold out one level of compute, each in turn; a fold's label is its largest compute.

    Raises
    ------
    InputError
        If the table has no compute, or one level of it only.
    """
    compute = runs.column("compute")
    numbers = levels(compute, tolerance)
    tops = np.array([compute[numbers == number].max() for number in range(numbers.max() + 1)])
    return _each(tops[numbers], "Column 'compute'")


def largest(
    runs: Runs, at_least: int = _FEWEST, tolerance: float = _TOLERANCE, scale: str = "compute"
) -> dict[str, Bool[np.ndarray, " runs"]]:
    """Hold out the largest runs: whole levels of compute, as few as have enough runs.

    How well a law predicts them from the smaller ones is the nearest thing in a table to what it
    is wanted for.

    Parameters
    ----------
    runs
        The table.
    at_least
        How many runs are enough.
    tolerance
        Of a level of compute, as for :func:`levels`.
    scale
        Another column that says how large a run is, such as ``"params"``.

    Raises
    ------
    InputError
        If the table has no such column, or no runs are left below.
    """
    if scale not in runs.frame:
        remedy = "Name the one that says how large a run is: sb.folds.largest(runs, scale=...)."
        raise unknown("column", scale, map(str, runs.frame), remedy)
    sizes = runs.column(scale)
    numbers = levels(sizes, tolerance)
    counts = np.cumsum(np.bincount(numbers))
    mask = numbers <= np.searchsorted(counts, at_least)
    if mask.all():
        raise InputError(
            f"The largest levels of {scale} with {at_least} runs or more are the whole table "
            f"({len(counts)} levels, {len(runs)} runs): there is nothing left to predict them from."
        )
    return {f"{scale} from {sizes[mask].min():.3g}": mask}


def as_folds(by: str | Folds, runs: Runs) -> dict[Any, Bool[np.ndarray, " runs"]]:
    """Find the folds that a caller means.

    Parameters
    ----------
    by
        ``"compute"``, ``"largest"``, the name of a column, or masks by label.
    runs
        The table.

    Raises
    ------
    InputError
        If there are no such folds, or masks are not disjoint ones that leave some runs.
    """
    if isinstance(by, str):
        if by == "compute":
            return {**by_compute(runs)}
        return {**largest(runs)} if by == "largest" else by_column(runs, by)
    if not isinstance(by, Mapping) or not by:
        raise InputError(
            f"by must be 'compute', 'largest', the name of a column, or masks by label, such as "
            f"sb.folds.largest(runs); got {by!r}."
        )
    masks = {label: np.asarray(mask) for label, mask in by.items()}
    for label, mask in masks.items():
        if mask.dtype != bool or mask.shape != (len(runs),) or not mask.any() or mask.all():
            raise InputError(
                f"Fold {label!r} must be {len(runs)} booleans, one for each run, some but not all "
                f"of them true; got {int(mask.sum())} true in {mask.dtype} of shape {mask.shape}."
            )
    if (np.sum(list(masks.values()), axis=0) > 1).any():
        raise InputError("Folds must not overlap: each run is predicted once or not at all.")
    return masks


def _each(labels: np.ndarray, what: str) -> dict[Any, Bool[np.ndarray, " runs"]]:
    found = {label: labels == label for label in pd.unique(labels)}
    if len(found) < 2:
        raise InputError(
            f"{what} has one label in all runs: holding it out leaves none. Give another."
        )
    return found
