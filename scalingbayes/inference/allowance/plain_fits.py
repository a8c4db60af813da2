"""Fits with likelihood power 1, by adaptive importance sampling."""

from collections.abc import Sequence
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from scalingbayes._core.devices import fetch, map_draws
from scalingbayes._core.precision import to_dtype
from scalingbayes._core.programs import compiled
from scalingbayes.inference.adaptive_importance import adaptive_proposals
from scalingbayes.inference.draws import Draws
from scalingbayes.inference.importance import (
    Proposals,
    importance_resample,
    truncated_weights,
)
from scalingbayes.inference.whitening import whiten_at_mode
from scalingbayes.model.log_density import LogDensity

_STARTS = 2  # searches for each mode
_PROPOSALS = 500
_ROUNDS = 3  # of proposals, each about the weighted draws of the round before
_SCALES = (1.0, 1.7)  # of the proposals; the noise has long tails


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
    proposals, log_density = adaptive_proposals(
        densities, at_mode, random, _PROPOSALS, _SCALES, _ROUNDS, dtype
    )
    return [
        PlainFit(np.asarray(mode), each, found)
        for mode, each, found in zip(at_mode.center, proposals, log_density, strict=True)
    ]


def together(fits: Sequence[PlainFit]) -> PlainFit:
    """Return several fits of one density as one, with the draws of all."""
    return PlainFit(
        fits[0].mode,
        Proposals(
            np.concatenate([each.proposals.points for each in fits]),
            np.concatenate([each.proposals.log_density for each in fits]),
        ),
        np.concatenate([each.log_density for each in fits]),
    )


def mean_noise(
    densities: LogDensity, plain: Sequence[PlainFit], dtype: str
) -> dict[str, Float[np.ndarray, " fits"]]:
    """Return the posterior mean of each parameter of the noise, at the reference point.

    Parameters
    ----------
    densities
        The densities, stacked.
    plain
        The fit of each.
    dtype
        ``"float64"`` or ``"float32"``.
    """
    points = np.stack([each.proposals.points for each in plain])
    weights = np.stack([each.weights for each in plain])
    values = fetch(_noise_values(densities, to_dtype(points, dtype)))
    found = {}
    for name, x in values.items():
        draws = x.astype(float)
        found[name] = (weights * np.where(weights > 0, draws, 0.0)).sum(1)
    return found


@compiled
def _noise_values(
    densities: LogDensity, points: Float[ArrayLike, "fits draws dim"]
) -> dict[str, Float[Array, "fits draws"]]:
    def one(density: LogDensity, point: Array) -> dict[str, Array]:
        values = density.coordinates.at_reference(point)
        return {name: values[name] for name in density.noise.parameters}

    return map_draws(one, densities, jnp.asarray(points))
