"""The mode of a log density."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, ArrayLike, Bool, Float, Int

from scalingbayes._core.errors import InputError
from scalingbayes.inference.cholesky import solve_positive
from scalingbayes.model.log_density import LogDensity

TIGHT = 1e-6
"""How much more a step may promise at the end of a search, in nats."""

_MAX_ITERATIONS = 300
_FEW = 16  # unknowns up to which equations are written out
_START_DAMPING = 1e-3  # over the largest curvature
_GIVE_UP_GROWTH = 2.0**12  # twelve steps in a row led downhill


class Mode(NamedTuple):
    """A local maximum of a log density, and about how it bends there."""

    point: Float[Array, " dim"]
    log_density: Float[Array, ""]
    curvature: Float[Array, "dim dim"]
    converged: Bool[Array, ""]


class _Here(NamedTuple):
    """A point, and how the log density looks from it."""

    point: Float[Array, " dim"]
    log_density: Float[Array, ""]
    gradient: Float[Array, " dim"]
    curvature: Float[Array, "dim dim"]


class Search(NamedTuple):
    """Where a search is: the best point so far and the next to be tried.

    It ends where a step promises next to nothing, or leads downhill however short it is.
    """

    best: _Here
    proposal: Float[Array, " dim"]
    expected_gain: Float[Array, ""]
    damping: Float[Array, ""]
    growth: Float[Array, ""]
    iteration: Int[Array, ""]
    converged: Bool[Array, ""]

    @property
    def finished(self) -> Bool[Array, ""]:
        """Whether it has converged, knows no way on, or has gone on for too long."""
        lost = ~jnp.isfinite(self.expected_gain)
        return self.converged | lost | (self.iteration >= _MAX_ITERATIONS)


def begin(start: Float[Array, " dim"], idle: Bool[ArrayLike, ""] = False) -> Search:
    """Set out from a point; an idle search stays there."""
    dim, dtype = start.size, start.dtype
    zero = jnp.zeros((), dtype)
    nowhere = _Here(start, zero - jnp.inf, jnp.zeros_like(start), jnp.zeros((dim, dim), dtype))
    return Search(nowhere, start, zero, zero, zero + 2, jnp.zeros((), int), jnp.asarray(idle))


def climb(
    density: LogDensity, search: Search, with_prior: bool, tolerance: Float[ArrayLike, ""]
) -> Search:
    """Take one step of Levenberg and Marquardt's method.

    The law's parameters are moved by reweighted least squares, as in robust regression (Holland &
    Welsch 1977), those of the noise by the outer product of their scores (Berndt et al. 1974). Both
    need first derivatives only and never point downhill, so that a search finds its way from afar:
    of Hoffmann's 4,500 starts nine in ten reach the best optimum, where Newton's method loses half
    to plateaus and L-BFGS is slower by several times.

    Parameters
    ----------
    density
        What to climb.
    search
        Where the search is.
    with_prior
        Whether to look for the mode of the posterior, or of the likelihood.
    tolerance
        The search has converged when a step promises less than this, in nats.
    """
    new = _look(density, search.proposal, with_prior)
    first = search.iteration == 0
    ratio = (new.log_density - search.best.log_density) / search.expected_gain
    better = (new.log_density > search.best.log_density) | first  # false for NaN
    # Nielsen's rule (1999): damp the less, the better the gain was foreseen.
    shrunk = search.damping * jnp.maximum(1 / 5, 1 - (2 * jnp.minimum(ratio, 1.0) - 1) ** 3)
    damping = jnp.where(better, shrunk, search.damping * search.growth)
    damping = jnp.where(first, _START_DAMPING * jnp.diag(new.curvature).max(), damping)
    growth = jnp.where(better, 2.0, search.growth * 2).astype(damping.dtype)
    best = jax.tree.map(lambda a, b: jnp.where(better, a, b), new, search.best)

    damped = best.curvature + damping * jnp.eye(best.point.size, dtype=damping.dtype)
    if best.point.size <= _FEW:
        step = jnp.stack(solve_positive(damped, best.gradient)[0])
    else:
        root = jax.scipy.linalg.cho_factor(damped)
        step = jax.scipy.linalg.cho_solve(root, best.gradient)
    expected_gain = best.gradient @ step / 2
    ended = (expected_gain < tolerance) | (growth > _GIVE_UP_GROWTH)
    return Search(
        best,
        best.point + step,
        expected_gain,
        damping,
        growth,
        search.iteration + 1,
        search.converged | (ended & jnp.isfinite(expected_gain)),
    )


def find_mode(density: LogDensity, start: Float[Array, " dim"]) -> Mode:
    """Climb from a start to a mode of the posterior.

    The curvature is that of the last step: near the Hessian, positive definite, and had for free.

    Parameters
    ----------
    density
        What to climb.
    start
        Where to begin.
    """

    def step(search: Search) -> Search:
        return climb(density, search, with_prior=True, tolerance=TIGHT)

    search = lax.while_loop(lambda search: ~search.finished, step, begin(start))
    best = search.best
    return Mode(best.point, best.log_density, best.curvature, search.converged)


def log_density_and_gain(
    density: LogDensity, point: Float[Array, " dim"], with_prior: bool
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Return the objective at a point, and the nats that a Gauss-Newton step from it promises.

    The gain is half the squared norm of the gradient in the metric of the curvature; NaN where the
    curvature is singular.
    """
    here = _look(density, point, with_prior)
    step = jax.scipy.linalg.cho_solve(jax.scipy.linalg.cho_factor(here.curvature), here.gradient)
    return here.log_density, here.gradient @ step / 2


