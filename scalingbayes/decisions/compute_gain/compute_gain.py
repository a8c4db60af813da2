"""The compute-equivalent gain of one recipe over another, as a function of scale."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Float

from scalingbayes._core.arguments import (
    PositiveNumbers,
    Probability,
    Seed,
    check_number,
    check_numbers,
)
from scalingbayes._core.checked import checked
from scalingbayes._core.errors import InputError
from scalingbayes._core.numbers import write, write_with_interval
from scalingbayes._core.precision import precision
from scalingbayes.allocation import Cost
from scalingbayes.decisions.compute_gain.recipes import (
    Recipe,
    check_recipes,
    needed_compute,
    pair_recipes,
    reached_loss,
    shared_range,
)
from scalingbayes.decisions.law_draws import largest_share
from scalingbayes.posterior.extrapolation import beyond
from scalingbayes.posterior.posterior import Posterior
from scalingbayes.results import SAMPLE_DIMS, Estimate, View
from scalingbayes.results.intervals import EXACT_COLUMNS

_POINTS = 41  # of the curve
_ROUNDING = 1e-9  # a gain that differs less from 1 is 1
_FURTHER = 10.0  # the default budget over the largest that both recipes have runs of
_LIKELY = 0.9  # probability from which a direction is stated
_FLAT = 0.05  # a change of the log gain per decade that counts as none


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class ComputeGain(Estimate):
    """The compute-equivalent gain of a recipe; made by :func:`compute_gain`.

    Parameters
    ----------
    curve
        Draws of ``gain`` at budgets from the smallest runs to the largest budget that was asked.
    fitted
        The least and the largest compute of the runs of both recipes, in FLOPs; None if it is not
        known, as of some published constants.
    exact_curve
        The curve that takes the laws as exact, if the estimate allows for their errors.
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
    fitted: tuple[float, float] | None
    exact_curve: xr.Dataset | None = None
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

    def answer(self, prob: Probability = 0.9) -> str:
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
        gain = " ".join(filter(None, write_with_interval(middle, low, high, "ratio")))
        above = _share(float(self.probability().isel(last)))
        flops = write(float(self.draws["compute"].isel(last)), "flops")
        first = (
            f"At {flops} FLOPs the baseline needs {gain} times the compute for the loss "
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
        factor = " ".join(filter(None, write_with_interval(middle, low, high, "ratio")))
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
            f"{word}: from {start} FLOPs on, each decade multiplies the gain by {factor} (it grows "
            f"with probability {_share(rises)})."
        )

    def view(self, prob: Probability = 0.9) -> View:
        """Return the answer, and a table with one row a budget."""
        found = self.summary(prob).xs("gain", level="quantity")
        pairs = [("gain", f"{100 * prob:g}% interval", *found.columns[:3])]
        if self.exact is not None:
            pairs.append(("", "if law exact", "median", *EXACT_COLUMNS))
        table = pd.DataFrame(index=[write(float(x), "flops") for x in found.index])
        for number, interval, *columns in pairs:
            rows = found[columns].to_numpy().tolist()
            written = [write_with_interval(m, low, high, "ratio") for m, low, high in rows]
            if number:
                table[number] = [each for each, _ in written]
            table[interval] = [each for _, each in written]
        table["P(gain > 1)"] = [_share(float(x)) for x in self.probability().to_numpy()]
        table.index.name = "C of the new recipe (FLOPs)"
        lines = (self.answer(prob), *self.notes)
        return replace(super().view(prob), title=self.title, table=table, tables=(), lines=lines)

    def plot(self, ax: Any = None, prob: Probability = 0.9) -> Any:
        """Plot the gain against compute; see :func:`scalingbayes.plots.plot_compute_gain`."""
        from scalingbayes.plots import plot_compute_gain

        return plot_compute_gain(self, prob, ax)


