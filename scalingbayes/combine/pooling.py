"""Partial pooling: a hierarchical prior for parameters that several tables have in common.

Pooling has two stages (Lunn, Barrett, Sweeting & Thompson 2013, J. R. Stat. Soc. C 62, 551-572).
Each table is fitted on its own; then the stored draws are reweighted, with the fit's own prior
divided out. A table is fitted again only if its draws do not cover the values that the other tables
predict.
"""

import zlib
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpyro.distributions import Distribution

from scalingbayes._core.arguments import Probability, Seed
from scalingbayes._core.checked import checked
from scalingbayes._core.errors import InputError, unknown
from scalingbayes._core.progress import Progress, report_progress
from scalingbayes.combine.pooled_coordinates import (
    POOLABLE,
    is_positive,
    normal_approximation,
    predictive_priors,
    read_draws,
)
from scalingbayes.combine.population import (
    Hyperprior,
    Population,
    PopulationDraws,
    infer_population,
)
from scalingbayes.combine.reweighting import ImportanceWeights, reweighted_posterior, weigh
from scalingbayes.fitting.batch import refit
from scalingbayes.laws.base.parameters import Parameter
from scalingbayes.posterior.diagnostics import MAX_PARETO_K, MIN_EFFECTIVE_DRAWS
from scalingbayes.posterior.posterior import Posterior
from scalingbayes.results import SAMPLE_DIMS, Check, Estimate, IntervalKind, Result, Verdict, View


class Pooled(Result, Mapping[Any, Posterior]):
    """Pooled posteriors of tables, by name: ``pooled["c4"]`` is one of them.

    :func:`pool` returns one.

    Parameters
    ----------
    posteriors
        For each table, the posterior under the pooled prior.
    parameters
        The pooled parameters.
    population
        Draws of the population, given all tables.
    refitted
        Tables that were fitted again because their importance weights were unreliable.
    seed
        Seed of draws for a new table.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> tables = sb.datasets.load("overtraining").split("dataset")
    >>> pooled = sb.pool(sb.fit_many(tables, "chinchilla"))  # doctest: +SKIP
    >>> sorted(pooled)  # doctest: +SKIP
    ['c4', 'redpajama', 'refinedweb']
    """

    def __init__(
        self,
        posteriors: Mapping[Any, Posterior],
        parameters: Mapping[str, Parameter],
        population: PopulationDraws,
        refitted: Sequence[Hashable],
        seed: int,
    ) -> None:
        self._posteriors = dict(posteriors)
        self.parameters = dict(parameters)
        self.refitted = tuple(refitted)
        self._population = population
        self._seed = seed

    def __getitem__(self, name: Any) -> Posterior:
        return self._posteriors[name]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._posteriors)

    def __len__(self) -> int:
        return len(self._posteriors)

    @property
    def title(self) -> str:
        """The number of tables."""
        return f"Population of {len(self)} tables"

    @cached_property
    def population(self) -> Estimate:
        """The distribution of the parameters over tables, in each parameter's own unit.

        ``mean`` and ``sd`` are those of the parameter over tables; ``new`` is a prediction of its
        value in a new table.
        """
        mu, tau = self._population.mu, self._population.tau
        z = mu + tau * np.random.default_rng(self._seed).standard_normal(mu.shape)
        log = np.array([is_positive(each) for each in self.parameters.values()])
        mean = np.where(log, np.exp(mu + tau**2 / 2), mu)  # of a lognormal, or of a normal
        found = {
            "mean": mean,
            "sd": np.where(log, mean * np.sqrt(np.expm1(tau**2)), tau),
            "new": np.where(log, np.exp(z), z),
        }
        draws = xr.Dataset(
            {name: ((*SAMPLE_DIMS, "parameter"), x[None]) for name, x in found.items()},
            coords={"parameter": list(self.parameters), "chain": [0], "draw": np.arange(len(mu))},
        )
        return Estimate(self.title, draws, self.verdict)

    def summary(self, prob: Probability = 0.9, kind: IntervalKind = "eti") -> pd.DataFrame:
        """Return the table of :attr:`population`: one row a parameter and quantity.

        Parameters
        ----------
        prob
            Posterior probability of the credible intervals.
        kind
            ``"eti"``, equal tails, or ``"hdi"``, the shortest interval.

        Raises
        ------
        InputError
            If ``prob`` or ``kind`` cannot be used.
        """
        return self.population.summary(prob, kind)

    @property
    def priors(self) -> dict[str, Distribution]:
        """Priors for the fit of a new table: ``sb.fit(runs, sb.Model(law, priors=pooled.priors))``.

        Each is normal in the coordinate in which the population is normal (lognormal if the
        parameter is positive). It has the mean and variance of the predictive distribution, with
        the uncertainty of the population's mean and sd. The predictive distribution itself has
        heavier tails if there are few tables.
        """
        return predictive_priors(self.parameters, self._population)

    @property
    def weights(self) -> pd.DataFrame:
        """Pareto's k and the effective number of draws of each table's importance weights."""
        records = {name: post.record for name, post in self.items()}
        columns = {
            fact: [record.facts[fact] for record in records.values()]
            for fact in ("pareto_k", "effective_draws")
        }
        columns["refitted"] = [name in self.refitted for name in records]
        return pd.DataFrame(columns, pd.Index(list(records), name="table", tupleize_cols=False))

    @cached_property
    def verdict(self) -> Verdict:
        """Whether the weights of the population are reliable, and each table passed its checks."""
        k, effective = self._population.pareto_k, self._population.effective_draws
        failed = [str(name) for name, post in self.items() if not post.verdict.passed]
        listed = ", ".join(failed)
        again = ", ".join(map(str, self.refitted))
        checks = (
            Check(
                k <= MAX_PARETO_K and effective >= MIN_EFFECTIVE_DRAWS,
                f"weights of the population have Pareto k {k:.2f} and {effective:.0f} effective "
                f"draws",
                "pool fewer parameters, or more tables",
            ),
            Check(
                not failed,
                f"{len(self) - len(failed)} of {len(self)} tables passed their checks"
                + (f", all but {listed}" if failed else ""),
                f"see the verdict of {listed}; pooled.weights has the diagnostics of weights",
            ),
        )
        note = f"Fitted again, with the prior that the other tables predict: {again}."
        return Verdict(checks, (note,) if again else ())

    def plot(self, ax: Any = None, prob: Probability = 0.9) -> Any:
        """Plot the parameters, a row a table; see :func:`scalingbayes.plots.plot_posteriors`."""
        from scalingbayes.plots import plot_posteriors

        return plot_posteriors(self, prob, ax, quantities=self.parameters)

    def view(self, prob: Probability = 0.9) -> View:
        """Return the table of the population and the verdict."""
        return replace(super().view(prob), verdict=self.verdict)


