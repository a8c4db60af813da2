"""Simulation-based calibration: rank true parameters among the draws of their posteriors."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import ArrayLike, Float

from scalingbayes._core.arguments import Probability, Seed
from scalingbayes._core.checked import checked
from scalingbayes._core.errors import InputError, InputWarning
from scalingbayes._core.precision import precision
from scalingbayes._core.progress import Progress, report_progress
from scalingbayes.allocation import exponents, optimum, table_cost
from scalingbayes.data.runs import Table
from scalingbayes.evaluation.calibration.simulation import Simulation, simulate
from scalingbayes.evaluation.calibration.uniformity import Band, band, coverage_p_value, p_value
from scalingbayes.fitting.batch import fit_many
from scalingbayes.inference import (
    NUTS,
    Engine,
    Grid,
    Laplace,
    engine_name,
    get_engine,
)
from scalingbayes.inference.importance import log_densities
from scalingbayes.model.marginal import MarginalDensity, integrated
from scalingbayes.model.model import DEFAULT_LAW, ModelLike, as_model
from scalingbayes.model.stacking import stack_densities
from scalingbayes.posterior.allocate import exponent_budgets
from scalingbayes.posterior.collection import Posteriors
from scalingbayes.results import Check, IntervalKind, Result, Verdict, View, check_interval

LEVEL = 0.01
"""Probability that a correct posterior fails the test, over all quantities."""

DENSITY = "log density"
"""A test quantity that detects posteriors that ignore part of the data (Modrák et al. 2023)."""

EXPONENT = "exponent a"
"""The exponent of N_opt ∝ C^a at the reference budget. No parameter has this name."""

OPTIMUM = "N_opt"
"""The optimal size for ten times the largest compute of the runs. No parameter has this name."""

_FURTHER = 10.0
"""The budget of N_opt over the largest compute of the design's runs."""

_PROBABILITIES = (0.5, 0.9)
_MIN_DRAWS = 20  # after thinning, so that the ranks of a stuck chain are tested
_FEW_DRAWS = 100
_CLEAR = 3.0  # standard errors