@checked
def compute_gain(
    new: Posterior,
    baseline: Posterior | None = None,
    compute: PositiveNumbers | None = None,
    cost: Cost | None = None,
    tokens_per_param: float | None = None,
    *,
    seed: Seed = 0,
    **inputs: float,
) -> ComputeGain:
    """Estimate how many times the compute a baseline needs to reach the loss of a new recipe.

    The gain at compute C is the factor k such that the baseline, trained with k C, reaches the loss
    of the new recipe trained with C. It is above 1 if the new recipe is better. Losses of the two
    recipes must be comparable: of the same held-out text, under the same tokenizer.

    There are two ways to fit the recipes. Fitted apart, as by ``sb.fit_many``, nothing is shared,
    and the gain may change with scale in any way; after :func:`scalingbayes.pool`, each exponent is
    drawn towards those of the other recipes. Two
    floors that the runs hardly tell apart then make gains of any size. Fitted together by the law
    ``recipe``, the recipes share the floor and, with ``recipe(grows=False)``, the exponents: the
    interval is then far narrower. Prefer this if the recipes differ in how they train, and not in
    their data; ``baseline`` is then left out.

    Parameters
    ----------
    new
        A fit of the new recipe, by a law that divides compute or by ``power_law(x=compute)``; or
        a fit of both recipes by the law ``recipe``.
    baseline
        A fit of the baseline, of other runs.
    compute
        Compute C of the new recipe in FLOPs; shape (budgets,). By default the ends of the range in
        which both recipes have runs, and 10 times its upper end.
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
        ``baseline`` is given, a number is not positive, an input of a law is missing, or a law does
        not read what is given.

    Notes
    -----
    The error of a law beyond its runs is taken to be the same for both recipes: it then multiplies
    both losses alike, and cancels. The interval leaves out that the two errors may differ, which
    is likelier the more the recipes differ; a note says so where a budget lies beyond the runs.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> tables = sb.datasets.load("overtraining").split("dataset")
    >>> posts = sb.fit_many(tables, "chinchilla", engine="laplace", exact=True)
    >>> found = sb.compute_gain(posts["refinedweb"], posts["c4"], compute=1e22)
    >>> float(found.probability().item()) < 0.05  # on C4's own validation text
    True
    """
    check_recipes(new, baseline)
    ratio = None if tokens_per_param is None else check_number("tokens_per_param", tokens_per_param)
    if ratio is not None and not new.law.allocates:
        raise InputError(
            f"Law {new.law.name!r} reads compute alone: leave tokens_per_param out, or fit a law "
            f"of size and tokens, such as 'coupled'."
        )
    recipes = pair_recipes(new, baseline, cost, inputs, seed)
    fitted = shared_range(*recipes)
    budgets = _budgets(compute, fitted)
    ends = [*(fitted or (budgets.min() / 10, budgets.max())), *budgets]
    grid = np.geomspace(min(ends), max(ends), _POINTS)

    def gain(pair: tuple[Recipe, Recipe], at: Float[np.ndarray, " budgets"]) -> np.ndarray:
        with precision("float64"):
            found = needed_compute(pair[1], reached_loss(pair[0], at, ratio), ratio) / at
        return np.where(abs(found - 1) < _ROUNDING, 1.0, found)

    draws = _as_dataset(gain(recipes, budgets), budgets)
    exact = exact_curve = None
    if not new.exact or (baseline is not None and not baseline.exact):
        old = None if baseline is None else baseline.as_exact
        alone = pair_recipes(new.as_exact, old, cost, inputs, seed)
        exact = _as_dataset(gain(alone, budgets), budgets)
        exact_curve = _as_dataset(gain(alone, grid), grid)
    names = _names(new, baseline)
    how = "compute-optimal" if ratio is None else f"{ratio:g} tokens per parameter"
    how = how if new.law.allocates else "loss against compute"
    return ComputeGain(
        f"Compute-equivalent gain of {names[0]} over {names[1]}, {how}",
        draws,
        new.verdict if baseline is None else new.verdict and baseline.verdict,
        (*_caveats(new, baseline), *_notes(draws, budgets, fitted, recipes, exact is None)),
        exact,
        curve=_as_dataset(gain(recipes, grid), grid),
        fitted=None if fitted is None else (min(fitted), max(fitted)),
        exact_curve=exact_curve,
        constant=new.law.name == "recipe(grows=False)",
    )


def _budgets(compute: Any, fitted: tuple[float, float] | None) -> Float[np.ndarray, " budgets"]:
    """Return the budgets that were asked, or the default ones.

    Raises
    ------
    InputError
        If a budget is not positive, or none is given and the range of the runs is not known.
    """
    if compute is not None:
        return check_numbers("compute", compute).ravel()
    if fitted is None:
        raise InputError("The range of the runs is not known: give compute, such as compute=1e22.")
    return np.array([min(fitted), max(fitted), _FURTHER * max(fitted)])


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


def _caveats(new: Posterior, baseline: Posterior | None) -> tuple[str, ...]:
    """Return notes on the sources of the draws, each once."""
    others = () if baseline is None else baseline.caveats
    return tuple(dict.fromkeys((*new.caveats, *others)))


def _notes(
    draws: xr.Dataset,
    budgets: Float[np.ndarray, " budgets"],
    fitted: tuple[float, float] | None,
    recipes: tuple[Recipe, Recipe],
    laws_are_exact: bool,
) -> tuple[str, ...]:
    """Return notes on extrapolation and on draws without a finite gain."""
    notes: tuple[str, ...] = ()
    if fitted is not None and fitted[0] > fitted[1]:
        notes += ("The two recipes have no runs of similar compute.",)
    outside = beyond("FLOPs", budgets, np.concatenate([each.compute for each in recipes]))
    notes += outside
    if outside and not laws_are_exact:
        notes += (
            "Beyond the runs, the law's error is taken to be the same for both recipes, and "
            "cancels: the interval leaves out that the errors may differ.",
        )
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