@checked
def pool(
    posteriors: Mapping[Any, Posterior],
    parameters: Sequence[str] | None = None,
    *,
    between: float = 0.5,
    seed: Seed = 0,
    progress: Progress = None,
) -> Pooled:
    """Pool parameters over tables, so that a table with few runs borrows from the others.

    Each pooled parameter is normal over tables, with unknown mean and sd, in the coordinate in
    which its default prior is normal: its logarithm if it is positive. The sd over tables is
    inferred; it determines how much tables borrow. Parameters that are not pooled keep their
    priors.

    Parameters
    ----------
    posteriors
        Posteriors of one law, by table: ``sb.fit_many(runs.split("dataset"))``. The engine must be
        one that samples posteriors.
    parameters
        Which parameters to pool: parameters without a unit. By default all of these that the law
        has. Parameters of the noise, such as ``"sigma"``, can be named.
    between
        How much tables are expected to differ, as a fraction of the sd of the default prior. The sd
        over tables is half-normal with this scale. The mean over tables is normal with the mean of
        the default prior and the rest of its variance, so the prior of a single table has the mean
        and the variance of the default prior.
    seed
        Seed of the random numbers.
    progress
        As for :func:`scalingbayes.fit`.

    Returns
    -------
    Pooled
        The pooled posteriors, even if importance weights are unreliable: see ``Pooled.verdict``.

    Raises
    ------
    InputError
        If there are not at least two posteriors of one law, or a parameter cannot be pooled.

    Notes
    -----
    The posterior of a table has the prior that the other tables predict. The draws of its fit are
    weighted by the ratio of that prior to the fit's own (PSIS). If Pareto's k is above 0.7, too few
    effective draws are left, or the fit failed its checks, the table is fitted again with a normal
    approximation of that prior, and the new draws are weighted. Draws of a chain are weighted as if
    they were independent.

    Examples
    --------
    >>> import numpy as np
    >>> import scalingbayes as sb
    >>> runs = sb.datasets.load("chinchilla")
    >>> halves = {"even": runs.filter(np.arange(245) % 2 == 0)}
    >>> halves |= {"odd": runs.filter(np.arange(245) % 2 == 1)}
    >>> pooled = sb.pool(sb.fit_many(halves, "chinchilla", engine="laplace"))
    >>> list(pooled), list(pooled.parameters)
    (['even', 'odd'], ['alpha', 'beta'])
    """
    posts = _checked(posteriors)
    pooled = _poolable(posts, parameters)
    if not isinstance(between, (int, float)) or not 0 < between < 1:
        raise InputError(f"between must be a number between 0 and 1, such as 0.5; got {between!r}.")
    normals = [normal_approximation(each.prior, each) for each in pooled.values()]
    loc, scale = np.transpose(normals)
    hyperprior = Hyperprior(loc, scale * np.sqrt(1 - between**2), scale * between)
    tables = {name: read_draws(post, pooled) for name, post in posts.items()}

    def infer() -> tuple[Population, dict[Any, ImportanceWeights]]:
        population = infer_population(list(tables.values()), hyperprior, seed)
        pairs = zip(tables.items(), population.others, strict=True)
        return population, {name: weigh(table, others) for (name, table), others in pairs}

    population, weights = infer()
    refitted = [
        name for name, each in weights.items() if not (each.reliable and posts[name].verdict.passed)
    ]
    if refitted:
        others_of = dict(zip(posts, population.others, strict=True))
        with report_progress(progress, "fitting again") as report:
            for place, name in enumerate(refitted):
                post, priors = posts[name], predictive_priors(pooled, others_of[name])
                part = report.part(place / len(refitted), (place + 1) / len(refitted), str(name))
                again = refit(post, {name: post.weights}, priors=priors, seed=seed, progress=part)
                posts[name] = again[name]
                tables[name] = read_draws(posts[name], pooled)
        population, weights = infer()
    found = {}
    for (name, post), others in zip(posts.items(), population.others, strict=True):
        random = np.random.default_rng([seed, zlib.crc32(str(name).encode())])
        found[name] = reweighted_posterior(
            post, pooled, tables[name], others, weights[name], random
        )
    in_order = {name: found[name] for name in posteriors}
    return Pooled(in_order, pooled, population.all, refitted, seed)


