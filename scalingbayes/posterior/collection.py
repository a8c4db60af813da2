"""The posteriors of many fits, by the name of their table."""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import jax
import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Array, Float, Shaped

from scalingbayes._core.arguments import Probability
from scalingbayes._core.devices import fetch, map_each
from scalingbayes._core.errors import InputError
from scalingbayes._core.precision import precision
from scalingbayes._core.programs import compiled
from scalingbayes.allocation import Cost, Limits, exponents, table_cost
from scalingbayes.data.runs import Runs
from scalingbayes.inference import Draws
from scalingbayes.model.bound_model import BoundModel
from scalingbayes.model.log_density import LogDensity
from scalingbayes.model.stacking import stack_densities
from scalingbayes.posterior.allocate import Budgets, evaluate_per_budget, exponent_budgets
from scalingbayes.posterior.diagnostics import diagnose, judge
from scalingbayes.posterior.posterior import Posterior
from scalingbayes.results import (
    SAMPLE_DIMS,
    Check,
    Estimate,
    IntervalKind,
    Result,
    Verdict,
    View,
    one_row_a_case,
)

_FEW_NAMES = 10  # that a line lists
_FEW_FITS = (
    20  # that are listed one a line; more fits than the losses of one table disagree by chance
)


class Posteriors(Result, Mapping[Any, Posterior]):
    """The posteriors of many fits: ``posts["c4"]`` is one of them.

    Parameters
    ----------
    models
        The model of each fit, by name.
    draws
        The engine's draws of each fit, in the same order.
    settings
        The engine's settings of each fit, for its record.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> tables = sb.datasets.load("overtraining").split("dataset")
    >>> fits = sb.fit_many(tables, "chinchilla")  # doctest: +SKIP
    >>> fits["c4"].verdict.passed  # doctest: +SKIP
    True
    """

    def __init__(
        self,
        models: Mapping[Hashable, BoundModel],
        draws: Sequence[Draws],
        settings: Sequence[Mapping[str, Any]],
    ) -> None:
        self.models = models
        self._draws = dict(zip(models, draws, strict=True))
        self._settings = dict(zip(models, settings, strict=True))

    def __getitem__(self, name: Any) -> Posterior:
        return Posterior.from_draws(self.models[name], self._draws[name], self._settings[name])

    def __iter__(self) -> Iterator[Any]:
        return iter(self.models)

    def __len__(self) -> int:
        return len(self.models)

    @cached_property
    def draws(self) -> xr.Dataset:
        """Draws of each parameter in its table's units; dims ``fit``, ``chain`` and ``draw``."""
        return self._described[0]

    @property
    def exact(self) -> bool:
        """Whether the law was taken as exact."""
        return all(each.exact is None for each in self._draws.values())

    def stat(self, name: str) -> Shaped[np.ndarray, "fits chains draws"]:
        """Return a statistic of each draw, such as ``"lp"``, the log density."""
        return np.stack([each.stats[name] for each in self._draws.values()])

    @property
    def effective_draws(self) -> Float[np.ndarray, " fits"]:
        """The effective sample size of each fit, of its worst parameter."""
        if self.draws.sizes["chain"] > 1:
            return np.min([x.to_numpy() for x in self._diagnostics["ess_bulk"].values()], axis=0)
        total = self.draws.sizes["draw"]
        sizes = [each.facts.get("effective_draws", total) for each in self._draws.values()]
        return np.array(sizes, float)

    @cached_property
    def verdicts(self) -> dict[Any, Verdict]:
        """The verdict of each fit."""
        draws, shares = self._described
        diagnostics = self._diagnostics
        found = {}
        for place, name in enumerate(self.models):
            fit_draws = self._draws[name]
            stats = xr.Dataset({stat: (SAMPLE_DIMS, x) for stat, x in fit_draws.stats.items()})
            of_priors = {n: float(x[place]) for n, x in shares.items()}
            shown = of_priors if fit_draws.of == "posterior" else {}
            of_chains = {what: values.isel(fit=place) for what, values in diagnostics.items()}
            found[name] = judge(
                draws.isel(fit=place), stats, fit_draws.facts, shown, of_chains or None
            )
        return found

    @property
    def verdict(self) -> Verdict:
        """Whether all fits passed their checks, and which did not."""
        failed = [str(name) for name, each in self.verdicts.items() if not each.passed]
        finding = f"{len(failed)} of {len(self)} fits failed theirs: {_listed(failed)}"
        remedy = "see posts[name].verdict of each"
        passed = Check(True, f"all {len(self)} fits passed theirs", "")
        return Verdict((Check(False, finding, remedy) if failed else passed,))

    def summary(self, prob: Probability = 0.9, kind: IntervalKind = "eti") -> pd.DataFrame:
        """Return a table of every parameter of every fit.

        Parameters
        ----------
        prob
            Posterior probability of the credible intervals.
        kind
            ``"eti"``, equal tails, or ``"hdi"``, the shortest interval.

        Returns
        -------
        pandas.DataFrame
            A row a fit and parameter: median, interval and the verdict of the fit. If the fits
            allow for the law's error, ``exact_lb`` and ``exact_ub`` are the interval that takes the
            law as exact.

        Raises
        ------
        InputError
            If ``prob`` is not between 0 and 1, or ``kind`` is neither of the two.
        """
        exact = None if self._as_exact is None else self._as_exact.draws
        found = Estimate("Parameters", self.draws, self.verdict, exact=exact)
        frame = found.summary(prob, kind)
        words = {name: verdict.word for name, verdict in self.verdicts.items()}
        return frame.assign(verdict=frame.index.get_level_values("fit").map(words))

    def exponents(self) -> Estimate:
        """Estimate a and b of N_opt ∝ C^a, D_opt ∝ C^b of every fit, in the middle of its runs.

        Raises
        ------
        InputError
            If the law has no compute-optimal allocation, or has inputs other than size and tokens.
        """
        each = {name: model.runs.units.describe() for name, model in self.models.items()}
        units, of_fits = _shared(each)
        title, draws = "Exponents of N_opt ∝ C^a, D_opt ∝ C^b", self._exponents()
        title = f"{title}; {units}" if units else title
        notes = (*of_fits, *self._disagreements(draws["a"], "a"))
        if self._as_exact is None:
            return Estimate(title, draws, self.verdict, notes=notes)
        exact = self._as_exact._exponents()
        return Estimate(title, draws, self.verdict, notes=notes, exact=exact)

    def allocate(
        self,
        compute: Budgets,
        cost: Cost | None = None,
        limits: Limits | None = None,
        **inputs: float,
    ) -> Estimate:
        """Estimate the model size and the tokens of least loss, by each fit.

        The arguments and the quantities are those of :meth:`Posterior.allocate`. Notes say if fits
        of one table's losses disagree, and the cost and units of each fit if they differ.

        Raises
        ------
        InputError
            As :meth:`Posterior.allocate` does, or if the losses have different units.
        """
        each = {name: self[name].allocate(compute, cost, limits, **inputs) for name in self}
        first = next(iter(each.values()))
        if any(set(found.draws) != set(first.draws) for found in each.values()):
            raise InputError(
                "Some losses are perplexities and others are not: allocate by posts[name]."
            )
        index = self.draws["fit"]
        draws = xr.concat([found.draws for found in each.values()], index)
        exacts = [found.exact for found in each.values() if found.exact is not None]
        size = next(iter(self.models.values())).law.budget.size
        title, of_fits = _shared({name: found.title for name, found in each.items()})
        notes = dict.fromkeys(note for found in each.values() for note in found.notes)
        at_most = draws[size].isel(compute=-1)
        return Estimate(
            title or f"Compute-optimal allocation by {len(self)} fits",
            draws,
            self.verdict,
            notes=(*of_fits, *notes, *self._disagreements(at_most, size)),
            exact=xr.concat(exacts, index) if exacts else None,
        )

    def _disagreements(self, draws: xr.DataArray, name: str) -> tuple[str, ...]:
        """Return a note if fits of one table's losses disagree about a quantity."""
        if not 1 < len(self) <= _FEW_FITS:
            return ()
        low, middle, high = draws.quantile([0.05, 0.5, 0.95], SAMPLE_DIMS).to_numpy()
        least, most = int(middle.argmin()), int(middle.argmax())
        tables = [model.runs for model in self.models.values()]
        if high[least] >= low[most] or not _losses_of_one_table(tables[least], tables[most]):
            return ()
        names = [str(name) for name in self]
        return (
            f"The fits disagree about {name}: the 90% intervals of {names[least]!r} "
            f"[{low[least]:.3g}, {high[least]:.3g}] and {names[most]!r} [{low[most]:.3g}, "
            f"{high[most]:.3g}] do not overlap. Decide by the loss that is closest to the use.",
        )

    def _exponents(self) -> xr.Dataset:
        """Return draws of the exponents; dims ``fit``, ``chain`` and ``draw``."""
        found = []
        for place, model in enumerate(self.models.values()):
            values = {str(n): x.to_numpy() for n, x in self.draws.isel(fit=place).items()}
            cost = table_cost(model.law, model.runs)
            budget = exponent_budgets(model.law, model.reference, None, cost)
            each = evaluate_per_budget(exponents, model.law, values, budget, {}, cost=cost)
            found.append({name: x[..., 0] for name, x in each.items()})
        arrays = {name: np.stack([each[name] for each in found]) for name in found[0]}
        draws = xr.Dataset({n: (("fit", *SAMPLE_DIMS), x) for n, x in arrays.items()})
        return draws.assign_coords(self.draws.coords)

    @cached_property
    def _as_exact(self) -> "Posteriors | None":
        """The posteriors of the same fits that take the law as exact, if these do not."""
        draws = [each.exact for each in self._draws.values() if each.exact is not None]
        if not draws:
            return None
        return Posteriors(self.models, draws, list(self._settings.values()))

    @cached_property
    def _diagnostics(self) -> dict[str, xr.Dataset]:
        return diagnose(self.draws) if self.draws.sizes["chain"] > 1 else {}

    @cached_property
    def _described(self) -> tuple[xr.Dataset, dict[str, Float[np.ndarray, " fits"]]]:
        """Draws in the tables' units, and the prior's share of each parameter's precision."""
        models = list(self.models.values())
        with precision("float64"):
            points = np.stack([self._draws[name].points for name in self.models])
            values, shares = fetch(_describe(stack_densities(models, "float64"), points))
        parameters = models[0].parameters
        draws = xr.Dataset({n: (("fit", *SAMPLE_DIMS), values[n]) for n in parameters})
        index = pd.Index(list(self.models), name="fit", tupleize_cols=False)
        draws = draws.assign_coords({dim: np.arange(draws.sizes[dim]) for dim in SAMPLE_DIMS})
        draws = draws.assign_coords(fit=index)
        return draws, shares

    @property
    def title(self) -> str:
        """What was fitted, and how often."""
        model = next(iter(self.models.values()))
        return f"{len(self)} posteriors of {model.law.equation}"

    def plot(self, ax: Any = None, prob: Probability = 0.9) -> Any:
        """Plot the parameters, a row a fit; see :func:`scalingbayes.plots.plot_posteriors`."""
        from scalingbayes.plots import plot_posteriors

        return plot_posteriors(self, prob, ax)

    def view(self, prob: Probability = 0.9) -> View:
        """Return the parameters of a few fits, notes on the tables and the verdict."""
        fits: dict[str, list[str]] = {}
        for name, model in self.models.items():
            for note in dict.fromkeys(model.runs.notes):
                fits.setdefault(note, []).append(str(name))
        lines = [
            f"Table: {note}" if len(names) == len(self) else f"Table of {_listed(names)}: {note}"
            for note, names in fits.items()
        ]
        view = View(self.title, lines=_few(lines), verdict=self.verdict)
        if len(self) > _FEW_FITS:
            return view
        table = one_row_a_case(self.summary(prob).drop(columns="verdict"))
        return replace(view, table=table)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_FEW_NAMES]) + (", ..." if len(names) > _FEW_NAMES else "")