@dataclass(frozen=True, eq=False, repr=False)
class Calibration(Result):
    """Ranks of simulated parameters among posterior draws; made by :func:`scalingbayes.calibrate`.

    Parameters
    ----------
    simulation
        The tables and their true parameters.
    ranks
        For each quantity and table, the fraction of draws below the true value, made continuous by
        a random tie-break: uniform from 0 to 1 if posteriors are correct. Draws are thinned to
        about their effective number. Dim ``table``.
    shares
        The same from all draws, for the coverage of intervals.
    effective_draws
        Effective number of draws of each fit; shape (tables,).
    engine
        Name of the engine that fitted the tables.
    exact
        Whether the posteriors take the law as exact, as it is here. Then ranks must be uniform. If
        the posteriors allow for the law's error, their intervals must contain the truth at least as
        often as stated.
    """

    simulation: Simulation
    ranks: xr.Dataset
    shares: xr.Dataset
    effective_draws: Float[np.ndarray, " tables"]
    engine: str
    exact: bool

    @property
    def title(self) -> str:
        """The law and the engine that were calibrated."""
        law = self.simulation.model.law
        taken = "law taken as exact" if self.exact else "allowance for the law's error"
        return f"Simulation-based calibration of {law.equation}, engine {self.engine!r}, {taken}"

    def summary(self, prob: Probability = 0.9, kind: IntervalKind = "eti") -> pd.DataFrame:
        """Return the test of each quantity.

        Parameters
        ----------
        prob
            Probability of the interval whose coverage is computed, besides that of 50 %.
        kind
            ``"eti"``: the intervals are equal-tailed.

        Returns
        -------
        pandas.DataFrame
            One row a quantity, with these columns. ``p_value``: of the test that ranks are uniform,
            or that intervals contain the true value often enough, see ``exact``.
            ``p_bonferroni``: the same after Bonferroni. ``coverage50`` and ``coverage90``: the
            fractions of equal-tailed intervals that contain the true value. ``mcse50`` and
            ``mcse90``: their Monte Carlo standard errors. ``finding``: what is wrong with the
            posterior, if the test fails.

        Raises
        ------
        InputError
            If ``prob`` is not between 0 and 1, or ``kind`` is not ``"eti"``.
        """
        check_interval(prob, kind, equal_tails_only=True)
        frame = summarize(self.ranks, self.shares, (0.5, prob), exact=self.exact)
        frame.attrs["verdict"] = self.verdict.word
        return frame

    @property
    def verdict(self) -> Verdict:
        """Whether posteriors are calibrated, and what is wrong if they are not."""
        summary = summarize(self.ranks, self.shares, exact=self.exact)
        smallest = summary["p_bonferroni"].min()
        remedy = "do not rely on its intervals; try "
        remedy += "more warmup" if self.engine == "nuts" else "engine 'nuts'"
        checks = [
            Check(
                False,
                f"the posterior of {name} is {row['finding']} (p = {row['p_bonferroni']:.2g})",
                f"{remedy}, or other priors",
            )
            for name, row in summary[summary["p_bonferroni"] < LEVEL].iterrows()
        ]
        names, count = ", ".join(summary.index), len(self.simulation)
        passed = (
            f"the true values of {count} tables rank uniformly among draws of {names}"
            if self.exact
            else f"intervals of {names} contain the true values of {count} tables as often as "
            f"stated, or more often"
        )
        passed += f" (smallest p = {smallest:.2g} after Bonferroni)"
        notes = []
        if poor := int((self.effective_draws < _FEW_DRAWS).sum()):
            notes.append(f"{poor} of the fits have fewer than {_FEW_DRAWS} effective draws.")
        if self.simulation.rejected:
            notes.append(f"{self.simulation.rejected} implausible tables were simulated again.")
        return Verdict(tuple(checks) or (Check(True, passed, ""),), tuple(notes), "calibration")

    def band(self, prob: Probability = 0.99) -> Band:
        """Return the band of the distribution of ranks if the posteriors are right.

        Parameters
        ----------
        prob
            Probability that the distribution stays inside the band at all points.
        """
        return band(len(self.simulation), prob)

    def plot(self, ax: Any = None, prob: Probability = 0.99) -> Any:
        """Plot the ranks, a panel a quantity; see :func:`scalingbayes.plots.plot_calibration`."""
        from scalingbayes.plots import plot_calibration

        return plot_calibration(self, prob, ax)

    def view(self, prob: Probability = 0.9) -> View:
        """Return the table and the verdict."""
        return replace(super().view(prob), verdict=self.verdict)


@checked
def calibrate(
    runs: Table | None = None,
    model: ModelLike = DEFAULT_LAW,
    *,
    engine: Engine | str = "nuts",
    exact: bool = False,
    tables: int = 1000,
    seed: Seed = 0,
    dtype: str | None = None,
    out: str | Path | None = None,
    progress: Progress = None,
) -> Calibration:
    """Check posteriors by simulation: simulate tables, fit them, and rank the true parameters.

    The law is exact here. If posteriors take the law as exact and are correct, the rank of the true
    value among the draws is uniform (Talts et al. 2018, arXiv:1804.06788). Uniformity is tested as
    in Säilynoja et al. 2022. Posteriors that allow for the law's error are wider. The test is
    whether their 50 % and 90 % intervals contain the true value at least as often as stated.

    Parameters
    ----------
    runs
        The design, as for :func:`simulate`: your own table, or typical inputs of the law.
    model
        The law or the model, as for :func:`simulate`. All fits have the simulation's reference
        point: with that of its own table, the prior of a fit would depend on the data.
    engine
        ``"nuts"``, ``"laplace"`` or ``"grid"``, by name or as an object. A few hundred draws are
        enough.
    exact
        Whether to take the law as exact, as for :func:`scalingbayes.fit`. By default the posteriors
        that ``sb.fit`` returns are checked. ``exact=True`` is the sharper check of an engine.
    tables
        Number of tables. With 1,000, the standard error of the coverage of 90 % intervals is 1 %.
    seed
        Seed of the random numbers.
    dtype, out, progress
        As for :func:`scalingbayes.fit_many`.

    Raises
    ------
    InputError
        If the design, the law, a prior or a setting cannot be used.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> engine = sb.Laplace(draws=200)
    >>> calibration = sb.calibrate(model="power_law", engine=engine, tables=20)
    >>> list(calibration.summary().index)
    ['E', 'A', 'alpha', 'sigma', 'nu']
    """
    chosen, model = get_engine(engine), as_model(model)
    if not isinstance(chosen, NUTS | Laplace | Grid):
        raise InputError(
            f"Engine {engine_name(chosen)!r} samples no posterior: use 'nuts', 'laplace' or 'grid'."
        )
    simulation = simulate(runs, model, count=tables, seed=seed)
    with warnings.catch_warnings(), report_progress(progress, "simulated tables") as report:
        warnings.simplefilter("ignore", InputWarning)  # raised for the design already
        posts = fit_many(
            simulation.tables,
            model.with_reference(simulation.model.reference),
            engine=chosen,
            exact=exact,
            seed=seed,
            dtype=dtype,
            out=out,
            progress=report,
        )
    return rank(simulation, posts, engine_name(chosen), seed)


