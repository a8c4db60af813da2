"""Partial pooling: what several tables say together of the parameters that they share in kind.

In two stages (Lunn, Barrett, Sweeting & Thompson 2013, J. R. Stat. Soc. C 62, 551-572): every table
is fitted by itself, and what it says of its exponents is read off the stored draws, the fit's own
prior divided out. No table is fitted again unless its draws do not reach where the others point.
"""

import json
import zlib
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Float, Int
from numpyro.distributions import Distribution, LogNormal, Normal, constraints

from scalingbayes._core.arguments import check_seed
from scalingbayes._core.errors import InputError, unknown
from scalingbayes._core.precision import precision
from scalingbayes.combine.population import (
    Hyperprior,
    Members,
    Population,
    TableDraws,
    infer_population,
)
from scalingbayes.fitting.batch import refit
from scalingbayes.inference.importance import resample, smooth
from scalingbayes.laws.base.parameters import Parameter, read_prior, resolve_priors
from scalingbayes.posterior.diagnostics import MAX_PARETO_K, MIN_EFFECTIVE_DRAWS
from scalingbayes.posterior.posterior import ATTRIBUTE, Posterior
from scalingbayes.results import SAMPLE_DIMS, Check, Estimate, IntervalKind, Result, Verdict, View

_POOLABLE = (constraints.positive, constraints.real)


