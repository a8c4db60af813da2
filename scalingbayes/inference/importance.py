"""Independent draws from a posterior, by weighing those of something close to it."""

from math import lgamma
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Float

from scalingbayes.density import LogDensity
from scalingbayes.devices import fetch, map_lanes
from scalingbayes.inference.draws import Draws
from scalingbayes.precision import to_dtype

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
    densities: LogDensity, points: Float[np.ndarray, "fits draws dim"], dtype: str
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
    from arviz_stats.base import array_stats

    log_weights = np.where(np.isfinite(log_density), log_density - proposals.log_density, -np.inf)
    possible = np.isfinite(log_weights)
    smoothed = np.full(len(log_weights), -np.inf)
    pareto_k = np.inf
    if possible.sum() > count / 2:
        # ArviZ takes minus the log weights: it is made for leave-one-out.
        smoothed[possible], pareto_k = array_stats.psislw(-log_weights[possible])
    elif not possible.any():
        smoothed[:] = 0.0
    weights = np.exp(smoothed - smoothed.max())
    weights /= weights.sum()
    # Systematic resampling: an even comb through the cumulative weights.
    teeth = (np.arange(count) + random.uniform()) / count
    chosen = np.minimum(np.searchsorted(np.cumsum(weights), teeth), len(weights) - 1)
    chosen = random.permutation(chosen)
    top = log_weights.max()
    evidence = top + np.log(np.exp(log_weights - top).mean()) if possible.any() else -np.inf
    return Draws(
        proposals.points[chosen][None],
        {"lp": log_density[chosen][None]},
        {
            "pareto_k": float(pareto_k),
            "effective_draws": float(min(1 / (weights**2).sum(), count)),
            "log_evidence": float(evidence),
        },
    )


@jax.jit
def _log_densities(
    densities: LogDensity, points: Float[Array, "fits draws dim"]
) -> Float[Array, "fits draws"]:
    fits, draws, dim = points.shape
    owner = np.repeat(np.arange(fits), draws)

    def one(density: LogDensity, point: Array) -> Array:
        return density(point)

    return map_lanes(one, densities, owner, points.reshape(-1, dim)).reshape(fits, draws)
