"""Folds: which runs are held out together in cross-validation.

Folds are a mapping from labels to masks. The mask of a fold is true for the runs that it holds out.
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
    """Return the level of each run's compute, such as its IsoFLOP budget; 0 is the largest level.

    Runs meet their budget only approximately. Level 0 holds the largest run and all runs within
    ``tolerance`` below it; level 1 begins at the largest of the other runs, and so on.

    Parameters
    ----------
    compute
        Training FLOPs of each run; positive.
    tolerance
        How far runs of a level may be below its largest run, as a fraction of that run.

    Raises
    ------
    InputError
        If ``tolerance`` is not from 0 to below 1.

    Examples
    --------
    >>> levels(np.array([1e18, 0.98e18, 1e19, 1e20]))
    array([2, 2, 1, 0])
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
    """Return one fold for each label of a column.

    Raises
    ------
    InputError
        If the column is missing, has empty cells, or has a single label.
    """
    labels = runs.labels(column)
    return _each(labels, f"Column {column!r}")


def by_compute(runs: Runs, tolerance: float = _TOLERANCE) -> dict[float, Bool[np.ndarray, " runs"]]:
    """Return one fold for each level of compute; the label is the level's largest compute.

    Raises
    ------
    InputError
        If the table has no compute, or a single level of it.
    """
    compute = runs.column("compute")
    numbers = levels(compute, tolerance)
    tops = np.array([compute[numbers == number].max() for number in range(numbers.max() + 1)])
    return _each(tops[numbers], "Column 'compute'")


def largest(
    runs: Runs, at_least: int = _FEWEST, tolerance: float = _TOLERANCE, scale: str = "compute"
) -> dict[str, Bool[np.ndarray, " runs"]]:
    """Return one fold with the largest runs: the fewest whole levels that have enough runs.

    Predicting these runs from the smaller ones is the test within a table that is closest to
    extrapolation beyond it.

    Parameters
    ----------
    runs
        The table.
    at_least
        The least number of runs to hold out.
    tolerance
        Relative width of a level: see :func:`levels`.
    scale
        The column that orders runs by size, such as ``"params"``.

    Raises
    ------
    InputError
        If the table has no such column, or no smaller runs are left.

    Examples
    --------
    >>> from scalingbayes.data import datasets
    >>> {label: int(mask.sum()) for label, mask in largest(datasets.load("chinchilla")).items()}
    {'compute from 2.88e+21': 11}
    """
    if scale not in runs.frame:
        remedy = "Name the column that orders runs by size: sb.folds.largest(runs, scale=...)."
        raise unknown("column", scale, map(str, runs.frame), remedy)
    sizes = runs.column(scale)
    numbers = levels(sizes, tolerance)
    counts = np.cumsum(np.bincount(numbers))
    mask = numbers <= np.searchsorted(counts, at_least)
    if mask.all():
        raise InputError(
            f"The largest levels of {scale} with at least {at_least} runs are the whole table "
            f"({len(counts)} levels, {len(runs)} runs), so that no runs are left to predict them "
            f"from: hold out fewer runs or folds by another column."
        )
    return {f"{scale} from {sizes[mask].min():.3g}": mask}


def as_folds(by: str | Folds, runs: Runs) -> dict[Any, Bool[np.ndarray, " runs"]]:
    """Return the folds that an argument ``by`` names.

    Parameters
    ----------
    by
        ``"compute"``, ``"largest"``, the name of a column, or masks by label.
    runs
        The table.

    Raises
    ------
    InputError
        If there are no such folds, a mask is empty or holds out all runs, or masks overlap.
    """
    if isinstance(by, str):
        if by == "compute":
            return {**by_compute(runs)}
        return {**largest(runs)} if by == "largest" else by_column(runs, by)
    if not isinstance(by, Mapping) or not by:
        raise InputError(
            f"by must be 'compute', 'largest', the name of a column, or a mapping from labels to "
            f"masks, such as sb.folds.largest(runs); got {by!r}."
        )
    masks = {label: np.asarray(mask) for label, mask in by.items()}
    for label, mask in masks.items():
        if mask.dtype != bool or mask.shape != (len(runs),) or not mask.any() or mask.all():
            raise InputError(
                f"Fold {label!r} must be {len(runs)} booleans, one for each run, of which some but "
                f"not all are true; got {int(mask.sum())} true in {mask.dtype} of shape "
                f"{mask.shape}."
            )
    if (np.sum(list(masks.values()), axis=0) > 1).any():
        raise InputError("Folds must not overlap: hold out each run in at most one fold.")
    return masks


def _each(labels: np.ndarray, what: str) -> dict[Any, Bool[np.ndarray, " runs"]]:
    """Return one fold for each label."""
    found = {label: labels == label for label in pd.unique(labels)}
    if len(found) < 2:
        raise InputError(
            f"{what} has the same label in all runs, so that holding it out leaves none: hold out "
            f"runs by another column."
        )
    return found
