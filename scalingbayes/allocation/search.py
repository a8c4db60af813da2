"""The optimal scale of any law, by a grid search and bisection."""

from collections.abc import Callable, Mapping
from functools import partial

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, ArrayLike, Float

from scalingbayes._core.roots import bisect, root_slope
from scalingbayes.allocation.costs.base import Cost
from scalingbayes.allocation.expected import expected_for_budget
from scalingbayes.laws import Law

_LOG_USUAL_RATIO = 3.0  # log of tokens over size, about 20: the centre of the grid
_GRID_HALF_WIDTH = 20.0  # of the scale, to each side of the centre
_GRID_STEP = 0.25  # of the scale


def scale_by_search(
    law: Law,
    values: dict[str, Array],
    log_compute: Float[Array, "*#draws budgets"],
    fixed: Mapping[str, ArrayLike],
    cost: Cost,
) -> tuple[Float[Array, "*draws budgets"], Float[Array, "*draws budgets"]]:
    """Search for the optimal scale; return also its derivative by log compute.

    A grid brackets the minimum of what the law expects along the budget; bisection then finds
    where its derivative is 0. Of several local minima, the one nearest to the usual ratio of tokens
    to size counts: far from any data, a law may have minima that mean nothing. The result is NaN
    where the grid has no minimum.
    """
    expect = partial(expected_for_budget, law, values, fixed, cost)
    shape = jnp.broadcast_shapes(log_compute.shape, *(value.shape for value in values.values()))

    def derivative(scale: Array, log_compute: Array) -> Array:
        one = jnp.ones_like(scale)
        return jax.jvp(lambda scale: expect(scale, log_compute), (scale,), (one,))[1]

    def derivative_or_one(scale: Array) -> Array:
        found = derivative(scale, log_compute)
        return jnp.where(jnp.isnan(found), 1.0, found)  # no tokens are left: the model is too large

    centre = cost.scale_at_ratio(_LOG_USUAL_RATIO, log_compute)
    near = _grid_minimum(expect, centre, log_compute, shape)
    scale = bisect(derivative_or_one, near - _GRID_STEP, near + _GRID_STEP)
    scale = jnp.where(jnp.isnan(near), jnp.nan, scale)
    return scale, root_slope(derivative, scale, log_compute)


def _grid_minimum(
    expect: Callable[[Array, Array], Array],
    centre: Array,
    log_compute: Array,
    shape: tuple[int, ...],
) -> Array:
    """Return the local minimum on a grid that is nearest to its centre; NaN if there is none."""
    offsets = jnp.arange(-_GRID_HALF_WIDTH, _GRID_HALF_WIDTH + _GRID_STEP, _GRID_STEP)
    infinite = jnp.full(shape, jnp.inf, centre.dtype)

    def visit(
        found: tuple[Array, Array, Array], offset: Array
    ) -> tuple[tuple[Array, Array, Array], None]:
        before, last, nearest = found
        here = expect(centre + offset, log_compute)
        here = jnp.where(jnp.isnan(here), jnp.inf, here)  # no tokens are left
        last_is_minimum = (last < before) & (last <= here)
        nearer = last_is_minimum & (jnp.abs(offset - _GRID_STEP) < jnp.abs(nearest))
        return (last, here, jnp.where(nearer, offset - _GRID_STEP, nearest)), None

    # Both values start at -inf, so that the first point of the grid is never a minimum.
    start = (-infinite, -infinite, infinite)
    (_, _, nearest), _ = lax.scan(visit, start, offsets.astype(centre.dtype))
    return centre + jnp.where(jnp.isfinite(nearest), nearest, jnp.nan)
