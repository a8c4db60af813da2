"""Folds: which runs are held out together in cross-validation.

Folds are a mapping from labels to :class:`Fold`, or to masks. A mask is true for the runs that are
held out; they are predicted from all other runs.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from scalingbayes._core.checked import checked
from scalingbayes._core.errors import InputError, unknown
from scalingbayes.data.runs import Runs

_TOLERANCE = 0.05
_TOLERANCES = (_TOLERANCE, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9)
_MOST_LEVELS = 12  # folds by compute, of which each is a refit
_FEWEST = 5
_HELD_OUT_FRACTION = 0.08  # smallest fraction of the runs that a fold of the largest runs holds out
_FITTED_FRACTION = 0.4  # smallest fraction of the runs below the second and later folds


class Fold(NamedTuple):
    """Runs that are held out together, and the runs that they are predicted from."""

    held_out: Bool[np.ndarray, " runs"]
    fitted: Bool[np.ndarray, " runs"]


Folds = Mapping[Any, Fold | Bool[np.ndarray, " runs"]]


@checked
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


@checked
def by_column(runs: Runs, column: str) -> dict[Any, Bool[np.ndarray, " runs"]]:
    """Return one fold for each label of a column.

    Raises
    ------
    InputError
        If the column is missing, has empty cells, or has a single label.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> folds = sb.folds.by_column(sb.datasets.load("overtraining"), "dataset")
    >>> sorted(folds)
    ['c4', 'redpajama', 'refinedweb']
    """
    labels = runs.labels(column)
    return _each(labels, f"Column {column!r}")


@checked
def by_compute(
    runs: Runs, tolerance: float | None = None
) -> dict[float, Bool[np.ndarray, " runs"]]:
    """Return one fold for each level of compute; the label is the level's largest compute.

    Parameters
    ----------
    runs
        The table.
    tolerance
        How far runs of a level may be below its largest run, as for :func:`levels`. By default the
        smallest of 0.05, 0.1, 0.2, 0.3, 0.5, 0.7 and 0.9 that makes at most 12 levels: each fold is
        a refit.

    Raises
    ------
    InputError
        If the table has no compute, or a single level of it.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> runs = sb.datasets.load("chinchilla")
    >>> len(sb.folds.by_compute(runs)), len(sb.folds.by_compute(runs, tolerance=0.05))
    (8, 84)
    """
    compute = runs.column("compute")
    tried = _TOLERANCES if tolerance is None else (tolerance,)
    for each in tried:
        numbers = levels(compute, each)
        if numbers.max() < _MOST_LEVELS:
            break
    tops = np.array([compute[numbers == number].max() for number in range(numbers.max() + 1)])
    return _each(tops[numbers], "Column 'compute'")


@checked
def largest(
    runs: Runs,
    at_least: int | None = None,
    tolerance: float = _TOLERANCE,
    scale: str = "compute",
    folds: int = 4,
) -> dict[str, Fold]:
    """Return folds of the largest runs, each predicted from all smaller runs.

    The first fold holds out the largest levels: the fewest whole levels that have enough runs. The
    second fold holds out the next levels, and so on. Runs of a fold share the law's error, so each
    fold is one independent look at how well a law extrapolates.

    Parameters
    ----------
    runs
        The table.
    at_least
        The least number of runs that a fold holds out. By default 5, or 8 % of the runs if these
        are more.
    tolerance
        Relative width of a level: see :func:`levels`.
    scale
        The column that orders runs by size, such as ``"params"``.
    folds
        The most folds. There are fewer if less than 40 % of the runs would be left below one.

    Raises
    ------
    InputError
        If the table has no such column, or no smaller runs are left.

    Examples
    --------
    >>> from scalingbayes.data import datasets
    >>> found = largest(datasets.load("chinchilla"), folds=2)
    >>> {label: (int(f.held_out.sum()), int(f.fitted.sum())) for label, f in found.items()}
    {'compute from 1.29e21': (20, 225), 'compute from 6.57e20': (20, 205)}
    """
    if scale not in runs.frame:
        remedy = "Name the column that orders runs by size: sb.folds.largest(runs, scale=...)."
        raise unknown("column", scale, map(str, runs.frame), remedy)
    sizes = runs.column(scale)
    level = levels(sizes, tolerance)
    fewest = max(_FEWEST, _HELD_OUT_FRACTION * len(runs)) if at_least is None else at_least
    found: dict[str, Fold] = {}
    first = 0
    for last in range(level.max() + 1):
        held_out, fitted = (level >= first) & (level <= last), level > last
        enough = fitted.sum() >= (_FITTED_FRACTION * len(runs) if found else 1)
        if held_out.sum() < fewest:
            continue
        if not enough or len(found) == folds:
            break
        smallest = f"{sizes[held_out].min():.3g}".replace("e+", "e")
        found[f"{scale} from {smallest}"] = Fold(held_out, fitted)
        first = last + 1
    if not found:
        raise InputError(
            f"The largest levels of {scale} with at least {np.ceil(fewest):.0f} runs are the whole "
            f"table ({level.max() + 1} levels, {len(runs)} runs), so that no runs are left to "
            f"predict them from: hold out fewer runs or folds by another column."
        )
    return found


@checked
def as_folds(by: str | Folds, runs: Runs) -> dict[Any, Fold]:
    """Return the folds that an argument ``by`` names.

    Parameters
    ----------
    by
        ``"compute"``, ``"largest"``, the name of a column, or folds or masks by label.
    runs
        The table.

    Raises
    ------
    InputError
        If there are no such folds, a fold holds out or fits no run, or folds hold out the same run.
    """
    if isinstance(by, str):
        if by == "largest":
            return {**largest(runs)}
        masks: Mapping[Any, Any] = by_compute(runs) if by == "compute" else by_column(runs, by)
        return {label: Fold(mask, ~mask) for label, mask in masks.items()}
    if not isinstance(by, Mapping) or not by:
        raise InputError(
            f"by must be 'compute', 'largest', the name of a column, or a mapping from labels to "
            f"masks, such as sb.folds.largest(runs); got {by!r}."
        )
    found = {}
    for label, fold in by.items():
        if isinstance(fold, Fold):
            held_out, fitted = (_as_mask(label, mask, runs) for mask in fold)
        else:
            held_out = _as_mask(label, fold, runs)
            fitted = ~held_out
        if (held_out & fitted).any():
            raise InputError(f"Fold {label!r} must not fit the runs that it holds out.")
        found[label] = Fold(held_out, fitted)
    if (np.sum([fold.held_out for fold in found.values()], axis=0) > 1).any():
        raise InputError("Folds must not overlap: hold out each run in at most one fold.")
    return found


def _as_mask(label: Any, given: Any, runs: Runs) -> Bool[np.ndarray, " runs"]:
    """Return a mask, after checking that it is true for some but not all runs."""
    mask = np.asarray(given)
    if mask.dtype != bool or mask.shape != (len(runs),) or not mask.any() or mask.all():
        raise InputError(
            f"Fold {label!r} must be {len(runs)} booleans, one for each run, of which some but not "
            f"all are true; got {int(mask.sum())} true in {mask.dtype} of shape {mask.shape}."
        )
    return mask


def _each(labels: np.ndarray, what: str) -> dict[Any, Bool[np.ndarray, " runs"]]:
    """Return one fold for each label."""
    found = {label: labels == label for label in pd.unique(labels)}
    if len(found) < 2:
        raise InputError(
            f"{what} has the same label in all runs, so that holding it out leaves none: hold out "
            f"runs by another column."
        )
    return found
