"""Whether a law and its noise could have made the runs: posterior predictive checks, sensitivity.

Test quantities are compared with those of runs replicated from each draw (Gelman, Meng & Stern
1996). Trends are score statistics: of a covariate only that counts which the law's own parameters
cannot follow, so that p is near uniform where the model is right and does not miss what a refit
would hide (Robins, van der Vaart & Ventura 2000).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Array, Float, Int, Shaped

from scalingbayes._core.errors import InputError
from scalingbayes._core.precision import precision, to_device
from scalingbayes.laws import Law
from scalingbayes.model.bound_model import known_errors
from scalingbayes.model.noise import TAU, Noise
from scalingbayes.posterior.posterior import Posterior
from scalingbayes.results import (
    SAMPLE_DIMS,
    Check,
    Estimate,
    IntervalKind,
    Result,
    Verdict,
    View,
    interval_columns,
)

LEVEL = 0.05
"""How often a right model may fail, all statistics together (Bonferroni)."""

_DRAWS = 2000
_LARGEST = 20_000_000  # draws times runs
_FOLLOWED = 1e-3  # of a covariate's length; less is left where the law itself can follow it
_LEVEL_GAP = 0.2  # in log compute, between IsoFLOP levels
_BANDS = (0.5, 0.9)
_ROUNDING = 1e-9
_COUPLED = {"params", "tokens"}  # what the law reads that contains the others of these


@dataclass(frozen=True, eq=False, repr=False)
class PredictiveChecks(Result):
    """Test statistics of a fit beside those of runs that the fit replicates.

    Parameters
    ----------
    title
        What was checked.
    statistics
        The statistics of the runs and of the replicates.
    residuals
        The residuals of the runs.
    verdict
        The findings, and what to do.
    """

    title: str
    statistics: tuple["Statistic", ...]
    residuals: "Residuals"
    verdict: Verdict

    def summary(self, prob: float = 0.9, kind: IntervalKind = "eti") -> pd.DataFrame:
        """Return the statistics, a row each.

        Parameters
        ----------
        prob
            Probability of the interval of the replicates.
        kind
            ``"eti"``, equal tails, or ``"hdi"``, the shortest interval.

        Returns
        -------
        pandas.DataFrame
            ``observed``, the posterior median of the statistic; the interval of its replicates;
            ``p_value``; ``p_bonferroni``; ``finding``, if the statistic is far out.

        Raises
        ------
        InputError
            If ``prob`` is not between 0 and 1, or ``kind`` is neither of the two.
        """
        replicates = {each.name: (SAMPLE_DIMS, each.replicated[None]) for each in self.statistics}
        bounds = Estimate("", xr.Dataset(replicates), self.verdict).interval(prob, kind)
        lower, upper = interval_columns(prob, kind)
        rows: dict[str, dict[str, float | str]] = {}
        for each in self.statistics:
            adjusted = min(1.0, each.p_value * len(self.statistics))
            low, high = bounds[each.name].to_numpy()
            rows[each.name] = {
                "observed": np.median(each.observed),
                lower: low,
                upper: high,
                "p_value": each.p_value,
                "p_bonferroni": adjusted,
                "finding": each.finding if adjusted < LEVEL else "",
            }
        frame = pd.DataFrame.from_dict(rows, orient="index").rename_axis("statistic")
        frame.attrs["verdict"] = self.verdict.word
        return frame

    def view(self) -> View:
        """Return the table and the verdict."""
        return replace(super().view(), verdict=self.verdict)

    def plot(self, ax: Any = None) -> Any:
        """Plot the residuals; see :func:`scalingbayes.plots.plot_residuals`."""
        from scalingbayes.plots import plot_residuals

        return plot_residuals(self)


@dataclass(frozen=True, eq=False)
class Residuals:
    """Residuals on the target's scale, in units of the noise's sigma.

    Errors that runs share are part of the residuals.

    Parameters
    ----------
    values
        The residuals; shape (draws, runs).
    expected
        The target that the law expects of each run, in the table's unit; shape (draws, runs).
    inputs
        The law's inputs, each of shape (runs,).
    band
        The noise's residuals lie within this distance of 0 with probability 0.9.
    target
        The column of the target.
    """

    values: Float[np.ndarray, "draws runs"]
    expected: Float[np.ndarray, "draws runs"]
    inputs: Mapping[str, Float[np.ndarray, " runs"]]
    band: float
    target: str


@dataclass(frozen=True, eq=False, repr=False)
class Sensitivity(Result):
    """Sensitivity of each parameter to the priors and to the runs.

    Parameters
    ----------
    title
        What was examined.
    parameters
        A row a parameter: sensitivity to the ``prior`` (all of them together) and to the
        ``likelihood``, a ``diagnosis``, and ``prior of``, the parameter whose prior alone moves it
        most, with that sensitivity, ``by``; a uniform prior moves nothing.
    verdict
        The verdict on the fit.
    """

    title: str
    parameters: pd.DataFrame
    verdict: Verdict

    def summary(self, prob: float = 0.9, kind: IntervalKind = "eti") -> pd.DataFrame:
        """Return ``parameters``.

        The table has no credible intervals: ``prob`` and ``kind`` are ignored.
        """
        return self.parameters


@dataclass(frozen=True)
class Statistic:
    """A statistic of each draw, and what it means if that is far out."""

    name: str
    observed: Float[np.ndarray, " draws"]
    replicated: Float[np.ndarray, " draws"]
    too_large: str
    too_small: str = ""  # no finding: only large values are held against the model
    remedy: str = "the noise model does not fit; look at the residuals, or try noise='huber'"

    @property
    def p_value(self) -> float:
        """Two-sided, or that of values as large."""
        total = len(self.observed) + 1
        above = (1 + (self.replicated >= self.observed).sum()) / total
        if not self.too_small:
            return float(above)
        below = (1 + (self.replicated <= self.observed).sum()) / total
        return float(min(1.0, 2 * min(above, below)))

    @property
    def finding(self) -> str:
        """What it says where it is far out."""
        larger = np.median(self.observed) > np.median(self.replicated)
        return self.too_large if larger or not self.too_small else self.too_small


def check(
    post: Posterior, by: Shaped[np.ndarray, " runs"] | None = None, seed: int = 0
) -> PredictiveChecks:
    """Check a fit against the runs: trends of residuals, groups, tails, the width of the noise.

    Parameters
    ----------
    post
        A fit.
    by
        A label for each run that counts, of runs that may share errors: a column of the table, such
        as ``runs.frame["corpus"]``. By default runs of like compute, if the law reads a model's
        size and tokens.
    seed
        Seed of the replicated runs.

    Returns
    -------
    PredictiveChecks
        A table with a verdict in words.

    Raises
    ------
    InputError
        If ``by`` is not one label for each run that counts.
    """
    law = post.law
    residuals, inputs = _look(post, seed)
    weights = post.tree["constant_data"]["weights"].to_numpy()
    groups = _groups(law, inputs, by)
    with precision("float64"):
        arrays = to_device((_typical(post), inputs), "float64")
        tangent = np.asarray(_tangent(law, post.noise, *arrays))
    statistics = [
        *_trends(law, inputs, residuals, tangent, weights),
        *_group_statistics(post.noise, residuals, groups),
        _largest(residuals),
        *_bands(residuals),
    ]
    findings: dict[str, list[str]] = {}
    for each in statistics:
        if each.p_value * len(statistics) < LEVEL:
            findings.setdefault(each.remedy, []).append(f"{each.finding} (p = {each.p_value:.2g})")
    least = min(each.p_value for each in statistics) * len(statistics)
    passed = f"{len(statistics)} statistics are such as the model makes them (least p = "
    passed += f"{min(1.0, least):.2g}, after Bonferroni)"
    checks = [Check(False, "; ".join(found), remedy) for remedy, found in findings.items()]
    verdict = Verdict(tuple(checks) or (Check(True, passed, ""),), of="model")
    title = f"Posterior predictive checks of {law.equation} on {post.record['data']['name']!r}"
    band = float(np.quantile(abs(residuals["replicated"]), _BANDS[-1]))
    seen = Residuals(residuals["observed"], residuals["expected"], inputs, band, law.target.column)
    return PredictiveChecks(title, tuple(statistics), seen, verdict)


def sensitivity(post: Posterior, threshold: float = 0.05) -> Sensitivity:
    """Say how much each parameter depends on the priors and on the runs, by power-scaling.

    The priors, and the likelihood, are raised to powers a little off 1 and the draws weighted anew;
    the table holds how far each posterior moves (Kallioinen et al. 2024, Statistics and Computing
    34, 57; :func:`arviz_stats.psense_summary`). The exponent a is among the parameters where every
    draw has one, and the law does not fix it.

    Parameters
    ----------
    post
        A posterior.
    threshold
        Where sensitivity begins.

    Returns
    -------
    Sensitivity
        ``summary()`` is its table.

    Raises
    ------
    InputError
        If the draws are not from a posterior, or are too often the same, all priors are uniform, or
        the table is too large for its log likelihoods to have been kept.
    """
    from arviz_stats import psense, psense_summary

    for group, reason in {
        "log_prior": "its draws are not from a posterior, or it was saved by an earlier version",
        "log_likelihood": "its log likelihoods were not kept: the table is too large",
    }.items():
        if group not in post.tree:
            raise InputError(f"The sensitivity of this fit is not known, since {reason}.")
    posterior = post.tree["posterior"].to_dataset()
    log_prior = post.tree["log_prior"].to_dataset()
    informed = [str(name) for name, each in log_prior.items() if _varies(each)]
    if not informed:
        raise InputError(
            "All priors of this fit are uniform: raised to a power they are as they were, and "
            "nothing is sensitive to them."
        )
    if (exponent := _exponent(post)) is not None:
        posterior = posterior.assign({"exponent a": exponent})
    weights = post.tree["constant_data"]["weights"]
    likelihood = (post.tree["log_likelihood"].to_dataset() * weights).sum("run")
    tree = xr.DataTree.from_dict(
        {
            "posterior": posterior,
            "log_prior": log_prior,
            "log_likelihood": likelihood,
        }
    )
    try:
        frame = psense_summary(tree, threshold=threshold)
        alone = pd.DataFrame(
            {
                name: {
                    str(n): float(x)
                    for n, x in psense(tree, group="prior", group_var_names=[name]).items()
                }
                for name in informed
            }
        ).loc[frame.index]
    except ValueError as error:  # of tails that consist of one draw
        raise InputError(
            f"Too many draws of this fit are the same one to be weighted anew: take engine 'nuts', "
            f"or more draws. {post.verdict}"
        ) from error
    frame = frame.assign(**{"prior of": alone.idxmax(axis=1), "by": alone.max(axis=1).round(3)})
    frame.attrs["verdict"] = post.verdict.word
    title = f"Sensitivity to the priors and to the runs of {post.record['data']['name']!r}"
    return Sensitivity(title, frame, post.verdict)


def _exponent(post: Posterior) -> xr.DataArray | None:
    """Find the exponent a, where every draw has one, and not all the same."""
    if not post.law.allocates or set(post.law.inputs) != {post.law.budget.size, "tokens"}:
        return None
    try:
        exponent: xr.DataArray = post.exponents().draws["a"]
    except InputError:  # of some draws no size is the best
        return None
    return exponent if _varies(exponent) else None


def _varies(draws: xr.DataArray) -> bool:
    return bool(draws.max() - draws.min() > _ROUNDING)


def _look(
    post: Posterior, seed: int
) -> tuple[dict[str, Float[np.ndarray, "draws runs"]], dict[str, Float[np.ndarray, " runs"]]]:
    """Find residuals, and the inputs of the runs that count."""
    law = post.law
    data = post.tree["constant_data"].to_dataset()
    inputs = {name: data[name].to_numpy() for name in law.inputs}
    observed = post.tree["observed_data"][law.target.column].to_numpy()
    values = _thinned(post, len(observed))
    errors = known_errors(post.noise, post.runs, observed)
    table = inputs, observed, errors, post.effects_design
    with precision("float64"):
        arrays = to_device((values, post.record["reference"], *table), "float64")
        found = _residuals(law, post.noise, *arrays, seed)
        return {name: np.asarray(each) for name, each in found.items()}, inputs


def _groups(
    law: Law, inputs: Mapping[str, np.ndarray], by: Shaped[np.ndarray, " runs"] | None
) -> Int[np.ndarray, " runs"] | None:
    rows = len(next(iter(inputs.values())))
    if by is not None:
        labels = np.asarray(by)
        if labels.shape != (rows,):
            raise InputError(
                f"by must be {rows} labels, one for each run that counts; got an array of shape "
                f"{labels.shape}."
            )
        return pd.factorize(labels)[0]
    if not law.allocates:
        return None
    compute = np.log(inputs[law.budget.size]) + np.log(inputs["tokens"])
    order = np.argsort(compute)
    levels = np.empty(rows, int)
    levels[order] = np.cumsum(np.diff(compute[order], prepend=compute[order[0]]) > _LEVEL_GAP)
    return levels


def _thinned(post: Posterior, rows: int) -> dict[str, Float[np.ndarray, " draws"]]:
    most = int(np.clip(_LARGEST // rows, 100, _DRAWS))
    values = {name: draws.ravel() for name, draws in post.values.items()}
    total = len(next(iter(values.values())))
    chosen = np.unique(np.linspace(0, total - 1, most).astype(int))
    return {name: draws[chosen] for name, draws in values.items()}


def _typical(post: Posterior) -> dict[str, float]:
    """Parameters of the draw of greatest density."""
    stats = post.tree["sample_stats"].to_dataset()
    size = tuple(post.tree["posterior"].sizes[dim] for dim in SAMPLE_DIMS)
    best = np.unravel_index(int(stats["lp"].to_numpy().argmax()) if "lp" in stats else 0, size)
    return {name: float(draws[best]) for name, draws in post.values.items()}


@partial(jax.jit, static_argnums=(0, 1))
def _residuals(
    law: Law,
    noise: Noise,
    values: dict[str, Float[Array, " draws"]],
    reference: dict[str, Float[Array, ""]],
    inputs: dict[str, Float[Array, " runs"]],
    observed: Float[Array, " runs"],
    errors: Float[Array, " runs"] | None,
    effects_design: Float[Array, "runs effects"] | None,
    seed: Int[Array, ""] | int,
) -> dict[str, Float[Array, "draws runs"]]:
    """Residuals, of the runs and of replicates, in units of sigma, and their scores.

    Errors that runs share are part of the residuals; those of replicates are drawn anew. Scores are
    Huber's: bounded where the noise has its tails, so that no few runs decide.
    """
    values = {name: draws[:, None] for name, draws in values.items()}
    expected = law(inputs, values)
    location = noise.scale.link(expected)

    there = jnp.broadcast_to(noise.scale.link(observed), location.shape)
    ratios = {name: x / reference[name] for name, x in inputs.items()}
    key, of_shared = jax.random.split(jax.random.key(seed))
    centers = location
    if effects_design is not None:
        shape = (len(location), effects_design.shape[1])
        normals = jax.random.normal(of_shared, shape, location.dtype)
        centers += values[TAU] * (normals @ effects_design.T)
    again = noise.about(centers, values, ratios, errors).sample(key)
    sigma = noise.spread(values, ratios, errors)
    found = {"observed": (there - location) / sigma, "replicated": (again - location) / sigma}
    bound = jnp.quantile(jnp.abs(found["replicated"]), _BANDS[-1])
    scores = {f"{name} score": jnp.clip(each, -bound, bound) for name, each in found.items()}
    return {**found, **scores, "expected": expected}


@partial(jax.jit, static_argnums=(0, 1))
def _tangent(
    law: Law,
    noise: Noise,
    values: dict[str, Float[Array, ""]],
    inputs: dict[str, Float[Array, " runs"]],
) -> Float[Array, "parameters_and_two runs"]:
    """Slopes of what is expected in the law's parameters, a constant, and what is expected."""
    own = {name: values[name] for name in law.parameters}

    def location(own: dict[str, Array]) -> Array:
        return noise.scale.link(law(inputs, own))

    slopes = jax.jacfwd(location)(own)
    expected = location(own)
    return jnp.stack([*slopes.values(), jnp.ones_like(expected), expected])


