"""Search for the mode of a log density, by the Levenberg-Marquardt method."""

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
"""Expected gain of a step, in nats, below which a search has converged."""

_MAX_ITERATIONS = 300
_FEW = 16  # up to this many unknowns, a written-out solver is faster than LAPACK
_START_DAMPING = 1e-3  # relative to the largest curvature
_GIVE_UP_GROWTH = 2.0**12  # reached after twelve steps in a row that led downhill


class Mode(NamedTuple):
    """A local maximum of the objective of a search, and the approximate curvature there.

    The objective is the log density, without the prior of a discrepancy's steps, plus the log
    volume of the random effects.
    """

    point: Float[Array, " dim"]
    log_density: Float[Array, ""]
    curvature: Float[Array, "dim dim"]
    converged: Bool[Array, ""]


class _Evaluation(NamedTuple):
    """A point, with the log density, its gradient and its approximate curvature."""

    point: Float[Array, " dim"]
    log_density: Float[Array, ""]
    gradient: Float[Array, " dim"]
    curvature: Float[Array, "dim dim"]


class Search(NamedTuple):
    """State of a search: the best point so far, and the proposal to evaluate next.

    A search converges when the expected gain of a step is below the tolerance, or when even very
    short steps lead downhill. It also ends at the iteration limit, and when the expected gain is
    not finite.
    """

    best: _Evaluation
    proposal: Float[Array, " dim"]
    expected_gain: Float[Array, ""]
    damping: Float[Array, ""]
    growth: Float[Array, ""]
    iteration: Int[Array, ""]
    converged: Bool[Array, ""]

    @property
    def finished(self) -> Bool[Array, ""]:
        """Whether the search converged, has no finite step, or reached the iteration limit."""
        lost = ~jnp.isfinite(self.expected_gain)
        return self.converged | lost | (self.iteration >= _MAX_ITERATIONS)


def begin(start: Float[Array, " dim"], idle: Bool[ArrayLike, ""] = False) -> Search:
    """Return the initial state of a search; an idle search is finished at once."""
    dim, dtype = start.size, start.dtype
    zero = jnp.zeros((), dtype)
    nowhere = _Evaluation(
        start, zero - jnp.inf, jnp.zeros_like(start), jnp.zeros((dim, dim), dtype)
    )
    return Search(nowhere, start, zero, zero, zero + 2, jnp.zeros((), int), jnp.asarray(idle))


def climb(
    density: LogDensity, search: Search, with_prior: bool, tolerance: Float[ArrayLike, ""]
) -> Search:
    """Compute one Levenberg-Marquardt step of a search.

    The curvature of the law's parameters is that of reweighted least squares, as in robust
    regression (Holland & Welsch 1977); the curvature of the noise parameters is the outer product
    of their scores (Berndt et al. 1974). Both need first derivatives only and are never negative,
    so that searches succeed from distant starts: nine in ten of Hoffmann's 4,500 starts reach the
    best optimum. Newton's method loses half of them on plateaus, and L-BFGS is several times
    slower.

    Parameters
    ----------
    density
        The log density to maximise.
    search
        State of the search.
    with_prior
        Whether to maximise the posterior density rather than the likelihood.
    tolerance
        The expected gain in nats below which the search has converged.
    """
    new = _evaluate(density, search.proposal, with_prior)
    first = search.iteration == 0
    ratio = (new.log_density - search.best.log_density) / search.expected_gain
    better = (new.log_density > search.best.log_density) | first  # false for NaN
    # Nielsen's rule (1999): less damping the closer the gain is to the expected gain.
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
    """Return the mode of the posterior that a search from a start reaches.

    Its curvature is that of the last step: positive definite, close to the Hessian, and free.

    Parameters
    ----------
    density
        The log density to maximise.
    start
        Where the search begins.
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
    found = _evaluate(density, point, with_prior)
    step = jax.scipy.linalg.cho_solve(jax.scipy.linalg.cho_factor(found.curvature), found.gradient)
    return found.log_density, found.gradient @ step / 2


def check_found(log_density: Float[np.ndarray, "fits starts"]) -> None:
    """Check that at least one search of each fit ended at a finite log density.

    Raises
    ------
    InputError
        If no search of a fit did.
    """
    if not np.isfinite(log_density).any(1).all():
        raise InputError(
            f"The posterior density is not finite where any of {log_density.shape[1]} searches for "
            f"its mode began. Give priors under which the law is finite at the table's inputs, or "
            f"other starts."
        )


class WorkingRows(NamedTuple):
    """The least squares that has the gradient of the likelihood by the locations of the rows.

    Parameters
    ----------
    score
        Derivative of each row's log density by its location.
    precision
        Weight of each row, from :func:`working_precision`.
    deviation
        Deviation of each row from its location: the observed value less the location, or score /
        precision if the noise is not symmetric.
    """

    score: Float[Array, " rows"]
    precision: Float[Array, " rows"]
    deviation: Float[Array, " rows"]


def working_rows(
    density: LogDensity, point: Float[Array, " dim"], location: Float[Array, " rows"]
) -> WorkingRows:
    """Return the least squares that approximates the likelihood at a point.

    Parameters
    ----------
    density
        Log density with the rows.
    point
        The point.
    location
        Location of each row there, on the scale of the target.
    """
    score = _scores(density, point, location)
    if density.noise.symmetric:
        precision = working_precision(density, point, location, score)
        return WorkingRows(score, precision, density.likelihood.observed_on_scale - location)
    spread = density.likelihood.spread(density.coordinates.at_reference(point))
    information = density.weights @ (score * spread) ** 2 / density.weights.sum()
    precision = information / spread**2
    return WorkingRows(score, density.weights * precision, score / precision)


def working_precision(
    density: LogDensity,
    point: Float[Array, " dim"],
    location: Float[Array, " rows"],
    score: Float[Array, " rows"],
) -> Float[Array, " rows"]:
    """Return the weight of each row in the least squares that has the likelihood's gradient.

    It is the row's own weight times score / deviation, the weight of iteratively reweighted least
    squares. This is positive where the density falls away from the location. The mode of a noise
    that is not symmetric is beside the location; the weight is then at least the negative second
    derivative of the log density.

    Parameters
    ----------
    density, point, location
        The arguments of :func:`working_rows`.
    score
        Derivative of each row's log density by its location.
    """
    deviation = density.likelihood.observed_on_scale - location
    precision = jnp.where(deviation == 0, 0.0, score / deviation)
    if not density.noise.symmetric:

        def scores(location: Array) -> Array:
            return _scores(density, point, location)

        slope = jax.jvp(scores, (location,), (jnp.ones_like(location),))[1]
        precision = jnp.maximum(jnp.maximum(precision, -slope), 0.0)
    return density.weights * precision


def _scores(
    density: LogDensity, point: Float[Array, " dim"], location: Float[Array, " rows"]
) -> Float[Array, " rows"]:
    """Return the derivative of each row's log density by its location."""

    def log_likelihood(location: Array) -> Array:
        return density.log_likelihood_at(location, point)

    return jax.jvp(log_likelihood, (location,), (jnp.ones_like(location),))[1]


