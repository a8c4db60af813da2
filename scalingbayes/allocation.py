"""The compute-optimal model size and tokens of a law, and how they grow with compute."""

from collections.abc import Callable, Mapping
from functools import partial

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, ArrayLike, Float

from scalingbayes.errors import InputError
from scalingbayes.laws import Law

Values = dict[str, Float[Array, "*draws"]]
Fixed = dict[str, Float[ArrayLike, ""]]

_LOG_USUAL_RATIO = 3.0  # of tokens to size, about 20: where the search begins
_REACH = 20.0  # log size is searched so far to both sides of there
_STEP = 0.25  # of the grid in log size on which an optimum is first found
_BISECTIONS = 60


def optimum(
    law: Law, values: Values, compute: Float[Array, " budgets"], fixed: Fixed
) -> dict[str, Float[Array, "*draws budgets"]]:
    """Find the model and tokens of least loss at each budget.

    Parameters
    ----------
    law
        A law of a model's size and tokens.
    values
        Its parameters in the table's units, one array a parameter; shape (*draws,).
    compute
        Budgets in FLOPs; shape (budgets,).
    fixed
        The law's other inputs.

    Returns
    -------
    dict
        The size (``params``, for most laws), ``tokens``, for params also ``tokens_per_param``, and
        what the law predicts there; each of shape (*draws, budgets). NaN where the law has no
        optimum.

    Raises
    ------
    InputError
        If the law does not divide compute between size and tokens.
    """
    require_allocation(law)
    size, tokens, expected = _optimum(law, _parameters(law, values), compute, fixed)
    ratio = {"tokens_per_param": tokens / size} if law.budget.size == "params" else {}
    return {law.budget.size: size, "tokens": tokens, **ratio, law.target.column: expected}


def exponents(
    law: Law, values: Values, compute: Float[Array, " budgets"], fixed: Fixed
) -> dict[str, Float[Array, "*draws budgets"]]:
    """Find a = d log N_opt / d log C and b = d log D_opt / d log C at each budget.

    For a law whose optimum is a power law, such as Chinchilla's, they are the same at every budget.

    Parameters
    ----------
    law, values, compute, fixed
        As for :func:`optimum`.

    Raises
    ------
    InputError
        If the law does not divide compute between size and tokens.
    """
    require_allocation(law)
    a = _exponent(law, _parameters(law, values), compute, fixed)
    return {"a": a, "b": 1 - a}


def budget_amid(law: Law, reference: Mapping[str, float]) -> float:
    """Compute the budget of a run at the reference point, amid the table's own.

    Raises
    ------
    InputError
        If the law does not divide compute between size and tokens.
    """
    require_allocation(law)
    return law.budget.flops * reference[law.budget.size] * reference["tokens"]


def require_allocation(law: Law) -> None:
    """Check that a law divides compute between a model's size and tokens.

    Raises
    ------
    InputError
        If it does not.
    """
    if not law.allocates:
        raise InputError(
            f"Law {law.name!r} ({law.equation}) does not read {law.budget.size} and tokens, so it "
            f"has no compute-optimal allocation: choose a law that does, such as 'chinchilla'."
        )


def _parameters(law: Law, values: Values) -> dict[str, Float[Array, "*draws 1"]]:
    return {name: jnp.asarray(values[name])[..., None] for name in law.parameters}


@partial(jax.jit, static_argnums=0)
def _optimum(
    law: Law, values: dict[str, Array], compute: Array, fixed: dict[str, Array]
) -> tuple[Array, Array, Array]:
    log_compute = jnp.log(compute)
    log_size = _log_size(law, values, log_compute, fixed)
    expected = _expected(law, values, fixed, log_size, log_compute)
    size = jnp.exp(log_size)
    return size, compute / (law.budget.flops * size), expected


@partial(jax.jit, static_argnums=0)
def _exponent(law: Law, values: dict[str, Array], compute: Array, fixed: dict[str, Array]) -> Array:
    log_compute = jnp.log(compute)
    one = jnp.ones_like(log_compute)
    if law.optimum is not None:
        return jax.jvp(lambda c: _log_size(law, values, c, fixed), (log_compute,), (one,))[1]
    # The slope vanishes along the frontier: a = - (d slope / d log C) / (d slope / d log N).
    log_size = _log_size(law, values, log_compute, fixed)

    slope = partial(_slope, partial(_expected, law, values, fixed))
    _, per_size = jax.jvp(lambda u: slope(u, log_compute), (log_size,), (jnp.ones_like(log_size),))
    _, per_compute = jax.jvp(lambda c: slope(log_size, c), (log_compute,), (one,))
    return -per_compute / per_size


def _log_size(
    law: Law, values: dict[str, Array], log_compute: Array, fixed: dict[str, Array]
) -> Array:
    """Log of the best size: in closed form, or by a grid and bisection of the slope.

    Of several local optima, the one nearest to the usual ratio of tokens to size is taken: far
    from any data a law may bend in ways that nobody meant.
    """
    if law.optimum is not None:
        return jnp.log(law.optimum(jnp.exp(log_compute), **values)[0])
    middle = (log_compute - jnp.log(law.budget.flops) - _LOG_USUAL_RATIO) / 2
    offsets = jnp.arange(-_REACH, _REACH + _STEP, _STEP).astype(middle.dtype)
    shape = jnp.broadcast_shapes(middle.shape, *(value.shape for value in values.values()))
    expect = partial(_expected, law, values, fixed)
    infinite = jnp.full(shape, jnp.inf, middle.dtype)

    def look(
        found: tuple[Array, Array, Array], offset: Array
    ) -> tuple[tuple[Array, Array, Array], None]:
        before, last, nearest = found
        expected = expect(middle + offset, log_compute)
        lowest = (last < before) & (last <= expected)  # the point before this one
        nearer = lowest & (jnp.abs(offset - _STEP) < jnp.abs(nearest))
        return (last, expected, jnp.where(nearer, offset - _STEP, nearest)), None

    # -inf at first, so that the first point is no lowest one.
    (_, _, offset), _ = lax.scan(look, (-infinite, -infinite, infinite), offsets)
    near = middle + jnp.where(jnp.isfinite(offset), offset, jnp.nan)

    def halve(_: Array, bracket: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = bracket
        half = (low + high) / 2
        falling = _slope(expect, half, log_compute) < 0
        return jnp.where(falling, half, low), jnp.where(falling, high, half)

    low, high = lax.fori_loop(0, _BISECTIONS, halve, (near - _STEP, near + _STEP))
    return (low + high) / 2


def _expected(
    law: Law,
    values: dict[str, Array],
    fixed: dict[str, Array],
    log_size: Array,
    log_compute: Array,
) -> Array:
    log_tokens = log_compute - jnp.log(law.budget.flops) - log_size
    inputs = {**fixed, law.budget.size: jnp.exp(log_size), "tokens": jnp.exp(log_tokens)}
    return law(inputs, values)


def _slope(expect: Callable[[Array, Array], Array], log_size: Array, log_compute: Array) -> Array:
    """Slope of what a law predicts along one budget, in log size."""
    one = jnp.ones_like(log_size)
    return jax.jvp(lambda u: expect(u, log_compute), (log_size,), (one,))[1]
