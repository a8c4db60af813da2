"""The optimal scale of laws that have a closed form, for any cost, by Newton's method.

At the optimum, the marginal rate of substitution of log tokens for log size, (dL / d log N) /
(dL / d log D), equals the rate at which the budget trades them. For a function of a power law of
size plus one of tokens, the logarithm of that rate is linear in log N and log D. Two derivatives
then give the rate everywhere, and the optimum needs no further evaluation of the law.
"""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from scalingbayes._core.roots import bisect, newton_in_bracket, root_slope
from scalingbayes.allocation.closed_form import closed_form_scale
from scalingbayes.allocation.costs import LOG_SCALE_RANGE, Cost
from scalingbayes.allocation.expected import expected
from scalingbayes.allocation.limits import scale_range
from scalingbayes.laws import Law

Rate = Callable[[Array, Array], Array]
"""Log of the marginal rate of substitution, as a function of log size and log tokens."""

_KNOTS = 32  # budgets at which the optimum is solved; others are interpolated
_CHECKED = 8  # about this many interpolated budgets are solved too, to check the interpolation
_INTERPOLATION_ERROR = 1e-9  # of a scale
_LOG_SIZE, _LOG_TOKENS = 20.0, 24.0  # of a usual run
_LINEARITY_ERROR = 1e-3  # of a log rate; rounding in float32 is below
_FROM_LARGEST = 1e-5  # of a scale: the least distance of a first guess from the largest scale


def scale_by_newton(
    law: Law, values: dict[str, Array], log_compute: Float[Array, "*#draws budgets"], cost: Cost
) -> tuple[Float[Array, "*draws budgets"], Float[Array, "*draws budgets"]]:
    """Solve for the optimal scale under any cost; return also its derivative by log compute.

    The law must have a closed form and a linear log rate (:func:`has_linear_rate`). The optimal
    scale is a smooth function of the budget. Many budgets are therefore interpolated from a few,
    unless a check shows that the interpolation is not accurate.
    """
    rate = _linear_rate(law, values)
    if log_compute.ndim > 1 or len(log_compute) <= _KNOTS:
        return _solve(rate, log_compute, cost, _first_guess(law, values, log_compute, cost))
    knots, from_knots = _interpolation(log_compute)
    scale, slope = _solve(rate, knots, cost, _first_guess(law, values, knots, cost))
    interpolated = scale @ from_knots, slope @ from_knots
    checked = slice(None, None, len(log_compute) // _CHECKED)
    exact, _ = _solve(rate, log_compute[checked], cost, interpolated[0][..., checked])
    error = jnp.abs(exact - interpolated[0][..., checked]).max()
    return lax.cond(
        error < _INTERPOLATION_ERROR,
        lambda: interpolated,
        lambda: _solve(rate, log_compute, cost, interpolated[0]),
    )


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

    def linear(log_size: Array, log_tokens: Array) -> Array:
        return level + by_size * (log_size - centre[0]) + by_tokens * (log_tokens - centre[1])

    return linear


@partial(jax.jit, static_argnums=0)
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
    low, high = (jnp.full_like(mean, end) for end in LOG_SCALE_RANGE)
    scale = bisect(lambda scale: cost.log_size(scale) - mean, low, high)
    _, slope = jax.jvp(cost.log_size, (scale,), (jnp.ones_like(scale),))
    return scale + (log_size - mean) / slope


def _solve(rate: Rate, log_compute: Array, cost: Cost, guess: Array) -> tuple[Array, Array]:
    """Solve for the scale at which the law and the budget trade size for tokens at one rate."""
    one = jnp.ones_like(guess)
    largest = scale_range(cost, {}, log_compute)[1]
    compute = jnp.broadcast_to(log_compute, guess.shape)

    def excess(scale: Array, log_compute: Array) -> Array:
        log_size, by_size = jax.jvp(cost.log_size, (scale,), (one,))
        log_tokens, by_tokens = jax.jvp(lambda s: cost.log_tokens(s, log_compute), (scale,), (one,))
        return -rate(log_size, log_tokens) - jnp.log(-by_size / by_tokens)

    found = newton_in_bracket(
        lambda scale: jax.jvp(lambda s: excess(s, compute), (scale,), (one,)),
        jnp.minimum(guess, largest - _FROM_LARGEST),
        jnp.full_like(largest, LOG_SCALE_RANGE[0]),
        largest,
    )
    scale = jnp.where(found.below & found.above, found.x, jnp.nan)
    return scale, root_slope(excess, scale, compute)


def _interpolation(points: Float[Array, " points"]) -> tuple[Array, Array]:
    """Return Chebyshev nodes, and the matrix that interpolates from the nodes to the points.

    The barycentric formula for nodes of the first kind (Berrut & Trefethen 2004, sections 4 and 5).
    """
    low, high = points.min(), points.max()
    angles = jnp.pi * (jnp.arange(_KNOTS) + 0.5) / _KNOTS
    knots = (low + high) / 2 - (high - low) / 2 * jnp.cos(angles)
    signs = jnp.where(jnp.arange(_KNOTS) % 2 == 0, 1.0, -1.0)
    distances = points - knots[:, None]
    terms = (signs * jnp.sin(angles))[:, None] / distances
    at_a_knot = (distances == 0).any(0)
    return knots, jnp.where(at_a_knot, distances == 0, terms / terms.sum(0))
