"""The training mixture of least expected loss, and how well the runs determine it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Array, Float, Int

from scalingbayes._core.arguments import Probability, RealNumbers
from scalingbayes._core.checked import checked
from scalingbayes._core.numbers import kind_of, write
from scalingbayes._core.precision import precision, to_device
from scalingbayes._core.programs import compiled
from scalingbayes.allocation.simplex import Bounds, minimise_on_simplex
from scalingbayes.decisions.best_mixture.arguments import (
    baseline_shares,
    cases_of,
    domains_of,
    share_bounds,
    shares_seen,
    target_weights,
)
from scalingbayes.laws import Law
from scalingbayes.posterior.extrapolation import runs_beyond, shared_error
from scalingbayes.posterior.pairing import independent_order
from scalingbayes.posterior.posterior import Posterior
from scalingbayes.posterior.user_units import predicts_perplexity
from scalingbayes.results import SAMPLE_DIMS, Estimate, IntervalKind, Verdict, View

_DRAWS = 1000  # of all chains: each draw is a search of its own
_LEANING = 0.7  # share of one domain where a search begins
_NONE = 1e-5  # smaller shares are 0 in answers
_AT_END = 1e-4  # of a bound: the share ends there
_BEYOND = 0.02  # beyond the shares of the runs, from which a note says so

_LEGEND = (
    "mixture: the shares of least expected loss, over all draws. The other columns are of the "
    "best shares of each draw: they say how well the runs determine the mixture.",
    "gain: loss of the baseline mixture less that of the best mixture. regret: loss of the best "
    "mixture above that of each draw's own best, what knowing the law exactly could gain.",
)


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class BestMixture(Estimate):
    """The training mixture of least expected loss; made by :func:`best_mixture`.

    Parameters
    ----------
    mixture
        The shares of least expected loss: a row a case, a column a domain.
    baseline
        The mixture that ``gain`` is over.
    seen
        The least and the largest share of each domain among the runs.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> post = sb.fit(runs, "scaled_mixture(domains=(web, code))")  # doctest: +SKIP
    >>> sb.best_mixture(post, params=7e9, tokens=1e12).mixture  # doctest: +SKIP
    """

    mixture: pd.DataFrame
    baseline: pd.Series
    seen: pd.DataFrame

    def summary(self, prob: Probability = 0.9, kind: IntervalKind = "eti") -> pd.DataFrame:
        """Return the best mixture beside the medians and intervals of each draw's best shares.

        The columns are those of :meth:`Estimate.summary`, after ``mixture``.

        Raises
        ------
        InputError
            If ``prob`` is not between 0 and 1, or ``kind`` is neither ``"eti"`` nor ``"hdi"``.
        """
        frame = super().summary(prob, kind)
        best = self.mixture.reindex(columns=frame.index.get_level_values("quantity").unique())
        frame.insert(0, "mixture", best.to_numpy().ravel())
        return frame

    def plot(self, ax: Any = None, prob: Probability = 0.9) -> Any:
        """Plot the shares, a row a domain; see :func:`scalingbayes.plots.plot_best_mixture`."""
        from scalingbayes.plots import plot_best_mixture

        return plot_best_mixture(self, prob, ax)

    def view(self, prob: Probability = 0.9) -> View:
        """Return the table and its legend."""
        view = super().view(prob)
        return replace(view, lines=(*view.lines, *_LEGEND))


@checked
def best_mixture(
    post: Posterior | Mapping[str, Posterior],
    *,
    importance: Mapping[str, float] | None = None,
    bounds: Mapping[str, tuple[float, float]] | None = None,
    baseline: Mapping[str, float] | None = None,
    **inputs: RealNumbers,
) -> BestMixture:
    """Estimate the training mixture of least expected loss.

    Minimises the mean of the loss over the draws, and then the loss of each draw, by mirror descent
    on the simplex (Shukor et al. 2025, arXiv:2507.09404, section 5).

    Parameters
    ----------
    post
        A fit of a law of shares, such as ``scaled_mixture`` or ``mixture``; or one for each target
        domain, whose losses are averaged (eq. 5.2 there). Draws of different fits are independent.
    importance
        The weight of each target in the average; by default all are alike.
    bounds
        The least and the largest share of some domains, such as ``{"code": (0.0, 0.2)}``: for
        instance the tokens that there are of it, over the tokens of the run. By default a domain
        keeps to the least and the largest share among the fitted runs, beyond which the law is not
        tested, and a note says which shares end there. Without runs the shares are free.
    baseline
        A mixture to compare with, such as the present one; by default the mean of the runs.
    **inputs
        The law's other inputs, such as ``params=7e9, tokens=1e12``. Arrays are several cases.

    Returns
    -------
    BestMixture
        Draws of shape (chains, draws), or (chains, draws, cases) if there are several cases: the
        best share of each domain in each draw, and of the best mixture ``loss``, ``gain`` over the
        baseline and ``regret``. About 1,000 draws are used, if there are as many.

    Raises
    ------
    InputError
        If the law reads no shares, the fits are of different domains, the shares of the runs do not
        add up to 1, an input is missing, or bounds leave no mixture.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> runs = sb.datasets.load("regmix")
    >>> shares = [name for name in runs.frame if name.startswith("weight_")]
    >>> law = sb.get_law("mixture", domains=shares)
    >>> post = sb.fit(runs, law)  # doctest: +SKIP
    >>> sb.best_mixture(post, bounds={"weight_github": (0.1, 1.0)})  # doctest: +SKIP
    """
    posts = dict(post) if isinstance(post, Mapping) else {"": post}
    domains = domains_of(posts)
    cases = cases_of(posts, domains, inputs)
    weights = target_weights(posts, importance)
    seen = shares_seen(posts, domains)
    limits = share_bounds(seen, bounds)
    base = baseline_shares(domains, baseline, seen["mean"])
    ask = partial(_solve, domains=domains, cases=cases, weights=weights, limits=limits, base=base)
    draws, best = ask(posts)
    exact = None
    if not all(each.exact for each in posts.values()):
        exact = ask({name: each.as_exact for name, each in posts.items()})[0]
    title = "Training mixture of least expected loss"
    if len(posts) > 1:
        title += f", mean over {len(posts)} targets"
    return BestMixture(
        title,
        draws,
        _verdict(posts),
        notes=_notes(posts, cases, best, seen, bounds or {}),
        exact=exact,
        mixture=pd.DataFrame(best, columns=pd.Index(domains, name="domain")),
        baseline=pd.Series(base, pd.Index(domains, name="domain"), name="baseline"),
        seen=seen[["least", "largest"]],
    )


class _Searched(NamedTuple):
    """What one search finds; the draws of all chains are in one axis."""

    best: Float[Array, " domains"]
    own: Float[Array, "draws domains"]
    loss: tuple[Float[Array, " draws"], ...]
    """Of each target, at the best mixture."""
    gain: Float[Array, " draws"]
    regret: Float[Array, " draws"]


@partial(compiled, static=("laws", "domains"))
def _search(
    laws: tuple[Law, ...],
    domains: tuple[str, ...],
    values: tuple[dict[str, Array], ...],
    fixed: dict[str, Array],
    weights: Array,
    limits: Bounds,
    base: Array,
) -> _Searched:
    def losses(shares: Float[Array, "*cases domains"], of: Any = values) -> list[Array]:
        at = {name: shares[..., place] for place, name in enumerate(domains)}
        return [law({**fixed, **at}, each) for law, each in zip(laws, of, strict=True)]

    def total(shares: Float[Array, "*cases domains"], of: Any = values) -> Array:
        each = zip(weights, losses(shares, of), strict=True)
        return sum((weight * loss for weight, loss in each), jnp.zeros(()))

    def expected(shares: Float[Array, "starts domains"]) -> Float[Array, " starts"]:
        return total(shares, [{n: x[:, None] for n, x in each.items()} for each in values]).mean(0)

    count = len(domains)
    uniform = jnp.full(count, 1 / count, base.dtype)
    leaning = _LEANING * jnp.eye(count, dtype=base.dtype) + (1 - _LEANING) * uniform
    ends = minimise_on_simplex(expected, jnp.vstack([base, uniform, leaning]), limits)
    best = ends[jnp.argmin(expected(ends))]

    draws = len(next(iter(values[0].values())))
    near, far = (
        minimise_on_simplex(total, jnp.broadcast_to(start, (draws, count)), limits)
        for start in (best, uniform)
    )
    own = jnp.where((total(near) <= total(far))[:, None], near, far)
    at_best = total(best)
    gain, regret = total(base) - at_best, at_best - total(own)
    return _Searched(best, own, tuple(losses(best)), gain, regret)


def _solve(
    posts: Mapping[str, Posterior],
    domains: tuple[str, ...],
    cases: Mapping[str, Float[np.ndarray, " cases"]],
    weights: Float[np.ndarray, " targets"],
    limits: Bounds,
    base: Float[np.ndarray, " domains"],
) -> tuple[xr.Dataset, Float[np.ndarray, "cases domains"]]:
    """Return the draws, and the best mixture of each case."""
    chains = min(each.draws.sizes["chain"] for each in posts.values())
    count = min(-(-_DRAWS // chains), *(each.draws.sizes["draw"] for each in posts.values()))
    rows = {name: _rows(each, count, place) for place, (name, each) in enumerate(posts.items())}
    with precision("float64"):
        laws = tuple(each.law for each in posts.values())
        values = tuple(
            {n: x[:chains, rows[name]].ravel() for n, x in each.values.items()}
            for name, each in posts.items()
        )
        fixed = [
            {name: x[place] for name, x in cases.items()}
            for place in range(len(next(iter(cases.values()), [0.0])))
        ]
        shared = to_device((values, weights, limits, base), "float64")
        found = [
            _search(laws, domains, shared[0], to_device(each, "float64"), *shared[1:])
            for each in fixed
        ]
    shape = (chains, count, len(found))

    def of_cases(arrays: Iterable[Array]) -> Float[np.ndarray, "chains draws cases"]:
        return np.stack([np.asarray(x) for x in arrays], -1).reshape(shape)

    arrays = {
        domain: of_cases(run.own[:, place] for run in found) for place, domain in enumerate(domains)
    }
    total = np.zeros(shape)
    for place, (name, post) in enumerate(posts.items()):
        loss = of_cases(run.loss[place] for run in found)
        if cases and (error := shared_error(post, cases)) is not None:
            loss = loss * np.exp(error[:chains, rows[name]])
        total += weights[place] * loss
    arrays["loss"] = total
    arrays["gain"] = of_cases(run.gain for run in found)
    arrays["regret"] = of_cases(run.regret for run in found)
    draws = xr.Dataset(
        {name: ((*SAMPLE_DIMS, "case"), x) for name, x in arrays.items()},
        {name: np.arange(size) for name, size in zip(SAMPLE_DIMS, shape, strict=False)}
        | {"case": _labels(cases, len(found))},
    )
    best = np.stack([np.asarray(run.best) for run in found])
    draws[list(domains)] = draws[list(domains)].where(lambda shares: shares > _NONE, 0.0)
    best = np.where(best > _NONE, best, 0.0)
    return (draws if len(found) > 1 else draws.squeeze("case", drop=True)), best


def _rows(post: Posterior, count: int, place: int) -> Int[np.ndarray, " draws"]:
    """Return the draws of each chain that are used; those of a second fit are shuffled."""
    total = post.draws.sizes["draw"]
    if not place:
        return np.linspace(0, total - 1, count).astype(int)
    return independent_order(total, count, [place, 5])


def _verdict(posts: Mapping[str, Posterior]) -> Verdict:
    """Return the verdict of the fit, or of all fits."""
    if len(posts) == 1:
        return next(iter(posts.values())).verdict
    checks = [
        replace(check, finding=f"{name}: {check.finding}")
        for name, post in posts.items()
        for check in post.verdict.checks
    ]
    return Verdict(tuple(checks))


def _labels(cases: Mapping[str, Float[np.ndarray, " cases"]], count: int) -> list[str]:
    """Return the label of each case: its inputs that differ between cases."""
    differ = {name: x for name, x in cases.items() if np.ptp(x) > 0}
    return [
        ", ".join(f"{name} {write(float(x[place]), kind_of(name))}" for name, x in differ.items())
        or str(place)
        for place in range(count)
    ]


def _notes(
    posts: Mapping[str, Posterior],
    cases: Mapping[str, Float[np.ndarray, " cases"]],
    best: Float[np.ndarray, "cases domains"],
    seen: pd.DataFrame,
    bounds: Mapping[str, tuple[float, float]],
) -> tuple[str, ...]:
    """Return notes on what lies beyond the runs, and on shares at the ends of theirs."""
    post = next(iter(posts.values()))
    notes: list[str] = []
    names = (post.law.budget.size, "tokens")
    if post.law.allocates:
        runs = {name: post.tree["constant_data"][name].to_numpy() for name in names}
        asked = {name: cases[name] for name in names}
        compute = post.cost.training_flops(*asked.values()), post.compute
        notes += runs_beyond(asked, runs, compute)
    ends = seen[["least", "largest"]].to_numpy()
    bound: list[str] = []
    for domain, shares, (least, largest) in zip(seen.index, best.T, ends, strict=True):
        if shares.max() > largest + _BEYOND:
            notes.append(_outside(domain, shares.max(), "above", largest))
        if shares.min() < least - _BEYOND:
            notes.append(_outside(domain, shares.min(), "below", least))
        if domain not in bounds and shares.max() > largest - _AT_END and largest < 1 - _AT_END:
            bound.append(f"{domain} (at most {largest:.2g})")
        elif domain not in bounds and shares.min() < least + _AT_END and least > _AT_END:
            bound.append(f"{domain} (at least {least:.2g})")
    if bound:
        notes.append(
            f"At the end of the shares of the runs: {', '.join(bound)}. The law may prefer more or "
            f"less; `bounds` searches further."
        )
    if predicts_perplexity(post):
        notes.append("Losses are in nats: ln(perplexity).")
    return tuple(notes)


def _outside(domain: str, share: float, where: str, end: float) -> str:
    return f"The share of {domain}, {share:.2f}, is {where} that of all runs, {end:.2f}."