def rank(simulation: Simulation, posts: Posteriors, engine: str, seed: int) -> Calibration:
    """Rank true parameters among the draws of their posteriors.

    Parameters
    ----------
    simulation, posts
        Simulated tables, and the posterior of each.
    engine
        Name of the engine that fitted the tables.
    seed
        Seed of the random tie-breaks.
    """
    truths = {str(name): values.to_numpy() for name, values in simulation.truths.items()}
    draws = {str(name): values.to_numpy() for name, values in posts.draws.items()}
    if posts.exact:  # else draws are from a mixture, which has no density of all parameters
        truths[DENSITY] = _log_densities(simulation, posts, engine)
        draws[DENSITY] = posts.stat("lp")
    if simulation.model.law.allocates and not simulation.model.law.budget.unknown:
        of_draws = derived(simulation, draws)
        for name, at_truth in derived(simulation, truths).items():
            if len(np.unique(at_truth.round(9))) > 1:  # a tied law has a = 1/2
                truths[name], draws[name] = at_truth, of_draws[name]
    effective = np.nan_to_num(posts.effective_draws)  # NaN if a draw is not finite
    random = np.random.default_rng([int(seed), 1])
    ranks: dict[str, Any] = {name: np.empty(len(simulation)) for name in truths}
    shares: dict[str, Any] = {name: np.empty(len(simulation)) for name in truths}
    total = posts.draws.sizes["chain"] * posts.draws.sizes["draw"]
    for table in range(len(simulation)):
        kept = int(np.clip(effective[table], min(_MIN_DRAWS, total), total))
        thinned = np.linspace(0, total - 1, kept).round().astype(int)
        for name, truth in truths.items():
            values = draws[name][table].ravel()
            below, until = (values < truth[table]).mean(), (values <= truth[table]).mean()
            shares[name][table] = (below + until) / 2  # ties count one half
            ranks[name][table] = _rank(truth[table], values[thinned], random)
    ranked, shared = _by_table(ranks), _by_table(shares)
    return Calibration(simulation, ranked, shared, effective, engine, posts.exact)


