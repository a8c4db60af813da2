"""The least compute whose compute-optimal run reaches a loss."""

from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Bool, Float

from scalingbayes._core.errors import InputError
from scalingbayes._core.programs import compiled
from scalingbayes._core.roots import newton_in_bracket
from scalingbayes.allocation.costs import Cost
from scalingbayes.allocation.limits import Limits
from scalingbayes.allocation.optimum import (
    Fixed,
    Method,
    ParameterValues,
    best_run,
    choose_method,
    cost_of,
    optimum,
    with_budget_axis,
)
from scalingbayes.laws import Law

ANY_BUDGET = 1e20
"""FLOPs that stand for a budget that there is not; what they buy is left out."""

_FIRST_GUESS = 50.0  # of log compute: 5e21 FLOPs
_FLAT = 100.0  # times the rounding error: a smaller slope of log loss is not distinguishable from 0
_USED_RANGE = 0.98  # of the logs that a precision holds: intermediate results must not overflow


def compute_to_reach(
    law: Law,
    values: ParameterValues,
    loss: Float[Array, "*#draws cases"],
    fixed: Fixed,
    cost: Cost | None = None,
    limits: Limits | None = None,
) -> Float[Array, "*draws cases"]:
    """Compute the least compute with which the compute-optimal run reaches a loss.

    Parameters
    ----------
    law
        A law that divides compute between a model's size and tokens.
    values
        The law's parameters in the table's units, one array for each; shape (*draws,).
    loss
        Losses to reach, in the table's unit; shape (*draws, cases), or (cases,) for the same
        losses in every draw.
    fixed
        The law's other inputs.
    cost
        What compute pays for; by default the law's own cost.
    limits
        Bounds on the run, without ``shapes``.

    Returns
    -------
    Array
        FLOPs, of shape (*draws, cases). inf where no budget reaches the loss, for instance a loss
        at or below the law's irreducible loss; 0 where every budget does; NaN where the law has no
        optimum.

    Raises
    ------
    InputError
        If the law does not divide compute between size and tokens, the cost is of another size, or
        the limits have ``shapes``.
    """
    cost, parameters = cost_of(law, cost, fixed), with_budget_axis(law, values)
    if limits is not None and limits.shapes is not None:
        raise InputError(
            "limits.shapes cannot be used here: the least compute is searched over all model "
            "sizes. Remove shapes from the limits."
        )
    bounds = {} if limits is None else limits.bounds
    method = choose_method(law, parameters, cost)
    return _compute_to_reach(law, method, parameters, loss, fixed, cost, bounds)


class CheapestRun(NamedTuple):
    """The run of least compute that reaches each loss.

    Parameters
    ----------
    compute
        Its FLOPs, as :func:`compute_to_reach` returns them.
    best
        The run, as :func:`~scalingbayes.allocation.optimum` returns it; meaningless where no budget
        reaches the loss.
    reached
        Whether some budget reaches the loss, and not every budget.
    """

    compute: Float[Array, "*draws cases"]
    best: dict[str, Float[Array, "*draws cases"]]
    reached: Bool[Array, "*draws cases"]


def cheapest_run_to_reach(
    law: Law,
    values: ParameterValues,
    loss: Float[Array, "*#draws cases"],
    fixed: Fixed,
    cost: Cost | None = None,
    limits: Limits | None = None,
) -> CheapestRun:
    """Compute the run of least compute that reaches a loss; see :func:`compute_to_reach`."""
    compute = compute_to_reach(law, values, loss, fixed, cost, limits)
    reached = (compute > 0) & jnp.isfinite(compute)
    budgets = jnp.where(reached, compute, ANY_BUDGET)
    return CheapestRun(compute, optimum(law, values, budgets, fixed, cost, limits), reached)


@partial(compiled, static=("law", "method"))
def _compute_to_reach(
    law: Law,
    method: Method,
    values: dict[str, Array],
    loss: Array,
    fixed: Mapping[str, ArrayLike],
    cost: Cost,
    bounds: dict[str, ArrayLike],
) -> Array:
    """Solve for log compute by Newton's method in a bracket.

    Log loss is convex in log compute if the law is a constant plus a power law. Newton steps from
    the left then never overshoot.
    """
    numbers = jnp.finfo(loss.dtype)

    def below_loss(log_compute: Array) -> tuple[Array, Array]:
        """Return by how much the frontier is below the loss, in log loss, and the slope."""
        best = best_run(law, method, values, log_compute, fixed, cost, bounds)

        def log_loss(size: Array, tokens: Array) -> Array:
            run = {law.budget.size: jnp.exp(size), "tokens": jnp.exp(tokens)}
            return jnp.log(law({**fixed, **run}, values))

        frontier, slope = jax.jvp(log_loss, (best.log_size, best.log_tokens), (best.a, best.b))
        # Near the irreducible loss the frontier is flat to rounding. A root, if any, is at less
        # extreme budgets, as it is where the law has no optimum.
        known = jnp.abs(slope) > _FLAT * numbers.eps
        return jnp.log(loss) - frontier, jnp.where(known, -slope, jnp.nan)

    shape = jnp.broadcast_shapes(loss.shape, *(value.shape for value in values.values()))
    start, low, high = (
        jnp.full(shape, end, loss.dtype)
        for end in (
            _FIRST_GUESS,
            _USED_RANGE * jnp.log(numbers.tiny),
            _USED_RANGE * jnp.log(numbers.max),
        )
    )
    found = newton_in_bracket(below_loss, start, low, high)
    at_an_end = jnp.where(found.below, jnp.inf, jnp.where(found.above, 0.0, jnp.nan))
    compute = jnp.where(found.below & found.above, jnp.exp(found.x), at_an_end)
    return compute.astype(loss.dtype)
