"""One run for a budget, chosen under uncertainty, and how far it may be from the best."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jaxtyping import Array, Float

from scalingbayes.allocation import Cost, Limits, compute_to_reach, cost_of, optimum
from scalingbayes.allocation.bisection import SCALES, bisect
from scalingbayes.allocation.limits import at_most, ends
from scalingbayes.allocation.optimum import over_budgets
from scalingbayes.allocation.path import expected
from scalingbayes.decisions.draws import Draws, dataset, draws_of, require_posterior
from scalingbayes.errors import InputError
from scalingbayes.estimates import Estimate
from scalingbayes.extrapolation import beyond
from scalingbayes.given import one_number
from scalingbayes.posterior import Posterior
from scalingbayes.precision import precision

_GRID = 500
_WIDER = 1.5  # the grid of scales reaches so far, in logs of size, beyond the draws' optima
_APART = 1e-6


@dataclass(frozen=True, eq=False, repr=False)
class Plan:
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

    def to_dataframe(self, prob: float = 0.9) -> pd.DataFrame:
        """Return a row a quantity of the outcome: median, mean, credible interval.

        Raises
        ------
        InputError
            If ``prob`` is not between 0 and 1.
        """
        frame = self.outcome.to_dataframe(prob)
        means = self.outcome.draws.mean()
        frame.insert(1, "mean", [float(means[name]) for name in frame.index])
        return frame

    def __repr__(self) -> str:
        run = ", ".join(f"{name} {value:.4g}" for name, value in self.run.items())
        said = f"for no {self.size}: that of this run is more"
        if self.within is not None:
            said = f"for {self.size} from {self.within[0]:.4g} to {self.within[1]:.4g}"
        notes = "".join(f"\n{note}" for note in self.outcome.notes)
        warning = "" if self.outcome.verdict.passed else f"\n{self.outcome.verdict}"
        table = self.to_dataframe().to_string(float_format=lambda x: f"{x:.4g}")
        return (
            f"{self.outcome.title}\n{run}\n{table}\n"
            f"Expected regret is at most {self.regret:g} {said}.{notes}{warning}"
        )

    def _repr_html_(self) -> str:
        return f"<pre>{self!r}</pre>"


def plan(
    post: Posterior,
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
        A fit of a law that divides compute.
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
    require_posterior(post)
    budget, stated = one_number("compute", compute), one_number("regret", regret)
    if limits is not None and limits.shapes is not None:
        raise InputError("A plan is made for any size: give limits without shapes.")
    bounds = {} if limits is None else limits.bounds
    law, target = post.law, post.law.target.column
    with precision("float64"):
        draws = draws_of(post, inputs)
        paid = cost_of(law, cost)
        budgets = jnp.asarray([budget])
        best = optimum(law, draws.values, budgets, draws.fixed, paid, limits)
        least = best[target][..., 0]
        course = _Course(draws, paid, bounds, jnp.log(budgets))
        scales = course.about(best[law.budget.size])
        losses = course.mean_loss(scales)
        chosen = course.lowest(scales, losses)
        log_size, log_tokens = course.run(chosen)
        loss = course.loss(chosen)[..., 0]
        equal = compute_to_reach(law, draws.values, loss[..., None], draws.fixed, paid, limits)
        mild = scales[losses - least.mean() <= stated]
        sizes = np.exp(paid.log_size(mild))
        lost = {"loss": loss, "regret": loss - least, "wasted": 1 - equal[..., 0] / budget}
    found = dataset(post, {n: x[..., None] for n, x in lost.items()}, "compute", np.array([budget]))
    title = f"Run of least expected {target} for {budget:.4g} FLOPs, {paid.equation}"
    outcome = Estimate(
        title if limits is None else f"{title}; {limits}",
        found.squeeze("compute", drop=True),
        post.verdict,
        notes=beyond("FLOPs", np.array([budget]), post.compute),
    )
    run = {law.budget.size: float(np.exp(log_size[0])), "tokens": float(np.exp(log_tokens[0]))}
    if law.budget.size == "params":
        run["tokens_per_param"] = run["tokens"] / run["params"]
    within = (float(sizes[0]), float(sizes[-1])) if len(sizes) else None
    return Plan(budget, law.budget.size, run, outcome, within, stated)


@dataclass(frozen=True, eq=False)
class _Course:
    """All runs that a budget pays for, from small models to large ones."""

    draws: Draws
    cost: Cost
    bounds: dict[str, float]
    log_budget: Float[Array, " 1"]

    def about(self, sizes: Float[Array, "*draws 1"]) -> Float[Array, " scales"]:
        """Lay a grid of scales about sizes, within the bounds."""
        logs = jnp.log(jnp.stack([sizes.min(), sizes.max()])) + jnp.array([-_WIDER, _WIDER])
        reach = (jnp.full(2, end) for end in SCALES)
        low, high = bisect(lambda scale: self.cost.log_size(scale) - logs, *reach)
        lowest, highest = ends(self.cost, dict(self.bounds), self.log_budget)
        # At the largest scale serving takes all of the budget: just below it some is left.
        high = jnp.minimum(high, highest[0] - (_APART if self.cost.served_tokens else 0.0))
        return jnp.linspace(jnp.minimum(jnp.maximum(low, lowest[0]), high), high, _GRID)

    def run(self, scales: Float[Array, " scales"]) -> tuple[Array, Array]:
        """Take logs of the size and of the tokens."""
        log_tokens = self.cost.log_tokens(scales, jnp.broadcast_to(self.log_budget, scales.shape))
        return self.cost.log_size(scales), at_most(log_tokens, self.bounds)

    def loss(self, scales: Float[Array, " scales"]) -> Float[Array, "*draws scales"]:
        """Say what each draw expects of each run."""
        values = over_budgets(self.draws.law, self.draws.values)
        return _expected(self.draws.law, values, self.draws.fixed, *self.run(scales))

    def mean_loss(self, scales: Float[Array, " scales"]) -> Float[Array, " scales"]:
        """Say what the draws expect of each run on average."""
        return self.loss(scales).reshape(-1, len(scales)).mean(0)

    def lowest(
        self, scales: Float[Array, " scales"], losses: Float[Array, " scales"]
    ) -> Float[Array, " 1"]:
        """Find the scale of least mean loss, on a grid between the neighbours of the least."""
        at = int(losses.argmin())
        low, high = scales[max(at - 1, 0)], scales[min(at + 1, len(scales) - 1)]
        finer = jnp.linspace(low, high, _GRID)
        return finer[self.mean_loss(finer).argmin()][None]


_expected = jax.jit(expected, static_argnums=0)
