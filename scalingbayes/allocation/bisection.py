"""Where a function of a model's scale passes 0."""

from collections.abc import Callable

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

SCALES = (-50.0, 150.0)
"""No model's scale is beyond."""

_BISECTIONS = 60


def bisect(
    excess: Callable[[Array], Array], low: Float[Array, "*shape"], high: Float[Array, "*shape"]
) -> Float[Array, "*shape"]:
    """Find where a function that rises passes 0; the upper end where it does not."""

    def halve(_: Array, bracket: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = bracket
        half = (low + high) / 2
        above = excess(half) > 0
        return jnp.where(above, low, half), jnp.where(above, half, high)

    low, high = lax.fori_loop(0, _BISECTIONS, halve, (low, high))
    return high
