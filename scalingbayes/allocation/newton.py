"""The optimal scale of laws that have a closed form, for any cost, by Newton's method.

At the optimum, the marginal rate of substitution of log tokens for log size, (dL / d log N) /
(dL / d log D), equals the rate at which the budget trades them. For a function of a power law of
size plus one of tokens, the logarithm of that rate is linear in log N and log D. Two derivatives
then give the rate everywhere, and the optimum needs no further evaluation of the law.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from scalingbayes._core.devices import map_parts
from scalingbayes._core.programs import compiled
from scalingbayes._core.roots import newton_in_bracket, root_slope
from scalingbayes.allocation.closed_form import closed_form_scale
from scalingbayes.allocation.costs.base import LOG_SCALE_RANGE, Cost
from scalingbayes.allocation.expected import expected
from scalingbayes.allocation.limits import scale_range
from scalingbayes.laws import Law

_COARSE = 16  # budgets at which the optimum is searched
_KNOTS = 80  # budgets at which the optimum is polished; others are interpolated
_POLISH = 2  # Newton steps from a scale that is interpolated from the coarse budgets
_CHECKED = 16  # about this many interpolated budgets are checked
_INTERPOLATION_ERROR = 1e-7  # of a scale
_LOG_SIZE, _LOG_TOKENS = 20.0, 24.0  # of a usual run
_LINEARITY_ERROR = 1e-3  # of a log rate; rounding in float32 is below
_AT_ONCE = 1 << 8  # draws times budgets that one search works on: their numbers fit a CPU's cache
_FROM_LARGEST = 1e-5  # of a scale: the least distance of a first guess from the largest scale


class Rate(NamedTuple):
    """Log of the marginal rate of substitution, a linear function of log size and log tokens."""

    level: Array
    by_size: Array
    by_tokens: Array

    def __call__(self, log_size: Array, log_tokens: Array) -> Array:
        """Return the log rate of a run."""
        by_size = self.by_size * (log_size - _LOG_SIZE)
        return self.level + by_size + self.by_tokens * (log_tokens - _LOG_TOKENS)


def scale_by_newton(
    law: Law, values: dict[str, Array], log_compute: Float[Array, "*#draws budgets"], cost: Cost
) -> tuple[Float[Array, "*draws budgets"], Float[Array, "*draws budgets"]]:
    """Solve for the optimal scale under any cost; return also its derivative by log compute.

    The law must have a closed form and a linear log rate (:func:`has_linear_rate`). The optimal
    scale is a smooth function of the budget. Many budgets are therefore interpolated from a few,
    unless a check shows that a Newton step from an interpolated scale would move it.
    """
    rate = _linear_rate(law, values)

    def search(log_compute: Array) -> tuple[Array, Array]:
        return _solve(rate, log_compute, cost, _first_guess(law, values, log_compute, cost))

    if log_compute.ndim > 1 or len(log_compute) <= _KNOTS:
        return search(log_compute)
    coarse, knots = (_knots(log_compute, count) for count in (_COARSE, _KNOTS))
    scale = search(coarse)[0] @ _interpolation(coarse, knots)
    scale = lax.fori_loop(0, _POLISH, lambda _, x: x - _newton_step(rate, cost, x, knots), scale)
    slope = root_slope(partial(_excess, rate, cost), scale, knots)
    from_knots = _interpolation(knots, log_compute)
    scale, slope = scale @ from_knots, slope @ from_knots

    def search_from_interpolated() -> tuple[Array, Array]:
        guess = _first_guess(law, values, log_compute, cost)
        guess = jnp.where(jnp.isnan(scale), guess, scale)
        return _solve(rate, log_compute, cost, guess)

    checked = slice(None, None, len(log_compute) // _CHECKED)
    error = jnp.abs(_newton_step(rate, cost, scale[..., checked], log_compute[checked])).max()
    return lax.cond(error < _INTERPOLATION_ERROR, lambda: (scale, slope), search_from_interpolated)


def has_linear_rate(law: Law, values: dict[str, Array]) -> bool:
    """Return whether the log rate of substitution is linear in log size and log tokens."""
    return bool(_largest_nonlinearity(law, values) < _LINEARITY_ERROR)


def _log_rate(law: Law, values: dict[str, Array], log_size: Array, log_tokens: Array) -> Array:
    """Return the log of the marginal rate of substitution, (dL / d log N) / (dL / d log D)."""
    one = jnp.ones_like(log_size)
    expect = partial(expected, law, values, {})
    _, by_size = jax.jvp(lambda u: expect(u, log_tokens), (log_size,), (one,))
    _, by_tokens = jax.jvp(lambda v: expect(log_size, v), (log_tokens,), (one,))
    return jnp.log(by_size / by_tokens)


def _linear_rate(law: Law, values: dict[str, Array]) -> Rate:
    """Return the first-order Taylor polynomial of :func:`_log_rate` about a usual run."""
    shape = jnp.broadcast_shapes(*(value.shape for value in values.values()))
    like = next(iter(values.values()))
    centre = tuple(jnp.full(shape, at, like.dtype) for at in (_LOG_SIZE, _LOG_TOKENS))
    one, zero = jnp.ones(shape, like.dtype), jnp.zeros(shape, like.dtype)
    log_rate = partial(_log_rate, law, values)
    level, by_size = jax.jvp(log_rate, centre, (one, zero))
    _, by_tokens = jax.jvp(log_rate, centre, (zero, one))
    return Rate(level, by_size, by_tokens)


@partial(compiled, static=("law",))
def _largest_nonlinearity(law: Law, values: dict[str, Array]) -> Array:
    """Return the largest difference of the log rate from its linearisation, at two other runs."""
    linear, log_rate = _linear_rate(law, values), partial(_log_rate, law, values)
    shape = jnp.broadcast_shapes(*(value.shape for value in values.values()))
    like = next(iter(values.values()))
    differences = []
    for size, tokens in ((_LOG_SIZE + 3, _LOG_TOKENS), (_LOG_SIZE - 2, _LOG_TOKENS + 4)):
        at = (jnp.full(shape, size, like.dtype), jnp.full(shape, tokens, like.dtype))
        differences.append(jnp.abs(linear(*at) - log_rate(*at)).max())
    return jnp.stack(differences).max()


def _first_guess(law: Law, values: dict[str, Array], log_compute: Array, cost: Cost) -> Array:
    """Return the scale of the size that is optimal if tokens cost in proportion to size."""
    log_size = closed_form_scale(law, values, cost, log_compute)
    # Bisection for the mean over the draws alone; the derivative there extends it to each draw.
    mean = log_size.mean(tuple(range(log_size.ndim - log_compute.ndim)))
    scale = cost.scale(mean)
    _, slope = jax.jvp(cost.log_size, (scale,), (jnp.ones_like(scale),))
    return scale + (log_size - mean) / slope


def _excess(rate: Rate, cost: Cost, scale: Array, log_compute: Array) -> Array:
    """Return by how much the budget's log rate exceeds the law's: 0 at the optimum."""
    one = jnp.ones_like(scale)
    log_size, by_size = jax.jvp(cost.log_size, (scale,), (one,))
    log_tokens, by_tokens = jax.jvp(lambda s: cost.log_tokens(s, log_compute), (scale,), (one,))
    return -rate(log_size, log_tokens) - jnp.log(-by_size / by_tokens)


def _excess_and_slope(
    rate: Rate, cost: Cost, scale: Array, log_compute: Array
) -> tuple[Array, Array]:
    """Return :func:`_excess`, and its derivative by the scale."""
    log_compute = jnp.broadcast_to(log_compute, scale.shape)
    excess = partial(_excess, rate, cost, log_compute=log_compute)
    return jax.jvp(excess, (scale,), (jnp.ones_like(scale),))


def _newton_step(rate: Rate, cost: Cost, scale: Array, log_compute: Array) -> Array:
    """Return by how much a Newton step lowers the scale."""
    excess, slope = _excess_and_slope(rate, cost, scale, log_compute)
    return excess / slope


def _solve(rate: Rate, log_compute: Array, cost: Cost, guess: Array) -> tuple[Array, Array]:
    """Solve for the scale at which the law and the budget trade size for tokens at one rate."""
    largest = scale_range(cost, {}, log_compute)[1]
    draws = guess.shape[:-1]

    def flat(x: Array) -> Array:
        last = x.shape[-1] if x.ndim else 1
        return jnp.broadcast_to(x, (*draws, last)).reshape(-1, last)

    def of_draws(each: tuple[Rate, Array, Array, Array]) -> tuple[Array, Array]:
        rate, log_compute, largest, guess = each
        found = newton_in_bracket(
            lambda scale: _excess_and_slope(rate, cost, scale, log_compute),
            jnp.minimum(guess, largest - _FROM_LARGEST),
            jnp.full_like(largest, LOG_SCALE_RANGE[0]),
            largest,
        )
        scale = jnp.where(found.below & found.above, found.x, jnp.nan)
        return scale, root_slope(partial(_excess, rate, cost), scale, log_compute)

    each = jax.tree.map(flat, (rate, log_compute, largest, guess))
    found = map_parts(of_draws, each, max(1, _AT_ONCE // guess.shape[-1]))
    return jax.tree.map(lambda x: x.reshape(guess.shape), found)


def _knots(points: Float[Array, " points"], count: int) -> Float[Array, " knots"]:
    """Return Chebyshev nodes of the first kind over the range of points."""
    low, high = points.min(), points.max()
    return (low + high) / 2 - (high - low) / 2 * jnp.cos(_angles(count))


def _angles(count: int) -> Float[Array, " knots"]:
    return jnp.pi * (jnp.arange(count) + 0.5) / count


def _interpolation(
    knots: Float[Array, " knots"], points: Float[Array, " points"]
) -> Float[Array, "knots points"]:
    """Return the matrix that interpolates from Chebyshev nodes to points.

    The barycentric formula for nodes of the first kind (Berrut & Trefethen 2004, sections 4 and 5).
    """
    signs = jnp.where(jnp.arange(len(knots)) % 2 == 0, 1.0, -1.0)
    distances = points - knots[:, None]
    terms = (signs * jnp.sin(_angles(len(knots))))[:, None] / distances
    at_a_knot = (distances == 0).any(0)
    return jnp.where(at_a_knot, distances == 0, terms / terms.sum(0))
