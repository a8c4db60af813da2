"""The posterior of one fit."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Float

from scalingbayes._core.arguments import Count, Probability, RealNumbers, Seed
from scalingbayes._core.precision import precision
from scalingbayes.allocation import Cost, Limits, UnknownCost, cost_of, table_cost
from scalingbayes.data.runs import Runs
from scalingbayes.inference import Draws
from scalingbayes.laws import Law
from scalingbayes.model.allowance import Allowance
from scalingbayes.model.bound_model import BoundModel
from scalingbayes.model.discrepancy import Discrepancy, log_scale
from scalingbayes.model.noise import Noise
from scalingbayes.model.random_effects import DenseDesign, Design, design_of_groups
from scalingbayes.posterior.allocate import Budgets, estimate_allocation, estimate_exponents
from scalingbayes.posterior.describe_fit import describe_data, describe_fit, describe_priors
from scalingbayes.posterior.diagnostics import diagnose, judge
from scalingbayes.posterior.expected import expected_targets, thin_tree
from scalingbayes.posterior.extrapolation import compute_of_runs
from scalingbayes.posterior.io import unpack_table
from scalingbayes.posterior.origin import caveats_of, verdict_without_draws
from scalingbayes.posterior.predict import predict_runs, with_posterior_predictive
from scalingbayes.posterior.predictive_distribution import DiscrepancyDraws
from scalingbayes.posterior.record import ATTRIBUTE, Record
from scalingbayes.posterior.tree import exact_tree, make_dataset, make_tree
from scalingbayes.results import (
    SAMPLE_DIMS,
    DrawsResult,
    Estimate,
    IntervalKind,
    Verdict,
    View,
    check_interval,
)


class Posterior(DrawsResult):
    """Draws from the posterior of a law, by any engine; :func:`scalingbayes.fit` returns one.

    ``post["alpha"]`` is the draws of the parameter alpha.

    Parameters
    ----------
    tree
        ArviZ's DataTree. ``tree["posterior"]`` holds each parameter in the units of the table, with
        dims ``chain`` and ``draw``. The other groups are ``sample_stats``; ``log_likelihood``, of
        the target of each run, for a law taken as exact (left out where it would not fit into
        memory); ``log_prior``, of the number that each parameter's prior is about;
        ``observed_data``; ``constant_data``; and ``table``, with all columns, without runs of
        weight 0. For published constants ``table`` has no rows, and ``constant_data`` a few runs
        that span the paper's. The attribute ``scalingbayes`` is the record as JSON.
    law, noise
        The law and the noise model that were fitted.
    """

    def __init__(self, tree: xr.DataTree, law: Law, noise: Noise) -> None:
        self.tree = tree
        self.law = law
        self.noise = noise

    @classmethod
    def from_draws(
        cls, model: BoundModel, draws: Draws, settings: Mapping[str, Any]
    ) -> "Posterior":
        """Return the posterior of an engine's draws.

        Parameters
        ----------
        model
            The model that was fitted.
        draws, settings
            The engine's draws, and its settings for the record.
        """
        return cls(make_tree(model, draws, settings), model.law, model.noise)

    @cached_property
    def record(self) -> Record:
        """What was fitted, by which engine, with which settings, seed and versions."""
        return Record.from_json(self.tree.attrs[ATTRIBUTE])

    @property
    def title(self) -> str:
        """What was fitted to what, in two lines."""
        return describe_fit(self.record, self.law, self.noise)

    @property
    def draws(self) -> xr.Dataset:
        """Draws of each parameter in the units of the table, with dims ``chain`` and ``draw``."""
        return self.tree["posterior"].to_dataset()

    @property
    def values(self) -> dict[str, Float[np.ndarray, "chains draws"]]:
        """Draws of each parameter in the units of the table, as arrays."""
        return {str(name): array.to_numpy() for name, array in self.draws.items()}

    @cached_property
    def runs(self) -> Runs:
        """The table that was fitted, without runs of weight 0."""
        data = self.record.data
        frame = unpack_table(self.tree["table"].to_dataset())
        return Runs.of_frame(frame, data.name, data.notes, data.units, data.sources)

    @property
    def compute(self) -> Float[np.ndarray, " runs"]:
        """Training compute of the runs in FLOPs, as :attr:`cost` counts it.

        Raises
        ------
        InputError
            If the law does not divide compute between a model's size and tokens, or the FLOPs of
            the runs are not known.
        """
        return compute_of_runs(self, cost_of(self.law, self.cost, {}))

    @property
    def counts_flops(self) -> bool:
        """Whether the law divides compute, and the FLOPs of the runs are known."""
        return self.law.allocates and not isinstance(self.cost, UnknownCost)

    @cached_property
    def cost(self) -> Cost:
        """What a budget pays for by default: training, as the table counts its FLOPs.

        It is the law's own cost, for most laws 6 * params * tokens, unless the table has a column
        of compute that differs.
        """
        return table_cost(self.law, self.runs)

    @cached_property
    def allowance(self) -> Allowance | None:
        """The allowance for the law's error; None if the law was taken as exact."""
        record = self.record.allowance
        return None if record is None else Allowance.from_record(record)

    @property
    def exact(self) -> bool:
        """Whether the law was taken as exact."""
        return self.record.allowance is None

    @cached_property
    def as_exact(self) -> "Posterior":
        """The posterior that takes the law as exact, of the same fit: 1,000 draws.

        It is this posterior if there is no allowance for the law's error.
        """
        if self.exact:
            return self
        return Posterior(exact_tree(self.tree, self.record), self.law, self.noise)

    @property
    def weights(self) -> Float[np.ndarray, " runs"]:
        """How much each of the runs counts, without the discounts of the allowance."""
        return self.tree["constant_data"]["weights"].to_numpy()

    @cached_property
    def verdict(self) -> Verdict:
        """Whether the fit passed its checks, and what to do if it did not."""
        if (found := verdict_without_draws(self.record)) is not None:
            return found
        stats = self.tree["sample_stats"].to_dataset()
        return judge(self.draws, stats, self.record.facts, self.record.prior_shares)

    @property
    def caveats(self) -> tuple[str, ...]:
        """What each answer says of draws that are not those of a fit; empty for a fit."""
        return caveats_of(self.record)

    @property
    def discrepancy_draws(self) -> DiscrepancyDraws | None:
        """Draws of the discrepancy of the law, or None if the noise model has no discrepancy."""
        if self.record.discrepancy is None:
            return None
        effects = self.tree["random_effects"][self.law.target.column]
        steps = effects.transpose(..., "effect").to_numpy()
        return DiscrepancyDraws(Discrepancy(*self.record.discrepancy), steps)

    @property
    def effects_design(self) -> Design | None:
        """The map from random effects to runs, or None if the noise has no random effects."""
        if self.noise.groups:
            return design_of_groups(self.runs.labels(self.noise.groups))[1]
        if self.record.discrepancy is None:
            return None
        data, names = self.tree["constant_data"], self.noise.discrepancy
        inputs = {name: data[name].to_numpy() for name in names}
        log_size = log_scale(names, inputs, self.record.reference)
        with precision("float64"):
            return DenseDesign(np.asarray(Discrepancy(*self.record.discrepancy).basis(log_size)))

    def summary(self, prob: Probability = 0.9, kind: IntervalKind = "eti") -> pd.DataFrame:
        """Return a table of the parameters under ArviZ's column names.

        Parameters
        ----------
        prob
            Posterior probability of the credible intervals.
        kind
            ``"eti"``, equal tails, or ``"hdi"``, the shortest interval.

        Returns
        -------
        pandas.DataFrame
            A row a parameter, in the units of the table: median, interval and, of chains, effective
            sample sizes and R-hat. If the posterior allows for the law's error, ``exact_lb`` and
            ``exact_ub`` are the interval that takes the law as exact. There is no mean and no sd:
            A and B have tails so heavy that their means lie far outside of their intervals.
            ``attrs["verdict"]`` is ``"passed"`` or ``"failed"``.

        Raises
        ------
        InputError
            If ``prob`` is not between 0 and 1, or ``kind`` is neither of the two.
        """
        check_interval(prob, kind)
        exact = None if self.exact else self.as_exact.draws
        frame = Estimate("", self.draws, self.verdict, exact=exact).summary(prob, kind)
        frame.index.name = "parameter"
        if self.draws.sizes["chain"] > 1:  # the diagnostics compare chains
            found = diagnose(self.draws)
            for name in ("ess_bulk", "ess_tail", "r_hat"):
                frame[name] = [float(found[name][each]) for each in frame.index]
        frame.attrs["verdict"] = self.verdict.word
        return frame

    def exponents(
        self, compute: Budgets | None = None, cost: Cost | None = None, **inputs: float
    ) -> Estimate:
        """Estimate a and b of N_opt ∝ C^a and D_opt ∝ C^b.

        Parameters
        ----------
        compute
            Budgets in FLOPs at which to take the local exponents, d log N_opt / d log C. By default
            one budget in the middle of the runs; Chinchilla's exponents are the same everywhere.
        cost
            What a budget pays for, as for :meth:`allocate`.
        **inputs
            The law's inputs other than the model's size and tokens, such as ``unique_tokens=1e11``.

        Raises
        ------
        InputError
            If the law has no compute-optimal allocation, lacks an input, or a budget is not a
            positive number.
        """
        return self.with_exact(lambda post: estimate_exponents(post, compute, cost, inputs))

    def allocate(
        self,
        compute: Budgets,
        cost: Cost | None = None,
        limits: Limits | None = None,
        **inputs: float | Sequence[float],
    ) -> Estimate:
        """Estimate the model size and the tokens of least loss for training budgets.

        Parameters
        ----------
        compute
            Budgets in FLOPs; ``Hardware.flops`` converts money and GPU hours.
        cost
            What a budget pays for; by default :attr:`cost`, training as the table counts it.
            ``sb.costs.Transformer`` counts attention and embeddings. Each cost can include the
            tokens that the model will serve: ``post.cost.serve(1e13)``.
        limits
            Limits that the run must keep.
        **inputs
            The law's inputs other than the model's size and tokens, such as ``unique_tokens=1e11``.
            Of several values, such as ``experts=[1, 8, 64]``, each draw takes the best.

        Returns
        -------
        Estimate
            For each budget ``params``, ``tokens``, ``tokens_per_param``, the law's ``loss``, and
            the exponents there, ``a`` and ``b``. For mixtures of experts also ``active_params``,
            and the inputs chosen. For a law that reads unique tokens also ``epochs``, and
            ``next_epoch``, by how much a further epoch would lower the loss.

        Raises
        ------
        InputError
            If the law has no compute-optimal allocation, lacks an input, a budget is not a
            positive number, or no run keeps the limits.
        """
        return self.with_exact(
            lambda post: estimate_allocation(post, compute, cost, limits, inputs)
        )

    def predict(self, *, seed: Seed = 0, **inputs: RealNumbers | Estimate) -> Estimate:
        """Predict what new runs will reach.

        Parameters
        ----------
        seed
            Seed of the noise of the new runs.
        **inputs
            The law's inputs, such as ``params=70e9, tokens=1.4e12``. Arrays are several runs. An
            input may also be the prediction of another posterior, ``loss=post.predict(...)``: its
            uncertainty then enters the prediction.

        Returns
        -------
        Estimate
            For each run ``expected``, the target by the law, and ``observed``, what one such run
            would reach, noise included.

        Raises
        ------
        InputError
            If an input is missing, not one of the law's, or cannot be used, or ``seed`` is not a
            non-negative integer.
        """
        if any(isinstance(x, Estimate) for x in inputs.values()):
            return self.with_caveats(predict_runs(self, seed, inputs))
        return self.with_exact(lambda post: predict_runs(post, seed, inputs))

    def expected(self, **inputs: RealNumbers) -> Float[np.ndarray, "chains draws runs"]:
        """Compute the target that the law expects of new runs; :meth:`predict` adds their noise.

        Arrays are several runs. The unit is that of the user's table.

        Raises
        ------
        InputError
            If an input is missing, not one of the law's, or cannot be used.
        """
        return expected_targets(self, inputs)

    def thin(self, draws: Count) -> "Posterior":
        """Return at most this many draws, evenly spaced; the verdict is that of all draws."""
        thinned = Posterior(thin_tree(self.tree, draws), self.law, self.noise)
        thinned.verdict = self.verdict
        return thinned

    def sample_posterior_predictive(self, seed: Seed = 0) -> xr.DataTree:
        """Return the tree with draws of what new runs like those of the table would reach.

        They are the group ``posterior_predictive``, as ArviZ's functions expect:
        ``az.plot_ppc_dist(post.sample_posterior_predictive())``. ``seed`` is the seed of the noise.
        """
        return with_posterior_predictive(self, seed)

    def with_exact(self, ask: "Callable[[Posterior], Estimate]") -> Estimate:
        """Return what ``ask`` estimates of a posterior, beside what it does if the law is exact."""
        estimate = self.with_caveats(ask(self))
        return estimate if self.exact else replace(estimate, exact=ask(self.as_exact).draws)

    def with_caveats(self, estimate: Estimate) -> Estimate:
        """Return an estimate with notes on its source, if the draws are not those of a fit."""
        return replace(estimate, notes=(*self.caveats, *estimate.notes))

    def save(self, path: str | Path) -> None:
        """Write the posterior as netCDF, whole or not at all; :func:`load` reads it back exactly.

        Raises
        ------
        OSError
            If the file cannot be written, such as for lack of space.
        """
        from scalingbayes._core.netcdf import write_tree  # slow to import

        write_tree(self.tree, path)

    def report(self, path: str | Path, budget: Budgets | None = None, **options: Any) -> Path:
        """Write a report, one HTML file: see :func:`scalingbayes.report.write_report`."""
        from scalingbayes.report import write_report

        return write_report(self, path, budget, **options)

    def named(self, arrays: Mapping[str, Any], dim: str) -> xr.Dataset:
        """Return arrays of shape (chains, draws, cases) as a dataset; ``dim`` names the cases."""
        coords = {name: self.draws[name].to_numpy() for name in SAMPLE_DIMS}
        return make_dataset(arrays, (*SAMPLE_DIMS, dim), coords)

    def describe_priors(self) -> str:
        """Return each parameter's prior, and the reference point at which it is stated."""
        return describe_priors(self.record)

    def plot(self, ax: Any = None) -> Any:
        """Plot the exponent a and the frontier, or the parameters of a law that has neither."""
        from scalingbayes.plots import overview, plot_draws

        return overview(self, ax=ax) if self.counts_flops else plot_draws(self, ax=ax)

    def view(self, prob: Probability = 0.9) -> View:
        """Return the parameters, the verdict and the priors."""
        priors = tuple(self.describe_priors().splitlines())
        lines = describe_data(self.allowance, self.record)
        return View(self.title, self.summary(prob), lines, self.verdict, details=priors)
