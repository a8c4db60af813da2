"""Fits with likelihood power 1, by importance sampling from the Laplace approximation."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from scalingbayes.inference.draws import Draws
from scalingbayes.inference.importance import (
    Proposals,
    importance_resample,
    log_densities,
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
    proposals
        Draws from the proposal distribution.
    log_density
        Log density of the posterior at each.
    """

    mode: Float[np.ndarray, " dim"]
    proposals: Proposals
    log_density: Float[np.ndarray, " draws"]

    def mean(self, first: int) -> Float[np.ndarray, " noise"]:
        """Return the posterior mean of the coordinates from the index ``first`` on."""
        log_weights = self.log_density - self.proposals.log_density
        log_weights = np.where(np.isfinite(log_weights), log_weights, -np.inf)
        weights = np.exp(log_weights - log_weights.max())
        # Truncated weights (Ionides 2008): one draw cannot dominate the mean.
        weights = np.minimum(weights, weights.mean() * np.sqrt(len(weights)))
        found: Float[np.ndarray, " noise"] = weights @ self.proposals.points[:, first:]
        return found / weights.sum()

    def resampled(self, count: int, random: np.random.Generator) -> Draws:
        """Return draws of equal weight, by Pareto smoothed importance weights."""
        return importance_resample(self.proposals, self.log_density, count, random)


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
    standard = [student_t_proposals(each, _PROPOSALS, dim) for each in random]
    points = whitening.to_points(np.stack([each.points for each in standard]))
    log_density = log_densities(densities, points, dtype)
    volumes = np.linalg.slogdet(whitening.root)[1]
    return [
        PlainFit(
            np.asarray(whitening.center[fit]),
            Proposals(points[fit], each.log_density - volumes[fit]),
            log_density[fit],
        )
        for fit, each in enumerate(standard)
    ]
