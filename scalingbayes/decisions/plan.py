"""The run of least posterior expected loss for a budget, and its regret."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import jax.numpy as jnp
import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Array, Float

from scalingbayes._core.arguments import Positive, Probability, check_number
from scalingbayes._core.checked import checked
from scalingbayes._core.errors import InputError
from scalingbayes._core.numbers import kind_of, write
from scalingbayes._core.precision import precision
from scalingbayes._core.programs import compiled
from scalingbayes.allocation import (
    Cost,
    Limits,
    compute_to_reach,
    cost_of,
    counts_of_run,
    optimum,
)
from scalingbayes.allocation.expected import expected
from scalingbayes.allocation.limits import cap_tokens, scale_range
from scalingbayes.allocation.optimum import with_budget_axis
from scalingbayes.combine.average import Average
from scalingbayes.decisions.best_settings import best_settings
from scalingbayes.decisions.law_draws import (
    LawDraws,
    as_posterior,
    dataset,
    draws_on_device,
    estimate,
    inputs_by_posterior,
    weights_of,
)
from scalingbayes.posterior.extrapolation import (
    beyond,
    compute_of_runs,
    shared_error,
    training_cost,
)
from scalingbayes.posterior.point_estimate import PointEstimate
from scalingbayes.posterior.posterior import Posterior
from scalingbayes.posterior.user_units import predicts_perplexity, to_user_unit, with_units
from scalingbayes.results import DrawsResult, Estimate, IntervalKind, Verdict, View

_EXPLAINED = (
    "regret: loss above the least loss that the budget allows, because the law is uncertain.",
    "wasted: share of the budget that would be saved if the law were known.",
)

_IN_NATS = "The regret is in nats: a difference of ln(perplexity)."

_GRID_POINTS = 500
_MARGIN = 1.5  # of the grid of sizes beyond the optima of the draws, in log size
_ROUNDING = 1e-9  # smaller regrets over the loss, and smaller shares of a budget, count as none
_FROM_LARGEST = 1e-6  # of the grid of scales: the distance of its end from the largest scale


@dataclass(frozen=True, eq=False, repr=False)
class Plan(DrawsResult):
    """The run of least posterior expected loss for a budget; made by :func:`plan`.

    Parameters
    ----------
    compute
        The budget in FLOPs.
    size
        Name of the input that measures the size of a model: ``"params"``, for most laws.
    run
        The size and tokens of the run, for params ``tokens_per_param``, and for mixtures of experts
        the active params or all params, whichever the size does not count.
    outcome
        Draws of the run's ``loss``; of its ``regret``, the loss minus the least loss of the budget;
        and of ``wasted``, the share of the budget that reaching this loss does not need if the law
        is known.
    within
        Smallest and largest size, under the same budget, of expected regret at most ``regret``;
        None if no size has so little.
    regret
        The tolerated expected regret, in the unit of the loss; in nats for perplexities.
    settings
        The best settings of the run, such as ``learning_rate``, by name; without noise.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> post = sb.fit(sb.datasets.load("chinchilla"), "chinchilla")  # doctest: +SKIP
    >>> found = sb.plan(post, 1e22)
    >>> list(found.run)
    ['params', 'tokens', 'tokens_per_param']
    """

    compute: float
    size: str
    run: dict[str, float]
    outcome: Estimate
    within: tuple[float, float] | None
    regret: float
    settings: Mapping[str, Estimate] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """The budget, and what it pays for."""
        return self.outcome.title

    @property
    def draws(self) -> xr.Dataset:
        """Draws of the outcome."""
        return self.outcome.draws

    @property
    def verdict(self) -> Verdict:
        """The verdict on the fits; that of the first fit that failed, if one did."""
        verdicts = [self.outcome.verdict, *(each.verdict for each in self.settings.values())]
        return next((each for each in verdicts if not each), verdicts[0])

    @property
    def notes(self) -> tuple[str, ...]:
        """How far the run extrapolates, if it does, and the notes on its settings."""
        answers = (self.outcome, *self.settings.values())
        return tuple(dict.fromkeys(note for each in answers for note in each.notes))

    def summary(self, prob: Probability = 0.9, kind: IntervalKind = "eti") -> pd.DataFrame:
        """Return one row a quantity of the outcome, and a setting: median, mean and interval.

        The mean of the regret is what the run minimises.

        Raises
        ------
        InputError
            If ``prob`` is not between 0 and 1, or ``kind`` is neither ``"eti"`` nor ``"hdi"``.
        """
        frame = self._table(prob, kind)
        means = {name: float(x.mean()) for name, x in self.draws.items()}
        means |= {name: float(each[name].mean()) for name, each in self.settings.items()}
        frame.insert(1, "mean", [means[name] for name in frame.index])
        return frame

    def _table(self, prob: float, kind: IntervalKind = "eti") -> pd.DataFrame:
        """Return medians and intervals of the outcome, then of the settings."""
        parts = [each.summary(prob, kind) for each in (self.outcome, *self.settings.values())]
        frame = pd.concat(parts) if self.settings else parts[0]
        frame.attrs["verdict"] = self.verdict.word
        return frame

    def plot(self, ax: Any = None, prob: Probability = 0.9) -> Any:
        """Plot the sizes, the loss and the regret; see :func:`scalingbayes.plots.plot_plan`."""
        from scalingbayes.plots import plot_plan

        return plot_plan(self, prob, ax)

    def view(self, prob: Probability = 0.9) -> View:
        """Return the run, the table of its outcome, and the range of sizes."""
        run = ", ".join(f"{name} {write(x, kind_of(name))}" for name, x in self.run.items())
        expected = f"Expected regret of this run: {float(self.draws['regret'].mean()):.2g}."
        if self.within is None:
            line = f"Expected regret is above {self.regret:g} at every size."
        else:
            low, high = (write(size, kind_of(self.size)) for size in self.within)
            line = (
                f"Expected regret is at most {self.regret:g} for {self.size} from {low} to {high}."
            )
        view, table = super().view(prob), self._table(prob)
        lines = (expected, line, *_EXPLAINED, *self.notes)
        return replace(view, title=f"{self.title}\n{run}", table=table, lines=lines)


@checked
def plan(
    post: Posterior | Average | PointEstimate,
    compute: Positive,
    cost: Cost | None = None,
    limits: Limits | None = None,
    regret: float = 0.01,
    hyperparameters: Sequence[Posterior | PointEstimate] = (),
    **inputs: Any,
) -> Plan:
    """Compute the run of least posterior expected loss for a budget.

    The run that is optimal for the median parameters can have a high loss for other draws. The
    expectation takes all draws into account.

    Parameters
    ----------
    post
        A fit of a law that divides compute, a point, published constants, or an average of fits,
        weighted as there.
    compute
        The budget in FLOPs.
    cost
        What the budget pays for; by default :attr:`Posterior.cost`, the training FLOPs as the
        table counts them.
    limits
        Bounds on the run, without ``shapes``.
    regret
        Tolerated expected loss above the least loss of the budget, in the unit of the loss, or in
        nats for perplexities. The result has the range of sizes within which the expected regret is
        at most this.
    hyperparameters
        Fits or published constants of the laws ``hyperparameters`` or ``hyperparameter_bowl``: the
        result has the best learning rate, batch size or other setting of the run, with intervals.
        If ``post`` itself is a fit of ``hyperparameter_bowl``, the result has its optimum.
    **inputs
        The law's inputs other than the model's size and tokens.

    Returns
    -------
    Plan
        The run, and draws of shape (chains, draws) of its loss and regret. The regret of a draw is
        relative to the optimum of the same draw. The run is chosen with the allowance for the law's
        error; ``exact_lb`` and ``exact_ub`` take the law as exact, for the same run.

    Raises
    ------
    InputError
        If the law does not divide compute, ``compute`` or ``regret`` is not a positive number, or
        the law, cost, limits or inputs do not fit together.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> post = sb.fit(sb.datasets.load("chinchilla"), "chinchilla")  # doctest: +SKIP
    >>> found = sb.plan(post, 1e22)
    >>> low, high = found.within
    >>> low < found.run["params"] < high
    True
    """
    post = as_posterior(post)
    asked = inputs_by_posterior(post, inputs)
    budget, stated = check_number("compute", compute), check_number("regret", regret)
    if limits is not None and limits.shapes is not None:
        raise InputError(
            "limits.shapes cannot be used here: a plan searches all model sizes. Remove shapes "
            "from the limits."
        )
    bounds = {} if limits is None else limits.bounds
    first = next(iter(asked))  # all laws of an average have the same budget and runs
    paid = cost_of(first.law, first.cost if cost is None else cost, asked[first])
    size = first.law.budget.size
    with precision("float64"):
        line = _BudgetLine(paid, bounds, jnp.log(jnp.asarray([budget])))
        laws = {
            each: _LawLoss.of(each, others, budget, paid, limits) for each, others in asked.items()
        }

        def regret_of(scales: Float[Array, " scales"]) -> Float[Array, " scales"]:
            run = line.run(scales)
            regrets = jnp.stack([each.mean_regret(*run) for each in laws.values()])
            return jnp.asarray(weights_of(post)) @ regrets

        best_sizes = jnp.concatenate([each.best_sizes.ravel() for each in laws.values()])
        scales = line.grid_around(best_sizes)
        regrets = regret_of(scales)
        log_size, log_tokens = line.run(_refine(regret_of, scales, regrets))
        sizes = np.exp(paid.log_size(scales[regrets <= stated]))

        def outcome_of(each: Posterior, others: Mapping[str, float]) -> Estimate:
            law = laws.get(each) or _LawLoss.of(each, others, budget, paid, limits)
            return law.outcome(log_size, log_tokens, budget, paid, limits)

        outcome = estimate(post, asked, outcome_of)
        best = {size: jnp.exp(log_size[0]), "tokens": jnp.exp(log_tokens[0])}
        best |= counts_of_run(first.law, best[size], best["tokens"], asked[first])
        run = {name: float(x) for name, x in best.items()}
    within = (float(sizes[0]), float(sizes[-1])) if len(sizes) else None
    counted = training_cost(first, paid).at(asked[first])
    trained = float(counted.training_flops(run[size], run["tokens"]))
    settings = best_settings(post, hyperparameters, {**run, "compute": trained})
    return Plan(budget, size, run, outcome, within, stated, settings)


@dataclass(frozen=True, eq=False)
class _BudgetLine:
    """The runs that cost a whole budget, as a function of the model's scale."""

    cost: Cost
    bounds: dict[str, float]
    log_budget: Float[Array, " 1"]

    def grid_around(self, sizes: Float[Array, " sizes"]) -> Float[Array, " scales"]:
        """Return a grid of scales that covers sizes with a margin, within the bounds."""
        logs = jnp.log(jnp.stack([sizes.min(), sizes.max()])) + jnp.array([-_MARGIN, _MARGIN])
        low, high = self.cost.scale(logs)
        lowest, highest = scale_range(self.cost, dict(self.bounds), self.log_budget)
        # At the largest scale, serving costs the whole budget and no training tokens are left.
        high = jnp.minimum(high, highest[0] - (_FROM_LARGEST if self.cost.served_tokens else 0.0))
        return jnp.linspace(jnp.minimum(jnp.maximum(low, lowest[0]), high), high, _GRID_POINTS)

    def run(self, scales: Float[Array, " scales"]) -> tuple[Array, Array]:
        """Return logs of the size and of the tokens."""
        log_tokens = self.cost.log_tokens(scales, jnp.broadcast_to(self.log_budget, scales.shape))
        return self.cost.log_size(scales), cap_tokens(log_tokens, self.bounds)


