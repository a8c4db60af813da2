"""The choice of the allowance for a law's error, for several tables at once.

1. The law and the noise are fitted with likelihood power 1, for each exponent g of the rows'
   weights, to all runs and to the runs below each fold.
2. The posterior means of the noise are kept. The law is fitted again at each likelihood power T.
3. The residuals show how exact the law is; the folds show which g and T predict larger runs.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Int

from scalingbayes._core.devices import fetch, map_tasks
from scalingbayes._core.precision import precision, to_dtype
from scalingbayes.inference.allowance.lack_of_fit import exactness, residuals_at
from scalingbayes.inference.allowance.plain_fits import PlainFit, fit_plainly
from scalingbayes.inference.allowance.splits import Split, make_splits
from scalingbayes.inference.allowance.tempered import Tempered, temper
from scalingbayes.inference.draws import Draws
from scalingbayes.inference.importance import Proposals
from scalingbayes.model.allowance import LIKELIHOOD_POWERS, ROW_EXPONENTS, Allowance
from scalingbayes.model.bound_model import BoundModel
from scalingbayes.model.log_density import LogDensity
from scalingbayes.model.stacking import stack_densities

_TYPICAL_POWER = 0.2  # median of T if the law is not exact at all
_SPREAD = 0.5  # sd of log T
_ROWS_NATS = 10.0  # by g: how unlikely weights of rows are if the law is exact
_LEAST_WEIGHT = 0.03  # of a posterior, relative to the largest; a sampler pays for all of them
_FOLD_WEIGHT = 2.0  # observations that a fold counts as
_EXACT_DRAWS = 1000
_EXACT_FITS = 6  # sets of proposals for the posterior that takes the law as exact


@dataclass(frozen=True, eq=False)
class Allowed:
    """An allowance, and draws from the posteriors of likelihood power 1.

    Parameters
    ----------
    allowance
        The allowance.
    exact
        Draws of law and noise with the law taken as exact, by importance sampling.
    noise_points
        Draws of the noise, for each exponent g.
    """

    allowance: Allowance
    exact: Draws
    noise_points: Float[np.ndarray, "exponents draws noise"]

    def with_noise(
        self, points: Float[np.ndarray, "chains draws law"], random: np.random.Generator
    ) -> Float[np.ndarray, "chains draws dim"]:
        """Append draws of the noise to draws of the law."""
        shape = points.shape[:2]
        row = random.choice(len(ROW_EXPONENTS), shape, p=self.allowance.weights.sum(1))
        draw = random.integers(self.noise_points.shape[1], size=shape)
        return np.concatenate([points, self.noise_points[row, draw]], axis=-1)


def choose_allowances(
    models: Sequence[BoundModel], seeds: Sequence[int], dtype: str
) -> list[Allowed]:
    """Choose the allowance of each table. One table's allowance does not depend on the others.

    Parameters
    ----------
    models
        Models of one law and one noise model, without random effects.
    seeds
        The seed of the random numbers of each model.
    dtype
        ``"float64"`` or ``"float32"``.
    """
    with precision(dtype):
        return _choose(models, seeds, dtype)


def _choose(models: Sequence[BoundModel], seeds: Sequence[int], dtype: str) -> list[Allowed]:
    found = [make_splits(fit, model) for fit, model in enumerate(models)]
    splits = [split for each in found for split in each]
    random = [np.random.default_rng(seed) for seed in seeds]
    rows = len(ROW_EXPONENTS)
    lanes = [model for split in splits for model in split.discounted_models]
    more = [model for model in models for _ in range(_EXACT_FITS - 1)]
    generators = [random[split.fit] for split in splits for _ in range(rows)]
    generators += [random[fit] for fit in range(len(models)) for _ in range(_EXACT_FITS - 1)]
    densities = stack_densities([*lanes, *more], dtype)
    plain = fit_plainly(densities, generators, dtype)
    lane_densities = jax.tree.map(lambda x: x[: len(lanes)], densities)
    tempered, noise_values = _temper(lane_densities, splits, plain, generators, dtype)
    full = [place * rows for place, split in enumerate(splits) if not len(split.held_out)]
    modes = np.stack([plain[i].mode for i in full])
    residuals = residuals_at(jax.tree.map(lambda x: x[full], densities), modes, dtype)
    chosen = []
    for fit, model in enumerate(models):
        own = [i for i, split in enumerate(splits) if split.fit == fit]
        parts = [tempered[i * rows : (i + 1) * rows] for i in own]
        values = {name: x[own[0] * rows : (own[0] + 1) * rows] for name, x in noise_values.items()}
        v = exactness(model, jax.tree.map(lambda x, fit=fit: x[fit], residuals))
        scores = np.array([[each.scores for each in part] for part in parts[1:]])
        scores = scores.reshape(-1, rows, len(LIKELIHOOD_POWERS))
        weights = mixture_weights(v, scores)
        evidence = np.stack([each.log_evidence for each in parts[0]])
        allowance = Allowance(weights, evidence, values, v, scores)
        first = len(lanes) + fit * (_EXACT_FITS - 1)
        exact = [plain[own[0] * rows], *plain[first : first + _EXACT_FITS - 1]]
        whole = plain[own[0] * rows : (own[0] + 1) * rows]
        chosen.append(_allowed(allowance, exact, whole, len(model.law.parameters), random[fit]))
    return chosen


def mixture_weights(
    exactness: float, fold_scores: Float[np.ndarray, "folds exponents powers"]
) -> Float[np.ndarray, "exponents powers"]:
    """Return the weight of each posterior: a prior that depends on exactness, times the folds.

    The prior of T is log-normal about 1 for an exact law, and about 0.2 for a law without any
    exactness. The exponent g has an exponential prior for an exact law, and a flat prior else.
    Each fold counts as two observations: its runs have the law's error in common.

    Parameters
    ----------
    exactness
        How exact the law is, from 0 to 1.
    fold_scores
        The mean log predictive density of each fold's runs.
    """
    center = (1 - exactness) * np.log(_TYPICAL_POWER)
    log = -(((np.log(LIKELIHOOD_POWERS) - center) / _SPREAD) ** 2) / 2
    log = log - _ROWS_NATS * np.array(ROW_EXPONENTS)[:, None] * exactness**2
    log = log + _FOLD_WEIGHT * np.nan_to_num(fold_scores, nan=-1e3, neginf=-1e3).sum(0)
    weights: Float[np.ndarray, "exponents powers"] = np.exp(log - log.max())
    weights = np.where(weights < _LEAST_WEIGHT, 0.0, weights)
    return weights / weights.sum()


def _temper(
    densities: LogDensity,
    splits: Sequence[Split],
    plain: Sequence[PlainFit],
    random: Sequence[np.random.Generator],
    dtype: str,
) -> tuple[list[Tempered], dict[str, Float[np.ndarray, " fits"]]]:
    """Return the tempered posteriors of each plain fit, and the noise that they are given."""
    count = len(splits) * len(ROW_EXPONENTS)
    law = len(splits[0].model.law.parameters)
    values = _mean_noise(densities, plain[:count], dtype)
    starts = np.stack([each.mode[:law] for each in plain[:count]])
    held_out = [split.held_out for split in splits for _ in ROW_EXPONENTS]
    given_noise = densities.given_noise(to_dtype(values, dtype))
    return temper(given_noise, starts, held_out, random[:count], dtype), values


def _mean_noise(
    densities: LogDensity, plain: Sequence[PlainFit], dtype: str
) -> dict[str, Float[np.ndarray, " fits"]]:
    """Return the posterior mean of each parameter of the noise, at the reference point."""
    points = np.concatenate([each.proposals.points for each in plain])
    weights = np.stack([each.weights for each in plain])
    owner = np.repeat(np.arange(len(plain)), weights.shape[1])
    values = fetch(_noise_values(densities, owner, to_dtype(points, dtype)))
    found = {}
    for name, x in values.items():
        draws = x.astype(float).reshape(weights.shape)
        found[name] = (weights * np.where(weights > 0, draws, 0.0)).sum(1)
    return found


@jax.jit
def _noise_values(
    densities: LogDensity, owner: Int[ArrayLike, " draws"], points: Float[ArrayLike, "draws dim"]
) -> dict[str, Float[Array, " draws"]]:
    def one(density: LogDensity, point: Array) -> dict[str, Array]:
        values = density.coordinates.at_reference(point)
        return {name: values[name] for name in density.noise.parameters}

    return map_tasks(one, densities, owner, jnp.asarray(points))


def _allowed(
    allowance: Allowance,
    exact: Sequence[PlainFit],
    whole: Sequence[PlainFit],
    law: int,
    random: np.random.Generator,
) -> Allowed:
    """Return the allowance with draws; ``whole`` are the fits to all runs for each g."""
    together = PlainFit(
        exact[0].mode,
        Proposals(
            np.concatenate([each.proposals.points for each in exact]),
            np.concatenate([each.proposals.log_density for each in exact]),
        ),
        np.concatenate([each.log_density for each in exact]),
    )
    noise = [each.resampled(_EXACT_DRAWS, random).points[0, :, law:] for each in whole]
    return Allowed(allowance, together.resampled(_EXACT_DRAWS, random), np.stack(noise))
