"""The compute-optimal model size and tokens of a law, and how they grow with compute."""

from collections.abc import Mapping
from functools import partial
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from scalingbayes._core.errors import InputError
from scalingbayes._core.programs import compiled
from scalingbayes.allocation.closed_form import closed_form_scale
from scalingbayes.allocation.costs import Cost, Proportional, UnknownCost, own_cost
from scalingbayes.allocation.expected import expected
from scalingbayes.allocation.limits import Limits, cap_tokens, scale_bounds
from scalingbayes.allocation.newton import has_linear_rate, scale_by_newton
from scalingbayes.allocation.search import scale_by_search
from scalingbayes.allocation.shapes import best_shape
from scalingbayes.laws import Law

ParameterValues = dict[str, Float[Array, "*draws"]]
Fixed = Mapping[str, ArrayLike]
Budgets = Float[Array, "*budgets"]
Method = Literal["closed form", "newton", "search"]
"""How the optimal scale is computed."""


def optimum(
    law: Law,
    values: ParameterValues,
    compute: Budgets,
    fixed: Fixed,
    cost: Cost | None = None,
    limits: Limits | None = None,
) -> dict[str, Float[Array, "*shape"]]:
    """Compute the model size and tokens of least loss for each budget, and their exponents.

    Parameters
    ----------
    law
        A law of a model's size and tokens.
    values
        The law's parameters in the table's units, one array for each; shape (*draws,).
    compute
        Budgets in FLOPs; shape (budgets,), or (*draws, budgets) if each draw has its own.
    fixed
        The law's other inputs.
    cost
        What a budget pays for; by default the law's own cost.
    limits
        Bounds on the run.

    Returns
    -------
    dict
        Arrays of shape (*draws, budgets): the size (``params``, for most laws), ``tokens``, for
        params also ``tokens_per_param``, for mixtures of experts the active params or all params,
        whichever the size does not count, the target that the law expects there, and the exponents
        ``a`` = d log size / d log C and ``b`` = d log tokens / d log C. With ``limits.shapes``
        there are no exponents. NaN where the law has no optimum.

    Raises
    ------
    InputError
        If the law does not divide compute between size and tokens, the cost is of another size, or
        no shape fits a budget.
    """
    cost, parameters = cost_of(law, cost, fixed), with_budget_axis(law, values)
    exponents = {}
    if limits is not None and limits.shapes is not None:
        size, tokens, loss = best_shape(law, parameters, compute, fixed, cost, limits)
    else:
        method = choose_method(law, parameters, cost)
        bounds = {} if limits is None else limits.bounds
        size, tokens, loss, a, b = _optimum(law, method, parameters, compute, fixed, cost, bounds)
        exponents = {"a": a, "b": b}
    run = {law.budget.size: size, "tokens": tokens, **counts_of_run(law, size, tokens, fixed)}
    return {**run, law.target.column: loss, **exponents}


def counts_of_run(law: Law, size: Array, tokens: Array, fixed: Fixed) -> dict[str, Array]:
    """Return the counts that follow from a run's size and tokens.

    These are the active params or all params of a mixture of experts, whichever the size does not
    count, and the tokens per param.
    """
    counts = {}
    if law.budget.active is not None:
        counts["active_params"] = law.budget.count_active(size, fixed)
    if law.budget.total is not None:
        counts["params"] = law.budget.count_all(size, fixed)
    if law.budget.size == "params":
        counts["tokens_per_param"] = tokens / size
    return counts


def exponents(
    law: Law,
    values: ParameterValues,
    compute: Budgets,
    fixed: Fixed,
    cost: Cost | None = None,
) -> dict[str, Float[Array, "*draws budgets"]]:
    """Compute the exponents a = d log N_opt / d log C and b = d log D_opt / d log C.

    They are the same at every budget if the law's optimum is a power law, as Chinchilla's is.

    Parameters
    ----------
    law, values, compute, fixed, cost
        As for :func:`optimum`.

    Raises
    ------
    InputError
        If the law does not divide compute between size and tokens, or the cost is of another size.
    """
    found = optimum(law, values, compute, fixed, cost)
    return {name: found[name] for name in ("a", "b")}


def require_allocation(law: Law) -> None:
    """Check that a law divides compute between a model's size and tokens.

    Raises
    ------
    InputError
        If the law does not read both.
    """
    if not law.allocates and "steps" in law.inputs:
        raise InputError(
            f"Law {law.name!r} reads steps and no tokens, so it divides no budget between "
            f"{law.budget.size} and tokens alone. sb.critical_training(post, compute) finds the "
            f"size, the batch and the steps from a law 'kaplan_steps(batch=True)'."
        )
    if not law.allocates:
        raise InputError(
            f"Law {law.name!r} ({law.equation}) does not read {law.budget.size} and tokens, so it "
            f"has no compute-optimal allocation: choose a law that does, such as 'chinchilla'."
        )


