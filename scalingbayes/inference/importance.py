"""Independent draws from a posterior, by weighing those of something close to it."""

from math import lgamma
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Float, Int

from scalingbayes._core.devices import fetch, map_tasks
from scalingbayes._core.precision import to_dtype
from scalingbayes.inference.draws import Draws
from scalingbayes.model.log_density import LogDensity
from scalingbayes.model.marginal import MarginalDensity

OVERSAMPLING = 4  # draws proposed for each that is kept
_DEGREES = 5.0  # of freedom of proposals: heavier tails than the posterior's keep weights small


class Proposals(NamedTuple):
    """Draws, and the log of the density that they come from."""

    points: Float[np.ndarray, "draws dim"]
    log_density: Float[np.ndarray, " draws"]


def student_t_proposals(random: np.random.Generator, count: int, dim: int) -> Proposals:
    """Draw from a standard multivariate t."""
    normal = random.standard_normal((count, dim))
    x = normal * np.sqrt(_DEGREES / random.chisquare(_DEGREES, (count, 1)))
    constant = lgamma((_DEGREES + dim) / 2) - lgamma(_DEGREES / 2)
    constant -= dim / 2 * np.log(_DEGREES * np.pi)
    spread = np.log1p((x**2).sum(1) / _DEGREES)
    return Proposals(x, constant - (_DEGREES + dim) / 2 * spread)


def log_densities(
    densities: LogDensity | MarginalDensity, points: Float[np.ndarray, "fits draws dim"], dtype: str
) -> Float[np.ndarray, "fits draws"]:
    """Evaluate each fit's log density at its points."""
    return fetch(_log_densities(densities, to_dtype(points, dtype))).astype(float)


def reweigh(
    proposals: Proposals,
    log_density: Float[np.ndarray, " draws"],
    count: int,
    random: np.random.Generator,
) -> Draws:
    """Resample proposals so that they come from another density.

    Weights are smoothed (PSIS, Vehtari et al. 2024, JMLR 25).

    Parameters
    ----------
    proposals
        Draws to choose from.
    log_density
        Of the density wanted, normalised but for the evidence; -inf or NaN where it is 0.
    count
        How many to keep.
    random
        Chooses.

    Returns
    -------
    Draws
        Independent but for repeats. ``pareto_k`` says whether the weights can be trusted (below
        0.7), ``effective_draws`` what they are worth, ``log_evidence`` is the log of the density's
        integral.
    """
    log_weights = np.where(np.isfinite(log_density), log_density - proposals.log_density, -np.inf)
    weights, pareto_k = smooth(log_weights, count // 2)
    chosen = resample(weights, count, random)
    top = log_weights.max()
    evidence = top + np.log(np.exp(log_weights - top).mean()) if np.isfinite(top) else -np.inf
    return Draws(
        proposals.points[chosen][None],
        {"lp": log_density[chosen][None]},
        {
            "pareto_k": pareto_k,
            "effective_draws": float(min(1 / (weights**2).sum(), count)),
            "log_evidence": float(evidence),
        },
    )


def smooth(
    log_weights: Float[np.ndarray, " draws"], least: int = 0
) -> tuple[Float[np.ndarray, " draws"], float]:
    """Smooth the largest weights; return all, which add up to 1, and Pareto's k of their tail.

    k is infinite unless more than ``least`` weights are above 0.
    """
    from arviz_stats.base import array_stats

    possible = np.isfinite(log_weights)
    smoothed = log_weights.copy() if possible.any() else np.zeros(len(log_weights))
    pareto_k = np.inf
    if possible.sum() > least:
        # ArviZ takes minus the log weights: it is made for leave-one-out.
        smoothed[possible], pareto_k = array_stats.psislw(-log_weights[possible])
    weights = np.exp(smoothed - smoothed.max())
    return weights / weights.sum(), float(pareto_k)


def resample(
    weights: Float[np.ndarray, " draws"], count: int, random: np.random.Generator
) -> Int[np.ndarray, " kept"]:
    """Choose draws in proportion to weights: by an even comb through the cumulative weights."""
    teeth = (np.arange(count) + random.uniform()) / count
    chosen = np.minimum(np.searchsorted(np.cumsum(weights), teeth), len(weights) - 1)
    return random.permutation(chosen)


@jax.jit
def _log_densities(
    densities: LogDensity | MarginalDensity, points: Float[Array, "fits draws dim"]
) -> Float[Array, "fits draws"]:
    fits, draws, dim = points.shape
    owner = np.repeat(np.arange(fits), draws)

    def one(density: LogDensity | MarginalDensity, point: Array) -> Array:
        return density(point)

    return map_tasks(one, densities, owner, points.reshape(-1, dim)).reshape(fits, draws)