def check_found(log_density: Float[np.ndarray, "fits starts"]) -> None:
    """Check that of the searches of each fit one at least found a point of finite density.

    Raises
    ------
    InputError
        If none did.
    """
    if not np.isfinite(log_density).any(1).all():
        raise InputError(
            f"A posterior is not finite where any of {log_density.shape[1]} searches for its mode "
            f"began: give priors under which the law is finite at the table's inputs, or other "
            f"starts."
        )


def irls_weights(
    density: LogDensity, location: Float[Array, " rows"], score: Float[Array, " rows"]
) -> Float[Array, " rows"]:
    """Find the weights of rows in least squares that have the likelihood's slope at a location.

    Parameters
    ----------
    density
        The rows.
    location
        What is expected of each, on the scale on which it scatters.
    score
        The slope of each one's log density there.
    """
    deviation = density.observed_on_scale - location
    return density.weights * jnp.where(deviation == 0, 0.0, score / deviation)


def _look(density: LogDensity, point: Float[Array, " dim"], with_prior: bool) -> _Here:
    of_law = density.of_location
    law_part, noise_part = point[:of_law], point[of_law:]

    def location(law_part: Array) -> Array:
        return density.location(jnp.concatenate([law_part, noise_part]))

    def log_likelihood(location: Array, noise_part: Array) -> Array:
        there = jnp.concatenate([law_part, noise_part])
        return density.log_likelihood_about(location, there)

    expected, moves = jax.linearize(location, law_part)
    jacobian = jax.vmap(moves)(jnp.eye(of_law, dtype=point.dtype))
    log_density, tilts = jax.linearize(log_likelihood, expected, noise_part)
    score = tilts(jnp.ones_like(expected), jnp.zeros_like(noise_part))
    noise_scores = jax.vmap(lambda unit: tilts(jnp.zeros_like(expected), unit))(
        jnp.eye(noise_part.size, dtype=point.dtype)
    )
    weights = density.weights
    pull = irls_weights(density, expected, score)

    gradient = jnp.concatenate([jacobian @ (weights * score), noise_scores @ weights])
    curvature = jax.scipy.linalg.block_diag(
        (jacobian * pull) @ jacobian.T, (noise_scores * weights) @ noise_scores.T
    )
    total = weights @ log_density
    if with_prior:
        coordinates, shifts = jax.linearize(density.coordinates, point)
        to_coordinates = jax.vmap(shifts)(jnp.eye(point.size, dtype=point.dtype))

        def slopes(z: Array) -> Array:
            return jax.jvp(density.log_priors, (z,), (jnp.ones_like(z),))[1]

        slope, bend = jax.jvp(slopes, (coordinates,), (jnp.ones_like(coordinates),))
        gradient += to_coordinates @ slope + jax.grad(density.log_volume)(point)
        curvature += (to_coordinates * jnp.maximum(-bend, 0.0)) @ to_coordinates.T
        total += density.log_prior(point) - density.log_prior_of_steps(point)
        if density.effects:
            # As if shared errors were integrated out. Else they would leave rows no spread.
            ratio, to_ratio = jax.value_and_grad(density.log_ratio)(point)
            room = density.log_room
            slope, bend = jax.jvp(jax.grad(room), (ratio,), (jnp.ones_like(ratio),))
            gradient += slope * to_ratio
            curvature += jnp.maximum(-bend, 0.0) * jnp.outer(to_ratio, to_ratio)
            total += room(ratio)
    return _Here(point, total, gradient, curvature)
