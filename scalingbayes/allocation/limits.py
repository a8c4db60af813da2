"""Bounds on a training run, and the range of model scales that they allow."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float

from scalingbayes._core.arguments import Positive, check_numbers
from scalingbayes._core.checked import checked
from scalingbayes._core.errors import InputError
from scalingbayes._core.numbers import kind_of, write
from scalingbayes._core.roots import bisect
from scalingbayes.allocation.costs.base import LOG_SCALE_RANGE, Cost

Budgets = Float[Array, "*budgets"]

_DIFFERENCE = 1e-4  # in log compute: bisection has no derivative, a difference quotient replaces it


@checked
@dataclass(frozen=True)
class Limits:
    """Bounds on a model and its training tokens.

    A run at the bounds may cost less than the budget; the rest of the budget is then unspent.

    Parameters
    ----------
    max_params
        Largest number of parameters, for instance of a model that can be served. Those of all
        experts count.
    max_tokens
        Largest number of training tokens, repeated ones included.
    min_tokens_per_param
        Least ratio of training tokens to parameters.
    shapes
        Pairs of ``n_layer`` and ``d_model``; the model must have one of these shapes. The cost
        computes their FLOPs and parameters.

    Raises
    ------
    InputError
        If a limit is not a positive number, or ``shapes`` are not pairs of positive numbers.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> str(sb.Limits(max_params=8e9, min_tokens_per_param=20))
    'max_params 8B, min_tokens_per_param 20'
    """

    max_params: Positive | None = None
    max_tokens: Positive | None = None
    min_tokens_per_param: Positive | None = None
    shapes: Sequence[tuple[float, float]] | None = None

    def __post_init__(self) -> None:
        if self.shapes is not None:
            _ = self.shape_table

    @property
    def bounds(self) -> dict[str, float]:
        """The bounds that are set, by name."""
        names = ("max_params", "max_tokens", "min_tokens_per_param")
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}

    @cached_property
    def shape_table(self) -> Float[np.ndarray, "shapes 2"]:
        """The shapes as an array with the columns ``n_layer`` and ``d_model``."""
        given: Any = self.shapes
        table = check_numbers("shapes", given)
        if table.ndim != 2 or table.shape[1] != 2:
            raise InputError(
                f"shapes must be pairs of n_layer and d_model, such as [(24, 2048)]; got {given!r}."
            )
        return table

    def unspent(
        self, cost: Cost, compute: Float[np.ndarray, " budgets"]
    ) -> Bool[np.ndarray, " budgets"]:
        """Return for each budget whether every run within the bounds costs less."""
        if self.shapes is not None or "max_tokens" not in self.bounds:
            return np.zeros(len(compute), bool)
        low, high = scale_range(cost, dict(self.bounds), jnp.log(jnp.asarray(compute)))
        return np.asarray(low > high)

    def __str__(self) -> str:
        parts = [f"{name} {write(value, kind_of(name))}" for name, value in self.bounds.items()]
        if self.shapes is not None:
            parts.append(f"one of {len(self.shape_table)} shapes")
        return ", ".join(parts)


class ScaleBounds(NamedTuple):
    """The smallest and largest scale for each budget, and their derivatives by log compute.

    Below the smallest scale, the budget would buy more tokens than allowed. If the smallest is
    above the largest, some of the budget is unspent.
    """

    low: Budgets
    high: Budgets
    low_slope: Budgets
    high_slope: Budgets


def scale_bounds(cost: Cost, bounds: dict[str, ArrayLike], log_compute: Budgets) -> ScaleBounds:
    """Compute the range of scales that limits and serving allow, and its derivatives.

    Parameters
    ----------
    cost
        What a budget pays for.
    bounds
        :attr:`Limits.bounds`.
    log_compute
        Logs of budgets; shape (*budgets,).
    """
    at = partial(scale_range, cost, bounds)
    after, before = (at(log_compute + step) for step in (_DIFFERENCE, -_DIFFERENCE))
    slopes = ((up - down) / (2 * _DIFFERENCE) for up, down in zip(after, before, strict=True))
    return ScaleBounds(*at(log_compute), *slopes)


def scale_range(
    cost: Cost, bounds: dict[str, ArrayLike], log_compute: Budgets
) -> tuple[Budgets, Budgets]:
    """Compute the smallest and the largest scale that bounds and serving allow for each budget."""
    low, high = (jnp.full_like(log_compute, end) for end in LOG_SCALE_RANGE)
    solve = partial(bisect, low=low, high=high)

    def log_tokens(scale: Array) -> Array:
        found = cost.log_tokens(scale, log_compute)
        return jnp.where(jnp.isnan(found), -jnp.inf, found)  # serving costs more than the budget

    high = jnp.minimum(high, solve(lambda scale: cost.log_served(scale) - log_compute))
    if "max_params" in bounds:
        log_params = jnp.log(jnp.asarray(bounds["max_params"]))
        high = jnp.minimum(high, solve(lambda scale: cost.log_params(scale) - log_params))
    if "max_tokens" in bounds:
        most = jnp.log(jnp.asarray(bounds["max_tokens"]))
        low = solve(lambda scale: most - log_tokens(scale))
    if "min_tokens_per_param" in bounds:
        ratio = jnp.log(jnp.asarray(bounds["min_tokens_per_param"]))
        too_few = solve(lambda scale: ratio + cost.log_size(scale) - log_tokens(scale))
        high = jnp.minimum(high, too_few)
        if "max_tokens" in bounds:
            high = jnp.minimum(high, solve(lambda scale: cost.log_size(scale) + ratio - most))
    return low, high


def cap_tokens(log_tokens: Array, bounds: Mapping[str, ArrayLike]) -> Array:
    """Return logs of tokens, at most ``max_tokens`` of :attr:`Limits.bounds`."""
    if "max_tokens" not in bounds:
        return log_tokens
    return jnp.minimum(log_tokens, jnp.log(jnp.asarray(bounds["max_tokens"])))