def _checked(posteriors: Any) -> dict[Any, Posterior]:
    """Return posteriors that can be pooled, sorted by name."""
    if not isinstance(posteriors, Mapping) or len(posteriors) < 2:
        got = f"{len(posteriors)}" if isinstance(posteriors, Mapping) else type(posteriors).__name__
        raise InputError(
            f"posteriors must be a mapping of two or more posteriors by name, such as "
            f"sb.fit_many(runs.split('dataset')); got {got}."
        )
    # Sorted, so that the order of the mapping does not change the random numbers of a table.
    posts = dict(sorted(posteriors.items(), key=lambda item: repr(item[0])))
    for name, post in posts.items():
        if not isinstance(post, Posterior) or post.record.of != "posterior":
            got = post.record.engine if isinstance(post, Posterior) else type(post).__name__
            raise InputError(
                f"{name!r} must be a posterior, fitted with engine 'nuts', 'laplace' or 'grid'; "
                f"got {got}."
            )
    fitted = {f"{post.law.equation}; {post.noise.name} noise" for post in posts.values()}
    if len(fitted) > 1:
        raise InputError(
            f"Only fits of one law and noise model can be pooled; these are fits of "
            f"{' and of '.join(sorted(fitted))}. Fit all tables with one model."
        )
    return posts


def _poolable(posts: Mapping[Any, Posterior], names: Sequence[str] | None) -> dict[str, Parameter]:
    """Return the parameters to pool, by name."""
    post = next(iter(posts.values()))
    every = {**post.law.parameters, **post.noise.parameters}
    able = {n: each for n, each in every.items() if each.plain and each.prior.support in POOLABLE}
    listed = ", ".join(able) or "none"
    if names is None:
        names = [name for name in able if name in post.law.parameters]
    if isinstance(names, str) or not names:
        raise InputError(
            f"parameters must be a list with at least one name; got {names!r}. Law "
            f"{post.law.name!r} with {post.noise.name} noise has these to pool: {listed}."
        )
    for name in names:
        if name not in every:
            raise unknown("parameter", name, able)
        if name not in able:
            parameter = every[name]
            why = (
                f"has a bounded prior ({type(parameter.prior).__name__})"
                if parameter.plain
                else f"depends on the table's units ({parameter.unit})"
                if parameter.unit.constant != 1
                else f"is relative to {parameter.shift}"
            )
            raise InputError(
                f"{name!r} {why}. Only dimensionless parameters that are real or positive can be "
                f"pooled: {listed}."
            )
    return {name: able[name] for name in dict.fromkeys(names)}
