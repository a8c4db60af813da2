"""The cost of training smaller models to the same loss (De Vries 2023)."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from scalingbayes._core.arguments import Positive, PositiveNumbers, Probability, check_numbers
from scalingbayes._core.checked import checked
from scalingbayes._core.numbers import write, write_with_interval
from scalingbayes._core.precision import precision
from scalingbayes._core.programs import compiled
from scalingbayes._core.roots import bisect
from scalingbayes.allocation import Cost, optimum
from scalingbayes.combine.average import Average
from scalingbayes.decisions.law_draws import (
    LawDraws,
    as_posterior,
    dataset,
    draws_on_device,
    estimate,
    inputs_by_posterior,
    largest_share,
)
from scalingbayes.laws import Law
from scalingbayes.posterior.allocate import exponent_budgets
from scalingbayes.posterior.extrapolation import beyond
from scalingbayes.posterior.point_estimate import PointEstimate
from scalingbayes.posterior.posterior import Posterior
from scalingbayes.results import Estimate, View

SIZES = tuple(float(x) for x in np.round(np.arange(0.2, 2.01, 0.1), 1))
"""Sizes over the optimal one."""

_ROUNDING = 1e-12  # smaller overheads are rounding errors
_FURTHEST = 60.0  # in the logarithm of tokens over the optimum's: no data are more


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Overtraining(Estimate):
    """The cost of training smaller models to one loss; made by :func:`overtrain`.

    Parameters
    ----------
    twice_the_compute
        The result of :func:`size_for_overhead` for the same budget and an overhead of 100 %.
    smallest_size
        The result of :func:`smallest_size` for the same budget.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> post = sb.fit(sb.datasets.load("chinchilla"), "chinchilla")  # doctest: +SKIP
    >>> found = sb.overtrain(post, [0.5], compute=1e24)
    >>> bool(found.median()["tokens_factor"].item() > 2)
    True
    """

    twice_the_compute: Estimate
    smallest_size: Estimate

    def view(self, prob: Probability = 0.9) -> View:
        """Return the table, and the sizes at which over-training becomes dear and impossible."""
        shown = super().view(prob)
        of = "of the optimal size"
        sizes = (
            f"Twice the compute at {_size_factor(self.twice_the_compute, prob)} {of}.",
            f"No number of tokens suffices below {_size_factor(self.smallest_size, prob)} {of}.",
        )
        return replace(shown, lines=(*shown.lines, *sizes))

    def plot(self, ax: Any = None, prob: Probability = 0.9) -> Any:
        """Plot the overhead against the size; see :func:`scalingbayes.plots.plot_overtraining`."""
        from scalingbayes.plots import plot_overtraining

        return plot_overtraining(self, prob, ax)


@checked
def overtrain(
    post: Posterior | Average | PointEstimate,
    size_factor: PositiveNumbers = SIZES,
    compute: Positive | None = None,
    **inputs: float,
) -> Overtraining:
    """Estimate what it costs to train a smaller model to the loss of the optimal one.

    A model k_N times as large as the optimal one needs k_D times as many tokens, so that the
    relative overhead of its training is k_N k_D - 1 if FLOPs are 6 N D (De Vries 2023, "Go smol or
    go home"); otherwise the FLOPs of both models are counted as :attr:`Posterior.cost` does. For
    Chinchilla's law, k_D = (1 - (k_N^-alpha - 1) A N_opt^-alpha / (B D_opt^-beta))^(-1/beta), which
    is the same for every budget.

    Parameters
    ----------
    post
        A fit of a law that divides compute, a point, published constants, or an average of fits.
    size_factor
        Sizes divided by the optimal size, k_N; shape (sizes,).
    compute
        Budget of the optimal model, in FLOPs; by default that of the reference point of the runs.
    **inputs
        The law's inputs other than the model's size and tokens.

    Returns
    -------
    Overtraining
        For each k_N ``tokens_factor``, k_D, and ``overhead``, the compute that it takes over the
        optimal model's, less 1. Infinite in the draws in which no number of tokens reaches the
        loss, because the size is below the smallest one.

    Raises
    ------
    InputError
        If the law does not divide compute, a number is not positive, or an input of the law is
        missing.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> post = sb.fit(sb.datasets.load("chinchilla"), "chinchilla")  # doctest: +SKIP
    >>> found = sb.overtrain(post, [0.5, 1.0])
    >>> 0.1 < float(found["overhead"].sel(size_factor=0.5).median()) < 0.4
    True
    """
    factors = check_numbers("size_factor", size_factor).ravel()
    post = as_posterior(post)
    asked = inputs_by_posterior(post, inputs)
    budget, named = _budget(asked, compute)
    title = f"Models smaller or larger than the optimal one of {named}, at its loss"
    found = estimate(post, asked, partial(_overtrain, budget=budget, factors=factors, title=title))
    lost = np.isinf(found.draws["tokens_factor"].to_numpy())
    notes = found.notes
    if lost.any():
        notes += (
            f"At a size factor of {factors[lost.mean((0, 1)).argmax()]:g}, no number of tokens "
            f"reaches the loss in {largest_share(lost)} of the draws: these draws are infinite.",
        )
    return Overtraining(
        found.title,
        found.draws,
        found.verdict,
        notes,
        found.exact,
        twice_the_compute=size_for_overhead(post, 1.0, compute, **inputs),
        smallest_size=smallest_size(post, compute, **inputs),
    )


@checked
def size_for_overhead(
    post: Posterior | Average | PointEstimate,
    overhead: Positive = 1.0,
    compute: Positive | None = None,
    **inputs: float,
) -> Estimate:
    """Estimate the size of the smaller model whose training costs a given overhead.

    De Vries 2023, "Go smol or go home", calls the size with an overhead of 100 % critical: about
    30 % of the optimal size with the parameters of Hoffmann et al. 2022. Much smaller models can
    reach the loss in principle: see :func:`smallest_size`.

    Parameters
    ----------
    post, compute, **inputs
        As for :func:`overtrain`.
    overhead
        Compute of the smaller model's training over that of the optimal model's, less 1.

    Returns
    -------
    Estimate
        Draws of shape (chains, draws): ``size_factor``, the size divided by the optimal one;
        ``tokens_factor``, the tokens divided by the optimal ones; and the size, ``params`` for most
        laws, and ``tokens`` themselves.

    Raises
    ------
    InputError
        If the law does not divide compute, ``overhead`` or ``compute`` is not a positive number, or
        an input of the law is missing.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> post = sb.fit(sb.datasets.load("chinchilla"), "chinchilla")  # doctest: +SKIP
    >>> 0.3 < float(sb.size_for_overhead(post)["size_factor"].median()) < 0.5
    True
    """
    post = as_posterior(post)
    asked = inputs_by_posterior(post, inputs)
    budget, named = _budget(asked, compute)
    more = f"{100 * overhead:.3g}% more compute"
    title = f"Smaller model that reaches the loss of the optimal one of {named} with {more}"

    def found(each: Posterior, others: Mapping[str, float]) -> Estimate:
        return _smaller_model(each, others, budget, overhead, title)

    return estimate(post, asked, found)


@checked
def smallest_size(
    post: Posterior | Average | PointEstimate, compute: Positive | None = None, **inputs: float
) -> Estimate:
    """Estimate the least size that can reach the loss of the optimal model.

    The tokens that reaching the loss needs, and their compute, grow without bound towards this
    size, the asymptote of k_D of :func:`overtrain`. It is far below the size at which the compute
    becomes excessive, which is :func:`size_for_overhead`.

    Parameters
    ----------
    post, compute, **inputs
        As for :func:`overtrain`.

    Returns
    -------
    Estimate
        Draws of shape (chains, draws): ``size_factor``, the least size divided by the optimal size,
        and the least size, ``params`` for most laws.

    Raises
    ------
    InputError
        If the law does not divide compute, ``compute`` is not a positive number, or an input of the
        law is missing.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> post = sb.fit(sb.datasets.load("chinchilla"), "chinchilla")  # doctest: +SKIP
    >>> 0.1 < float(sb.smallest_size(post)["size_factor"].median()) < 0.3
    True
    """
    post = as_posterior(post)
    asked = inputs_by_posterior(post, inputs)
    budget, named = _budget(asked, compute)
    title = f"Least size that reaches the loss of the optimal model of {named}"

    def found(each: Posterior, others: Mapping[str, float]) -> Estimate:
        return _smaller_model(each, others, budget, np.inf, title)

    return estimate(post, asked, found)


def _overtrain(
    post: Posterior,
    inputs: Mapping[str, float],
    budget: float,
    factors: Float[np.ndarray, " sizes"],
    title: str,
) -> Estimate:
    """Estimate the overhead under one law; infinite where no number of tokens suffices."""
    with precision("float64"):
        draws, run = _optimal_run(post, inputs, budget)
        found = _tokens_factor(post.law, draws.values, run, draws.fixed, jnp.asarray(factors))
    tokens = np.asarray(found)
    cost = post.cost.at(draws.fixed)
    overhead = _overhead(
        cost, post.law.budget.size, {n: np.asarray(x) for n, x in run.items()}, factors, tokens
    )
    overhead[abs(overhead) < _ROUNDING] = 0.0  # of the optimal size itself
    sizes = dataset(post, {"tokens_factor": tokens, "overhead": overhead}, "size_factor", factors)
    notes = beyond("FLOPs", np.array([budget]), post.compute)
    return Estimate(title, sizes, post.verdict, notes=notes)


def _overhead(
    cost: Cost,
    name: str,
    run: Mapping[str, Float[np.ndarray, "chains draws"]],
    factors: Float[np.ndarray, " sizes"],
    tokens_factor: Float[np.ndarray, "chains draws sizes"],
) -> Float[np.ndarray, "chains draws sizes"]:
    """Return the compute of each size over that of the optimal run, less 1."""
    size, tokens = run[name][..., None], run["tokens"][..., None]
    needed = cost.training_flops(factors * size, tokens_factor * tokens)
    return needed / cost.training_flops(size, tokens) - 1


def _smaller_model(
    post: Posterior, inputs: Mapping[str, float], budget: float, overhead: float, title: str
) -> Estimate:
    """Estimate the smaller model of an overhead under one law; of any number of tokens if inf."""
    size = post.law.budget.size
    with precision("float64"):
        draws, run = _optimal_run(post, inputs, budget)
        cost = post.cost.at(draws.fixed)
        log_size = _log_size_factor(
            post.law, draws.values, run, draws.fixed, cost, jnp.asarray(overhead)
        )
        factor = jnp.exp(log_size)
        found = {"size_factor": factor, size: factor * run[size]}
        if np.isfinite(overhead):
            more = jnp.exp(_log_tokens_factor(post.law, draws.values, run, draws.fixed, log_size))
            found |= {"tokens_factor": more, "tokens": more * run["tokens"]}
    smaller = dataset(
        post, {n: x[..., None] for n, x in found.items()}, "compute", np.array([budget])
    ).squeeze("compute", drop=True)
    notes = beyond("FLOPs", np.array([budget]), post.compute)
    return Estimate(title, smaller, post.verdict, notes=notes)


def _size_factor(smaller: Estimate, prob: float) -> str:
    """Write the median and the interval of a size over the optimal one."""
    low, high = smaller.interval(prob)["size_factor"].to_numpy()
    middle = float(smaller.median()["size_factor"])
    return " ".join(filter(None, write_with_interval(middle, low, high, "share")))


def _budget(asked: Iterable[Posterior], compute: float | None) -> tuple[float, str]:
    """Return the optimal model's budget, and its words; an average's laws have the same runs."""
    if compute is not None:
        return compute, f"{write(compute, 'flops')} FLOPs"
    post = next(iter(asked))
    budget = float(exponent_budgets(post.law, post.record.reference, None, post.cost)[0])
    return budget, f"{write(budget, 'flops')} FLOPs (the middle of the runs)"


def _optimal_run(
    post: Posterior, inputs: Mapping[str, float], budget: float
) -> tuple[LawDraws, dict[str, Array]]:
    """Return the law's draws, and the size and tokens of the optimal run of each."""
    draws = draws_on_device(post, inputs)
    best = optimum(post.law, draws.values, jnp.asarray([budget]), draws.fixed, post.cost)
    return draws, {n: best[n][..., 0] for n in (post.law.budget.size, "tokens")}


def _excess(
    law: Law, values: dict[str, Array], run: dict[str, Array], fixed: dict[str, Array]
) -> Callable[[Array, Array], Array]:
    """Return a function of log ratios of size and tokens: the optimal loss minus the run's."""
    optimal = law({**fixed, **run}, values)

    def below(log_size: Array, log_tokens: Array) -> Array:
        there = {
            law.budget.size: run[law.budget.size] * jnp.exp(log_size),
            "tokens": run["tokens"] * jnp.exp(log_tokens),
        }
        return optimal - law({**fixed, **there}, values)

    return below


@partial(compiled, static=("law",))
def _tokens_factor(
    law: Law,
    values: dict[str, Array],
    run: dict[str, Array],
    fixed: dict[str, Array],
    factors: Float[Array, " sizes"],
) -> Float[Array, "*draws sizes"]:
    def tokens(factor: Array) -> Array:
        return jnp.exp(_log_tokens_factor(law, values, run, fixed, jnp.log(factor)))

    return jnp.moveaxis(jax.lax.map(tokens, factors), 0, -1)


def _log_tokens_factor(
    law: Law,
    values: dict[str, Array],
    run: dict[str, Array],
    fixed: dict[str, Array],
    log_size: Array,
) -> Array:
    """Return the log of the tokens that reach the loss, over the optimal ones; inf if none do."""
    below = _excess(law, values, run, fixed)
    most = jnp.full_like(run["tokens"], _FURTHEST)
    found = bisect(lambda more: below(log_size, more), -most, most)
    return jnp.where(below(log_size, most) > 0, found, jnp.inf)


@partial(compiled, static=("law",))
def _log_size_factor(
    law: Law,
    values: dict[str, Array],
    run: dict[str, Array],
    fixed: dict[str, Array],
    cost: Cost,
    overhead: Float[Array, ""],
) -> Float[Array, "*draws"]:
    """Return the log of the least size whose training costs at most an overhead, over the best."""
    optimal = jnp.log(run[law.budget.size])
    per_token = cost.log_training(cost.scale(optimal))
    most = jnp.full_like(optimal, _FURTHEST)

    def saved(log_size: Array) -> Array:
        more_tokens = _log_tokens_factor(law, values, run, fixed, log_size)
        more = more_tokens + cost.log_training(cost.scale(optimal + log_size)) - per_token
        allowed = jnp.log1p(overhead)
        return jnp.where(jnp.isinf(allowed), jnp.where(jnp.isinf(more), -1.0, 1.0), allowed - more)

    return bisect(saved, -most, jnp.zeros_like(most))