def cost_of(law: Law, cost: Any, inputs: Mapping[str, ArrayLike]) -> Cost:
    """Return the cost, or by default the law's own, after checking that it fits the law.

    Parameters
    ----------
    law
        The law.
    cost
        What the caller passed; None for the law's own cost.
    inputs
        The law's other inputs, on which a cost may depend.

    Raises
    ------
    InputError
        If the law does not divide compute, the cost is of another size than the law's, or the cost
        does not know the FLOPs of a run.
    """
    require_allocation(law)
    if cost is None:
        cost = own_cost(law.budget)
    if not isinstance(cost, Cost):
        raise InputError(
            f"cost must be a cost, such as sb.costs.Transformer(context=4096, vocab=128_000); got "
            f"{type(cost).__name__}."
        )
    if cost.size != law.budget.size:
        own = f"sb.costs.Proportional(size={law.budget.size!r}, training={law.budget.flops:g})"
        raise InputError(
            f"Law {law.name!r} measures a model's size by {law.budget.size!r}, and the cost by "
            f"{cost.size!r}. Use a cost in {law.budget.size!r}, such as "
            f"{law.budget.unknown or own}."
        )
    if isinstance(cost, UnknownCost):
        raise InputError(
            f"The FLOPs of a run are not known: law {law.name!r} does not state them, and the "
            f"table has no column of compute. Pass cost={law.budget.unknown}, or add a column "
            f"compute of training FLOPs and fit again."
        )
    experts = law.budget.active is not None or law.budget.total is not None
    if experts and isinstance(cost, Proportional):
        raise InputError(
            f"Law {law.name!r} is of experts, of which a token uses a part. The cost "
            f"{cost.equation} does not tell active params from all params: use "
            f"sb.costs.Active(post.law.budget)."
        )
    return cost.at(inputs)


def choose_method(law: Law, values: dict[str, Array], cost: Cost) -> Method:
    """Return the fastest method that computes the optimal scale of a law under a cost."""
    if law.optimum is None:
        return "search"
    if isinstance(cost, Proportional) and not cost.served_tokens:
        return "closed form"
    return "newton" if has_linear_rate(law, values) else "search"


def with_budget_axis(law: Law, values: ParameterValues) -> dict[str, Float[Array, "*draws 1"]]:
    """Return a law's parameters with a last axis of length 1, for the budgets."""
    return {name: jnp.asarray(values[name])[..., None] for name in law.parameters}


class BestRun(NamedTuple):
    """The run of least loss for each budget; each array of shape (*draws, budgets)."""

    log_size: Array
    log_tokens: Array
    expected: Array
    a: Array
    """d log size / d log compute."""
    b: Array
    """d log tokens / d log compute."""


def best_run(
    law: Law,
    method: Method,
    values: dict[str, Array],
    log_compute: Array,
    fixed: Mapping[str, ArrayLike],
    cost: Cost,
    bounds: dict[str, ArrayLike],
) -> BestRun:
    """Compute the run of least loss for each budget; the part of :func:`optimum` under jit.

    Parameters
    ----------
    law, fixed, cost
        As for :func:`optimum`.
    method
        From :func:`choose_method`.
    values
        From :func:`with_budget_axis`.
    log_compute
        Logs of budgets; shape (budgets,) or (*draws, budgets).
    bounds
        :attr:`Limits.bounds`.
    """
    if method == "closed form":
        solve = partial(closed_form_scale, law, values, cost)
        scale, slope = jax.jvp(solve, (log_compute,), (jnp.ones_like(log_compute),))
    elif method == "newton":
        scale, slope = scale_by_newton(law, values, log_compute, cost)
    else:
        scale, slope = scale_by_search(law, values, log_compute, fixed, cost)
    if bounds:
        ends = scale_bounds(cost, bounds, log_compute)
        slope = jnp.where(scale < ends.low, ends.low_slope, slope)
        scale = jnp.maximum(scale, ends.low)
        slope = jnp.where(scale > ends.high, ends.high_slope, slope)
        scale = jnp.minimum(scale, ends.high)
    log_size, a = jax.jvp(cost.log_size, (scale,), (slope,))
    at = (scale, jnp.broadcast_to(log_compute, scale.shape))
    affordable, b = jax.jvp(cost.log_tokens, at, (slope, jnp.ones_like(slope)))
    log_tokens = cap_tokens(affordable, bounds)
    b = jnp.where(log_tokens < affordable, 0.0, b)
    loss = expected(law, values, fixed, log_size, log_tokens)
    return BestRun(log_size, log_tokens, loss, a, b)


@partial(compiled, static=("law", "method"))
def _optimum(
    law: Law,
    method: Method,
    values: dict[str, Array],
    compute: Array,
    fixed: Mapping[str, ArrayLike],
    cost: Cost,
    bounds: dict[str, ArrayLike],
) -> tuple[Array, ...]:
    best = best_run(law, method, values, jnp.log(compute), fixed, cost, bounds)
    return jnp.exp(best.log_size), jnp.exp(best.log_tokens), best.expected, best.a, best.b
