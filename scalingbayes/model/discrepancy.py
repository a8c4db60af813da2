"""The discrepancy: a law's own error, a random walk in the logarithm of scale.

Runs determine the walk within their range. Beyond it the sd of the walk grows with the square root
of the distance.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

STEP_COUNT = 16
"""Number of linear pieces of the walk over the range of the runs."""

STEP_UNIT = 0.03
"""Unit of the steps of the walk on the target's scale: about their usual size."""

_START_VARIANCE = 0.25  # variance of the walk over tau^2 at the smallest run


def log_scale(
    names: Sequence[str],
    inputs: Mapping[str, Float[np.ndarray, " runs"]],
    reference: Mapping[str, float],
) -> Float[np.ndarray, " runs"]:
    """Return the log of the product of these inputs over their reference values, for each run."""
    return np.sum(np.log([inputs[name] / reference[name] for name in names]), axis=0)


class Discrepancy(NamedTuple):
    """The range of the runs in log scale, over which the random walk is piecewise linear."""

    first: float
    last: float

    def basis(self, log_scale: Float[ArrayLike, "*shape"]) -> Float[Array, "*shape effects"]:
        """Return the contribution of each step to the walk, at points of log scale.

        The walk over tau is the basis times standard normal numbers. At the end of each step its
        variance is that of a random walk in log scale.
        """
        size = (self.last - self.first) / STEP_COUNT
        begun = self.first + size * jnp.arange(STEP_COUNT)
        here = jnp.asarray(log_scale)[..., None]
        part = jnp.clip((here - begun) / size, 0.0, 1.0) * jnp.sqrt(size)
        return jnp.concatenate([jnp.full_like(part[..., :1], _START_VARIANCE**0.5), part], axis=-1)

    def extra_sd(self, log_scale: Float[ArrayLike, "*shape"]) -> Float[Array, "*shape"]:
        """Return the sd over tau that the walk gains outside the range of the runs."""
        here = jnp.asarray(log_scale)
        outside = jnp.maximum(here - self.last, 0.0) + jnp.maximum(self.first - here, 0.0)
        return jnp.sqrt(outside)
