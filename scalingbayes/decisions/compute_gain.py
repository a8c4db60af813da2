"""The compute-equivalent gain of one recipe over another, as a function of scale."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax.numpy as jnp
import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Array, ArrayLike, Float

from scalingbayes._core.arguments import check_number, check_numbers
from scalingbayes._core.errors import InputError
from scalingbayes._core.numbers import write, write_with_interval
from scalingbayes._core.precision import precision, to_device
from scalingbayes._core.programs import compiled
from scalingbayes._core.roots import bisect
from scalingbayes.allocation import Cost, compute_to_reach, optimum
from scalingbayes.decisions.law_draws import largest_share
from scalingbayes.laws import Law
from scalingbayes.laws.base.inputs import beside_budget
from scalingbayes.laws.coupled import coupled
from scalingbayes.laws.recipe import COLUMN, of_one_recipe
from scalingbayes.posterior.extrapolation import beyond
from scalingbayes.posterior.posterior import Posterior
from scalingbayes.posterior.user_units import target_name
from scalingbayes.results import SAMPLE_DIMS, Estimate, View

_POINTS = 41  # of the curve
_FURTHER = 100.0  # the default budget over the largest that both recipes have runs of
_LIKELY = 0.9  # probability from which a direction is stated
_FLAT = 0.05  # a change of the log gain per decade that counts as none
_SMALLEST, _LARGEST = np.log(1.0), np.log(1e40)  # of a size or a compute that is searched for


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class ComputeGain(Estimate):
    """The compute-equivalent gain of a recipe; made by :func:`compute_gain`.

    Parameters
    ----------
    curve
        Draws of ``gain`` at budgets from the smallest runs to the largest budget that was asked.
    fitted
        The least and the largest compute of the runs of both recipes, in FLOPs.
    constant
        Whether the law holds the gain constant.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> tables = sb.datasets.load("overtraining").split("dataset")
    >>> posts = sb.fit_many(tables, "chinchilla", engine="laplace", exact=True)
    >>> found = sb.compute_gain(posts["refinedweb"], posts["c4"], compute=1e22)
    >>> found["gain"].dims
    ('chain', 'draw', 'compute')
    """

    curve: xr.Dataset
    fitted: tuple[float, float]
    constant: bool = False

    @property
    def growth(self) -> xr.DataArray:
        """Draws of the factor by which the gain changes with each decade of compute.

        The mean over the curve. NaN in draws in which an end of the curve is not a finite number.
        """
        gain, compute = self.curve["gain"], self.curve["compute"]
        finite = gain.where(np.isfinite(gain) & (gain > 0))
        decades = float(np.log10(compute[-1] / compute[0]))
        rise = finite.isel(compute=-1, drop=True) / finite.isel(compute=0, drop=True)
        return (rise ** (1 / decades)).rename("growth")

    def probability(self, gain: float = 1.0) -> xr.DataArray:
        """Return the posterior probability that the gain is above a number, for each budget."""
        return (self.draws["gain"] > gain).mean(SAMPLE_DIMS)

    def answer(self, prob: float = 0.9) -> str:
        """Return sentences: the gain at the largest budget, and whether it changes with scale.

        Parameters
        ----------
        prob
            Posterior probability of the equal-tailed intervals.
        """
        last = {"compute": int(np.argmax(self.draws["compute"].to_numpy()))}
        bounds = self.interval(prob)["gain"].isel(last).to_numpy()
        middle = float(self.median()["gain"].isel(last))
        low, high = map(float, bounds)
        gain, interval = write_with_interval(middle, low, high, "ratio")
        above = _share(float(self.probability().isel(last)))
        flops = write(float(self.draws["compute"].isel(last)), "flops")
        first = (
            f"At {flops} FLOPs the baseline needs {gain} {interval} times the compute for the loss "
            f"of the new recipe; the gain is above 1 with probability {above}."
        )
        return f"{first} {self._trend(prob)}"

    def _trend(self, prob: float) -> str:
        """Return a sentence on how the gain changes with scale."""
        if self.constant:
            return "The law holds the gain constant: whether it changes with scale was not asked."
        growth = self.growth.to_numpy().ravel()
        growth = growth[np.isfinite(growth)]
        if not len(growth):
            return "The gain has no finite value at the largest budget."
        middle, low, high = np.quantile(growth, [0.5, (1 - prob) / 2, (1 + prob) / 2])
        factor, interval = write_with_interval(middle, low, high, "ratio")
        rises = float((growth > 1).mean())
        if max(-np.log(low), np.log(high)) <= _FLAT:
            word = "It holds with scale"
        elif rises >= _LIKELY:
            word = "It grows with scale"
        elif rises <= 1 - _LIKELY:
            word = "It shrinks with scale"
        else:
            word = "The runs do not tell whether it grows or shrinks with scale"
        start = write(float(f"{float(self.curve['compute'][0]):.2g}"), "flops")
        return (
            f"{word}: from {start} FLOPs on, each decade multiplies the gain by {factor} "
            f"{interval} (it grows with probability {_share(rises)})."
        )

    def view(self, prob: float = 0.9) -> View:
        """Return the answer, and a table with one row a budget."""
        middle, bounds = self.median()["gain"], self.interval(prob)["gain"]
        rows = zip(
            middle.to_numpy(),
            bounds.transpose("compute", "bound").to_numpy(),
            self.probability().to_numpy(),
            strict=True,
        )
        shown = [
            (*write_with_interval(float(m), float(low), float(high), "ratio"), _share(float(p)))
            for m, (low, high), p in rows
        ]
        budgets = [write(float(x), "flops") for x in self.draws["compute"].to_numpy()]
        columns = ["gain", f"{100 * prob:g}% interval", "P(gain > 1)"]
        index = pd.Index(budgets, name="C of the new recipe (FLOPs)")
        table = pd.DataFrame(shown, index=index, columns=columns)
        lines = (self.answer(prob), *self.notes)
        return replace(super().view(prob), table=table, tables=(), lines=lines)

    def plot(self, ax: Any = None, prob: float = 0.9) -> Any:
        """Plot the gain against compute; see :func:`scalingbayes.plots.plot_compute_gain`."""
        from scalingbayes.plots import plot_compute_gain

        return plot_compute_gain(self, prob, ax)


@dataclass(frozen=True, eq=False)
class _Recipe:
    """One recipe: a law of params and tokens, or of compute, with draws of its parameters."""

    law: Law
    values: Mapping[str, Float[np.ndarray, "chains draws"]]
    inputs: Mapping[str, Float[np.ndarray, ""]]
    cost: Cost | None
    compute: Float[np.ndarray, " runs"]


def compute_gain(
    new: Posterior,
    baseline: Posterior | None = None,
    compute: ArrayLike | Sequence[float] | None = None,
    cost: Cost | None = None,
    tokens_per_param: float | None = None,
    *,
    seed: int = 0,
    **inputs: float,
) -> ComputeGain:
    """Estimate how many times the compute a baseline needs to reach the loss of a new recipe.

    The gain at compute C is the factor k such that the baseline, trained with k C, reaches the loss
    of the new recipe trained with C. It is above 1 if the new recipe is better. Losses of the two
    recipes must be comparable: of the same held-out text, under the same tokenizer.

    There are two ways to fit the recipes. Fitted apart, as by ``sb.fit_many``, nothing is shared,
    and the gain may change with scale in any way. Fitted together by the law ``recipe``, they share
    the floor and, with ``recipe(grows=False)``, the exponents: the interval is then narrower, and
    ``baseline`` is left out.

    Parameters
    ----------
    new
        A fit of the new recipe, by a law that divides compute or by ``power_law(x=compute)``; or
        a fit of both recipes by the law ``recipe``.
    baseline
        A fit of the baseline, of other runs.
    compute
        Compute C of the new recipe in FLOPs; shape (budgets,). By default the ends of the range in
        which both recipes have runs, and 100 times its upper end.
    cost
        How compute is counted; by default :attr:`Posterior.cost` of each fit.
    tokens_per_param
        Tokens per parameter of both recipes. By default each recipe is trained with its own
        compute-optimal size and tokens.
    seed
        Seed of the pairing of the draws of two fits.
    **inputs
        The laws' inputs other than the model's size and tokens, the same for both recipes.

    Returns
    -------
    ComputeGain
        Draws of ``gain``, of shape (chains, draws, budgets). Infinite in draws in which the
        baseline reaches the loss with no budget.

    Raises
    ------
    InputError
        If a fit's law has no compute, the losses differ in name, one law is ``recipe`` and
        ``baseline`` is given, a number is not positive, or an input of a law is missing.

    Notes
    -----
    The error of a law beyond its runs is taken to be the same for both recipes, and cancels.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> tables = sb.datasets.load("overtraining").split("dataset")
    >>> posts = sb.fit_many(tables, "chinchilla", engine="laplace", exact=True)
    >>> found = sb.compute_gain(posts["refinedweb"], posts["c4"], compute=1e22)
    >>> float(found.probability().item()) < 0.05  # on C4's own validation text
    True
    """
    _check_fits(new, baseline)
    ratio = None if tokens_per_param is None else check_number("tokens_per_param", tokens_per_param)
    recipes = _recipes(new, baseline, cost, inputs, seed)
    fitted = _shared_range(*recipes)
    start, end = sorted(fitted)
    default = [start, end, _FURTHER * end]
    budgets = check_numbers("compute", default if compute is None else compute).ravel()
    first, last = min(start, budgets.min()), max(end, budgets.max())
    grid = np.geomspace(first, last, _POINTS)

    def gain(pair: tuple[_Recipe, _Recipe], at: Float[np.ndarray, " budgets"]) -> np.ndarray:
        with precision("float64"):
            return _reach(pair[1], _loss(pair[0], at, ratio), ratio) / at

    draws = _as_dataset(gain(recipes, budgets), budgets)
    exact = None
    if not new.exact or (baseline is not None and not baseline.exact):
        old = None if baseline is None else baseline.as_exact
        alone = _recipes(new.as_exact, old, cost, inputs, seed)
        exact = _as_dataset(gain(alone, budgets), budgets)
    names = _names(new, baseline)
    how = "compute-optimal" if ratio is None else f"{ratio:g} tokens per parameter"
    how = how if new.law.allocates else "loss against compute"
    return ComputeGain(
        f"Compute-equivalent gain of {names[0]} over {names[1]}, {how}",
        draws,
        new.verdict if baseline is None else new.verdict and baseline.verdict,
        _notes(draws, budgets, fitted, recipes),
        exact,
        curve=_as_dataset(gain(recipes, grid), grid),
        fitted=(start, end),
        constant=new.law.name == "recipe(grows=False)",
    )


def _check_fits(new: Any, baseline: Any) -> None:
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
            f"{name} must be a posterior, as sb.fit returns; got {type(post).__name__}."
        )
    if not post.law.allocates and set(post.law.inputs) != {"compute"}:
        raise InputError(
            f"{name} is fitted by law {post.law.name!r}, which reads "
            f"{' and '.join(post.law.inputs)}: choose a law of size and tokens, such as "
            f"'coupled', or 'power_law(x=compute)'."
        )


def _recipes(
    new: Posterior,
    baseline: Posterior | None,
    cost: Cost | None,
    inputs: Mapping[str, float],
    seed: int,
) -> tuple[_Recipe, _Recipe]:
    """Return the new recipe and the baseline, with draws that are paired."""
    if baseline is None:
        rows = new.tree["constant_data"][COLUMN].to_numpy()
        with precision("float64"):
            values = to_device(new.values, "float64")
            pair = [
                _Recipe(
                    coupled,
                    {n: np.asarray(x) for n, x in of_one_recipe(values, recipe).items()},
                    {},
                    new.cost if cost is None else cost,
                    new.compute[(rows > 0.5) == (recipe > 0.5)],
                )
                for recipe in (1.0, 0.0)
            ]
        return pair[0], pair[1]
    found = _of_fit(new, cost, inputs), _of_fit(baseline, cost, inputs)
    chains, draws = (new.draws.sizes[dim] for dim in SAMPLE_DIMS)
    others = int(np.prod([baseline.draws.sizes[dim] for dim in SAMPLE_DIMS]))
    # Two posteriors of one seed have correlated draws. Shuffling makes them independent.
    order = np.random.default_rng([seed, 25]).permutation(others)
    order = order[np.arange(chains * draws) % others].reshape(chains, draws)
    shuffled = {name: x.ravel()[order] for name, x in found[1].values.items()}
    return found[0], replace(found[1], values=shuffled)


def _of_fit(post: Posterior, cost: Cost | None, inputs: Mapping[str, float]) -> _Recipe:
    """Return the recipe of a fit."""
    if not post.law.allocates:
        compute = post.tree["constant_data"]["compute"].to_numpy()
        return _Recipe(post.law, post.values, {}, None, compute)
    fixed = beside_budget(post.law, inputs)
    return _Recipe(post.law, post.values, fixed, cost or post.cost, post.compute)


def _shared_range(new: _Recipe, baseline: _Recipe) -> tuple[float, float]:
    """Return the ends of the range of compute in which both recipes have runs.

    The first is above the second if the ranges do not overlap.
    """
    return (
        float(max(new.compute.min(), baseline.compute.min())),
        float(min(new.compute.max(), baseline.compute.max())),
    )


def _loss(
    recipe: _Recipe, compute: Float[np.ndarray, " budgets"], ratio: float | None
) -> Float[Array, "chains draws budgets"]:
    """Compute the loss that a recipe reaches with each budget."""
    values, fixed = to_device((dict(recipe.values), dict(recipe.inputs)), "float64")
    if recipe.cost is not None and ratio is None:
        best = optimum(recipe.law, values, jnp.asarray(compute), fixed, recipe.cost)
        return best[recipe.law.target.column]
    scale = np.log(compute)
    if recipe.cost is not None and ratio is not None:
        low, high = np.full_like(compute, _SMALLEST), np.full_like(compute, _LARGEST)
        for _ in range(60):
            half = (low + high) / 2
            enough = _flops_of_size(recipe, half, ratio) >= compute
            low, high = np.where(enough, low, half), np.where(enough, half, high)
        scale = high
    return _loss_along(recipe.law, values, fixed, jnp.asarray(scale), jnp.asarray(ratio or 1.0))


def _reach(
    recipe: _Recipe, loss: Float[Array, "chains draws budgets"], ratio: float | None
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
    recipe: _Recipe, log_size: Float[np.ndarray, "*shape"], ratio: float
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


def _as_dataset(
    gain: Float[np.ndarray, "chains draws budgets"], budgets: Float[np.ndarray, " budgets"]
) -> xr.Dataset:
    dims = (*SAMPLE_DIMS, "compute")
    labels = {dim: np.arange(size) for dim, size in zip(SAMPLE_DIMS, gain.shape, strict=False)}
    return xr.Dataset({"gain": (dims, gain)}, {**labels, "compute": budgets})


def _names(new: Posterior, baseline: Posterior | None) -> tuple[str, str]:
    """Return the names of the recipes for the title."""
    if baseline is None:
        return "the new recipe", "the baseline"
    names = repr(new.record.data.name), repr(baseline.record.data.name)
    return names if names[0] != names[1] else ("the new recipe", "the baseline")


def _notes(
    draws: xr.Dataset,
    budgets: Float[np.ndarray, " budgets"],
    fitted: tuple[float, float],
    recipes: tuple[_Recipe, _Recipe],
) -> tuple[str, ...]:
    """Return notes on extrapolation and on draws without a finite gain."""
    notes: tuple[str, ...] = ()
    if fitted[0] > fitted[1]:
        notes += ("The two recipes have no runs of similar compute.",)
    notes += beyond("FLOPs", budgets, np.concatenate([each.compute for each in recipes]))
    lost = np.isinf(draws["gain"].to_numpy())
    if lost.any():
        notes += (
            f"No budget of the baseline reaches the loss of the new recipe in "
            f"{largest_share(lost)} of the draws: the gain is infinite there.",
        )
    return notes


def _share(probability: float) -> str:
    """Return a probability in percent, never as certain."""
    if probability > 0.995:
        return "above 99%"
    return "below 1%" if probability < 0.005 else f"{probability:.0%}"
