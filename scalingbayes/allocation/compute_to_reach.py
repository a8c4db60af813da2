"""The compute-optimal frontier read backwards: the least compute that reaches a loss."""

from collections.abc import Mapping
from functools import partial

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, ArrayLike, Float

from scalingbayes._core.errors import InputError
from scalingbayes.allocation.costs import Cost
from scalingbayes.allocation.limits import Limits
from scalingbayes.allocation.optimum import (
    Fixed,
    Values,
    Way,
    best_run,
    cost_of,
    over_budgets,
    way_to,
)
from scalingbayes.laws import Law

_FIRST_GUESS = 50.0  # of log compute, 5e21 FLOPs
_MOST_STEPS = 100
_FLAT = 100.0  # times the rounding of log loss: a slope that tells nothing
_REACH = 0.98  # of the logs that a precision holds: outer budgets would over- or underflow


def compute_to_reach(
    law: Law,
    values: Values,
    loss: Float[Array, "*#draws cases"],
    fixed: Fixed,
    cost: Cost | None = None,
    limits: Limits | None = None,
) -> Float[Array, "*draws cases"]:
    """Find the least compute with which the best model and tokens reach a loss.

    Parameters
    ----------
    law
        A law that divides compute between a model's size and tokens.
    values
        Its parameters in the table's units, one array a parameter; shape (*draws,).
    loss
        Losses to reach, in the table's unit; shape (*draws, cases), or (cases,) for the same in
        every draw.
    fixed
        The law's other inputs.
    cost
        What compute pays for; what the law says by default.
    limits
        What may not be exceeded; a list of shapes cannot be read backwards.

    Returns
    -------
    Array
        FLOPs, of shape (*draws, cases): inf where no budget reaches the loss, such as one at or
        below the law's irreducible loss, and 0 where every budget does, as far as the law has an
        optimum and the precision has numbers. NaN where it has no optimum at all.

    Raises
    ------
    InputError
        If the law does not divide compute between size and tokens, the cost is not one of its
        models, or the limits list shapes.
    """
    cost, parameters = cost_of(law, cost), over_budgets(law, values)
    if limits is not None and limits.shapes is not None:
        raise InputError("What reaches a loss is found for any size: give limits without shapes.")
    bounds = {} if limits is None else limits.bounds
    return _solve(law, way_to(law, parameters, cost), parameters, loss, fixed, cost, bounds)


@partial(jax.jit, static_argnums=(0, 1))
def _solve(
    law: Law,
    way: Way,
    values: dict[str, Array],
    loss: Array,
    fixed: Mapping[str, ArrayLike],
    cost: Cost,
    limits: dict[str, ArrayLike],
) -> Array:
    """Solve for log compute by Newton's method, kept in a bracket by bisection.

    Log loss is convex in log compute where the law is a floor and a power law, so from the left
    Newton's steps never go too far.
    """
    numbers = jnp.finfo(loss.dtype)
    first = jnp.asarray(_FIRST_GUESS, loss.dtype)
    tolerance = jnp.sqrt(numbers.eps)  # near the root a step's error is of the order of its square

    def above(log_compute: Array) -> tuple[Array, Array]:
        """Find how far the frontier is above the loss, in log loss, and its slope."""
        best = best_run(law, way, values, log_compute, fixed, cost, limits)

        def log_loss(size: Array, tokens: Array) -> Array:
            run = {law.budget.size: jnp.exp(size), "tokens": jnp.exp(tokens)}
            return jnp.log(law({**fixed, **run}, values))

        frontier, slope = jax.jvp(log_loss, (best.log_size, best.log_tokens), (best.a, best.b))
        return frontier - jnp.log(loss), slope

    def unfinished(state: tuple[Array, ...]) -> Array:
        step, *_, done = state
        return (step < _MOST_STEPS) & ~done.all()

    def improve(state: tuple[Array, ...]) -> tuple[Array, ...]:
        step, at, low, high, over, under, done = state
        excess, slope = above(at)
        # The frontier ends where no optimum is found, and where it is flat to rounding, as it is
        # near the irreducible loss: the root, if any, is nearer the middle.
        ended = ~(jnp.abs(slope) > _FLAT * numbers.eps)
        short = jnp.where(ended, at < first, excess > 0)
        low, high = jnp.where(short, at, low), jnp.where(short, high, at)
        newton = at - excess / slope
        inside = ~ended & (newton >= low) & (newton <= high)
        following = jnp.where(inside, newton, (low + high) / 2)
        small = jnp.abs(following - at) <= tolerance
        # A root that is come upon by Newton's steps may have been seen from one side only.
        root = inside & small
        over |= root | (~ended & (excess > 0))
        under |= root | (~ended & (excess <= 0))
        return step + 1, jnp.where(done, at, following), low, high, over, under, done | small

    shape = jnp.broadcast_shapes(loss.shape, *(value.shape for value in values.values()))
    start = jnp.full(shape, first)
    low = jnp.full(shape, _REACH * jnp.log(numbers.tiny))
    high = jnp.full(shape, _REACH * jnp.log(numbers.max))
    none = jnp.zeros(shape, bool)
    state: tuple[Array, ...] = (jnp.asarray(0), start, low, high, none, none, none)
    _, at, _, _, over, under, _ = lax.while_loop(unfinished, improve, state)
    found = jnp.where(over & under, jnp.exp(at), jnp.where(over, jnp.inf, 0.0))
    return jnp.where(over | under, found, jnp.nan).astype(loss.dtype)