def summarize(
    ranks: xr.Dataset,
    shares: xr.Dataset,
    probs: tuple[float, ...] = _PROBABILITIES,
    *,
    exact: bool,
) -> pd.DataFrame:
    """Return the table of :meth:`Calibration.summary` for ranks and shares.

    Parameters
    ----------
    ranks, shares
        As in :class:`Calibration`. Those of several calibrations may be concatenated along
        ``table``.
    probs
        Probabilities of the intervals whose coverage is counted.
    exact
        Whether ranks must be uniform, or intervals contain the truth at least as often as stated.
    """
    rows = {}
    for name, each in ranks.items():
        holds = {prob: abs(shares[name].to_numpy() - 0.5) < prob / 2 for prob in probs}
        p = p_value(each.to_numpy()) if exact else coverage_p_value(holds)
        adjusted = min(1.0, p * len(ranks))
        row = {"p_value": p, "p_bonferroni": adjusted}
        for prob, held in holds.items():
            row[f"coverage{100 * prob:g}"] = held.mean()
            # From the nominal coverage: an observed coverage of 0 or 1 would give an error of 0.
            row[f"mcse{100 * prob:g}"] = (prob * (1 - prob) / len(held)) ** 0.5
        wrong = describe_ranks(each.to_numpy()) if exact else "too narrow"
        finding = wrong if adjusted < LEVEL else ""
        rows[str(name)] = {**row, "finding": finding}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("quantity")


def describe_ranks(ranks: Float[np.ndarray, " tables"]) -> str:
    """Return what is wrong with posteriors whose ranks are not uniform.

    Posteriors are too low if too many ranks are high, and too narrow if too many ranks are near
    both ends.

    Parameters
    ----------
    ranks
        Ranks from 0 to 1.
    """
    words = []
    shift = (ranks.mean() - 0.5) * (12 * len(ranks)) ** 0.5
    if abs(shift) > _CLEAR:
        words.append("too low" if shift > 0 else "too high")
    # The variance of (u - 1/2)^2 is 1/180 for a uniform u.
    spread = (((ranks - 0.5) ** 2).mean() - 1 / 12) * (180 * len(ranks)) ** 0.5
    if abs(spread) > _CLEAR:
        words.append("too narrow" if spread > 0 else "too wide")
    return " and ".join(words) or "of the wrong shape"


def _log_densities(
    simulation: Simulation, posts: Posteriors, engine: str
) -> Float[np.ndarray, " tables"]:
    """Return the log density of the true values, as the engine evaluates it."""
    with precision("float64"):
        densities = stack_densities(list(posts.models.values()), "float64")
        sampled = integrated(densities) if engine == "nuts" else densities
        points = simulation.points
        if isinstance(sampled, MarginalDensity):
            points = points[:, densities.coordinates.parameter_indices]
        return log_densities(sampled, points[:, None], "float64")[:, 0]


def derived(simulation: Simulation, values: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the exponent a and N_opt of parameters; infinite if there is no optimum.

    Parameters
    ----------
    simulation
        The simulation, whose design states the budgets.
    values
        The law's parameters, in the units of the design.
    """
    model = simulation.model
    law = model.law
    given = (law.budget.size, "tokens")
    fixed: dict[str, ArrayLike] = {
        name: jnp.median(x) for name, x in model.inputs.items() if name not in given
    }
    cost = table_cost(law, model.runs)
    inputs = {name: np.asarray(x) for name, x in model.inputs.items()}
    largest = cost.at(inputs).training_flops(*(inputs[name] for name in given)).max()
    with precision("float64"):
        arrays = {name: jnp.asarray(values[name]) for name in law.parameters}
        budget = jnp.asarray(exponent_budgets(law, model.reference, None, cost))
        a = exponents(law, arrays, budget, fixed, cost=cost)["a"]
        budget = jnp.asarray([_FURTHER * largest])
        size = optimum(law, arrays, budget, fixed, cost)[law.budget.size]
        found = {EXPONENT: np.asarray(a)[..., 0], OPTIMUM: np.asarray(size)[..., 0]}
    return {name: np.where(np.isfinite(x), x, np.inf) for name, x in found.items()}


def _rank(truth: float, values: Float[np.ndarray, " draws"], random: np.random.Generator) -> float:
    """Return the rank among L draws, placed at random within its interval of width 1/(L + 1)."""
    below = int((values < truth).sum()) + random.integers(0, int((values == truth).sum()) + 1)
    return float((below + random.uniform()) / (len(values) + 1))


def _by_table(arrays: Mapping[str, np.ndarray]) -> xr.Dataset:
    return xr.Dataset({name: ("table", values) for name, values in arrays.items()})
