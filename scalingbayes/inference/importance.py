"""Importance sampling: independent draws from a posterior, from weighted proposals."""

from collections.abc import Sequence
from math import lgamma
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Int

from scalingbayes._core.devices import fetch, map_draws
from scalingbayes._core.precision import to_dtype
from scalingbayes._core.programs import compiled
from scalingbayes.inference.draws import Draws
from scalingbayes.inference.pareto import pareto_smooth
from scalingbayes.model.log_density import LogDensity
from scalingbayes.model.marginal import MarginalDensity
from scalingbayes.model.mixture_density import MixtureDensity

type Density = LogDensity | MarginalDensity | MixtureDensity

OVERSAMPLING = 4  # proposals per draw that is kept
# Degrees of freedom: tails heavier than the posterior's keep the weights small. The mixture of
# jumps, which is learnt from draws, has 4: see HALF_DEGREES in nuts/constants.py.
_DEGREES = 5.0


class Proposals(NamedTuple):
    """Draws from a proposal distribution, and its log density at each."""

    points: Float[np.ndarray, "draws dim"]
    log_density: Float[np.ndarray, " draws"]


def student_t_proposals(
    random: np.random.Generator, count: int, dim: int, scales: Sequence[float] = (1.0,)
) -> Proposals:
    """Draw from multivariate t distributions with 5 degrees of freedom, as many of each scale."""
    normal = random.standard_normal((count, dim))
    x = normal * np.sqrt(_DEGREES / random.chisquare(_DEGREES, (count, 1)))
    x *= np.resize(scales, count)[:, None]
    parts = [student_t_log_density((x**2).sum(1) / s**2, dim) - dim * np.log(s) for s in scales]
    return Proposals(x, np.logaddexp.reduce(parts) - np.log(len(scales)))


def student_t_log_density(
    square: Float[np.ndarray, "*draws"], dim: int
) -> Float[np.ndarray, "*draws"]:
    """Return the log density of a standard t distribution at points of this squared norm."""
    constant = lgamma((_DEGREES + dim) / 2) - lgamma(_DEGREES / 2)
    constant -= dim / 2 * np.log(_DEGREES * np.pi)
    return constant - (_DEGREES + dim) / 2 * np.log1p(square / _DEGREES)


def log_densities(
    densities: Density, points: Float[np.ndarray, "fits draws dim"], dtype: str
) -> Float[np.ndarray, "fits draws"]:
    """Return the log density of each fit at its points."""
    return fetch(_log_densities(densities, to_dtype(points, dtype))).astype(float)


def importance_resample(
    proposals: Proposals,
    log_density: Float[np.ndarray, " draws"],
    count: int,
    random: np.random.Generator,
) -> Draws:
    """Resample proposals so that they are distributed by another density.

    The importance weights are Pareto smoothed (PSIS, Vehtari et al. 2024, JMLR 25).

    Parameters
    ----------
    proposals
        Draws from the proposal distribution.
    log_density
        Unnormalised log density of the target distribution at each proposal. -inf and NaN count as
        a density of 0.
    count
        Number of draws to keep.
    random
        Generator that resamples.

    Returns
    -------
    Draws
        Independent draws with repeats. Facts: ``pareto_k``, below 0.7 if the weights are reliable;
        ``effective_draws``, the effective sample size of the weights; and ``log_evidence``, the log
        of the integral of the density.
    """
    log_weights = np.where(np.isfinite(log_density), log_density - proposals.log_density, -np.inf)
    weights, pareto_k = pareto_smooth(log_weights, count // 2)
    chosen = resample(weights, count, random)
    return Draws(
        proposals.points[chosen][None],
        {"lp": log_density[chosen][None]},
        {
            "pareto_k": pareto_k,
            "effective_draws": min(effective_sample_size(weights), float(count)),
            "log_evidence": log_evidence(log_weights),
        },
    )


def effective_sample_size(weights: Float[np.ndarray, " draws"]) -> float:
    """Return 1 / sum(weights**2), the effective sample size of weights that sum to 1."""
    return float(1 / (weights**2).sum())


def truncated_weights(
    log_density: Float[np.ndarray, " draws"], log_proposal: Float[np.ndarray, " draws"]
) -> Float[np.ndarray, " draws"]:
    """Return truncated importance weights (Ionides 2008), which sum to 1.

    No weight exceeds the mean times the square root of the number of draws, so that moments do not
    depend on a few draws.
    """
    log_weights = np.where(np.isfinite(log_density), log_density - log_proposal, -np.inf)
    weights = np.exp(log_weights - log_weights.max())
    weights = np.minimum(weights, weights.mean() * np.sqrt(len(weights)))
    found: Float[np.ndarray, " draws"] = weights / weights.sum()
    return found


def log_evidence(log_weights: Float[np.ndarray, " draws"]) -> float:
    """Return the log of the mean of importance weights; -inf if every weight is 0.

    The mean estimates the integral of the target density.
    """
    largest = log_weights.max()
    if not np.isfinite(largest):
        return -np.inf
    return float(largest + np.log(np.exp(log_weights - largest).mean()))


def resample(
    weights: Float[np.ndarray, " draws"], count: int, random: np.random.Generator
) -> Int[np.ndarray, " kept"]:
    """Return indices drawn in proportion to weights, by systematic resampling."""
    quantiles = (np.arange(count) + random.uniform()) / count
    chosen = np.minimum(np.searchsorted(np.cumsum(weights), quantiles), len(weights) - 1)
    return random.permutation(chosen)


@compiled
def _log_densities(
    densities: Density, points: Float[ArrayLike, "fits draws dim"]
) -> Float[Array, "fits draws"]:
    def one(density: Density, point: Array) -> Array:
        return density(point)

    return map_draws(one, densities, jnp.asarray(points))
