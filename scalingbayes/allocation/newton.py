"""The best scale where a closed form gives it for another cost."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from scalingbayes._core.roots import bisect
from scalingbayes.allocation.costs import LOG_SCALE_RANGE, Cost, Proportional
from scalingbayes.allocation.limits import ends
from scalingbayes.allocation.path import expected
from scalingbayes.laws import Law

_KNOTS = 32  # budgets from which others are interpolated
_LOOKED_AT = 8  # of these, about, on which it is seen whether that is enough
_KNOWN = 1e-9  # of a scale
_LOG_SIZE, _LOG_TOKENS = 20.0, 24.0  # of a usual run
_MOST_NEWTON_STEPS = 50
_STRAIGHT = 1e-3  # of logarithms; rounding in float32 is below
_CONVERGED = 1e-5  # of a step in scale; the next one would be its square


def closed_scale(law: Law, values: dict[str, Array], cost: Cost, log_compute: Array) -> Array:
    """Log of the law's own best size, where a token costs in proportion to size."""
    assert law.optimum is not None
    training = cost.training if isinstance(cost, Proportional) else law.budget.flops
    compute = jnp.exp(log_compute) * (law.budget.flops / training)
    return jnp.log(law.optimum(compute, **values)[0])


def by_newton(
    law: Law, values: dict[str, Array], log_compute: Array, cost: Cost
) -> tuple[Array, Array]:
    """Find the best scale of a law that has a closed form for another cost, and how it moves."""
    worth = _line(law, values)
    if log_compute.ndim > 1 or len(log_compute) <= _KNOTS:
        return _newton(worth, log_compute, cost, _start(law, values, log_compute, cost))
    # The best scale is a smooth function of the budget: found at a few, it is all but known.
    knots, between = _interpolation(log_compute)
    at_knots, moves = _newton(worth, knots, cost, _start(law, values, knots, cost))
    between_knots = at_knots @ between, moves @ between
    some = slice(None, None, len(log_compute) // _LOOKED_AT)
    exact, _ = _newton(worth, log_compute[some], cost, between_knots[0][..., some])
    known = jnp.abs(exact - between_knots[0][..., some]).max() < _KNOWN
    return lax.cond(
        known,
        lambda: between_knots,
        lambda: _newton(worth, log_compute, cost, between_knots[0]),
    )


def _interpolation(points: Float[Array, " points"]) -> tuple[Array, Array]:
    """Find Chebyshev's knots among points, and the matrix from values there to values at points."""
    low, high = points.min(), points.max()
    angles = jnp.pi * (jnp.arange(_KNOTS) + 0.5) / _KNOTS
    knots = (low + high) / 2 - (high - low) / 2 * jnp.cos(angles)
    signs = jnp.where(jnp.arange(_KNOTS) % 2 == 0, 1.0, -1.0)
    away = points - knots[:, None]
    parts = (signs * jnp.sin(angles))[:, None] / away
    at_knot = (away == 0).any(0)
    return knots, jnp.where(at_knot, away == 0, parts / parts.sum(0))


def _log_worth(law: Law, values: dict[str, Array], log_size: Array, log_tokens: Array) -> Array:
    """Say what a unit of log size is worth over one of log tokens, in logarithms."""
    one = jnp.ones_like(log_size)
    expect = partial(expected, law, values, {})
    _, by_size = jax.jvp(lambda u: expect(u, log_tokens), (log_size,), (one,))
    _, by_tokens = jax.jvp(lambda v: expect(log_size, v), (log_tokens,), (one,))
    return jnp.log(by_size / by_tokens)


def _line(law: Law, values: dict[str, Array]) -> Callable[[Array, Array], Array]:
    """Return :func:`_log_worth` where it is a straight line in log size and log tokens."""
    shape = jnp.broadcast_shapes(*(value.shape for value in values.values()))
    like = next(iter(values.values()))
    about = tuple(jnp.full(shape, at, like.dtype) for at in (_LOG_SIZE, _LOG_TOKENS))
    one, zero = jnp.ones(shape, like.dtype), jnp.zeros(shape, like.dtype)
    log_worth = partial(_log_worth, law, values)
    worth, by_size = jax.jvp(log_worth, about, (one, zero))
    _, by_tokens = jax.jvp(log_worth, about, (zero, one))

    def line(log_size: Array, log_tokens: Array) -> Array:
        return worth + by_size * (log_size - about[0]) + by_tokens * (log_tokens - about[1])

    return line


def is_straight(law: Law, values: dict[str, Array]) -> bool:
    """Whether :func:`by_newton` finds a law's optimum: if its worths are a straight line."""
    return bool(_largest_bend(law, values) < _STRAIGHT)


@partial(jax.jit, static_argnums=0)
def _largest_bend(law: Law, values: dict[str, Array]) -> Array:
    """Find how far what size is worth over tokens is from a straight line, in logarithms.

    It hardly is if loss is a function of a power law of size plus one of tokens.
    """
    line, log_worth = _line(law, values), partial(_log_worth, law, values)
    shape = jnp.broadcast_shapes(*(value.shape for value in values.values()))
    like = next(iter(values.values()))
    bends = []
    for size, tokens in ((_LOG_SIZE + 3, _LOG_TOKENS), (_LOG_SIZE - 2, _LOG_TOKENS + 4)):
        at = (jnp.full(shape, size, like.dtype), jnp.full(shape, tokens, like.dtype))
        bends.append(jnp.abs(line(*at) - log_worth(*at)).max())
    return jnp.stack(bends).max()


def _start(law: Law, values: dict[str, Array], log_compute: Array, cost: Cost) -> Array:
    """Guess the best scale: of the size that is best where tokens cost in proportion to it."""
    log_size = closed_scale(law, values, cost, log_compute)
    middle = log_size.mean(tuple(range(log_size.ndim - log_compute.ndim)))
    reach = (jnp.full_like(middle, end) for end in LOG_SCALE_RANGE)
    scale = bisect(lambda scale: cost.log_size(scale) - middle, *reach)
    _, slope = jax.jvp(cost.log_size, (scale,), (jnp.ones_like(scale),))
    return scale + (log_size - middle) / slope


def _newton(
    worth: Callable[[Array, Array], Array], log_compute: Array, cost: Cost, start: Array
) -> tuple[Array, Array]:
    """Solve for the scale at which a unit of size and of tokens are worth their costs."""
    one = jnp.ones_like(start)
    highest = ends(cost, {}, log_compute)[1]

    def excess(scale: Array, log_compute: Array) -> Array:
        log_size, larger = jax.jvp(cost.log_size, (scale,), (one,))
        log_tokens, more = jax.jvp(lambda s: cost.log_tokens(s, log_compute), (scale,), (one,))
        return worth(log_size, log_tokens) + jnp.log(-larger / more)

    def step(state: tuple[Array, Array, Array, Array]) -> tuple[Array, Array, Array, Array]:
        scale, _, _, count = state
        # Beyond the largest scale there are no tokens: keep away from it.
        scale = jnp.minimum(scale, highest - _CONVERGED)
        compute = jnp.broadcast_to(log_compute, scale.shape)
        value, slope = jax.jvp(lambda s: excess(s, compute), (scale,), (one,))
        _, by_compute = jax.jvp(lambda c: excess(scale, c), (compute,), (one,))
        new = jnp.minimum(scale - value / slope, (scale + highest) / 2)
        return new, -by_compute / slope, jnp.abs(new - scale).max(), count + 1

    def going(state: tuple[Array, Array, Array, Array]) -> Array:
        return (state[2] > _CONVERGED) & (state[3] < _MOST_NEWTON_STEPS)

    state = (start, one, jnp.array(jnp.inf, start.dtype), jnp.array(0))
    scale, moves, moved, _ = lax.while_loop(going, step, state)
    return jnp.where(moved > _CONVERGED, jnp.nan, scale), moves
