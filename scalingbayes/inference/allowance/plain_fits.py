"""Fits with likelihood power 1, by adaptive importance sampling."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from scalingbayes.inference.draws import Draws
from scalingbayes.inference.importance import (
    Proposals,
    importance_resample,
    log_densities,
    truncated_weights,
)
from scalingbayes.inference.whitening import adapted_whitening, propose, whiten_at_mode
from scalingbayes.model.log_density import LogDensity

_STARTS = 2  # searches for each mode
_PROPOSALS = 500


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

    @property
    def weights(self) -> Float[np.ndarray, " draws"]:
        """Truncated importance weights of the draws, which sum to 1."""
        return truncated_weights(self.log_density, self.proposals.log_density)

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
    _, at_mode = whiten_at_mode(densities, random, _STARTS, dtype)
    whitening = at_mode
    for last in (False, True):
        proposals = propose(whitening, random, _PROPOSALS)
        points = np.stack([each.points for each in proposals])
        log_density = log_densities(densities, points, dtype)
        if not last:
            whitening = adapted_whitening(whitening, proposals, log_density)
    return [
        PlainFit(np.asarray(mode), each, found)
        for mode, each, found in zip(at_mode.center, proposals, log_density, strict=True)
    ]
