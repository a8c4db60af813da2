"""Splits of a table: all runs, and folds that hold out its larger runs."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from scalingbayes.data.folds import levels
from scalingbayes.model.allowance import ROW_EXPONENTS
from scalingbayes.model.bound_model import BoundModel

MAX_FOLDS = 4  # more folds make the choice more certain, and take longer
_MIN_HELD_OUT_FRACTION = 0.08  # smallest fraction of the runs that a fold holds out
_MIN_FITTED_FRACTION = 0.4  # smallest fraction of the runs below a fold
_MAX_HELD_OUT = 512  # runs of a fold that are scored


@dataclass(frozen=True, eq=False)
class Split:
    """A table, divided into runs that are fitted and runs that are held out.

    Parameters
    ----------
    model
        The model of the fitted runs.
    held_out
        Indices of the runs that are scored; none if all runs are fitted.
    """

    model: BoundModel
    held_out: Int[np.ndarray, " held_out"]

    @property
    def discounted_models(self) -> list[BoundModel]:
        """The model of the fitted runs with the weights of each exponent g."""
        return [self.model.with_weights(self.model.discounted(g)) for g in ROW_EXPONENTS]


def make_splits(model: BoundModel, fill: bool) -> list[Split]:
    """Return the split that fits all runs, then a split for each fold.

    Each fold holds out a range of large runs and every run above that range; only the range is
    scored.

    Parameters
    ----------
    model
        The table's model.
    fill
        Whether to add splits that hold nothing out, up to the largest number of splits. Then one
        compiled program serves tables with any number of folds.
    """
    splits = [Split(model, np.zeros(0, int))]
    for fitted, held_out in _folds(model):
        rows = np.flatnonzero(held_out)
        if len(rows) > _MAX_HELD_OUT:
            rows = np.random.default_rng(0).choice(rows, _MAX_HELD_OUT, replace=False)
        splits.append(Split(model.with_weights(fitted * model.weights), rows))
    missing = 1 + MAX_FOLDS - len(splits)
    return splits + [splits[0]] * missing if fill else splits


def _folds(model: BoundModel) -> list[tuple[Bool[np.ndarray, " rows"], Bool[np.ndarray, " rows"]]]:
    """Return which runs each fold fits, and which it scores."""
    counted = model.counted
    scale: Float[np.ndarray, " rows"] = model.run_scale
    level = np.full(len(counted), -1)
    level[counted] = levels(scale[counted])  # 0 is the largest
    total = counted.sum()
    fewest = max(len(model.parameters) + 2, _MIN_FITTED_FRACTION * total)
    found: list[tuple[Bool[np.ndarray, " rows"], Bool[np.ndarray, " rows"]]] = []
    first = 0
    for last in range(level.max() + 1):
        held_out = (level >= first) & (level <= last)
        if held_out.sum() < max(_MIN_HELD_OUT_FRACTION * total, 2):
            continue
        fitted = counted & (level > last)
        if fitted.sum() < fewest or len(found) == MAX_FOLDS:
            break
        found.append((fitted, held_out))
        first = last + 1
    return found