def _trends(
    law: Law,
    inputs: Mapping[str, np.ndarray],
    residuals: Mapping[str, np.ndarray],
    tangent: Float[np.ndarray, "parameters_and_two runs"],
    weights: Float[np.ndarray, " runs"],
) -> list[Statistic]:
    """Correlate scores with what a law cannot follow of covariates and their squares."""
    other = ", such as 'coupled'" if set(law.inputs) == _COUPLED and law.name != "coupled" else ""
    covariates = {}
    for name, x in inputs.items():
        if (x > 0).all():
            covariates[f"log {name}"] = np.log(x)
        else:
            covariates[name] = x
    if law.allocates and law.budget.size in inputs:
        covariates["log compute"] = np.log(inputs[law.budget.size]) + np.log(inputs["tokens"])
    covariates[f"expected {law.target.on_scale.of(law.target.column)}"] = tangent[-1]
    root = np.sqrt(weights)
    slopes = (tangent[:-1] * root).T
    lengths = np.linalg.norm(slopes, axis=0)
    directions, sizes, _ = np.linalg.svd(
        slopes / np.where(lengths > 0, lengths, 1.0), full_matrices=False
    )
    followed = directions[:, sizes > 1e-10 * sizes[0]]
    found = []
    for name, x in covariates.items():
        if np.ptp(x) == 0:
            continue
        z = (x - x.mean()) / x.std()
        for kind, shape in (("trend", z), ("bend", z**2)):
            whole = root * (shape - shape.mean())
            left = whole - followed @ (followed.T @ whole)
            if np.linalg.norm(left) < _FOLLOWED * np.linalg.norm(whole):
                continue
            direction = root * left / np.linalg.norm(left)
            rise, fall = f"residuals rise with {name}", f"residuals fall with {name}"
            if kind == "bend":
                rise = f"residuals bend upwards at the ends of {name}"
                fall = f"residuals bend downwards at the ends of {name}"
            found.append(
                Statistic(
                    f"{kind} with {name}",
                    residuals["observed score"] @ direction,
                    residuals["replicated score"] @ direction,
                    rise,
                    fall,
                    f"the law's form does not fit; try another{other}, or leave out runs that it "
                    f"is not meant for",
                )
            )
    return found