@dataclass(frozen=True, eq=False)
class _LawLoss:
    """One law's losses of the runs of a budget."""

    post: Posterior
    draws: LawDraws
    best_sizes: Float[Array, "chains draws 1"]
    least: Float[Array, "chains draws 1"]

    @staticmethod
    def of(
        post: Posterior,
        inputs: Mapping[str, float],
        budget: float,
        cost: Cost,
        limits: Limits | None,
    ) -> "_LawLoss":
        law, draws = post.law, draws_on_device(post, inputs)
        best = optimum(law, draws.values, jnp.asarray([budget]), draws.fixed, cost, limits)
        return _LawLoss(post, draws, best[law.budget.size], best[law.target.column])

    def loss(
        self, log_size: Float[Array, " runs"], log_tokens: Float[Array, " runs"]
    ) -> Float[Array, "chains draws runs"]:
        """Return the loss that each draw expects of each run."""
        law, values = self.draws.law, with_budget_axis(self.draws.law, self.draws.values)
        return _expected(law, values, self.draws.fixed, log_size, log_tokens)

    def mean_regret(
        self, log_size: Float[Array, " runs"], log_tokens: Float[Array, " runs"]
    ) -> Float[Array, " runs"]:
        """Return the expected regret of each run."""
        return (self.loss(log_size, log_tokens) - self.least).mean((0, 1))

    def outcome(
        self,
        log_size: Float[Array, " 1"],
        log_tokens: Float[Array, " 1"],
        budget: float,
        cost: Cost,
        limits: Limits | None,
    ) -> Estimate:
        """Return the loss, the regret and the wasted compute of one run."""
        law, values, fixed = self.draws.law, self.draws.values, self.draws.fixed
        loss = self.loss(log_size, log_tokens)
        needed = compute_to_reach(law, values, loss, fixed, cost, limits)
        run = {law.budget.size: np.exp(log_size), "tokens": np.exp(log_tokens)}
        shift = shared_error(self.post, {**self.draws.numbers, **run})
        reached = loss if shift is None else loss * jnp.exp(shift)
        regret, wasted = loss - self.least, 1 - needed / budget
        regret = jnp.where(jnp.abs(regret) < _ROUNDING * loss, 0.0, regret)
        wasted = jnp.where(jnp.abs(wasted) < _ROUNDING, 0.0, wasted)
        found = {"loss": reached, "regret": regret, "wasted": wasted}
        draws = dataset(self.post, found, "compute", np.array([budget]))
        draws = draws.squeeze("compute", drop=True)
        flops = f"{write(budget, 'flops')} FLOPs"
        title = f"Run of least expected {law.target.column} for {flops}, {cost.equation}"
        notes = (_IN_NATS,) if predicts_perplexity(self.post) else ()
        counted = training_cost(self.post, cost)
        spent = counted.at(fixed).training_flops(*map(np.asarray, run.values()))
        seen = compute_of_runs(self.post, counted)
        return Estimate(
            with_units(self.post, title if limits is None else f"{title}; {limits}"),
            to_user_unit(self.post, draws, "loss"),
            self.post.verdict,
            notes=(*notes, *beyond("FLOPs", np.asarray(spent), seen)),
        )


def _refine(
    regret_of: Callable[[Float[Array, " scales"]], Float[Array, " scales"]],
    scales: Float[Array, " scales"],
    regrets: Float[Array, " scales"],
) -> Float[Array, " 1"]:
    """Return the scale of least expected regret, on a finer grid around that of the coarse grid."""
    at = int(regrets.argmin())
    finer = jnp.linspace(scales[max(at - 1, 0)], scales[min(at + 1, len(scales) - 1)], _GRID_POINTS)
    return finer[regret_of(finer).argmin()][None]


_expected = compiled(expected, static=("law",))
