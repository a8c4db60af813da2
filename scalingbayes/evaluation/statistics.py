"""Statistics of residuals, for predictive checks: trends, groups, tails and the noise's width.

A trend uses only the part of a covariate that is orthogonal to the derivatives of the law by its
parameters. Trends are score statistics: their p-values are close to uniform if the model is right,
and they keep their power against trends that the fit would absorb in part (Robins, van der Vaart &
Ventura 2000).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from scalingbayes._core.precision import precision, to_device
from scalingbayes._core.programs import compiled
from scalingbayes.evaluation.residuals import WIDE_BAND, ResidualPair, Residuals
from scalingbayes.laws import Law
from scalingbayes.model.noise import Noise
from scalingbayes.posterior.posterior import Posterior

SKEWNESS = "skewness towards worse runs"
"""Name of the statistic of skewed residuals."""

_FOLLOWED = 1e-3  # relative length of a projected covariate below which the law can follow it
_RANK = 1e-10  # relative singular value below which derivatives are linearly dependent
_BANDS = (0.5, WIDE_BAND)
_COUPLED = {"params", "tokens"}  # inputs of 'coupled', which contains simpler laws of these inputs


@dataclass(frozen=True)
class Statistic:
    """A statistic of each draw, and the finding if it is extreme.

    Parameters
    ----------
    name
        Its name.
    observed, replicated
        Its value for the runs, and for the replicated runs.
    too_large, too_small
        The finding if the observed value is too large or too small. Without ``too_small`` the test
        is one-sided.
    remedy
        What to do if there is a finding.
    """

    name: str
    observed: Float[np.ndarray, " draws"]
    replicated: Float[np.ndarray, " draws"]
    too_large: str
    too_small: str = ""
    remedy: str = "the noise model does not fit; plot the residuals, or try noise='huber'"

    @property
    def p_value(self) -> float:
        """The p-value: two-sided, or one-sided if there is no ``too_small``."""
        total = len(self.observed) + 1
        above = (1 + (self.replicated >= self.observed).sum()) / total
        if not self.too_small:
            return float(above)
        below = (1 + (self.replicated <= self.observed).sum()) / total
        return float(min(1.0, 2 * min(above, below)))

    @property
    def finding(self) -> str:
        """The finding if the p-value is small."""
        larger = np.median(self.observed) > np.median(self.replicated)
        return self.too_large if larger or not self.too_small else self.too_small


def compute_statistics(
    post: Posterior,
    residuals: Residuals,
    pair: ResidualPair,
    groups: Int[np.ndarray, " runs"] | None,
) -> list[Statistic]:
    """Return the statistics of predictive checks.

    Parameters
    ----------
    post
        A fit.
    residuals, pair
        Its residuals, and those of replicated runs.
    groups
        The group of each run, if there are groups.
    """
    # Huber's scores: without clipping, a few runs in heavy tails dominate the correlations.
    scores = ResidualPair(*(np.clip(each, -residuals.band, residuals.band) for each in pair))
    return [
        *_trends(post, residuals.inputs, scores),
        *_group_statistics(post.noise, scores, groups),
        _largest(pair),
        *_bands(pair),
        _skewness(post, pair, scores),
    ]


def _trends(
    post: Posterior, inputs: Mapping[str, Float[np.ndarray, " runs"]], scores: ResidualPair
) -> list[Statistic]:
    """Return correlations of scores with covariates and their squares.

    The part of a covariate that the law's parameters can follow is projected out.
    """
    law = post.law
    other = ", such as 'coupled'" if set(law.inputs) == _COUPLED and law.name != "coupled" else ""
    remedy = f"the law's form does not fit; try another law{other}, or leave out runs that it is "
    remedy += "not meant for"
    root = np.sqrt(post.tree["constant_data"]["weights"].to_numpy())
    with precision("float64"):
        arrays = to_device((_representative_draw(post), dict(inputs)), "float64")
        tangent = np.asarray(_tangent(law, post.noise, *arrays))
    followed = _orthonormal((tangent[:-1] * root).T)
    found = []
    for name, x in _covariates(law, inputs, tangent[-1]).items():
        if np.ptp(x) == 0:
            continue
        z = (x - x.mean()) / x.std()
        for kind, shape, verb, where in (
            ("trend", z, ("rise", "fall"), f"with {name}"),
            ("bend", z**2, ("bend upwards", "bend downwards"), f"at the ends of {name}"),
        ):
            whole = root * (shape - shape.mean())
            left = whole - followed @ (followed.T @ whole)
            if np.linalg.norm(left) < _FOLLOWED * np.linalg.norm(whole):
                continue
            direction = root * left / np.linalg.norm(left)
            found.append(
                Statistic(
                    f"{kind} with {name}",
                    scores.observed @ direction,
                    scores.replicated @ direction,
                    f"residuals {verb[0]} {where}",
                    f"residuals {verb[1]} {where}",
                    remedy,
                )
            )
    return found


def _covariates(
    law: Law, inputs: Mapping[str, np.ndarray], location: Float[np.ndarray, " runs"]
) -> dict[str, Float[np.ndarray, " runs"]]:
    """Return inputs and compute, as logarithms where they are positive, and the location."""
    covariates = {
        f"log {name}" if (x > 0).all() else name: np.log(x) if (x > 0).all() else x
        for name, x in inputs.items()
    }
    if law.allocates and law.budget.size in inputs:
        covariates["log compute"] = np.log(inputs[law.budget.size]) + np.log(inputs["tokens"])
    covariates[f"expected {law.target.on_scale.of(law.target.column)}"] = location
    return covariates


def _orthonormal(columns: Float[np.ndarray, "runs columns"]) -> Float[np.ndarray, "runs rank"]:
    """Return an orthonormal basis of the space that columns span."""
    lengths = np.linalg.norm(columns, axis=0)
    directions, sizes, _ = np.linalg.svd(
        columns / np.where(lengths > 0, lengths, 1.0), full_matrices=False
    )
    return directions[:, sizes > _RANK * sizes[0]]


def _group_statistics(
    noise: Noise, scores: ResidualPair, groups: Int[np.ndarray, " runs"] | None
) -> list[Statistic]:
    """Return the correlation within groups, if a group has more than one run."""
    if groups is None:
        return []
    counts = np.bincount(groups)
    pairs = (counts * (counts - 1)).sum()
    if pairs == 0:
        return []
    order = np.argsort(groups, kind="stable")
    starts = np.cumsum(counts) - counts

    def within(scores: Float[np.ndarray, "draws runs"]) -> Float[np.ndarray, " draws"]:
        sums = np.add.reduceat(scores[:, order], starts, axis=1)
        products = (sums**2).sum(1) - (scores**2).sum(1)
        return products / pairs / (scores**2).mean(1)

    resampled = "engine 'bootstrap' with by='COLUMN'"
    remedy = resampled if noise.has_random_effects else f"groups='COLUMN', or {resampled}"
    return [
        Statistic(
            "correlation within groups",
            within(scores.observed),
            within(scores.replicated),
            "residuals of one group, or of one compute, are correlated",
            remedy=f"runs share errors, so intervals are too narrow; use {remedy}",
        )
    ]


def _largest(pair: ResidualPair) -> Statistic:
    """Return the largest absolute residual."""
    return Statistic(
        "largest residual, in sigma",
        abs(pair.observed).max(1),
        abs(pair.replicated).max(1),
        "the largest residual is too large for the noise model",
    )


def _skewness(post: Posterior, pair: ResidualPair, scores: ResidualPair) -> Statistic:
    """Return the skewness of the residuals: the mean of sign(z) log(1 + z^2).

    This is the score of Student's t by the difference of its degrees of freedom on both sides.
    Third moments of heavy-tailed residuals have no power. The part that the level of the law can
    follow is projected out. Only an excess of runs that are worse than the law is a finding.
    """
    worse = post.law.target.worse
    signed = ResidualPair(*(np.sign(z) * np.log1p(z**2) for z in pair))
    slope = (signed.replicated * scores.replicated).sum() / (scores.replicated**2).sum()
    observed, replicated = (
        worse * (each - slope * score).mean(1) for each, score in zip(signed, scores, strict=True)
    )
    of_model = post.noise.name.partition("(")[0]
    others = [repr(name) for name in ("failures", "one_sided") if name != of_model]
    return Statistic(
        SKEWNESS,
        observed,
        replicated,
        "residuals are skewed: more runs are far worse than the law than far better",
        remedy="some runs may have failed, or be undertuned or unfinished; use noise="
        f"{' or noise='.join(others)}, or keep the best run of each params and tokens with "
        "sb.Runs(..., keep='best'); sb.influence(post) lists the runs that pull hardest",
    )


def _bands(pair: ResidualPair) -> list[Statistic]:
    """Return the shares of runs within the bands of 50 and 90 % of replicated residuals."""
    found = []
    for prob in _BANDS:
        ends = np.quantile(abs(pair.replicated), prob)
        found.append(
            Statistic(
                f"share within the {100 * prob:.0f}% band",
                (abs(pair.observed) < ends).mean(1),
                (abs(pair.replicated) < ends).mean(1),
                f"more than {100 * prob:.0f}% of the runs are within that band",
                f"fewer than {100 * prob:.0f}% of the runs are within that band",
            )
        )
    return found


def _representative_draw(post: Posterior) -> dict[str, float]:
    """Return the parameters of the draw with the highest posterior density.

    Pooled posteriors keep no density. For these it is the draw that is nearest to the medians.
    """
    stats = post.tree["sample_stats"].to_dataset()
    values = {name: draws.ravel() for name, draws in post.values.items()}
    if "lp" in stats:
        best = stats["lp"].to_numpy().argmax()
    else:
        z = [(x - np.median(x)) / (x.std() or 1.0) for x in values.values()]
        best = np.square(z).sum(0).argmin()
    return {name: float(draws[best]) for name, draws in values.items()}


@partial(compiled, static=("law", "noise"))
def _tangent(
    law: Law,
    noise: Noise,
    values: dict[str, Float[Array, ""]],
    inputs: dict[str, Float[Array, " runs"]],
) -> Float[Array, "parameters_and_two runs"]:
    """Return rows: one derivative of the location per parameter, then ones, then the location."""

    def locate(values: dict[str, Array]) -> Array:
        return noise.scale.link(law(inputs, values))

    law_values = {name: values[name] for name in law.parameters}
    location = locate(law_values)
    derivatives = jax.jacfwd(locate)(law_values)
    return jnp.stack([*derivatives.values(), jnp.ones_like(location), location])