def _group_statistics(
    noise: Noise, residuals: Mapping[str, np.ndarray], groups: Int[np.ndarray, " runs"] | None
) -> list[Statistic]:
    if groups is None:
        return []
    counts = np.bincount(groups)
    pairs = (counts * (counts - 1)).sum()
    if pairs == 0:
        return []
    member = np.eye(len(counts))[groups]

    def within(scores: Float[np.ndarray, "draws runs"]) -> Float[np.ndarray, " draws"]:
        products = ((scores @ member) ** 2).sum(1) - (scores**2).sum(1)
        return products / pairs / (scores**2).mean(1)

    resampled = "engine 'bootstrap' with by='COLUMN'"
    remedy = resampled if noise.has_random_effects else f"groups='COLUMN', or {resampled}"
    return [
        Statistic(
            "correlation within groups",
            within(residuals["observed score"]),
            within(residuals["replicated score"]),
            "residuals of one group, or of one compute, go together",
            remedy=f"runs share errors, and intervals are too narrow; use {remedy}",
        )
    ]


def _largest(residuals: Mapping[str, np.ndarray]) -> Statistic:
    return Statistic(
        "largest residual, in sigma",
        abs(residuals["observed"]).max(1),
        abs(residuals["replicated"]).max(1),
        "the largest residual is larger than the noise model makes them",
    )


def _bands(residuals: Mapping[str, np.ndarray]) -> list[Statistic]:
    """Count runs inside the bands that hold 50 and 90 % of replicated residuals."""
    found = []
    for prob in _BANDS:
        ends = np.quantile(abs(residuals["replicated"]), prob)
        found.append(
            Statistic(
                f"share within the {100 * prob:.0f}% band",
                (abs(residuals["observed"]) < ends).mean(1),
                (abs(residuals["replicated"]) < ends).mean(1),
                f"more runs than {100 * prob:.0f}% lie inside that band",
                f"fewer runs than {100 * prob:.0f}% lie inside that band",
            )
        )
    return found
