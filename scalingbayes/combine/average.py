"""Several laws at once: their draws mixed in proportion to how far each is trusted."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import ArrayLike, Float, Int

from scalingbayes._core.errors import InputError
from scalingbayes.allocation import Cost, Limits
from scalingbayes.evaluation.comparison import Comparison, compare
from scalingbayes.posterior.posterior import Posterior
from scalingbayes.results import SAMPLE_DIMS, Check, Estimate, IntervalKind, Result, Verdict, View


class Average(Result):
    """A mixture of posteriors; it predicts and allocates as each of them does.

    Made by :func:`average`.

    Parameters
    ----------
    posteriors
        By name.
    weights
        Of each; they add up to 1.
    seed
        Seed of the choice of draws.
    checks
        What else there is to check besides the fits.
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
        # A draw taken twice would say nothing new: as many are taken as the shortest has.
        taken = {
            name: random.permutation(size)[:count]
            for (name, size), count in zip(sizes.items(), counts, strict=True)
        }
        self.weights = {name: float(weights[name]) for name in posteriors}
        self.posteriors = {name: posteriors[name] for name, rows in taken.items() if len(rows)}
        self._taken = {name: taken[name] for name in self.posteriors}
        self._order = random.permutation(total)
        self._checks = tuple(checks)

    @property
    def title(self) -> str:
        """The laws that are averaged, with their weights."""
        return f"Average of {len(self.posteriors)} laws: {self._names()}"

    @property
    def verdict(self) -> Verdict:
        """Whether to believe it: whether every fit that is in it passed its checks."""
        failed = [name for name, post in self.posteriors.items() if not post.verdict.passed]
        check = Check(
            not failed,
            f"{len(self.posteriors) - len(failed)} of {len(self.posteriors)} fits passed theirs",
            f"see the verdict of {', '.join(failed)}",
        )
        return Verdict((check, *self._checks))

    def summary(self, prob: float = 0.9, kind: IntervalKind = "eti") -> pd.DataFrame:
        """Summarise the parameters that all laws share: of one name, meaning and unit.

        Parameters
        ----------
        prob
            Posterior probability of the credible intervals.
        kind
            ``"eti"``, equal tails, or ``"hdi"``, the shortest.

        Returns
        -------
        pandas.DataFrame
            A row a parameter: median, sd and interval; ``attrs["verdict"]`` says whether the fits
            passed.

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
                f"{self._names()} share no parameter: ask for exponents, allocations or "
                f"predictions, or for the summary of one."
            )

        def parameters(post: Posterior) -> Estimate:
            draws = post.tree["posterior"].to_dataset()[shared]
            return Estimate("Shared parameters", draws, post.verdict)

        return self.mix(map(parameters, self.posteriors.values())).summary(prob, kind)

    def exponents(
        self,
        compute: ArrayLike | Sequence[float] | None = None,
        cost: Cost | None = None,
        **inputs: float,
    ) -> Estimate:
        """Estimate a and b of N_opt ∝ C^a and D_opt ∝ C^b, as :meth:`Posterior.exponents` does.

        Raises
        ------
        InputError
            If a law has no compute-optimal allocation, and for the same reasons as there.
        """
        asked = self.inputs_of_each(inputs).items()
        return self.mix(post.exponents(compute, cost, **others) for post, others in asked)

    def allocate(
        self,
        compute: ArrayLike | Sequence[float],
        cost: Cost | None = None,
        limits: Limits | None = None,
        **inputs: float,
    ) -> Estimate:
        """Estimate the model and tokens of least loss, as :meth:`Posterior.allocate` does.

        Raises
        ------
        InputError
            If a law has no compute-optimal allocation, and for the same reasons as there.
        """
        asked = self.inputs_of_each(inputs).items()
        return self.mix(post.allocate(compute, cost, limits, **others) for post, others in asked)

    def predict(self, *, seed: int = 0, **inputs: "ArrayLike | Estimate") -> Estimate:
        """Predict what runs will reach, as :meth:`Posterior.predict` does.

        All laws must read the same inputs.

        Raises
        ------
        InputError
            If the laws read different inputs, and for the same reasons as there.
        """
        reads = {name: sorted(post.law.inputs) for name, post in self.posteriors.items()}
        if len({tuple(each) for each in reads.values()}) > 1:
            listed = "; ".join(f"{name} {', '.join(each)}" for name, each in reads.items())
            raise InputError(
                f"Laws must read the same inputs to predict together; these read: {listed}. "
                f"Average those that do, or predict with each."
            )
        return self.mix(post.predict(seed=seed, **inputs) for post in self.posteriors.values())

    def inputs_of_each(self, inputs: Mapping[str, float]) -> dict[Posterior, dict[str, float]]:
        """Give each law those of some inputs that it reads, to divide a budget with.

        Raises
        ------
        InputError
            If a law has no compute-optimal allocation, they spend budgets differently, or no law
            reads an input.
        """
        not_so = [name for name, post in self.posteriors.items() if not post.law.allocates]
        if not_so:
            raise InputError(
                f"{', '.join(not_so)} do not divide compute between a model and tokens: average "
                f"laws that do, such as 'chinchilla' and 'coupled'."
            )
        budgets = {name: post.law.budget for name, post in self.posteriors.items()}
        if len(set(budgets.values())) > 1:
            listed = "; ".join(f"{name} {each}" for name, each in budgets.items())
            raise InputError(f"Laws must spend a budget alike to allocate together: {listed}.")
        read = {each for post in self.posteriors.values() for each in post.law.inputs}
        for name in inputs:
            if name not in read:
                raise InputError(f"None of {self._names()} reads {name!r}: leave it out.")

        return {
            post: {name: value for name, value in inputs.items() if name in post.law.inputs}
            for post in self.posteriors.values()
        }

    def mix(self, estimates: Iterable[Estimate]) -> Estimate:
        """Mix what the posteriors say of one thing: of each its share of draws.

        Parameters
        ----------
        estimates
            One of each of ``posteriors``, in their order.
        """
        each = dict(zip(self.posteriors, estimates, strict=True))
        parts = []
        for name, own in each.items():
            flat = own.draws.stack(sample=SAMPLE_DIMS, create_index=False)  # noqa: PD013
            parts.append(flat.isel(sample=self._taken[name]).drop_vars(SAMPLE_DIMS))
        mixed = xr.concat(parts, "sample", join="override").isel(sample=self._order)
        mixed = mixed.rename(sample="draw").expand_dims("chain")
        mixed = mixed.transpose(*SAMPLE_DIMS, ...)
        mixed = mixed.assign_coords({dim: np.arange(mixed.sizes[dim]) for dim in SAMPLE_DIMS})
        first, *_ = each.values()
        notes = dict.fromkeys(note for own in each.values() for note in own.notes)
        title = f"{first.title}; {self._names()}"
        return Estimate(title, mixed, self.verdict, first.has_sd, tuple(notes))

    def _names(self) -> str:
        return ", ".join(f"{name} {self.weights[name]:.0%}" for name in self.posteriors)

    def view(self) -> View:
        """Return the title and the verdict; the laws may have no parameter in common."""
        return View(self.title, verdict=self.verdict)


def average(
    posteriors: Mapping[str, Posterior],
    weights: Mapping[str, float] | Comparison | None = None,
    *,
    seed: int = 0,
) -> Average:
    """Average laws: mix their draws in proportion to weights.

    Parameters
    ----------
    posteriors
        By name: ``{"chinchilla": post1, "coupled": post2}``.
    weights
        Of each posterior, numbers of 0 or more; or what :func:`compare` found, whose checks are
        then the average's too. Without them the posteriors are compared, and stacked by how well
        each foretells runs left out.
    seed
        Seed of the choice of draws.

    Returns
    -------
    Average
        It predicts, allocates and estimates exponents like a :class:`Posterior`. Laws of weight 0,
        or so small that not one draw falls to them, are not asked.

    Raises
    ------
    InputError
        If weights are not numbers of 0 or more for just these posteriors, or are all 0.
    """
    if not isinstance(posteriors, Mapping) or not posteriors:
        raise InputError(
            "Give posteriors by name: average({'chinchilla': post1, 'coupled': post2})."
        )
    comparison = compare(posteriors) if weights is None else weights
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
    """Share out whole draws in proportion to weights, by largest remainders."""
    exact = total * weights / weights.sum()
    counts = np.floor(exact).astype(int)
    largest = np.argsort(counts - exact, kind="stable")
    counts[largest[: total - counts.sum()]] += 1
    return counts


def _checked(weights: Any, posteriors: Mapping[str, Posterior]) -> dict[str, float]:
    wanted = ", ".join(map(repr, posteriors))
    if not isinstance(weights, Mapping) or set(weights) != set(posteriors):
        came = ", ".join(map(repr, weights)) if isinstance(weights, Mapping) else repr(weights)
        raise InputError(f"weights must be numbers by name, for {wanted}; got {came}.")
    try:
        numbers = np.array([float(weights[name]) for name in posteriors])
    except (TypeError, ValueError):
        numbers = np.array([np.nan])
    if not np.all(np.isfinite(numbers)) or np.any(numbers < 0) or numbers.sum() == 0:
        raise InputError(
            f"weights must be finite numbers of 0 or more, not all 0; got {dict(weights)!r}."
        )
    return dict(zip(posteriors, numbers / numbers.sum(), strict=True))
