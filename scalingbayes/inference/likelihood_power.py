"""The likelihood_power of a coarsened posterior, chosen by predicting large runs from smaller ones.

No law is exact. Where its error is shared by many runs, a posterior that counts each of them as a
witness of its own is too sure of itself, the more so the further it is asked to look. A power of
the likelihood, the likelihood_power, discounts all runs alike (Grünwald & van Ommen 2017; Miller &
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
"""What there is to choose from: even steps of the logarithm."""

_FOLDS = 4  # the more, the surer the choice, and the longer it takes
_LEAST_HELD = 0.08  # of the runs, in a fold
_LEAST_LEFT = 0.4  # of the runs, below a fold
_STARTS = 2
_DRAWS = 200
_TYPICAL = (0.2, 1.0)  # where likelihood_powers lie before a table is seen, and their log's sd


@dataclass(frozen=True, eq=False)
class LikelihoodPower:
    """A likelihood_power and what it was chosen by.

    Parameters
    ----------
    value
        The power of the likelihood.
    scores
        Mean log predictive density of the runs held out; a row a likelihood_power, a column a fold,
        named by the smallest scale held out (the product of params and tokens, for most laws).
    """

    value: float
    scores: pd.DataFrame


def choose_likelihood_powers(
    models: Sequence[BoundModel], seeds: Sequence[int], dtype: str
) -> list[LikelihoodPower]:
    """Choose the likelihood power that best predicts each table's larger runs from its smaller.

    Each fold holds out a range of large runs and every run above that range. For each likelihood
    power, Laplace's method approximates the posterior of the remaining runs; the score is the log
    predictive density of the held-out runs. All powers and folds of all tables form one batch.

    Parameters
    ----------
    models
        What is to be fitted; models of one shape.
    seeds
        For each model the seed of all that is random.
    dtype
        ``"float64"`` or ``"float32"``.
    """
    folds = [_folds(model) for model in models]
    lanes: list[BoundModel] = []
    held: list[Bool[np.ndarray, " rows"]] = []
    for model, own in zip(models, folds, strict=True):
        for left, out, _ in own:
            for likelihood_power in LIKELIHOOD_POWERS:
                lanes.append(replace(model, weights=likelihood_power * left * model.weights))
                held.append(out)
    scores = _scores(lanes, held, seeds[0], dtype) if lanes else np.zeros(0)
    found, place = [], 0
    for own in folds:
        count = len(own) * len(LIKELIHOOD_POWERS)
        table = scores[place : place + count].reshape(len(own), len(LIKELIHOOD_POWERS)).T
        place += count
        found.append(_choose(table, [label for *_, label in own]))
    return found


def _choose(
    scores: Float[np.ndarray, "likelihood_powers folds"], labels: Sequence[str]
) -> LikelihoodPower:
    """Weigh the scores against where likelihood_powers lie as a rule."""
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
    """Cut the largest runs off, again and again: what is left, and what is predicted from it."""
    counted = model.counted
    scale = _scale(model)
    level = np.full(len(counted), -1)
    level[counted] = levels(scale[counted])  # 0 is the largest
    total = counted.sum()
    fewest = max(len(model.parameters) + 2, _LEAST_LEFT * total)
    found: list[tuple[Any, Any, str]] = []
    first = 0
    for last in range(level.max() + 1):
        out = (level >= first) & (level <= last)
        if out.sum() < max(_LEAST_HELD * total, 2):
            continue
        left = counted & (level > last)
        if left.sum() < fewest or len(found) == _FOLDS:
            break
        found.append((left, out, f"from {scale[out].min():.3g}"))
        first = last + 1
    return found


def _scale(model: BoundModel) -> Float[np.ndarray, " rows"]:
    """How large each run is: compute, or the product of what the law says makes a run large.

    Of laws that read a loss, runs are the larger the smaller that is. Where nothing is said, as of
    a mixture of domains, all are alike.
    """
    law = model.law
    names: Sequence[str] = law.decreasing
    if law.allocates:
        names = (law.budget.size, "tokens")
    elif not names:
        names = [name for name, each in law.inputs.items() if each.unit is None]
    scale = np.ones(len(model.runs))
    for name in names:
        scale *= 1 / model.inputs[name] if name == "loss" else model.inputs[name]
    return scale


def _scores(
    models: Sequence[BoundModel], held: Sequence[Bool[np.ndarray, " rows"]], seed: int, dtype: str
) -> Float[np.ndarray, " lanes"]:
    """Mean log predictive density of the rows held out, by Laplace's approximation."""
    random = [np.random.default_rng(seed) for _ in models]
    with precision(dtype):
        densities = stack_densities(models, dtype)
        _, whitening = whiten_at_mode(densities, random, _STARTS, dtype)
        dim = whitening.center.shape[1]
        x = np.stack([each.standard_normal((_DRAWS, dim)) for each in random])
        points = to_dtype(whitening.to_points(x), dtype)
        rows = densities.observed.shape[1]
        masks = np.stack([np.pad(mask, (0, rows - len(mask))) for mask in held])
        return fetch(_predicted(densities, points, masks)).astype(float)


@jax.jit
def _predicted(
    densities: LogDensity,
    points: Float[ArrayLike, "lanes draws dim"],
    masks: Bool[ArrayLike, "lanes rows"],
) -> Float[Array, " lanes"]:
    def score(density: LogDensity, item: tuple[Array, Array]) -> Array:
        draws, mask = item
        log_density = jax.vmap(density.log_likelihood)(draws)
        log_density = jnp.where(jnp.isfinite(log_density), log_density, -jnp.inf)
        each = jax.nn.logsumexp(log_density, axis=0) - jnp.log(len(draws))
        return jnp.where(mask, each, 0.0).sum() / mask.sum()

    return map_each(score, densities, (jnp.asarray(points), jnp.asarray(masks)))
