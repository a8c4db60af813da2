"""Minimise functions of shares that add up to 1, within bounds: under jit, for many draws."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, ArrayLike, Float

from scalingbayes._core.roots import bisect

_STEPS = 400
_FIRST_STEP = 0.5
_FASTER, _SLOWER = 1.5, 0.25  # factors of the step after a success and after a failure
_LEAST_SHARE = 1e-12
_WIDEST = 60.0  # of the multiplier's logarithm


class Bounds(NamedTuple):
    """The least and the largest share of each domain."""

    low: Float[ArrayLike, " domains"]
    high: Float[ArrayLike, " domains"]


def onto_simplex(
    shares: Float[Array, "*cases domains"], bounds: Bounds
) -> Float[Array, "*cases domains"]:
    """Return shares times a common factor, clipped to the bounds, that add up to 1.

    They are the feasible shares of least relative entropy to the given ones.
    """
    log_shares = jnp.log(jnp.maximum(shares, _LEAST_SHARE))

    def clipped(log_factor: Array) -> Array:
        return jnp.clip(jnp.exp(log_shares + log_factor[..., None]), bounds.low, bounds.high)

    widest = jnp.full(shares.shape[:-1], _WIDEST, shares.dtype)
    log_factor = bisect(lambda x: clipped(x).sum(-1) - 1, -widest, widest)
    return clipped(log_factor)


def minimise_on_simplex(
    objective: Callable[[Float[Array, "cases domains"]], Float[Array, " cases"]],
    start: Float[Array, "cases domains"],
    bounds: Bounds,
) -> Float[Array, "cases domains"]:
    """Return the shares that minimise an objective, each case on its own, by mirror descent.

    A step multiplies the shares by ``exp(-step * gradient)`` and projects them (Shukor et al. 2025,
    arXiv:2507.09404, section 5). A step that does not lower the objective is not taken, and the
    next one is smaller.

    Parameters
    ----------
    objective
        The objective of each case, given the shares of all cases.
    start
        Where the search begins.
    bounds
        The least and largest shares.
    """
    gradient_of = jax.grad(lambda shares: objective(shares).sum())

    def step(
        _: Array, search: tuple[Array, Array, Array, Array]
    ) -> tuple[Array, Array, Array, Array]:
        shares, value, gradient, size = search
        slope = gradient - (shares * gradient).sum(-1, keepdims=True)
        scale = jnp.abs(slope).max(-1, keepdims=True)
        slope = slope / jnp.where(scale > 0, scale, 1.0)
        moved = onto_simplex(shares * jnp.exp(-size[:, None] * slope), bounds)
        there = objective(moved)
        better = there < value
        shares = jnp.where(better[:, None], moved, shares)
        gradient = jnp.where(better[:, None], gradient_of(moved), gradient)
        size = jnp.clip(size * jnp.where(better, _FASTER, _SLOWER), 1e-9, 20.0)
        return shares, jnp.where(better, there, value), gradient, size

    shares = onto_simplex(start, bounds)
    size = jnp.full(len(shares), _FIRST_STEP, shares.dtype)
    begin = (shares, objective(shares), gradient_of(shares), size)
    return lax.fori_loop(0, _STEPS, step, begin)[0]