def _sum_rows(density: LogDensity, point: Float[Array, " dim"]) -> tuple[Array, Array, Array]:
    """Return what the rows contribute to the log density, its gradient and its curvature."""
    of_law = density.location_size
    law_part, noise_part = point[:of_law], point[of_law:]

    def location(law_part: Array) -> Array:
        return density.location(jnp.concatenate([law_part, noise_part]))

    def log_likelihood(location: Array, noise_part: Array) -> Array:
        point = jnp.concatenate([law_part, noise_part])
        return density.log_likelihood_at(location, point)

    row_location, location_jvp = jax.linearize(location, law_part)
    jacobian = jax.vmap(location_jvp)(jnp.eye(of_law, dtype=point.dtype))
    log_density, log_likelihood_jvp = jax.linearize(log_likelihood, row_location, noise_part)
    score = log_likelihood_jvp(jnp.ones_like(row_location), jnp.zeros_like(noise_part))
    noise_scores = jax.vmap(lambda unit: log_likelihood_jvp(jnp.zeros_like(row_location), unit))(
        jnp.eye(noise_part.size, dtype=point.dtype)
    )
    weights = density.weights
    precision = working_precision(density, point, row_location, score)
    gradient = jnp.concatenate([jacobian @ (weights * score), noise_scores @ weights])
    curvature = jax.scipy.linalg.block_diag(
        (jacobian * precision) @ jacobian.T, (noise_scores * weights) @ noise_scores.T
    )
    return weights @ log_density, gradient, curvature


def _evaluate(density: LogDensity, point: Float[Array, " dim"], with_prior: bool) -> _Evaluation:
    if density.likelihood.random_effects is None:
        total, gradient, curvature = density.sum_over_rows(_sum_rows, point)
    else:
        total, gradient, curvature = _sum_rows(density, point)
    if with_prior:
        coordinates, coordinates_jvp = jax.linearize(density.coordinates.prior_coordinates, point)
        to_coordinates = jax.vmap(coordinates_jvp)(jnp.eye(point.size, dtype=point.dtype))

        def slopes(z: Array) -> Array:
            return jax.jvp(density.prior.of_coordinates, (z,), (jnp.ones_like(z),))[1]

        slope, second_derivative = jax.jvp(slopes, (coordinates,), (jnp.ones_like(coordinates),))
        gradient += to_coordinates @ slope + jax.grad(density.coordinates.log_volume)(point)
        curvature += (to_coordinates * jnp.maximum(-second_derivative, 0.0)) @ to_coordinates.T
        total += density.prior(point) - density.prior.step_correction(point)
        if density.likelihood.random_effects is not None:
            # Adds what integrating out the random effects contributes. Without it the effects
            # would explain all residuals, and sigma would shrink to 0.
            ratio, ratio_gradient = jax.value_and_grad(density.coordinates.log_effect_ratio)(point)
            log_volume = density.likelihood.random_effects.log_volume
            slope, second_derivative = jax.jvp(
                jax.grad(log_volume), (ratio,), (jnp.ones_like(ratio),)
            )
            gradient += slope * ratio_gradient
            curvature += jnp.maximum(-second_derivative, 0.0) * jnp.outer(
                ratio_gradient, ratio_gradient
            )
            total += log_volume(ratio)
    return _Evaluation(point, total, gradient, curvature)
