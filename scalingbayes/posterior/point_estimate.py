"""Point estimates: the best fit, and how many searches found it."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import jax.numpy as jnp
import numpy as np
import pandas as pd
from jaxtyping import Float

from scalingbayes._core.arguments import Probability, RealNumbers, Seed
from scalingbayes._core.numbers import write
from scalingbayes._core.precision import precision
from scalingbayes.allocation import Cost, Limits
from scalingbayes.inference import Optimum
from scalingbayes.model.bound_model import BoundModel
from scalingbayes.posterior.allocate import Budgets
from scalingbayes.posterior.from_values import SAME_DRAWS, posterior_from_values
from scalingbayes.posterior.origin import SAME_OPTIMUM, judge_search
from scalingbayes.posterior.posterior import Posterior
from scalingbayes.posterior.record import DataRecord, prior_records
from scalingbayes.results import Estimate, IntervalKind, Result, Verdict, View


@dataclass(frozen=True, eq=False, repr=False)
class PointEstimate(Result):
    """The parameters of greatest likelihood or posterior density.

    A point has no intervals. Fit with another engine to get them. The decisions, such as
    ``sb.plan``, take a point as they take a posterior, and each answer says that it has no
    intervals.

    Parameters
    ----------
    model
        The model that was fitted.
    objective
        What was maximised: ``"likelihood"`` or ``"posterior"``.
    values
        The value of each parameter, in the units of the table.
    log_density
        The maximum of the log likelihood or log posterior density. Densities are of the target on
        the scale on which it scatters, such as log loss.
    searches
        A row a search: where it ended, its ``log_density``, and whether it ``converged``. Only the
        most promising searches are continued until they converge.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> runs = sb.datasets.load("chinchilla")
    >>> point = sb.fit(runs, "chinchilla", engine="optimize")  # doctest: +SKIP
    >>> list(point.values)  # doctest: +SKIP
    ['E', 'A', 'B', 'alpha', 'beta', 'sigma', 'nu', 'spread_exponent']
    """

    model: BoundModel
    objective: str
    values: dict[str, float]
    log_density: float
    searches: pd.DataFrame

    @classmethod
    def from_optimum(cls, model: BoundModel, optimum: Optimum, objective: str) -> "PointEstimate":
        """Return the estimate of an engine's optimum."""
        with precision("float64"):
            found = model.density("float64").coordinates.in_units(jnp.asarray(optimum.point, float))
        values = {name: float(found[name]) for name in model.parameters}
        return cls(model, objective, values, optimum.log_density, optimum.searches)

    @property
    def agreeing(self) -> int:
        """The number of searches that converged within 0.1 nats of the best."""
        near = self.searches["log_density"] > self.log_density - SAME_OPTIMUM
        return int((near & self.searches["converged"]).sum())

    @cached_property
    def posterior(self) -> Posterior:
        """The point as a posterior of equal draws, for all questions that take a posterior.

        Each answer says that its intervals leave the errors of the point out.
        """
        model, law, target = self.model, self.model.law, self.model.law.target.column
        counted = model.counted
        table = {name: x[counted] for name, x in model.inputs.items()}
        table |= {"weights": model.weights[counted], target: model.observed[counted]}
        record = {
            "data": DataRecord.of_model(model),
            "reference": model.reference,
            "engine": "optimize",
            "options": {"objective": self.objective},
            "of": "point",
            "facts": self._search,
            "priors": prior_records(model),
            "origin_of_priors": model.origin_of_priors,
        }
        values = {name: np.full(SAME_DRAWS, self.values[name]) for name in model.parameters}
        frame = model.runs.frame[counted]
        return posterior_from_values(law, model.noise, values, table, frame, record)

    @property
    def _search(self) -> dict[str, int]:
        return {
            "searches": len(self.searches),
            "converged": int(self.searches["converged"].sum()),
            "agreeing": self.agreeing,
        }

    def exponents(
        self, compute: Budgets | None = None, cost: Cost | None = None, **inputs: float
    ) -> Estimate:
        """Compute a and b of N_opt ∝ C^a, D_opt ∝ C^b; see :meth:`Posterior.exponents`."""
        return self.posterior.exponents(compute, cost, **inputs)

    def allocate(
        self,
        compute: Budgets,
        cost: Cost | None = None,
        limits: Limits | None = None,
        **inputs: float,
    ) -> Estimate:
        """Compute the run of least loss for budgets; see :meth:`Posterior.allocate`."""
        return self.posterior.allocate(compute, cost, limits, **inputs)

    def predict(self, *, seed: Seed = 0, **inputs: RealNumbers | Estimate) -> Estimate:
        """Predict what new runs will reach; see :meth:`Posterior.predict`."""
        return self.posterior.predict(seed=seed, **inputs)

    def expected(self, **inputs: RealNumbers) -> Float[np.ndarray, "*runs"]:
        """Compute the target that the law expects of runs; arrays are several runs.

        Raises
        ------
        InputError
            If an input is missing, not one of the law's, or cannot be used.
        """
        return self.posterior.thin(1).expected(**inputs)[0, 0]

    @property
    def title(self) -> str:
        """What was maximised, of which law, on which runs."""
        model = self.model
        return (
            f"Point of greatest {self.objective} of {model.law.equation}\n"
            f"{len(model.runs)} runs of {model.runs.name!r}; {model.noise.equation}"
        )

    @property
    def verdict(self) -> Verdict:
        """Whether the best search converged."""
        return judge_search(self._search)

    @property
    def notes(self) -> tuple[str, ...]:
        """The log density at the point, and a warning."""
        return (
            f"Log density {write(self.log_density)}. A point has no interval: do not "
            f"decide by it alone.",
        )

    def summary(self, prob: Probability = 0.9, kind: IntervalKind = "eti") -> pd.DataFrame:
        """Return the value of each parameter.

        The table has no credible intervals: ``prob`` and ``kind`` are ignored.
        """
        frame = pd.DataFrame({"value": self.values}).rename_axis("parameter")
        frame.attrs["verdict"] = self.verdict.word
        return frame

    def plot(self, ax: Any = None) -> Any:
        """Plot predicted targets; see :func:`~scalingbayes.plots.plot_point_estimate`."""
        from scalingbayes.plots import plot_point_estimate

        return plot_point_estimate(self, ax=ax)

    def view(self, prob: Probability = 0.9) -> View:
        """Return the table and the verdict."""
        return replace(super().view(prob), verdict=self.verdict)
