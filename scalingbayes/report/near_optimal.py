"""The range of model sizes that are nearly as good as the best."""

from collections.abc import Callable, Mapping
from functools import partial

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, ArrayLike, Float

from scalingbayes._core.precision import precision, to_device
from scalingbayes._core.programs import compiled
from scalingbayes._core.roots import bisect
from scalingbayes.allocation import Cost, Limits, compute_to_reach, cost_of
from scalingbayes.allocation.expected import expected
from scalingbayes.allocation.limits import cap_tokens, scale_range
from scalingbayes.allocation.optimum import with_budget_axis
from scalingbayes.laws import Law
from scalingbayes.laws.base.inputs import beside_budget
from scalingbayes.posterior.posterior import Posterior
from scalingbayes.results import Estimate

WASTE = 0.01
"""Share of the budget that a size nearly as good as the best may waste."""

LONGEST = 5.0
"""Largest distance of an end of the range from the best scale."""

_STEP = 0.25  # of the scale, in which the range is searched


def near_optimal_sizes(
    post: Posterior,
    best: Estimate,
    cost: Cost | None = None,
    limits: Limits | None = None,
    **inputs: float,
) -> tuple[Float[np.ndarray, "chains draws budgets"], Float[np.ndarray, "chains draws budgets"]]:
    """Return the smallest and the largest size that waste at most 1 % of a budget, by draw.

    Such a size, at the whole budget, reaches the loss that the best size reaches at 99 % of the
    budget.

    Parameters
    ----------
    post
        The posterior.
    best
        What :meth:`Posterior.allocate` returns for it.
    cost, limits, **inputs
        As for :meth:`Posterior.allocate`, without ``limits.shapes``.
    """
    law = post.law
    paid = cost_of(law, post.cost if cost is None else cost, inputs)
    sizes = best[law.budget.size].transpose("chain", "draw", "compute").to_numpy()
    budgets = best[law.budget.size]["compute"].to_numpy()
    bounds = {} if limits is None else limits.bounds
    with precision("float64"):
        given = (post.values, beside_budget(law, inputs), np.log(sizes), np.log(budgets))
        values, fixed, log_sizes, log_budgets = to_device(given, "float64")
        low, high = _range(law, values, fixed, log_sizes, log_budgets, paid, bounds)
        return np.asarray(low), np.asarray(high)


def expected_waste(
    post: Posterior,
    sizes: Float[np.ndarray, " budgets"],
    budgets: Float[np.ndarray, " budgets"],
    cost: Cost,
    limits: Limits | None = None,
    **inputs: float,
) -> Float[np.ndarray, " budgets"]:
    """Return the share of each budget that a model of a given size is expected to waste.

    A draw's waste is the share of the budget that reaching the same loss does not need. Its mean
    over the draws is above 0 because the best size is uncertain.

    Parameters
    ----------
    post
        The posterior.
    sizes
        The size of the model, for each budget.
    budgets
        Budgets in FLOPs.
    cost, limits, **inputs
        As for :meth:`Posterior.allocate`, without ``limits.shapes``.
    """
    law, bounds = post.law, {} if limits is None else limits.bounds
    with precision("float64"):
        given = (post.values, beside_budget(law, inputs), np.log(sizes), np.log(budgets))
        values, fixed, log_sizes, log_budgets = to_device(given, "float64")
        scale = cost.scale(log_sizes)
        log_tokens = cap_tokens(cost.log_tokens(scale, log_budgets), bounds)
        loss = expected(law, with_budget_axis(law, values), fixed, log_sizes, log_tokens)
        needed = compute_to_reach(law, values, loss, fixed, cost, limits)
        return np.asarray((1 - needed / budgets).mean((0, 1)))


@partial(compiled, static=("law",))
def _range(
    law: Law,
    values: dict[str, Array],
    fixed: Mapping[str, ArrayLike],
    log_size: Array,
    log_budget: Array,
    cost: Cost,
    bounds: dict[str, ArrayLike],
) -> tuple[Array, Array]:
    by_draw = with_budget_axis(law, values)
    best = cost.scale(log_size)

    def loss(scale: Array, log_budget: Array) -> Array:
        log_tokens = cap_tokens(cost.log_tokens(scale, log_budget), bounds)
        found = expected(law, by_draw, fixed, cost.log_size(scale), log_tokens)
        return jnp.where(jnp.isnan(found), jnp.inf, found)  # no tokens are left

    level = loss(best, log_budget + jnp.log1p(-WASTE))
    lowest, highest = scale_range(cost, bounds, log_budget)
    down = jnp.clip(best - lowest, 0.0, LONGEST)
    up = jnp.clip(highest - best, 0.0, LONGEST)
    smaller = _first_crossing(lambda distance: loss(best - distance, log_budget) - level, down)
    larger = _first_crossing(lambda distance: loss(best + distance, log_budget) - level, up)
    return jnp.exp(cost.log_size(best - smaller)), jnp.exp(cost.log_size(best + larger))


def _first_crossing(excess: Callable[[Array], Array], longest: Array) -> Array:
    """Return the distance at which a function is first above 0; the longest if it never is."""
    steps = jnp.arange(1, round(LONGEST / _STEP) + 1) * _STEP

    def visit(found: Array, step: Array) -> tuple[Array, None]:
        here = jnp.minimum(step, longest)
        return jnp.where(jnp.isnan(found) & (excess(here) > 0), here, found), None

    nowhere = jnp.full(longest.shape, jnp.nan, longest.dtype)
    first, _ = lax.scan(visit, nowhere, steps.astype(longest.dtype))
    high = jnp.where(jnp.isnan(first), longest, first)
    return bisect(excess, jnp.maximum(high - _STEP, 0.0), high)
