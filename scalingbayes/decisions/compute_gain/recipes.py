"""Two recipes: the loss that each reaches with a budget, and the compute that each loss needs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from scalingbayes._core.errors import InputError
from scalingbayes._core.precision import precision, to_device
from scalingbayes._core.programs import compiled
from scalingbayes._core.roots import bisect
from scalingbayes.allocation import Cost, compute_to_reach, cost_of, optimum
from scalingbayes.laws import Law
from scalingbayes.laws.base.inputs import beside_budget
from scalingbayes.laws.coupled import coupled
from scalingbayes.laws.recipe import COLUMN, of_one_recipe
from scalingbayes.posterior.extrapolation import compute_of_runs, training_cost
from scalingbayes.posterior.pairing import independent_order
from scalingbayes.posterior.posterior import Posterior
from scalingbayes.posterior.user_units import target_name
from scalingbayes.results import SAMPLE_DIMS

_SMALLEST, _LARGEST = np.log(1.0), np.log(1e40)  # of a size or a compute that is searched for


@dataclass(frozen=True, eq=False)
class Recipe:
    """One recipe: a law of params and tokens, or of compute, with draws of its parameters."""

    law: Law
    values: Mapping[str, Float[np.ndarray, "chains draws"]]
    inputs: Mapping[str, Float[np.ndarray, ""]]
    cost: Cost | None
    compute: Float[np.ndarray, " runs"]


def check_recipes(new: Any, baseline: Any) -> None:
    """Check that the fits can be compared.

    Raises
    ------
    InputError
        If they cannot.
    """
    _check_fit("new", new)
    if baseline is None:
        if COLUMN not in new.law.inputs:
            raise InputError(
                f"Law {new.law.name!r} does not read the column {COLUMN!r}. Give the fit of the "
                f"baseline too, or fit both recipes by the law 'recipe'."
            )
        return
    _check_fit("baseline", baseline)
    for name, post in (("new", new), ("baseline", baseline)):
        if COLUMN in post.law.inputs:
            raise InputError(f"{name} is a fit of both recipes: give it alone.")
    targets = target_name(new), target_name(baseline)
    if targets[0] != targets[1]:
        raise InputError(
            f"new predicts {targets[0]} and baseline {targets[1]}: fit both recipes to the same "
            f"quantity."
        )
    if new.law.allocates != baseline.law.allocates:
        raise InputError(
            f"One law reads compute and the other size and tokens: {new.law.name!r} and "
            f"{baseline.law.name!r}. Fit both recipes by one law."
        )


def _check_fit(name: str, post: Any) -> None:
    """Check that one fit is a posterior of a law that says what compute reaches.

    Raises
    ------
    InputError
        If it is not.
    """
    if not isinstance(post, Posterior):
        raise InputError(
            f"{name} must be a posterior, as sb.fit returns, or one of an average's; got "
            f"{type(post).__name__}."
        )
    if not post.law.allocates and set(post.law.inputs) != {"compute"}:
        raise InputError(
            f"{name} is fitted by law {post.law.name!r}, which reads "
            f"{' and '.join(post.law.inputs)}: choose a law of size and tokens, such as "
            f"'coupled', or 'power_law(x=compute)'."
        )


def pair_recipes(
    new: Posterior,
    baseline: Posterior | None,
    cost: Cost | None,
    inputs: Mapping[str, float],
    seed: int,
) -> tuple[Recipe, Recipe]:
    """Return the new recipe and the baseline, with draws that are paired.

    Raises
    ------
    InputError
        If a law lacks an input, or does not read what is given.
    """
    if baseline is None:
        if inputs:
            raise InputError(
                f"Law {new.law.name!r} reads no other inputs than those of the two recipes: leave "
                f"{', '.join(inputs)} out."
            )
        rows = new.tree["constant_data"][COLUMN].to_numpy()
        with precision("float64"):
            values = to_device(new.values, "float64")
            pair = [
                Recipe(
                    coupled,
                    {n: np.asarray(x) for n, x in of_one_recipe(values, recipe).items()},
                    {},
                    cost_of(coupled, new.cost if cost is None else cost, {}),
                    new.compute[(rows > 0.5) == (recipe > 0.5)],
                )
                for recipe in (1.0, 0.0)
            ]
        return pair[0], pair[1]
    longer, shorter = sorted((new, baseline), key=_count, reverse=True)
    shape = tuple(longer.draws.sizes[dim] for dim in SAMPLE_DIMS)
    order = independent_order(_count(shorter), _count(longer), [seed, 25]).reshape(shape)
    found = {post: _of_fit(post, cost, inputs) for post in (new, baseline)}
    if shorter is not longer:
        values = {name: x.ravel()[order] for name, x in found[shorter].values.items()}
        found[shorter] = replace(found[shorter], values=values)
    return found[new], found[baseline]


def _count(post: Posterior) -> int:
    """Return the number of draws of a fit."""
    return int(np.prod([post.draws.sizes[dim] for dim in SAMPLE_DIMS]))


def _of_fit(post: Posterior, cost: Cost | None, inputs: Mapping[str, float]) -> Recipe:
    """Return the recipe of a fit.

    Raises
    ------
    InputError
        If the law lacks an input, or does not read what is given.
    """
    if not post.law.allocates:
        if inputs or cost is not None:
            unread = ", ".join(inputs) or "cost"
            raise InputError(f"Law {post.law.name!r} reads compute alone: leave {unread} out.")
        compute = post.tree["constant_data"]["compute"].to_numpy()
        return Recipe(post.law, post.values, {}, None, compute)
    fixed = beside_budget(post.law, inputs)
    paid = cost_of(post.law, cost or post.cost, fixed)
    return Recipe(
        post.law, post.values, fixed, paid, compute_of_runs(post, training_cost(post, paid))
    )


def shared_range(new: Recipe, baseline: Recipe) -> tuple[float, float] | None:
    """Return the ends of the range of compute in which both recipes have runs.

    The first is above the second if the ranges do not overlap. None if the range of the runs of
    neither recipe is known, as of some published constants.
    """
    known = [each.compute for each in (new, baseline) if each.compute.size]
    if not known:
        return None
    return float(max(x.min() for x in known)), float(min(x.max() for x in known))


def reached_loss(
    recipe: Recipe, compute: Float[np.ndarray, " budgets"], ratio: float | None
) -> Float[Array, "chains draws budgets"]:
    """Compute the loss that a recipe reaches with each budget."""
    values, fixed = to_device((dict(recipe.values), dict(recipe.inputs)), "float64")
    if recipe.cost is not None and ratio is None:
        best = optimum(recipe.law, values, jnp.asarray(compute), fixed, recipe.cost)
        return best[recipe.law.target.column]
    scale = jnp.log(jnp.asarray(compute))
    if recipe.cost is not None and ratio is not None:
        scale = recipe.cost.log_size(recipe.cost.scale_at_ratio(jnp.log(ratio), scale))
    return _loss_along(recipe.law, values, fixed, scale, jnp.asarray(ratio or 1.0))


def needed_compute(
    recipe: Recipe, loss: Float[Array, "chains draws budgets"], ratio: float | None
) -> Float[np.ndarray, "chains draws budgets"]:
    """Compute the compute with which a recipe reaches each loss; inf where none does."""
    values, fixed = to_device((dict(recipe.values), dict(recipe.inputs)), "float64")
    if recipe.cost is not None and ratio is None:
        return np.asarray(compute_to_reach(recipe.law, values, loss, fixed, recipe.cost))
    found = _scale_to_reach(recipe.law, values, fixed, loss, jnp.asarray(ratio or 1.0))
    scale = np.asarray(found)
    if recipe.cost is None or ratio is None:
        return np.exp(scale)
    lost = np.isinf(scale)
    return np.where(lost, np.inf, _flops_of_size(recipe, np.where(lost, 0.0, scale), ratio))


def _flops_of_size(
    recipe: Recipe, log_size: Float[np.ndarray, "*shape"], ratio: float
) -> Float[np.ndarray, "*shape"]:
    """Return the FLOPs of runs of a constant ratio of tokens to size."""
    assert recipe.cost is not None
    size = np.exp(log_size)
    return recipe.cost.training_flops(size, ratio * size)


def _along(law: Law, fixed: Mapping[str, Array], ratio: Array) -> Callable[[Array], Any]:
    """Return a function of a log scale: the inputs of the law there."""

    def inputs(scale: Array) -> dict[str, Array]:
        if not law.allocates:
            return {"compute": jnp.exp(scale)}
        return {**fixed, law.budget.size: jnp.exp(scale), "tokens": ratio * jnp.exp(scale)}

    return inputs


@partial(compiled, static=("law",))
def _loss_along(
    law: Law,
    values: dict[str, Float[Array, "*draws"]],
    fixed: dict[str, Array],
    scale: Float[Array, " budgets"],
    ratio: Array,
) -> Float[Array, "*draws budgets"]:
    along = _along(law, fixed, ratio)(scale)
    return law(along, {name: x[..., None] for name, x in values.items()})


@partial(compiled, static=("law",))
def _scale_to_reach(
    law: Law,
    values: dict[str, Float[Array, "*draws"]],
    fixed: dict[str, Array],
    loss: Float[Array, "*draws budgets"],
    ratio: Array,
) -> Float[Array, "*draws budgets"]:
    """Bisect for the log scale at which the law reaches a loss; inf where it never does."""
    there, inputs = {name: x[..., None] for name, x in values.items()}, _along(law, fixed, ratio)
    low, high = jnp.full_like(loss, _SMALLEST), jnp.full_like(loss, _LARGEST)
    found = bisect(lambda scale: loss - law(inputs(scale), there), low, high)
    return jnp.where(law(inputs(high), there) > loss, jnp.inf, found)
