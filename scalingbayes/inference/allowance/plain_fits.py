"""Fits with likelihood power 1, by importance sampling from the Laplace approximation."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from scalingbayes.inference.importance import (
    Proposals,
    log_densities,
    pareto_smooth,
    resample,
    student_t_proposals,
)
from scalingbayes.inference.whitening import whiten_at_mode
from scalingbayes.model.log_density import LogDensity

_STARTS = 2  # searches for each mode
_PROPOSALS = 1000


class PlainFit(NamedTuple):
    """Weighted draws from a posterior of the law and the noise, and its mode.

    Parameters
    ----------
    mode
        The mode.
    points
        Draws.
    log_weights
        The log importance weight of each draw; -inf where the density is 0.
    """

    mode: Float[np.ndarray, " dim"]
    points: Float[np.ndarray, "draws dim"]
    log_weights: Float[np.ndarray, " draws"]

    def mean(self, first: int) -> Float[np.ndarray, " noise"]:
        """Return the posterior mean of the coordinates from the index ``first`` on."""
        weights = np.exp(self.log_weights - self.log_weights.max())
        # Truncated weights (Ionides 2008): one draw cannot dominate the mean.
        weights = np.minimum(weights, weights.mean() * np.sqrt(len(weights)))
        found: Float[np.ndarray, " noise"] = weights @ self.points[:, first:] / weights.sum()
        return found

    def resampled(self, count: int, random: np.random.Generator) -> Float[np.ndarray, "count dim"]:
        """Return draws of equal weight, by Pareto smoothed importance weights."""
        weights, _ = pareto_smooth(self.log_weights)
        return self.points[resample(weights, count, random)]


def fit_plainly(
    densities: LogDensity, random: Sequence[np.random.Generator], dtype: str
) -> list[PlainFit]:
    """Return a fit of each of several stacked densities.

    Parameters
    ----------
    densities
        The densities of law and noise.
    random
        One generator a density.
    dtype
        ``"float64"`` or ``"float32"``.
    """
    _, whitening = whiten_at_mode(densities, random, _STARTS, dtype)
    dim = whitening.center.shape[1]
    proposals = [student_t_proposals(each, _PROPOSALS, dim) for each in random]
    points = whitening.to_points(np.stack([each.points for each in proposals]))
    log_density = log_densities(densities, points, dtype)
    return [
        PlainFit(center, draws, _log_weights(found, proposal, root))
        for center, draws, found, proposal, root in zip(
            whitening.center, points, log_density, proposals, whitening.root, strict=True
        )
    ]


def _log_weights(
    log_density: Float[np.ndarray, " draws"], proposals: Proposals, root: Float[np.ndarray, "d d"]
) -> Float[np.ndarray, " draws"]:
    log_proposal = proposals.log_density - np.linalg.slogdet(root)[1]
    return np.where(np.isfinite(log_density), log_density - log_proposal, -np.inf)
