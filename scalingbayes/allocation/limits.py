"""What a training run may not exceed, and the scales that this leaves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float

from scalingbayes._core.arguments import check_number, check_numbers
from scalingbayes._core.errors import InputError
from scalingbayes._core.roots import bisect
from scalingbayes.allocation.costs import LOG_SCALE_RANGE, Cost

Budgets = Float[Array, "*budgets"]

_DIFFERENCE = 1e-4  # in log compute, to see how bounds move


@dataclass(frozen=True)
class Limits:
    """Bounds on a model and its training tokens.

    Where they leave some of a budget unspent, the run is at the bounds.

    Parameters
    ----------
    max_params
        The largest model that can be served.
    max_tokens
        Tokens to train on at most, repeated ones counted.
    min_tokens_per_param
        The least ratio of training tokens to parameters.
    shapes
        Pairs of ``n_layer`` and ``d_model`` that can be built: the model is one of these. What
        they cost and how many parameters they have, the cost says.

    Raises
    ------
    InputError
        If a limit is not a number above 0, or shapes are not pairs of such.
    """

    max_params: float | None = None
    max_tokens: float | None = None
    min_tokens_per_param: float | None = None
    shapes: Sequence[tuple[float, float]] | None = None

    def __post_init__(self) -> None:
        for name, value in self.bounds.items():
            check_number(name, value)
        if self.shapes is not None:
            _ = self.shape_table

    @property
    def bounds(self) -> dict[str, float]:
        """Bounds that are set, by name."""
        names = ("max_params", "max_tokens", "min_tokens_per_param")
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}

    @cached_property
    def shape_table(self) -> Float[np.ndarray, "shapes 2"]:
        """The shapes as an array: ``n_layer``, ``d_model``."""
        given: Any = self.shapes
        table = check_numbers("shapes", given)
        if table.ndim != 2 or table.shape[1] != 2:
            raise InputError(f"shapes must be pairs of n_layer and d_model; got {given!r}.")
        return table

    def unspent(
        self, cost: Cost, compute: Float[np.ndarray, " budgets"]
    ) -> Bool[np.ndarray, " budgets"]:
        """Tell at which budgets no run within the bounds costs all of it."""
        if self.shapes is not None or "max_tokens" not in self.bounds:
            return np.zeros(len(compute), bool)
        low, high = ends(cost, dict(self.bounds), jnp.log(jnp.asarray(compute)))
        return np.asarray(low > high)

    def __str__(self) -> str:
        said = [f"{name} {value:.4g}" for name, value in self.bounds.items()]
        if self.shapes is not None:
            said.append(f"one of {len(self.shape_table)} shapes")
        return ", ".join(said)


class Bounds(NamedTuple):
    """The smallest and largest scale at each budget, and how they move with its logarithm.

    The smallest is that from which on the budget buys no more tokens than allowed: above the
    largest, some of the budget is left over.
    """

    low: Budgets
    high: Budgets
    low_moves: Budgets
    high_moves: Budgets


def bounds_of(cost: Cost, limits: dict[str, ArrayLike], log_compute: Budgets) -> Bounds:
    """Find the scales that limits and serving allow.

    Parameters
    ----------
    cost
        What a budget pays for.
    limits
        :attr:`Limits.bounds`.
    log_compute
        Logs of budgets; shape (*budgets,).
    """
    at = partial(ends, cost, limits)
    after, before = (at(log_compute + step) for step in (_DIFFERENCE, -_DIFFERENCE))
    moves = ((up - down) / (2 * _DIFFERENCE) for up, down in zip(after, before, strict=True))
    return Bounds(*at(log_compute), *moves)


def ends(cost: Cost, given: dict[str, ArrayLike], log_compute: Array) -> tuple[Array, Array]:
    """Find the smallest and the largest scale that bounds and serving allow at each budget."""
    low, high = (jnp.full_like(log_compute, end) for end in LOG_SCALE_RANGE)
    root = partial(bisect, low=low, high=high)
    # Where serving takes all of the budget, no tokens are left: too large a model.
    high = jnp.minimum(high, root(lambda scale: cost.log_served(scale) - log_compute))
    if "max_params" in given:
        largest = jnp.log(jnp.asarray(given["max_params"]))
        high = jnp.minimum(high, root(lambda scale: cost.log_size(scale) - largest))
    if "max_tokens" in given:
        most = jnp.log(jnp.asarray(given["max_tokens"]))
        low = root(lambda scale: most - _no_less(cost.log_tokens(scale, log_compute)))
    if "min_tokens_per_param" in given:
        least = jnp.log(jnp.asarray(given["min_tokens_per_param"]))

        def lacking(scale: Array) -> Array:
            return least + cost.log_size(scale) - _no_less(cost.log_tokens(scale, log_compute))

        high = jnp.minimum(high, root(lacking))
        if "max_tokens" in given:
            high = jnp.minimum(high, root(lambda scale: cost.log_size(scale) + least - most))
    return low, high


def at_most(log_tokens: Array, limits: Mapping[str, ArrayLike]) -> Array:
    """Cut logs of tokens off where there are no more, given :attr:`Limits.bounds`."""
    if "max_tokens" not in limits:
        return log_tokens
    return jnp.minimum(log_tokens, jnp.log(jnp.asarray(limits["max_tokens"])))


def _no_less(log_tokens: Array) -> Array:
    return jnp.where(jnp.isnan(log_tokens), -jnp.inf, log_tokens)
