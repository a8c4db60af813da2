"""Point estimates: the best fit, and how many searches found it."""

from dataclasses import dataclass, replace
from typing import Any

import jax.numpy as jnp
import numpy as np
import pandas as pd
from jaxtyping import ArrayLike, Float

from scalingbayes._core.arguments import check_numbers
from scalingbayes._core.errors import InputError
from scalingbayes._core.numbers import write
from scalingbayes._core.precision import precision, to_device
from scalingbayes.allocation import exponents, require_allocation, table_cost
from scalingbayes.inference import Optimum
from scalingbayes.laws.base.inputs import check_inputs, side_by_side
from scalingbayes.model.bound_model import BoundModel
from scalingbayes.posterior.allocate import evaluate_per_budget, exponent_budgets
from scalingbayes.results import Check, IntervalKind, Result, Verdict, View

_SAME = 0.1  # nats between searches that found the same optimum


@dataclass(frozen=True, eq=False, repr=False)
class PointEstimate(Result):
    """The parameters of greatest likelihood or posterior density.

    A point has no intervals. Fit with another engine to get them.

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
        near = self.searches["log_density"] > self.log_density - _SAME
        return int((near & self.searches["converged"]).sum())

    def exponents(self, compute: float | None = None, **inputs: float) -> dict[str, float]:
        """Compute a and b of N_opt ∝ C^a, D_opt ∝ C^b.

        Parameters
        ----------
        compute
            The budget in FLOPs at which to take the exponents; by default in the middle of the
            runs.
        **inputs
            The law's inputs other than the model's size and tokens.

        Raises
        ------
        InputError
            If the law has no compute-optimal allocation, lacks an input, or the budget is not a
            positive number.
        """
        model = self.model
        require_allocation(model.law)
        cost = table_cost(model.law, model.runs)
        budget = exponent_budgets(model.law, model.reference, compute, cost)
        if budget.size != 1:
            raise InputError(f"compute must be one number of FLOPs; got {compute!r}.")
        found = evaluate_per_budget(exponents, model.law, self.values, budget, inputs, cost=cost)
        return {name: float(value[0]) for name, value in found.items()}

    def expected(self, **inputs: ArrayLike) -> Float[np.ndarray, "*runs"]:
        """Compute the target that the law expects of runs; arrays are several runs.

        Raises
        ------
        InputError
            If an input is missing, not one of the law's, or cannot be used.
        """
        law = self.model.law
        check_inputs(law, inputs)
        given = side_by_side(
            {
                name: check_numbers(name, inputs[name], each.domain)
                for name, each in law.inputs.items()
            }
        )
        with precision("float64"):
            return np.asarray(law(*to_device((given, self.values), "float64")))

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
        carried = int(self.searches["converged"].sum())
        finding = (
            f"of the {carried} carried to convergence {self.agreeing} ended within {_SAME} nats of "
            f"the best of {len(self.searches)} searches"
        )
        return Verdict((Check(self.agreeing > 0, finding, "give more starts"),), of="search")

    @property
    def notes(self) -> tuple[str, ...]:
        """The log density at the point, and a warning."""
        return (
            f"Log density {write(self.log_density)}. A point has no interval: do not "
            f"decide by it alone.",
        )

    def summary(self, prob: float = 0.9, kind: IntervalKind = "eti") -> pd.DataFrame:
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

    def view(self, prob: float = 0.9) -> View:
        """Return the table and the verdict."""
        return replace(super().view(prob), verdict=self.verdict)