def _few(lines: Sequence[str]) -> tuple[str, ...]:
    """Return the first lines, and how many more there are."""
    more = len(lines) - _FEW_FITS
    return (*lines[:_FEW_FITS], *([f"There are {more} more such notes."] if more > 0 else []))


def _shared(texts: Mapping[Hashable, str]) -> tuple[str, tuple[str, ...]]:
    """Return the text that all fits share, or "" and a line for each fit."""
    if len(set(texts.values())) == 1:
        return next(iter(texts.values())), ()
    return "", _few([f"{name}: {text}." for name, text in texts.items() if text])


def _losses_of_one_table(one: Runs, other: Runs) -> bool:
    """Return whether two tables seem to be those of :meth:`Runs.with_losses`.

    Their losses are from different columns, and half of the rows of the shorter one are shared.
    """
    columns = {runs.sources.get("loss", "loss") for runs in (one, other)}
    shared = len(one.frame.index.intersection(other.frame.index))
    return len(columns) > 1 and 2 * shared >= min(len(one), len(other))


@compiled
def _describe(
    densities: LogDensity, points: Float[Array, "fits chains draws dim"]
) -> tuple[dict[str, Float[Array, "fits chains draws"]], dict[str, Float[Array, " fits"]]]:
    def one(density: LogDensity, points: Array) -> tuple[dict[str, Array], dict[str, Array]]:
        values = jax.vmap(jax.vmap(density.coordinates.in_units))(points)
        return values, density.prior.shares(points.reshape(-1, points.shape[-1]))

    return map_each(one, densities, points)
