"""The compute-optimal frontier read backwards: the least compute that reaches a loss."""

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from scalingbayes.allocation import Fixed, Values, optimum, require_allocation
from scalingbayes.errors import InputError
from scalingbayes.laws import Law

_FIRST_GUESS = 50.0  # of log compute, 5e21 FLOPs
_MAX_STEPS = 100
_FLAT = 100.0  # times the rounding of log loss: a slope that tells nothing
_REACH = 0.98  # of the logs that a precision holds: outer budgets would over- or underflow


def compute_to_reach(
    law: Law, values: Values, loss: Float[Array, "*#draws cases"], fixed: Fixed
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

    Returns
    -------
    Array
        FLOPs, of shape (*draws, cases): inf where no budget reaches the loss, such as one at or
        below the law's irreducible loss, and 0 where every budget does, as far as the law has an
        optimum and the precision has numbers. NaN where it has no optimum at all.

    Raises
    ------
    InputError
        If the law does not divide compute between size and tokens.
    """
    require_allocation(law)
    parameters = {name: jnp.asarray(values[name]) for name in law.parameters}
    draws = jnp.broadcast_shapes(*(value.shape for value in parameters.values()))
    flat = {name: jnp.broadcast_to(v, draws).ravel() for name, v in parameters.items()}
    targets = jnp.broadcast_to(loss, (*draws, loss.shape[-1]))
    found = _solve(law, flat, targets.reshape(-1, loss.shape[-1]), fixed)
    return found.reshape(targets.shape)


def require_params_and_tokens(law: Law) -> None:
    """Check that a law predicts loss from a model's params and tokens, and from nothing else.

    Raises
    ------
    InputError
        If it does not.
    """
    if set(law.inputs) != {"params", "tokens"} or law.target.column != "loss":
        raise InputError(
            f"This needs a law that predicts loss from params and tokens alone, such as "
            f"'chinchilla'; {law.name!r} predicts {law.target.column} from "
            f"{' and '.join(law.inputs)}."
        )


@partial(jax.jit, static_argnums=0)
def _solve(law: Law, values: Values, loss: Array, fixed: Fixed) -> Array:
    return jax.vmap(lambda v, target: _solve_draw(law, v, target, fixed))(values, loss)


def _solve_draw(
    law: Law, values: Values, loss: Float[Array, " cases"], fixed: Fixed
) -> Float[Array, " cases"]:
    """Solve for log compute by Newton's method, kept in a bracket by bisection.

    Log loss is convex in log compute where the law is a floor and a power law, so from the left
    Newton's steps never go too far.
    """
    limits = jnp.finfo(loss.dtype)
    first = jnp.asarray(_FIRST_GUESS, loss.dtype)
    # Near the root a step's error is of the order of its square.
    tolerance = jnp.sqrt(limits.eps)

    def unfinished(state: tuple[Array, ...]) -> Array:
        step, *_, done = state
        return (step < _MAX_STEPS) & ~done.all()

    def improve(state: tuple[Array, ...]) -> tuple[Array, ...]:
        step, at, low, high, above, below, done = state
        excess, slope = _above(law, values, loss, at, fixed)
        # The frontier ends where no optimum is found, and where it is flat to rounding, as it is
        # near the irreducible loss: the root, if any, is nearer the middle.
        ended = ~(jnp.abs(slope) > _FLAT * limits.eps)
        short = jnp.where(ended, at < first, excess > 0)
        low, high = jnp.where(short, at, low), jnp.where(short, high, at)
        newton = at - excess / slope
        inside = ~ended & (newton >= low) & (newton <= high)
        following = jnp.where(inside, newton, (low + high) / 2)
        small = jnp.abs(following - at) <= tolerance
        # A root that is come upon by Newton's steps may have been seen from one side only.
        root = inside & small
        above |= root | (~ended & (excess > 0))
        below |= root | (~ended & (excess <= 0))
        return step + 1, jnp.where(done, at, following), low, high, above, below, done | small

    start = jnp.full_like(loss, first)
    low = jnp.full_like(loss, _REACH * jnp.log(limits.tiny))
    high = jnp.full_like(loss, _REACH * jnp.log(limits.max))
    none = jnp.zeros(loss.shape, bool)
    state: tuple[Array, ...] = (jnp.asarray(0), start, low, high, none, none, none)
    _, at, _, _, above, below, _ = lax.while_loop(unfinished, improve, state)
    found = jnp.where(above & below, jnp.exp(at), jnp.where(above, jnp.inf, 0.0))
    return jnp.where(above | below, found, jnp.nan).astype(loss.dtype)


def _above(
    law: Law, values: Values, loss: Array, log_compute: Array, fixed: Fixed
) -> tuple[Float[Array, " cases"], Float[Array, " cases"]]:
    """How far the frontier is above a loss, in log loss, and its slope in log compute."""
    compute = jnp.exp(log_compute)
    best = optimum(law, values, compute, fixed)
    size, log_tokens = best[law.budget.size], jnp.log(best["tokens"])

    def log_loss(log_tokens: Array) -> Array:
        inputs = {**fixed, law.budget.size: size, "tokens": jnp.exp(log_tokens)}
        return jnp.log(law(inputs, values))

    # Along the frontier the loss does not change with size, to first order: that tokens grow with
    # compute at the same size is the whole of its slope.
    frontier, slope = jax.jvp(log_loss, (log_tokens,), (jnp.ones_like(log_tokens),))
    return frontier - jnp.log(loss), slope
