"""The cost of training smaller models to the same loss (De Vries 2023)."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from scalingbayes._core.arguments import check_number, check_numbers
from scalingbayes._core.numbers import write
from scalingbayes._core.precision import precision
from scalingbayes._core.programs import compiled
from scalingbayes._core.roots import bisect
from scalingbayes.allocation import optimum
from scalingbayes.combine.average import Average
from scalingbayes.decisions.law_draws import (
    LawDraws,
    dataset,
    draws_on_device,
    estimate,
    inputs_by_posterior,
    largest_share,
)
from scalingbayes.laws import Law
from scalingbayes.posterior.allocate import exponent_budgets
from scalingbayes.posterior.extrapolation import beyond
from scalingbayes.posterior.posterior import Posterior
from scalingbayes.results import Estimate

SIZES = tuple(float(x) for x in np.round(np.arange(0.2, 2.01, 0.1), 1))
"""Sizes over the optimal one."""

_ROUNDING = 1e-12  # smaller overheads are rounding errors
_FURTHEST = 60.0  # in the logarithm of tokens over the optimum's: no data are more


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Overtraining(Estimate):
    """The cost of training smaller models to one loss; made by :func:`overtrain`.

    Parameters
    ----------
    critical_size
        The result of :func:`critical_size` for the same budget.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> post = sb.fit(sb.datasets.load("chinchilla"), "chinchilla")  # doctest: +SKIP
    >>> found = sb.overtrain(post, [0.5], compute=1e24)
    >>> bool(found.median()["tokens_factor"].item() > 2)
    True
    """

    critical_size: Estimate

    def plot(self, ax: Any = None, prob: float = 0.9) -> Any:
        """Plot the overhead against the size; see :func:`scalingbayes.plots.plot_overtraining`."""
        from scalingbayes.plots import plot_overtraining

        return plot_overtraining(self, prob, ax)


def overtrain(
    post: Posterior | Average,
    size_factor: ArrayLike | Sequence[float] = SIZES,
    compute: float | None = None,
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
        A fit of a law that divides compute, or an average of such fits.
    size_factor
        Sizes divided by the optimal size, k_N; shape (sizes,).
    compute
        Budget of the optimal model, in FLOPs. By default the budget of the reference
        point, among the runs.
    **inputs
        The law's inputs other than the model's size and tokens.

    Returns
    -------
    Overtraining
        For each k_N ``tokens_factor``, k_D, and ``overhead``, the compute that it takes over the
        optimal model's, less 1. Infinite in the draws in which no number of tokens reaches the
        loss, because the size is below the critical one.

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
    asked = inputs_by_posterior(post, inputs)
    budget = _budget(asked, compute)
    found = estimate(post, asked, lambda each, others: _overtrain(each, others, budget, factors))
    lost = np.isinf(found.draws["tokens_factor"].to_numpy())
    notes = found.notes
    if lost.any():
        notes += (
            f"At a size factor of {factors[lost.mean((0, 1)).argmax()]:g}, no number of tokens "
            f"reaches the loss in {largest_share(lost)} of the draws: these draws are infinite.",
        )
    critical = critical_size(post, compute, **inputs)
    return Overtraining(
        found.title,
        found.draws,
        found.verdict,
        notes,
        found.exact,
        critical_size=critical,
    )


def critical_size(
    post: Posterior | Average, compute: float | None = None, **inputs: float
) -> Estimate:
    """Estimate the least size that can reach the loss of the optimal model.

    The tokens that reaching the loss needs grow without bound towards the critical size (De Vries
    2023, "Go smol or go home").

    Parameters
    ----------
    post, compute, **inputs
        As for :func:`overtrain`.

    Returns
    -------
    Estimate
        Draws of shape (chains, draws): ``size_factor``, the critical size divided by the optimal
        size, and the critical size, ``params`` for most laws.

    Raises
    ------
    InputError
        If the law does not divide compute, ``compute`` is not a positive number, or an input of the
        law is missing.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> post = sb.fit(sb.datasets.load("chinchilla"), "chinchilla")  # doctest: +SKIP
    >>> 0.1 < float(sb.critical_size(post)["size_factor"].median()) < 0.3
    True
    """
    asked = inputs_by_posterior(post, inputs)
    budget = _budget(asked, compute)
    return estimate(post, asked, lambda each, others: _critical_size(each, others, budget))


def _overtrain(
    post: Posterior,
    inputs: Mapping[str, float],
    budget: float,
    factors: Float[np.ndarray, " sizes"],
) -> Estimate:
    """Estimate the overhead under one law; infinite where no number of tokens suffices."""
    with precision("float64"):
        draws, run = _optimal_run(post, inputs, budget)
        found = _tokens_factor(post.law, draws.values, run, draws.fixed, jnp.asarray(factors))
    tokens = np.asarray(found)
    overhead = _overhead(post, {name: np.asarray(x) for name, x in run.items()}, factors, tokens)
    overhead[abs(overhead) < _ROUNDING] = 0.0  # of the optimal size itself
    sizes = dataset(post, {"tokens_factor": tokens, "overhead": overhead}, "size_factor", factors)
    title = f"Models smaller or larger than the optimal one of {_flops(budget)}, at its loss"
    notes = beyond("FLOPs", np.array([budget]), post.compute)
    return Estimate(title, sizes, post.verdict, notes=notes)


def _overhead(
    post: Posterior,
    run: Mapping[str, Float[np.ndarray, "chains draws"]],
    factors: Float[np.ndarray, " sizes"],
    tokens_factor: Float[np.ndarray, "chains draws sizes"],
) -> Float[np.ndarray, "chains draws sizes"]:
    """Return the compute of each size over that of the optimal run, less 1."""
    size, tokens = (run[name][..., None] for name in (post.law.budget.size, "tokens"))
    needed = post.cost.training_flops(factors * size, tokens_factor * tokens)
    return needed / post.cost.training_flops(size, tokens) - 1


def _critical_size(post: Posterior, inputs: Mapping[str, float], budget: float) -> Estimate:
    """Estimate the critical size under one law."""
    with precision("float64"):
        draws, run = _optimal_run(post, inputs, budget)
        factor = _critical_factor(post.law, draws.values, run, draws.fixed)
        size = post.law.budget.size
        found = {"size_factor": factor, size: factor * run[size]}
    critical = dataset(
        post, {n: x[..., None] for n, x in found.items()}, "compute", np.array([budget])
    ).squeeze("compute", drop=True)
    title = f"Least size that reaches the loss of the optimal model of {_flops(budget)}"
    notes = beyond("FLOPs", np.array([budget]), post.compute)
    return Estimate(title, critical, post.verdict, notes=notes)


def _flops(budget: float) -> str:
    return f"{write(budget, 'flops')} FLOPs"


def _budget(asked: Iterable[Posterior], compute: float | None) -> float:
    """Return the budget of the optimal model; all laws of an average have the same runs."""
    if compute is not None:
        return check_number("compute", compute)
    post = next(iter(asked))
    return float(exponent_budgets(post.law, post.record.reference, None, post.cost)[0])


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
    below = _excess(law, values, run, fixed)
    most = jnp.full_like(run["tokens"], _FURTHEST)

    def tokens(factor: Array) -> Array:
        size = jnp.log(factor)
        found = bisect(lambda more: below(size, more), -most, most)
        return jnp.where(below(size, most) > 0, jnp.exp(found), jnp.inf)

    return jnp.moveaxis(jax.lax.map(tokens, factors), 0, -1)


@partial(compiled, static=("law",))
def _critical_factor(
    law: Law, values: dict[str, Array], run: dict[str, Array], fixed: dict[str, Array]
) -> Float[Array, "*draws"]:
    below = _excess(law, values, run, fixed)
    most = jnp.full_like(run["tokens"], _FURTHEST)
    return jnp.exp(bisect(lambda size: below(size, most), -most, most))
