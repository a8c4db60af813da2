"""The mode of a log density and the curvature there."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float

_MAX_ITERATIONS = 200
_GIVE_UP_DAMPING = 1e10
_TOLERANCE = 1e-6  # of the log density, in nats


class Mode(NamedTuple):
    """A local maximum of a log density."""

    point: Float[Array, " dim"]
    log_density: Float[Array, ""]
    precision: Float[Array, "dim dim"]
    converged: Bool[Array, ""]


class _Search(NamedTuple):
    best: Mode
    gradient: Float[Array, " dim"]
    proposal: Float[Array, " dim"]
    damping: Float[Array, ""]
    iteration: Array


def find_mode(
    log_density: Callable[[Float[Array, " dim"]], Float[Array, ""]], start: Float[Array, " dim"]
) -> Mode:
    """Climb to a local maximum by Newton steps, damped where they overshoot.

    With a handful of unknowns a Hessian costs little more than a gradient, and it is wanted at the
    mode anyway. Directions of negative curvature are climbed by its size (saddle-free Newton,
    Dauphin et al. 2014).

    Parameters
    ----------
    log_density
        Function of a point in R^dim.
    start
        Where to begin.
    """

    def curvature(point: Array) -> tuple[Array, tuple[Array, Array]]:
        value, gradient = jax.value_and_grad(log_density)(point)
        return gradient, (value, gradient)

    def climbing(search: _Search) -> Array:
        return ~search.best.converged & (search.iteration < _MAX_ITERATIONS)

    def climb(search: _Search) -> _Search:
        hessian, (value, gradient) = jax.jacfwd(curvature, has_aux=True)(search.proposal)
        better = value > search.best.log_density  # false for NaN
        first = search.iteration == 0

        def pick(new: Array, old: Array) -> Array:
            return jnp.where(better | first, new, old)

        gradient = pick(gradient, search.gradient)
        precision = pick(-hessian, search.best.precision)
        point = pick(search.proposal, search.best.point)
        damping = jnp.where(better, search.damping / 5, search.damping * 4)

        curvatures, directions = jnp.linalg.eigh(precision)
        step = directions @ ((directions.T @ gradient) / (jnp.abs(curvatures) + damping))
        converged = (gradient @ step < _TOLERANCE) | (damping > _GIVE_UP_DAMPING)
        best = Mode(point, pick(value, search.best.log_density), precision, converged)
        return _Search(best, gradient, point + step, damping, search.iteration + 1)

    dim, dtype = start.size, start.dtype
    nowhere = Mode(
        start, jnp.array(-jnp.inf, dtype), jnp.eye(dim, dtype=dtype), jnp.zeros((), bool)
    )
    search = _Search(nowhere, jnp.zeros_like(start), start, jnp.ones((), dtype), jnp.zeros((), int))
    return lax.while_loop(climbing, climb, search).best
