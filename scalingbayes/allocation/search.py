"""The best scale of any law, by a grid and bisection."""

from collections.abc import Callable, Mapping
from functools import partial

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, ArrayLike

from scalingbayes._core.roots import bisect
from scalingbayes.allocation.costs import LOG_SCALE_RANGE, Cost
from scalingbayes.allocation.path import along, slope
from scalingbayes.laws import Law

_LOG_USUAL_RATIO = 3.0  # of tokens to size, about 20: where the search begins
_REACH = 20.0  # the scale is searched so far to both sides of there
_STEP = 0.25  # of the grid of scales on which an optimum is first found


def by_search(
    law: Law,
    values: dict[str, Array],
    log_compute: Array,
    fixed: Mapping[str, ArrayLike],
    cost: Cost,
) -> tuple[Array, Array]:
    """Search for the best scale, and say how it moves."""
    expect = partial(along, law, values, fixed, cost)
    scale = _search(expect, cost, values, log_compute)
    # The slope vanishes along the frontier.
    tilt = partial(slope, expect)
    compute = jnp.broadcast_to(log_compute, scale.shape)
    one = jnp.ones_like(scale)
    _, by_scale = jax.jvp(lambda s: tilt(s, compute), (scale,), (one,))
    _, by_compute = jax.jvp(lambda c: tilt(scale, c), (compute,), (one,))
    return scale, -by_compute / by_scale


def _search(
    expect: Callable[[Array, Array], Array],
    cost: Cost,
    values: dict[str, Array],
    log_compute: Array,
) -> Array:
    """Search for the scale by a grid and bisection of the slope.

    Of several local optima, the one nearest to the usual ratio of tokens to size is taken: far
    from any data a law may bend in ways that nobody meant.
    """
    shape = jnp.broadcast_shapes(log_compute.shape, *(value.shape for value in values.values()))
    reach = (jnp.full_like(log_compute, end) for end in LOG_SCALE_RANGE)

    def above_usual(scale: Array) -> Array:
        usual = _LOG_USUAL_RATIO + 2 * cost.log_size(scale)
        return usual + (cost.log_training(scale) - cost.log_size(scale)) - log_compute

    middle = bisect(above_usual, *reach)
    offsets = jnp.arange(-_REACH, _REACH + _STEP, _STEP).astype(middle.dtype)
    infinite = jnp.full(shape, jnp.inf, middle.dtype)

    def look(
        found: tuple[Array, Array, Array], offset: Array
    ) -> tuple[tuple[Array, Array, Array], None]:
        before, last, nearest = found
        here = expect(middle + offset, log_compute)
        here = jnp.where(jnp.isnan(here), jnp.inf, here)  # no tokens are left
        lowest = (last < before) & (last <= here)  # the point before this one
        nearer = lowest & (jnp.abs(offset - _STEP) < jnp.abs(nearest))
        return (last, here, jnp.where(nearer, offset - _STEP, nearest)), None

    # -inf at first, so that the first point is no lowest one.
    (_, _, offset), _ = lax.scan(look, (-infinite, -infinite, infinite), offsets)
    near = middle + jnp.where(jnp.isfinite(offset), offset, jnp.nan)

    def rising(scale: Array) -> Array:
        found = slope(expect, scale, log_compute)
        return jnp.where(jnp.isnan(found), 1.0, found)

    best = bisect(rising, near - _STEP, near + _STEP)
    return jnp.where(jnp.isnan(near), jnp.nan, best)
