"""One run for a budget, chosen under uncertainty, and how far it may be from the best."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Array, Float

from scalingbayes._core.arguments import check_number
from scalingbayes._core.errors import InputError
from scalingbayes._core.precision import precision
from scalingbayes._core.roots import bisect
from scalingbayes.allocation import Cost, Limits, compute_to_reach, cost_of, optimum
from scalingbayes.allocation.costs import LOG_SCALE_RANGE
from scalingbayes.allocation.expected import expected
from scalingbayes.allocation.limits import cap_tokens, scale_range
from scalingbayes.allocation.optimum import with_budget_axis
from scalingbayes.combine.average import Average
from scalingbayes.decisions.law_draws import (
    LawDraws,
    dataset,
    draws_on_device,
    inputs_by_posterior,
    mix,
    weights_of,
)
from scalingbayes.posterior.extrapolation import beyond
from scalingbayes.posterior.posterior import Posterior
from scalingbayes.results import DrawsResult, Estimate, IntervalKind, Verdict, View

_GRID = 500
_WIDER = 1.5  # the grid of scales reaches so far, in logs of size, beyond the draws' optima
_APART = 1e-6


@dataclass(frozen=True, eq=False, repr=False)
class Plan(DrawsResult):
    """The run of least posterior expected loss at a budget.

    Parameters
    ----------
    compute
        The budget in FLOPs.
    size
        What a model's size is counted by: ``"params"``, for most laws.
    run
        The size and tokens.
    outcome
        By draw: the ``loss`` of this run; its ``regret``, by how much that is above the least loss
        of the budget; and ``wasted``, the share of the budget that one who knew the law could save
        and still reach that loss.
    within
        The range of sizes, under the same budget, whose expected regret is at most ``regret``;
        None where that of the best run is more.
    regret
        The regret stated.
    """

    compute: float
    size: str
    run: dict[str, float]
    outcome: Estimate
    within: tuple[float, float] | None
    regret: float

    @property
    def title(self) -> str:
        """What the run is for."""
        return self.outcome.title

    @property
    def draws(self) -> xr.Dataset:
        """LawDraws of the outcome."""
        return self.outcome.draws

    @property
    def verdict(self) -> Verdict:
        """The verdict on the fits."""
        return self.outcome.verdict

    @property
    def notes(self) -> tuple[str, ...]:
        """How far the run extrapolates."""
        return self.outcome.notes

    def summary(self, prob: float = 0.9, kind: IntervalKind = "eti") -> pd.DataFrame:
        """Return a row a quantity of the outcome: median, mean, sd, credible interval.

        Raises
        ------
        InputError
            If ``prob`` is not between 0 and 1, or ``kind`` is neither ``"eti"`` nor ``"hdi"``.
        """
        frame = self.outcome.summary(prob, kind)
        means = self.outcome.draws.mean()
        frame.insert(1, "mean", [float(means[name]) for name in frame.index])
        return frame

    def view(self) -> View:
        """Return the run, the table of its outcome, and the range of sizes."""
        run = ", ".join(f"{name} {value:.4g}" for name, value in self.run.items())
        said = f"for no {self.size}: that of this run is more"
        if self.within is not None:
            said = f"for {self.size} from {self.within[0]:.4g} to {self.within[1]:.4g}"
        regret = f"Expected regret is at most {self.regret:g} {said}."
        return replace(super().view(), title=f"{self.title}\n{run}", lines=(regret, *self.notes))


def plan(
    post: Posterior | Average,
    compute: float,
    cost: Cost | None = None,
    limits: Limits | None = None,
    regret: float = 0.01,
    **inputs: float,
) -> Plan:
    """Choose one run for a budget: that of least loss, on average over the posterior.

    The law is not known, and one run is trained. A run that is best by the parameters' best guess
    can be far from it by others; the average weighs them all.

    Parameters
    ----------
    post
        A fit of a law that divides compute, or an average of such, in which each law counts by its
        weight.
    compute
        The budget in FLOPs.
    cost
        What it pays for; what the law says by default.
    limits
        What may not be exceeded; without shapes.
    regret
        How far above the least possible loss one puts up with, on average: a range of sizes is
        found in which it is no more.
    **inputs
        The law's inputs other than the model's size and tokens.

    Returns
    -------
    Plan
        Regret is against the optimum of each draw: what is lost by not knowing the law.

    Raises
    ------
    InputError
        If the law does not divide compute, or a number, the cost or the limits cannot be used.
    """
    asked = inputs_by_posterior(post, inputs)
    budget, stated = check_number("compute", compute), check_number("regret", regret)
    if limits is not None and limits.shapes is not None:
        raise InputError("A plan is made for any size: give limits without shapes.")
    bounds = {} if limits is None else limits.bounds
    one = next(iter(asked)).law  # laws that are asked together spend a budget alike
    paid, size = cost_of(one, cost), one.budget.size
    with precision("float64"):
        course = _Course(paid, bounds, jnp.log(jnp.asarray([budget])))
        outlooks = [
            _Outlook.of(each, others, weight, budget, paid, limits)
            for (each, others), weight in zip(asked.items(), weights_of(post), strict=True)
        ]

        def regret_of(scales: Float[Array, " scales"]) -> Float[Array, " scales"]:
            run = course.run(scales)
            return jnp.stack([each.weight * each.mean_regret(*run) for each in outlooks]).sum(0)

        scales = course.about(jnp.concatenate([each.best_sizes.ravel() for each in outlooks]))
        regrets = regret_of(scales)
        log_size, log_tokens = course.run(_least(regret_of, scales, regrets))
        sizes = np.exp(paid.log_size(scales[regrets <= stated]))
        outcome = mix(
            post, [each.outcome(log_size, log_tokens, budget, paid, limits) for each in outlooks]
        )
    run = {size: float(np.exp(log_size[0])), "tokens": float(np.exp(log_tokens[0]))}
    if size == "params":
        run["tokens_per_param"] = run["tokens"] / run["params"]
    within = (float(sizes[0]), float(sizes[-1])) if len(sizes) else None
    return Plan(budget, size, run, outcome, within, stated)


@dataclass(frozen=True, eq=False)
class _Course:
    """All runs that a budget pays for, from small models to large ones."""

    cost: Cost
    bounds: dict[str, float]
    log_budget: Float[Array, " 1"]

    def about(self, sizes: Float[Array, " sizes"]) -> Float[Array, " scales"]:
        """Lay a grid of scales about sizes, within the bounds."""
        logs = jnp.log(jnp.stack([sizes.min(), sizes.max()])) + jnp.array([-_WIDER, _WIDER])
        reach = (jnp.full(2, end) for end in LOG_SCALE_RANGE)
        low, high = bisect(lambda scale: self.cost.log_size(scale) - logs, *reach)
        lowest, highest = scale_range(self.cost, dict(self.bounds), self.log_budget)
        # At the largest scale serving takes all of the budget: just below it some is left.
        high = jnp.minimum(high, highest[0] - (_APART if self.cost.served_tokens else 0.0))
        return jnp.linspace(jnp.minimum(jnp.maximum(low, lowest[0]), high), high, _GRID)

    def run(self, scales: Float[Array, " scales"]) -> tuple[Array, Array]:
        """Take logs of the size and of the tokens."""
        log_tokens = self.cost.log_tokens(scales, jnp.broadcast_to(self.log_budget, scales.shape))
        return self.cost.log_size(scales), cap_tokens(log_tokens, self.bounds)


@dataclass(frozen=True, eq=False)
class _Outlook:
    """What one law says of runs of a budget, and how much it counts."""

    post: Posterior
    draws: LawDraws
    weight: float
    best_sizes: Float[Array, "chains draws 1"]
    least: Float[Array, "chains draws 1"]

    @staticmethod
    def of(
        post: Posterior,
        inputs: Mapping[str, float],
        weight: float,
        budget: float,
        cost: Cost,
        limits: Limits | None,
    ) -> "_Outlook":
        law, draws = post.law, draws_on_device(post, inputs)
        best = optimum(law, draws.values, jnp.asarray([budget]), draws.fixed, cost, limits)
        return _Outlook(post, draws, weight, best[law.budget.size], best[law.target.column])

    def loss(
        self, log_size: Float[Array, " runs"], log_tokens: Float[Array, " runs"]
    ) -> Float[Array, "chains draws runs"]:
        """Say what each draw expects of each run."""
        law, values = self.draws.law, with_budget_axis(self.draws.law, self.draws.values)
        return _expected(law, values, self.draws.fixed, log_size, log_tokens)

    def mean_regret(
        self, log_size: Float[Array, " runs"], log_tokens: Float[Array, " runs"]
    ) -> Float[Array, " runs"]:
        """Say how far above the least each run is on average."""
        return (self.loss(log_size, log_tokens) - self.least).mean((0, 1))

    def outcome(
        self,
        log_size: Float[Array, " 1"],
        log_tokens: Float[Array, " 1"],
        budget: float,
        cost: Cost,
        limits: Limits | None,
    ) -> Estimate:
        """Say what comes of one run."""
        law, values, fixed = self.draws.law, self.draws.values, self.draws.fixed
        loss = self.loss(log_size, log_tokens)
        equal = compute_to_reach(law, values, loss, fixed, cost, limits)
        found = {"loss": loss, "regret": loss - self.least, "wasted": 1 - equal / budget}
        title = f"Run of least expected {law.target.column} for {budget:.4g} FLOPs, {cost.equation}"
        return Estimate(
            title if limits is None else f"{title}; {limits}",
            dataset(self.post, found, "compute", np.array([budget])).squeeze("compute", drop=True),
            self.post.verdict,
            notes=beyond("FLOPs", np.array([budget]), self.post.compute),
        )


def _least(
    regret_of: Callable[[Float[Array, " scales"]], Float[Array, " scales"]],
    scales: Float[Array, " scales"],
    regrets: Float[Array, " scales"],
) -> Float[Array, " 1"]:
    """Find the scale of least mean regret, on a grid between the neighbours of the least."""
    at = int(regrets.argmin())
    finer = jnp.linspace(scales[max(at - 1, 0)], scales[min(at + 1, len(scales) - 1)], _GRID)
    return finer[regret_of(finer).argmin()][None]


_expected = jax.jit(expected, static_argnums=0)
