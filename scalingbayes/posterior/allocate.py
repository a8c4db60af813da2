"""Compute-optimal exponents and allocations of a posterior."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Float

from scalingbayes._core.arguments import PositiveNumbers, check_numbers
from scalingbayes._core.errors import InputError
from scalingbayes._core.precision import precision, to_device
from scalingbayes.allocation import (
    Cost,
    Limits,
    cost_of,
    exponents,
    optimum,
    require_allocation,
)
from scalingbayes.laws import Law
from scalingbayes.laws.base.inputs import beside_budget
from scalingbayes.posterior.choices import at_an_end, choose_inputs, split_choices
from scalingbayes.posterior.extrapolation import (
    beyond,
    compute_of_runs,
    runs_beyond,
    shared_error,
    training_cost,
)
from scalingbayes.posterior.user_units import to_user_unit, with_units
from scalingbayes.results import Estimate

if TYPE_CHECKING:
    from scalingbayes.posterior.posterior import Posterior

Budgets = PositiveNumbers
"""Training budgets in FLOPs."""


def estimate_exponents(
    post: "Posterior", compute: Budgets | None, cost: Cost | None, inputs: Mapping[str, float]
) -> Estimate:
    """Estimate the exponents of a posterior: see :meth:`Posterior.exponents`."""
    paid = cost_of(post.law, post.cost if cost is None else cost, {})
    counted = training_cost(post, paid)
    budgets = exponent_budgets(post.law, post.record.reference, compute, counted)
    draws = _per_budget(post, exponents, budgets, inputs, cost=paid)
    if compute is None:
        draws = draws.squeeze("compute", drop=True)
    size = "N_opt" if post.law.budget.size == "params" else post.law.budget.size
    notes = () if compute is None else beyond("FLOPs", budgets, compute_of_runs(post, counted))
    title = with_units(post, f"Exponents of {size} ∝ C^a, D_opt ∝ C^b")
    return Estimate(title, draws, post.verdict, notes=notes)


def estimate_allocation(
    post: "Posterior",
    compute: Budgets,
    cost: Cost | None,
    limits: Limits | None,
    inputs: Mapping[str, "float | Sequence[float]"],
) -> Estimate:
    """Estimate the allocation of a posterior: see :meth:`Posterior.allocate`."""
    require_allocation(post.law)
    budgets = check_numbers("compute", compute).ravel()
    paid = cost_of(post.law, post.cost if cost is None else cost, {})
    choices, fixed = split_choices(post.law, inputs)

    def best_with(given: Mapping[str, float]) -> xr.Dataset:
        return _per_budget(post, optimum, budgets, given, cost=paid, limits=limits)

    draws = choose_inputs(best_with, choices, fixed, post.law.target.column)
    if "unique_tokens" in fixed:
        draws = _with_epochs(post, draws, fixed)
    size, target = post.law.budget.size, post.law.target.column
    chosen = {name: np.asarray(x) for name, x in fixed.items()}
    chosen |= {name: draws[name].to_numpy() for name in choices}
    runs = {name: draws[name].to_numpy() for name in (size, "tokens")} | chosen
    if (shift := shared_error(post, runs)) is not None:
        draws[target] = draws[target] * np.exp(shift)
    within = "" if limits is None else f"; {limits}"
    draws = to_user_unit(post, draws, target)
    title = with_units(post, f"Compute-optimal allocation, {paid.equation}{within}")
    notes = (*_extrapolation(post, paid, draws, chosen), *at_an_end(draws, choices))
    unspent = np.zeros(len(budgets), bool)
    if limits is not None and not choices:
        unspent = limits.unspent(paid.at(fixed), budgets)
    if unspent.any():
        where = "" if len(unspent) == 1 else f" at {unspent.sum()} of {len(unspent)} budgets"
        notes += (f"The limits leave some of the budget unspent{where}.",)
    return Estimate(title, draws, post.verdict, notes=notes)


def exponent_budgets(
    law: Law, reference: Mapping[str, float], compute: Budgets | None, cost: Cost
) -> Float[np.ndarray, " budgets"]:
    """Return the budgets at which exponents are taken: those of the caller, or the runs' middle.

    Parameters
    ----------
    law, reference
        The law, and the reference point of the runs.
    compute
        The caller's budgets, if there are any.
    cost
        From :func:`~scalingbayes.allocation.table_cost`.

    Raises
    ------
    InputError
        If the law has no compute-optimal allocation, or a budget is not a positive number.
    """
    require_allocation(law)
    at = (np.array([reference[name]]) for name in (law.budget.size, "tokens"))
    middle = cost.at(reference).training_flops(*at)
    return check_numbers("compute", middle if compute is None else compute).ravel()


def evaluate_per_budget(
    function: Any,
    law: Law,
    values: Mapping[str, Any],
    budgets: Float[np.ndarray, " budgets"],
    inputs: Mapping[str, float],
    **how: Any,
) -> dict[str, Float[np.ndarray, "*draws budgets"]]:
    """Evaluate a function of a law, its parameters and budgets, in float64.

    Parameters
    ----------
    function
        :func:`~scalingbayes.allocation.optimum` or :func:`~scalingbayes.allocation.exponents`.
    law, values
        The law and its parameters.
    budgets
        Budgets in FLOPs.
    inputs
        The law's inputs other than the model's size and tokens.
    **how
        Further arguments of the function.
    """
    fixed = beside_budget(law, inputs)
    with precision("float64"):
        parameters, others = to_device((dict(values), fixed), "float64")
        found = function(law, parameters, jnp.asarray(budgets), others, **how)
        return {name: np.asarray(x) for name, x in found.items()}


def _per_budget(
    post: "Posterior",
    function: Any,
    budgets: Float[np.ndarray, " budgets"],
    inputs: Mapping[str, float],
    **how: Any,
) -> xr.Dataset:
    law = post.law
    found = evaluate_per_budget(function, law, post.values, budgets, inputs, **how)
    for values in found.values():
        infinite = ~np.isfinite(values)
        if lost := int(infinite.any(axis=(0, 1)).sum()):
            share = float(infinite.mean(axis=(0, 1)).max())
            raise InputError(
                f"Law {law.name!r} has no compute-optimal {law.budget.size} at {lost} of the "
                f"{len(budgets)} budgets in up to {share:.2g} of the draws: along the budget "
                f"the {law.target.column} has no lowest point. Ask nearer the runs."
            )
    return post.named(found, "compute").assign_coords(compute=budgets)


def _with_epochs(post: "Posterior", draws: xr.Dataset, inputs: Mapping[str, float]) -> xr.Dataset:
    """Add the number of epochs, and by how much a further epoch would lower the loss."""
    law, unique = post.law, float(inputs["unique_tokens"])
    epochs = np.maximum(draws["tokens"] / unique, 1.0)
    with precision("float64"):
        values = {n: jnp.asarray(x)[..., None] for n, x in post.values.items()}
        run = {n: jnp.asarray(draws[n].to_numpy()) for n in (law.budget.size, "tokens")}
        others = {name: jnp.asarray(float(x)) for name, x in inputs.items()}
        more = {**run, "tokens": run["tokens"] + jnp.minimum(run["tokens"], unique)}
        after = np.asarray(law({**others, **more}, values))
    return draws.assign(epochs=epochs, next_epoch=draws[law.target.column] - after)


def _extrapolation(
    post: "Posterior", paid: Cost, draws: xr.Dataset, others: Mapping[str, Any]
) -> tuple[str, ...]:
    """Return notes on how far the median runs of an allocation are from the fitted runs."""
    names = (post.law.budget.size, "tokens")
    asked = {n: np.median(draws[n].to_numpy(), axis=(0, 1)) for n in names}
    seen = {n: post.tree["constant_data"][n].to_numpy() for n in names}
    usual = {n: np.median(x, axis=(0, 1)) if np.ndim(x) else x for n, x in others.items()}
    cost = training_cost(post, paid)
    compute = cost.at(usual).training_flops(*asked.values())
    return runs_beyond(asked, seen, (compute, compute_of_runs(post, cost)))
