"""The compute-optimal model size and tokens of a law, and how they grow with compute."""

from collections.abc import Mapping
from functools import partial
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from scalingbayes._core.errors import InputError
from scalingbayes.allocation.costs import Cost, Proportional
from scalingbayes.allocation.limits import Limits, at_most, bounds_of
from scalingbayes.allocation.newton import by_newton, closed_scale, is_straight
from scalingbayes.allocation.path import expected
from scalingbayes.allocation.search import by_search
from scalingbayes.allocation.shapes import best_shape
from scalingbayes.laws import Law

Values = dict[str, Float[Array, "*draws"]]
Fixed = Mapping[str, ArrayLike]
Budgets = Float[Array, "*budgets"]
Way = Literal["closed form", "newton", "search"]


def optimum(
    law: Law,
    values: Values,
    compute: Budgets,
    fixed: Fixed,
    cost: Cost | None = None,
    limits: Limits | None = None,
) -> dict[str, Float[Array, "*shape"]]:
    """Find the model and tokens of least loss at each budget, and how they grow with it.

    Parameters
    ----------
    law
        A law of a model's size and tokens.
    values
        Its parameters in the table's units, one array a parameter; shape (*draws,).
    compute
        Budgets in FLOPs; shape (budgets,), or (*draws, budgets) where draws have their own.
    fixed
        The law's other inputs.
    cost
        What a budget pays for; what the law says by default.
    limits
        What may not be exceeded.

    Returns
    -------
    dict
        The size (``params``, for most laws), ``tokens``, for params also ``tokens_per_param``, what
        the law predicts there, and the exponents ``a`` = d log size / d log C and ``b`` = d log
        tokens / d log C, which a list of shapes has none of; each of shape (*draws, budgets). NaN
        where the law has no optimum.

    Raises
    ------
    InputError
        If the law does not divide compute between size and tokens, the cost is not one of its
        models, or no shape fits a budget.
    """
    cost, parameters, growth = cost_of(law, cost), over_budgets(law, values), {}
    if limits is not None and limits.shapes is not None:
        size, tokens, loss = best_shape(law, parameters, compute, fixed, cost, limits)
    else:
        way = way_to(law, parameters, cost)
        bounds = {} if limits is None else limits.bounds
        size, tokens, loss, a, b = _optimum(law, way, parameters, compute, fixed, cost, bounds)
        growth = {"a": a, "b": b}
    ratio = {"tokens_per_param": tokens / size} if law.budget.size == "params" else {}
    return {law.budget.size: size, "tokens": tokens, **ratio, law.target.column: loss, **growth}


def exponents(
    law: Law, values: Values, compute: Budgets, fixed: Fixed, cost: Cost | None = None
) -> dict[str, Float[Array, "*shape"]]:
    """Find a = d log N_opt / d log C and b = d log D_opt / d log C at each budget.

    For a law whose optimum is a power law, such as Chinchilla's, they are the same at every budget.

    Parameters
    ----------
    law, values, compute, fixed, cost
        As for :func:`optimum`.

    Raises
    ------
    InputError
        If the law does not divide compute between size and tokens, or the cost is not one of its
        models.
    """
    found = optimum(law, values, compute, fixed, cost)
    return {name: found[name] for name in ("a", "b")}


def reference_budget(law: Law, reference: Mapping[str, float]) -> float:
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


def cost_of(law: Law, cost: Any) -> Cost:
    """Return what a law's models cost: as it says itself, unless another cost is given.

    Raises
    ------
    InputError
        If the law does not divide compute, or the cost is not one of its models.
    """
    require_allocation(law)
    if cost is None:
        return Proportional.of(law.budget)
    if not isinstance(cost, Cost):
        raise InputError(
            f"cost must be a cost, such as sb.costs.Transformer(context=4096, vocab=128_000); got "
            f"{type(cost).__name__}."
        )
    if cost.size != law.budget.size:
        raise InputError(
            f"Law {law.name!r} counts a model's size by {law.budget.size!r}, and the cost by "
            f"{cost.size!r}: give a cost in {law.budget.size!r}, such as "
            f"sb.costs.Proportional(size={law.budget.size!r}, training={law.budget.flops:g})."
        )
    return cost


def way_to(law: Law, values: dict[str, Array], cost: Cost) -> Way:
    """Choose how the optimum is found."""
    if law.optimum is None:
        return "search"
    if isinstance(cost, Proportional) and not cost.served_tokens:
        return "closed form"
    return "newton" if is_straight(law, values) else "search"


def over_budgets(law: Law, values: Values) -> dict[str, Float[Array, "*draws 1"]]:
    """Give a law's parameters an axis for budgets."""
    return {name: jnp.asarray(values[name])[..., None] for name in law.parameters}


@partial(jax.jit, static_argnums=(0, 1))
def _optimum(
    law: Law,
    way: Way,
    values: dict[str, Array],
    compute: Array,
    fixed: Mapping[str, ArrayLike],
    cost: Cost,
    limits: dict[str, ArrayLike],
) -> tuple[Array, ...]:
    best = best_run(law, way, values, jnp.log(compute), fixed, cost, limits)
    return jnp.exp(best.log_size), jnp.exp(best.log_tokens), best.expected, best.a, best.b


class BestRun(NamedTuple):
    """The best run of each budget; each of shape (*draws, budgets)."""

    log_size: Array
    log_tokens: Array
    expected: Array
    a: Array
    b: Array


def best_run(
    law: Law,
    way: Way,
    values: dict[str, Array],
    log_compute: Array,
    fixed: Mapping[str, ArrayLike],
    cost: Cost,
    limits: dict[str, ArrayLike],
) -> BestRun:
    """Find the best run of each budget: what is compiled of :func:`optimum`.

    Parameters
    ----------
    law, fixed, cost
        As for :func:`optimum`.
    way
        How it is found: :func:`way_to` says.
    values
        :func:`over_budgets`.
    log_compute
        Logs of budgets.
    limits
        :attr:`Limits.bounds`.
    """
    if way == "closed form":
        find = partial(closed_scale, law, values, cost)
        best, moves = jax.jvp(find, (log_compute,), (jnp.ones_like(log_compute),))
    elif way == "newton":
        best, moves = by_newton(law, values, log_compute, cost)
    else:
        best, moves = by_search(law, values, log_compute, fixed, cost)
    if limits:
        bounds = bounds_of(cost, limits, log_compute)
        moves = jnp.where(best < bounds.low, bounds.low_moves, moves)
        best = jnp.maximum(best, bounds.low)
        moves = jnp.where(best > bounds.high, bounds.high_moves, moves)
        best = jnp.minimum(best, bounds.high)
    log_size, a = jax.jvp(cost.log_size, (best,), (moves,))
    along = (best, jnp.broadcast_to(log_compute, best.shape))
    log_tokens, b = jax.jvp(cost.log_tokens, along, (moves, jnp.ones_like(moves)))
    tokens = at_most(log_tokens, limits)
    b = jnp.where(tokens < log_tokens, 0.0, b)
    return BestRun(log_size, tokens, expected(law, values, fixed, log_size, tokens), a, b)
