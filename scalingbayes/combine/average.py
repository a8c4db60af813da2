"""Average laws: mix the draws of their posteriors in proportion to weights."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Float, Int

from scalingbayes._core.arguments import PositiveNumbers, Probability, RealNumbers, Seed
from scalingbayes._core.checked import checked
from scalingbayes._core.errors import InputError
from scalingbayes.allocation import Cost, Limits
from scalingbayes.evaluation.compare import Comparison, compare
from scalingbayes.posterior.posterior import Posterior
from scalingbayes.results import SAMPLE_DIMS, Check, Estimate, IntervalKind, Result, Verdict, View


class Average(Result):
    """A mixture of posteriors. It predicts and allocates as a posterior does.

    :func:`average` returns one.

    Parameters
    ----------
    posteriors
        The posteriors by name.
    weights
        The weight of each; the sum is 1.
    seed
        Seed of the choice of draws.
    checks
        Checks besides those of the fits.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> runs = sb.datasets.load("chinchilla")
    >>> posts = {law: sb.fit(runs, law, engine="laplace") for law in ("chinchilla", "coupled")}
    >>> mixed = sb.average(posts, {"chinchilla": 1, "coupled": 1}).allocate(1e24)
    >>> sorted(mixed.draws)[:3]
    ['a', 'b', 'loss']
    """

    def __init__(
        self,
        posteriors: Mapping[str, Posterior],
        weights: Mapping[str, float],
        seed: int,
        checks: Sequence[Check] = (),
    ) -> None:
        sizes = {
            name: post.tree["posterior"]["chain"].size * post.tree["posterior"]["draw"].size
            for name, post in posteriors.items()
            if weights[name] > 0
        }
        total = min(sizes.values())
        counts = apportion(np.array([weights[name] for name in sizes]), total)
        random = np.random.default_rng(seed)
        # Draws are chosen without replacement, so the smallest posterior limits their number.
        chosen = {
            name: random.permutation(size)[:count]
            for (name, size), count in zip(sizes.items(), counts, strict=True)
        }
        self.weights = {name: float(weights[name]) for name in posteriors}
        self.posteriors = {name: posteriors[name] for name, rows in chosen.items() if len(rows)}
        self._chosen = {name: chosen[name] for name in self.posteriors}
        self._order = random.permutation(total)
        self._checks = tuple(checks)

    @property
    def title(self) -> str:
        """The laws that are averaged, with their weights."""
        return f"Average of {len(self.posteriors)} laws: {self._names()}"

    @property
    def verdict(self) -> Verdict:
        """Whether all fits in the mixture, and the comparison of laws, passed their checks."""
        failed = [name for name, post in self.posteriors.items() if not post.verdict.passed]
        total = len(self.posteriors)
        check = Check(
            not failed,
            f"{total - len(failed)} of {total} fits passed their checks",
            f"see the verdict of {', '.join(failed)}",
        )
        return Verdict((check, *self._checks))

    def summary(self, prob: Probability = 0.9, kind: IntervalKind = "eti") -> pd.DataFrame:
        """Return the table of parameters that all laws share, with the same meaning and unit.

        Parameters
        ----------
        prob
            Posterior probability of the credible intervals.
        kind
            ``"eti"``, equal tails, or ``"hdi"``, the shortest interval.

        Returns
        -------
        pandas.DataFrame
            One row a parameter: median, sd and interval. ``attrs["verdict"]`` is ``"passed"`` or
            ``"failed"``.

        Raises
        ------
        InputError
            If the laws share no parameter, or ``prob`` or ``kind`` cannot be used.
        """
        meanings = [
            {
                (name, each.description, each.unit): name
                for name, each in {**post.law.parameters, **post.noise.parameters}.items()
            }
            for post in self.posteriors.values()
        ]
        shared = [n for key, n in meanings[0].items() if all(key in each for each in meanings)]
        if not shared:
            raise InputError(
                f"{self._names()} share no parameter, so there is no table. Use exponents, "
                f"allocations or predictions, or the summary of one posterior."
            )

        def parameters(post: Posterior) -> Estimate:
            draws = post.tree["posterior"].to_dataset()[shared]
            return Estimate("Shared parameters", draws, post.verdict)

        return self.mix(map(parameters, self.posteriors.values())).summary(prob, kind)

    def exponents(
        self,
        compute: PositiveNumbers | None = None,
        cost: Cost | None = None,
        **inputs: float,
    ) -> Estimate:
        """Estimate a and b of N_opt ∝ C^a and D_opt ∝ C^b, as :meth:`Posterior.exponents` does.

        Raises
        ------
        InputError
            If a law has no compute-optimal allocation, or the posterior's method raises.
        """
        asked = self.inputs_of_each(inputs).items()
        return self.mix(post.exponents(compute, cost, **others) for post, others in asked)

    def allocate(
        self,
        compute: PositiveNumbers,
        cost: Cost | None = None,
        limits: Limits | None = None,
        **inputs: float,
    ) -> Estimate:
        """Estimate the compute-optimal model size and tokens, as :meth:`Posterior.allocate` does.

        Raises
        ------
        InputError
            If a law has no compute-optimal allocation, or the posterior's method raises.
        """
        asked = self.inputs_of_each(inputs).items()
        return self.mix(post.allocate(compute, cost, limits, **others) for post, others in asked)

    def predict(self, *, seed: Seed = 0, **inputs: RealNumbers | Estimate) -> Estimate:
        """Predict the losses of runs, as :meth:`Posterior.predict` does.

        All laws must read the same inputs.

        Raises
        ------
        InputError
            If the laws read different inputs, or :meth:`Posterior.predict` raises.
        """
        reads = {name: sorted(post.law.inputs) for name, post in self.posteriors.items()}
        if len({tuple(each) for each in reads.values()}) > 1:
            listed = "; ".join(f"{name} {', '.join(each)}" for name, each in reads.items())
            raise InputError(
                f"Laws must read the same inputs to predict together; these laws read: {listed}. "
                f"Average laws with the same inputs, or predict with each posterior."
            )
        return self.mix(post.predict(seed=seed, **inputs) for post in self.posteriors.values())

    def inputs_of_each(self, inputs: Mapping[str, float]) -> dict[Posterior, dict[str, float]]:
        """Return the inputs that each law reads, for an allocation.

        Parameters
        ----------
        inputs
            Values of inputs other than size and tokens.

        Raises
        ------
        InputError
            If a law has no compute-optimal allocation, laws define budgets differently, or no law
            reads an input.
        """
        without = [name for name, post in self.posteriors.items() if not post.law.allocates]
        if without:
            raise InputError(
                f"{', '.join(without)} do not divide compute between model size and tokens: "
                f"average laws that do, such as 'chinchilla' and 'coupled'."
            )
        budgets = {name: post.law.budget for name, post in self.posteriors.items()}
        if len(set(budgets.values())) > 1:
            listed = "; ".join(f"{name} {each}" for name, each in budgets.items())
            raise InputError(f"Laws must define budgets alike to allocate together: {listed}.")
        read = {each for post in self.posteriors.values() for each in post.law.inputs}
        for name in inputs:
            if name not in read:
                raise InputError(f"None of {self._names()} reads {name!r}: remove it.")

        return {
            post: {name: value for name, value in inputs.items() if name in post.law.inputs}
            for post in self.posteriors.values()
        }

    def mix(self, estimates: Iterable[Estimate]) -> Estimate:
        """Return the mixture of estimates, with draws in proportion to weights.

        Parameters
        ----------
        estimates
            An estimate from each of ``posteriors``, in their order.
        """
        each = dict(zip(self.posteriors, estimates, strict=True))
        parts = []
        for name, estimate in each.items():
            flat = estimate.draws.stack(sample=SAMPLE_DIMS, create_index=False)  # noqa: PD013
            parts.append(flat.isel(sample=self._chosen[name]).drop_vars(SAMPLE_DIMS))
        mixed = xr.concat(parts, "sample", join="override").isel(sample=self._order)
        mixed = mixed.rename(sample="draw").expand_dims("chain")
        mixed = mixed.transpose(*SAMPLE_DIMS, ...)
        mixed = mixed.assign_coords({dim: np.arange(mixed.sizes[dim]) for dim in SAMPLE_DIMS})
        first, *_ = each.values()
        notes = dict.fromkeys(note for estimate in each.values() for note in estimate.notes)
        title = f"{first.title}; {self._names()}"
        return Estimate(title, mixed, self.verdict, tuple(notes))

    def _names(self) -> str:
        return ", ".join(f"{name} {self.weights[name]:.0%}" for name in self.posteriors)

    def plot(self, ax: Any = None, prob: Probability = 0.9, **inputs: float) -> Any:
        """Plot the laws side by side; see :func:`scalingbayes.plots.plot_laws`."""
        from scalingbayes.plots import plot_laws

        return plot_laws(self, prob, ax, compute=None, **inputs)

    def view(self, prob: Probability = 0.9) -> View:
        """Return the title and the verdict; the laws may have no parameter in common."""
        return View(self.title, verdict=self.verdict)


@checked
def average(
    posteriors: Mapping[str, Posterior],
    weights: Mapping[str, float] | Comparison | None = None,
    *,
    seed: Seed = 0,
) -> Average:
    """Average laws: mix their draws in proportion to weights.

    Parameters
    ----------
    posteriors
        Posteriors by name: ``{"chinchilla": post1, "coupled": post2}``.
    weights
        A non-negative number for each posterior, or a comparison by
        :func:`scalingbayes.compare`, whose checks then become checks of the average. By default the
        weights are those of ``sb.compare(posteriors, by="largest")``: they are chosen by how well
        each law predicts larger runs than it was fitted to.
    seed
        Seed of the choice of draws.

    Returns
    -------
    Average
        It predicts, allocates and estimates exponents as a posterior does. Laws whose weight is
        less than one draw are left out.

    Raises
    ------
    InputError
        If ``weights`` is not a non-negative number for each of the posteriors, or all are 0; or if
        there are no weights and the posteriors cannot be compared by their largest runs.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> runs = sb.datasets.load("chinchilla")
    >>> posts = {law: sb.fit(runs, law, engine="laplace") for law in ("chinchilla", "coupled")}
    >>> average = sb.average(posts, {"chinchilla": 1, "coupled": 3})
    >>> average.weights
    {'chinchilla': 0.25, 'coupled': 0.75}
    """
    if not isinstance(posteriors, Mapping) or not posteriors:
        raise InputError(
            "posteriors must be a mapping by name: average({'chinchilla': post1, 'coupled': "
            "post2})."
        )
    comparison = compare(posteriors, by="largest") if weights is None else weights
    given: Mapping[str, Any]
    checks: Sequence[Check] = ()
    if isinstance(comparison, Comparison):
        given, checks = comparison.weights, comparison.verdict.checks[1:]  # those of the refits
    else:
        given = comparison
    numbers = _checked(given, posteriors)
    targets = {post.law.target.column for post in posteriors.values()}
    if len(targets) > 1:
        raise InputError(f"Laws must predict the same column; these predict {', '.join(targets)}.")
    return Average(posteriors, numbers, seed, checks)


def apportion(weights: Float[np.ndarray, " laws"], total: int) -> Int[np.ndarray, " laws"]:
    """Return how many draws each law has: proportional to weights, by largest remainders."""
    exact = total * weights / weights.sum()
    counts = np.floor(exact).astype(int)
    largest = np.argsort(counts - exact, kind="stable")
    counts[largest[: total - counts.sum()]] += 1
    return counts


def _checked(weights: Any, posteriors: Mapping[str, Posterior]) -> dict[str, float]:
    """Return weights whose sum is 1."""
    expected = ", ".join(map(repr, posteriors))
    if not isinstance(weights, Mapping) or set(weights) != set(posteriors):
        got = ", ".join(map(repr, weights)) if isinstance(weights, Mapping) else repr(weights)
        raise InputError(f"weights must be numbers by name, for {expected}; got {got}.")
    try:
        numbers = np.array([float(weights[name]) for name in posteriors])
    except (TypeError, ValueError):
        numbers = np.array([np.nan])
    if not np.all(np.isfinite(numbers)) or np.any(numbers < 0) or numbers.sum() == 0:
        raise InputError(
            f"weights must be non-negative finite numbers, not all 0; got {dict(weights)!r}."
        )
    return dict(zip(posteriors, numbers / numbers.sum(), strict=True))