class Pooled(Result, Mapping[Any, Posterior]):
    """Posteriors of tables that borrow from each other: ``pooled["c4"]`` is one of them.

    Made by :func:`pool`.

    Parameters
    ----------
    posteriors
        Of each table under the pooled prior, by name.
    parameters
        The pooled parameters.
    population
        What the tables say together.
    refitted
        Tables whose draws could not be used, and which were fitted again.
    seed
        Seed of the new table's draws.
    """

    def __init__(
        self,
        posteriors: Mapping[Any, Posterior],
        parameters: Mapping[str, Parameter],
        population: Members,
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
        """What was pooled."""
        return f"Population of {len(self)} tables"

    @cached_property
    def population(self) -> Estimate:
        """The population of tables, in each parameter's own unit.

        ``mean`` and ``sd`` of the parameter over tables, and ``new``, its value in a table that is
        yet to come.
        """
        mu, tau = self._population.mu, self._population.tau
        z = mu + tau * np.random.default_rng(self._seed).standard_normal(mu.shape)
        log = np.array([_is_positive(each) for each in self.parameters.values()])
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

    def summary(self, prob: float = 0.9, kind: IntervalKind = "eti") -> pd.DataFrame:
        """Summarise the population: a row a parameter and quantity, as :attr:`population` has them.

        Parameters
        ----------
        prob
            Posterior probability of the credible intervals.
        kind
            ``"eti"``, equal tails, or ``"hdi"``, the shortest.

        Raises
        ------
        InputError
            If ``prob`` or ``kind`` cannot be used.
        """
        return self.population.summary(prob, kind)

    @property
    def priors(self) -> dict[str, Distribution]:
        """Priors for the fit of a new table: ``sb.fit(runs, sb.Model(law, priors=pooled.priors))``.

        Each is normal in the coordinate in which the population is (lognormal if positive), with
        the mean and variance of what the population predicts there, uncertainty of its mean and
        spread included. A few tables predict with heavier tails and a sharper peak than that.
        """
        return _normals(self.parameters, self._population)

    @property
    def weights(self) -> pd.DataFrame:
        """How well each table's draws could be weighed: Pareto's k, what they are worth."""
        records = {name: post.record for name, post in self.items()}
        columns = {
            fact: [record[fact] for record in records.values()]
            for fact in ("pareto_k", "effective_draws")
        }
        columns["refitted"] = [name in self.refitted for name in records]
        return pd.DataFrame(columns, pd.Index(list(records), name="table", tupleize_cols=False))

    @cached_property
    def verdict(self) -> Verdict:
        """Whether to believe it: the weights of the population, and each table's verdict."""
        k, effective = self._population.pareto_k, self._population.effective_draws
        failed = [str(name) for name, post in self.items() if not post.verdict.passed]
        listed = ", ".join(failed)
        again = ", ".join(map(str, self.refitted))
        checks = (
            Check(
                k <= MAX_PARETO_K and effective >= MIN_EFFECTIVE_DRAWS,
                f"weights of the population have Pareto k {k:.2f}, are worth {effective:.0f} draws",
                "pool fewer parameters, or more tables",
            ),
            Check(
                not failed,
                f"{len(self) - len(failed)} of {len(self)} tables passed theirs"
                + (f", all but {listed}" if failed else ""),
                f"see the verdict of {listed}; pooled.weights says where weights cannot be trusted",
            ),
        )
        note = f"Fitted again, with about the prior that the others predict: {again}."
        return Verdict(checks, (note,) if again else ())

    def view(self) -> View:
        """Return the table of the population and the verdict."""
        return replace(super().view(), verdict=self.verdict)


def pool(
    posteriors: Mapping[Any, Posterior],
    parameters: Sequence[str] | None = None,
    *,
    between: float = 0.5,
    seed: int = 0,
) -> Pooled:
    """Pool parameters over tables, so that a table with few runs borrows from the others.

    Each pooled parameter is taken to be normal over tables, with unknown mean and sd, in the
    coordinate in which its default prior is normal: its logarithm if it is positive. How alike the
    tables are is inferred, and with it how much they borrow. Parameters that are not pooled keep
    their priors.

    Parameters
    ----------
    posteriors
        Of one law, by table: ``sb.fit_many(runs.split("dataset"))``. Any engine that samples
        posteriors will do.
    parameters
        Which to pool: those that mean the same in any units. All such of the law by default; the
        noise's, such as ``"sigma"``, may be named too.
    between
        How much tables are expected to differ: the sd over tables is half-normal, with this part
        of the default prior's sd as its scale, and the mean is normal about the default prior's,
        with what is left of its variance. So a table alone has a prior of the default's mean and
        variance.
    seed
        Seed of all that is random.

    Returns
    -------
    Pooled
        It is returned also where weights break down: see ``Pooled.verdict``.

    Raises
    ------
    InputError
        If there are not several posteriors of one law, or a parameter cannot be pooled.

    Notes
    -----
    The posterior of a table has the prior that the others predict. Its draws are weighed by that
    prior over the fit's own (PSIS). Where Pareto's k is above 0.7, few draws are left, or the fit
    failed its checks, the table is fitted again with about that prior, and those draws are weighed.
    Draws of a chain are weighed as if they were independent.
    """
    posts = _checked(posteriors)
    pooled = _poolable(posts, parameters)
    if not isinstance(between, (int, float)) or not 0 < between < 1:
        raise InputError(f"between must be a number between 0 and 1, such as 0.5; got {between!r}.")
    check_seed(seed)
    loc, scale = np.transpose([_as_normal(each.prior, each) for each in pooled.values()])
    hyperprior = Hyperprior(loc, scale * np.sqrt(1 - between**2), scale * between)
    tables = {name: _read(post, pooled) for name, post in posts.items()}

    def infer() -> tuple[Population, dict[Any, _Weights]]:
        population = infer_population(list(tables.values()), hyperprior, seed)
        pairs = zip(tables.items(), population.others, strict=True)
        return population, {name: _weigh(each, others) for (name, each), others in pairs}

    population, weights = infer()
    refitted = [
        name for name, each in weights.items() if not (each.reliable and posts[name].verdict.passed)
    ]
    if refitted:
        for name, others in zip(posts, population.others, strict=True):
            if name in refitted:
                post, priors = posts[name], _normals(pooled, others)
                posts[name] = refit(post, {name: post.weights}, priors=priors, seed=seed)[name]
                tables[name] = _read(posts[name], pooled)
        population, weights = infer()
    found = {}
    for (name, post), others in zip(posts.items(), population.others, strict=True):
        random = np.random.default_rng([seed, zlib.crc32(str(name).encode())])
        chosen = resample(weights[name].weights, len(tables[name].points), random)
        record = _record(post, pooled, others, tables[name].points[chosen], weights[name])
        found[name] = _take(post, chosen, record)
    in_order = {name: found[name] for name in posteriors}
    return Pooled(in_order, pooled, population.all, refitted, seed)


class _Weights(NamedTuple):
    """Weights that take a table's draws to the prior that the other tables predict."""

    weights: Float[np.ndarray, " draws"]
    pareto_k: float
    log_evidence: float  # what it gains by that prior

    @property
    def effective_draws(self) -> float:
        return float(1 / (self.weights**2).sum())

    @property
    def reliable(self) -> bool:
        enough = self.effective_draws >= MIN_EFFECTIVE_DRAWS
        return self.pareto_k <= MAX_PARETO_K and enough


def _weigh(table: TableDraws, others: Members) -> _Weights:
    log_weights = others.log_density(table.points) - table.log_prior
    weights, pareto_k = smooth(log_weights)
    top = log_weights.max()
    log_evidence = float(top + np.log(np.exp(log_weights - top).mean()))
    return _Weights(weights, pareto_k, log_evidence)


def _checked(posteriors: Any) -> dict[Any, Posterior]:
    if not isinstance(posteriors, Mapping) or len(posteriors) < 2:
        came = (
            f"{len(posteriors)}" if isinstance(posteriors, Mapping) else type(posteriors).__name__
        )
        raise InputError(
            f"pool takes two or more posteriors by name, such as "
            f"sb.fit_many(runs.split('dataset')); got {came}."
        )
    # Random numbers go to tables in turn: sorted, so that the caller's order changes nothing.
    posts = dict(sorted(posteriors.items(), key=lambda item: repr(item[0])))
    for name, post in posts.items():
        if not isinstance(post, Posterior) or post.record["of"] != "posterior":
            came = post.record["engine"] if isinstance(post, Posterior) else type(post).__name__
            raise InputError(
                f"pool weighs draws from posteriors; {name!r} is of {came}. Fit it with engine "
                f"'nuts', 'laplace' or 'grid'."
            )
    fitted = {f"{post.law.equation}; {post.noise.name} noise" for post in posts.values()}
    if len(fitted) > 1:
        raise InputError(
            f"Only fits of one law and noise model can be pooled; these are of "
            f"{' and of '.join(sorted(fitted))}. Fit all tables alike."
        )
    return posts


def _poolable(posts: Mapping[Any, Posterior], names: Sequence[str] | None) -> dict[str, Parameter]:
    post = next(iter(posts.values()))
    every = {**post.law.parameters, **post.noise.parameters}
    able = {n: each for n, each in every.items() if each.plain and each.prior.support in _POOLABLE}
    listed = ", ".join(able) or "none"
    if names is None:
        names = [name for name in able if name in post.law.parameters]
    if isinstance(names, str) or not names:
        raise InputError(
            f"parameters must be a list of names, and there must be one to pool; law "
            f"{post.law.name!r} with {post.noise.name} noise has {listed}. Got {names!r}."
        )
    for name in names:
        if name not in every:
            raise unknown("parameter", name, able)
        if name not in able:
            parameter = every[name]
            why = (
                f"is between bounds ({type(parameter.prior).__name__})"
                if parameter.plain
                else f"depends on the table's units ({parameter.unit})"
                if parameter.unit.constant != 1
                else f"is counted from {parameter.shift}"
            )
            raise InputError(
                f"{name!r} {why}; only dimensionless parameters over all reals or above 0 can be "
                f"pooled: {listed}."
            )
    return {name: able[name] for name in dict.fromkeys(names)}


def _is_positive(parameter: Parameter) -> bool:
    return parameter.prior.support is not constraints.real


def _coordinate(parameter: Parameter, values: Any) -> np.ndarray:
    return np.log(values) if _is_positive(parameter) else np.asarray(values, float)


def _as_normal(prior: Distribution, parameter: Parameter) -> tuple[float, float]:
    """Mean and sd of a prior in the coordinate, or of a normal with its middle two thirds."""
    if isinstance(prior, LogNormal if _is_positive(parameter) else Normal):
        return float(prior.loc), float(prior.scale)
    with precision("float64"):
        draws = prior.sample(jax.random.key(0), (10_000,))
    low, middle, high = np.quantile(_coordinate(parameter, draws), [0.16, 0.5, 0.84])
    return float(middle), float((high - low) / 2)


def _read(post: Posterior, pooled: Mapping[str, Parameter]) -> TableDraws:
    """Take the draws of the pooled parameters, and the density of the priors they were fitted with.

    Priors of parameters that mean the same in any units are stated in those units, wherever.
    """
    points, log_priors, normals = [], [], []
    for name, parameter in pooled.items():
        record = post.record["priors"][name]
        with precision("float64"):
            prior = read_prior(name, record).distribution
            values = post.values[name].ravel()
            log_prior = np.asarray(prior.log_prob(jnp.asarray(values)))
        z = _coordinate(parameter, values)
        points.append(z)
        log_priors.append(log_prior + z if _is_positive(parameter) else log_prior)
        normals.append(_as_normal(prior, parameter))
    loc, scale = np.transpose(normals)
    return TableDraws(np.stack(points, 1), np.sum(log_priors, 0), loc, scale)


def _normals(pooled: Mapping[str, Parameter], members: Members) -> dict[str, Distribution]:
    """Priors with the mean and variance of what a population predicts of a table."""
    return {
        name: (LogNormal if _is_positive(parameter) else Normal)(float(mean), float(sd))
        for (name, parameter), mean, sd in zip(pooled.items(), *members.moments(), strict=True)
    }


def _record(
    post: Posterior,
    pooled: Mapping[str, Parameter],
    others: Members,
    points: Float[np.ndarray, "draws dim"],
    weights: _Weights,
) -> dict[str, Any]:
    """Say what was run, the pooled priors in the place of the fit's."""
    priors = resolve_priors(pooled, _normals(pooled, others))
    _, sds = others.moments()
    shares = np.minimum(points.var(0) / sds**2, 1.0)
    record = {
        **post.record,
        "priors": post.record["priors"]
        | {name: prior.as_record(name, pooled[name]) for name, prior in priors.items()},
        # Those of the other parameters were of the fit by itself.
        "prior_shares": dict(zip(pooled, shares.tolist(), strict=True)),
        # The prior that the others predict comes from weighted draws too.
        "pareto_k": float(np.maximum(weights.pareto_k, others.pareto_k)),
        "effective_draws": weights.effective_draws,
        "weighed_from": post.verdict.word,
    }
    if "log_evidence" in record:
        record["log_evidence"] += weights.log_evidence
    return record


def _take(
    post: Posterior, chosen: Int[np.ndarray, " draws"], record: Mapping[str, Any]
) -> Posterior:
    """Make a posterior of some of another's draws: one chain."""
    groups = {}
    for name, node in post.tree.children.items():
        group = node.to_dataset().drop_vars("lp", errors="ignore")  # it was under another prior
        if not group.data_vars:
            group = group.drop_vars(list(group.coords))
        elif "draw" in group.dims:
            group = group.stack(sample=SAMPLE_DIMS, create_index=False)  # noqa: PD013
            group = group.isel(sample=chosen).drop_vars(SAMPLE_DIMS, errors="ignore")
            group = group.rename(sample="draw").expand_dims("chain").transpose(*SAMPLE_DIMS, ...)
            group = group.assign_coords(chain=[0], draw=np.arange(len(chosen)))
        groups[name] = group
    tree = xr.DataTree.from_dict(groups)
    tree.attrs[ATTRIBUTE] = json.dumps(record)
    return Posterior(tree, post.law, post.noise)
