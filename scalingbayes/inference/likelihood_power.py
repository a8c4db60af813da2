"""Choice of the likelihood power, by predicting large runs from smaller ones.

No law is exact, and the runs have the law's error in common. A posterior that treats them as
independent evidence is too narrow, more so the further it extrapolates. Raising the likelihood to a
power below 1, the likelihood power, discounts all runs alike (Grünwald & van Ommen 2017; Miller &
Dunson 2019).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jaxtyping import Array, ArrayLike, Bool, Float

from scalingbayes._core.devices import fetch, map_each
from scalingbayes._core.precision import precision, to_dtype
from scalingbayes.data.folds import levels
from scalingbayes.inference.whitening import whiten_at_mode
from scalingbayes.model.bound_model import BoundModel, stack_densities
from scalingbayes.model.log_density import LogDensity

LIKELIHOOD_POWERS = (1.0, 0.6, 0.36, 0.22, 0.13, 0.08, 0.05)
"""The candidates, evenly spaced in the logarithm."""

_FOLDS = 4  # more folds make the choice more certain, and take longer
_MIN_HELD_OUT_FRACTION = 0.08  # smallest fraction of the runs that a fold holds out
_MIN_FITTED_FRACTION = 0.4  # smallest fraction of the runs below a fold
_STARTS = 2  # searches for each mode
_DRAWS = 200  # per Laplace approximation
_TYPICAL = (0.2, 1.0)  # median of the prior of the power, and the sd of its logarithm


@dataclass(frozen=True, eq=False)
class LikelihoodPower:
    """A likelihood power, and the scores that it was chosen by.

    Parameters
    ----------
    value
        The power.
    scores
        Mean log predictive density of the held-out runs. Each row is a candidate power; each column
        is a fold, named by the smallest scale held out (params times tokens, for most laws).
    """

    value: float
    scores: pd.DataFrame


def choose_likelihood_powers(
    models: Sequence[BoundModel], seeds: Sequence[int], dtype: str
) -> list[LikelihoodPower]:
    """Choose the likelihood power of each table, by predicting its larger runs from its smaller.

    Return the geometric mean of the candidate powers, weighted by their prior and by how well each
    predicts the larger runs. A table with no folds gets the mean under the prior alone.

    Each fold holds out a range of large runs and every run above that range. For each likelihood
    power, Laplace's method approximates the posterior of the remaining runs; the score is the log
    predictive density of the held-out runs. All powers and folds of all tables form one batch.

    Parameters
    ----------
    models
        Models of one law and one noise model.
    seeds
        The seed of the random numbers of each model. A model's power does not depend on the other
        models.
    dtype
        ``"float64"`` or ``"float32"``.
    """
    folds = [_folds(model) for model in models]
    reduced: list[BoundModel] = []
    masks: list[Bool[np.ndarray, " rows"]] = []
    reduced_seeds: list[int] = []
    for model, seed, model_folds in zip(models, seeds, folds, strict=True):
        for fitted, held_out, _ in model_folds:
            for likelihood_power in LIKELIHOOD_POWERS:
                reduced.append(replace(model, weights=likelihood_power * fitted * model.weights))
                masks.append(held_out)
                reduced_seeds.append(seed)
    scores = _scores(reduced, masks, reduced_seeds, dtype) if reduced else np.zeros(0)
    chosen, first = [], 0
    for model_folds in folds:
        shape = len(model_folds), len(LIKELIHOOD_POWERS)
        table = scores[first : first + shape[0] * shape[1]].reshape(shape).T
        first += table.size
        chosen.append(_choose(table, [label for *_, label in model_folds]))
    return chosen


def _choose(
    scores: Float[np.ndarray, "likelihood_powers folds"], labels: Sequence[str]
) -> LikelihoodPower:
    """Return the power at the posterior mean of its logarithm."""
    log = np.log(LIKELIHOOD_POWERS)
    typical, spread = _TYPICAL
    prior = -(((log - np.log(typical)) / spread) ** 2) / 2
    total = prior + np.nan_to_num(scores, nan=-1e3, neginf=-1e3).sum(1)
    weights = np.exp(total - total.max())
    value = float(np.exp(weights @ log / weights.sum()))
    rows = pd.Index(LIKELIHOOD_POWERS, name="likelihood_power")
    return LikelihoodPower(value, pd.DataFrame(scores, rows, pd.Index(labels, name="fold")))


def _folds(
    model: BoundModel,
) -> list[tuple[Bool[np.ndarray, " rows"], Bool[np.ndarray, " rows"], str]]:
    """Return the folds: which runs are fitted, which are held out, and a label."""
    counted = model.counted
    scale = model.run_scale
    level = np.full(len(counted), -1)
    level[counted] = levels(scale[counted])  # 0 is the largest
    total = counted.sum()
    fewest = max(len(model.parameters) + 2, _MIN_FITTED_FRACTION * total)
    found: list[tuple[Any, Any, str]] = []
    first = 0
    for last in range(level.max() + 1):
        held_out = (level >= first) & (level <= last)
        if held_out.sum() < max(_MIN_HELD_OUT_FRACTION * total, 2):
            continue
        fitted = counted & (level > last)
        if fitted.sum() < fewest or len(found) == _FOLDS:
            break
        found.append((fitted, held_out, f"from {scale[held_out].min():.3g}"))
        first = last + 1
    return found


def _scores(
    models: Sequence[BoundModel],
    masks: Sequence[Bool[np.ndarray, " rows"]],
    seeds: Sequence[int],
    dtype: str,
) -> Float[np.ndarray, " models"]:
    """Return the mean log predictive density of the masked rows, by the Laplace approximation."""
    random = [np.random.default_rng(seed) for seed in seeds]
    with precision(dtype):
        densities = stack_densities(models, dtype)
        _, whitening = whiten_at_mode(densities, random, _STARTS, dtype)
        dim = whitening.center.shape[1]
        x = np.stack([each.standard_normal((_DRAWS, dim)) for each in random])
        points = to_dtype(whitening.to_points(x), dtype)
        rows = densities.likelihood.observed.shape[1]
        padded = np.stack([np.pad(mask, (0, rows - len(mask))) for mask in masks])
        return fetch(_predicted(densities, points, padded)).astype(float)


@jax.jit
def _predicted(
    densities: LogDensity,
    points: Float[ArrayLike, "models draws dim"],
    masks: Bool[ArrayLike, "models rows"],
) -> Float[Array, " models"]:
    def score(density: LogDensity, draws_and_mask: tuple[Array, Array]) -> Array:
        draws, mask = draws_and_mask
        log_density = jax.vmap(density.log_likelihood)(draws)
        log_density = jnp.where(jnp.isfinite(log_density), log_density, -jnp.inf)
        predictive = jax.nn.logsumexp(log_density, axis=0) - jnp.log(len(draws))
        return jnp.where(mask, predictive, 0.0).sum() / mask.sum()

    return map_each(score, densities, (jnp.asarray(points), jnp.asarray(masks)))
