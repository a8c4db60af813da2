"""A law's own error: a random walk in the logarithm of scale.

Where there are runs they hold it down; beyond them it grows with the square root of the distance.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

STEPS = 16
"""Straight pieces of which the discrepancy_draws is made, over the range of the runs."""

_START = 0.25  # its variance at the smallest run, as if it had begun so far below


def log_scale(
    names: Sequence[str],
    inputs: Mapping[str, Float[np.ndarray, " runs"]],
    reference: Mapping[str, float],
) -> Float[np.ndarray, " runs"]:
    """Say how far each run is along: the log of the product of its inputs, over the reference."""
    return np.sum(np.log([inputs[name] / reference[name] for name in names]), axis=0)


class Discrepancy(NamedTuple):
    """Where a discrepancy_draws begins and ends, in the logarithm of scale over its reference."""

    first: float
    last: float

    def basis(self, log_scale: Float[ArrayLike, "*shape"]) -> Float[Array, "*shape effects"]:
        """Say how much each step adds to the walk there: the walk is this times standard normals.

        Its variance at a step's end is what that of a random walk in log scale is.
        """
        size = (self.last - self.first) / STEPS
        begun = self.first + size * jnp.arange(STEPS)
        here = jnp.asarray(log_scale)[..., None]
        part = jnp.clip((here - begun) / size, 0.0, 1.0) * jnp.sqrt(size)
        return jnp.concatenate([jnp.full_like(part[..., :1], _START**0.5), part], axis=-1)

    def beyond(self, log_scale: Float[ArrayLike, "*shape"]) -> Float[Array, "*shape"]:
        """Give the sd, over tau, that the walk gains outside the range of the runs."""
        here = jnp.asarray(log_scale)
        outside = jnp.maximum(here - self.last, 0.0) + jnp.maximum(self.first - here, 0.0)
        return jnp.sqrt(outside)
