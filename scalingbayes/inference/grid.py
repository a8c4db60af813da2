"""The posterior from a grid of a law's exponents, without chains."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, ClassVar, override

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from scalingbayes._core.arguments import Count, at_least
from scalingbayes._core.checked import checked
from scalingbayes._core.errors import InputError
from scalingbayes._core.precision import precision, to_dtype
from scalingbayes._core.programs import compiled
from scalingbayes._core.progress import Report
from scalingbayes.inference.draws import Draws
from scalingbayes.inference.engine import Engine
from scalingbayes.inference.importance import (
    OVERSAMPLING,
    Proposals,
    importance_resample,
    log_densities,
    student_t_proposals,
)
from scalingbayes.inference.linear import LinearForm, fit_cells, linear_form
from scalingbayes.inference.mode import working_rows
from scalingbayes.inference.whitening import Whitening, laplace_whitening
from scalingbayes.model.bound_model import BoundModel
from scalingbayes.model.log_density import LogDensity
from scalingbayes.model.stacking import stack_densities

_REACH = 8.0  # standard deviations of each exponent that the grid extends to on both sides
_CELLS = {1: 4000, 2: 500, 3: 60}  # cells along each axis, by the number of exponents


@checked
@dataclass(frozen=True)
class Grid(Engine):
    """Integrate over a grid of exponents; the law's other parameters have closed forms.

    The noise is approximated by a normal distribution that has the same score at the mode in every
    row. A law that is linear in its terms then has a normal posterior of the terms and a marginal
    likelihood in closed form at each cell of the grid. Draws from the cells are reweighted to the
    exact posterior by Pareto smoothed importance sampling. The result is independent of NUTS and
    checks it. The verdict fails if the noise is too far from the normal approximation.

    Parameters
    ----------
    draws
        Number of draws to keep.
    starts
        Number of searches for the mode, which is the centre of the grid.

    Raises
    ------
    InputError
        If a setting is out of range.

    Examples
    --------
    >>> Grid(draws=1000).draws
    1000
    """

    supports_random_effects: ClassVar[bool] = False

    draws: Annotated[int, at_least(100)] = 4000
    starts: Count = 4

    @override
    def run(
        self, models: Sequence[BoundModel], seeds: Sequence[int], dtype: str, progress: Report
    ) -> list[Draws]:
        found = []
        for done, (model, seed) in enumerate(zip(models, seeds, strict=True), start=1):
            with precision("float64"):
                found.append(self._run(model, seed))
            progress(done / len(models))
        return found

    def _run(self, model: BoundModel, seed: int) -> Draws:
        form = linear_form(model.law)
        if len(form.exponents) not in _CELLS:
            raise InputError(
                f"Law {model.law.name!r} has {len(form.exponents)} exponents, "
                f"{', '.join(form.exponents)}: "
                f"a grid of more than {max(_CELLS)} is too large. Use engine 'nuts' or 'laplace'."
            )
        random = np.random.default_rng(seed)
        densities = stack_densities([model], "float64")
        whitening = laplace_whitening(densities, [random], self.starts, "float64")
        density = jax.tree.map(lambda values: jnp.asarray(values[0]), densities)
        proposals = _propose(density, whitening, form, OVERSAMPLING * self.draws, random)
        log_density = log_densities(densities, proposals.points[None], "float64")[0]
        return importance_resample(proposals, log_density, self.draws, random)


def _propose(
    density: LogDensity,
    whitening: Whitening,
    form: LinearForm,
    count: int,
    random: np.random.Generator,
) -> Proposals:
    """Draw exponents from the cells, terms given exponents, and the noise around its mode."""
    law, exponents = density.law, form.exponents
    mode = jnp.asarray(whitening.center[0])
    covariance = whitening.root[0] @ whitening.root[0].T
    sd = dict(zip(density.parameters, np.sqrt(np.diag(covariance)), strict=True))
    at_mode = density.coordinates.at_reference(mode)
    response, weights = _working_rows(density, mode)

    # The axes are evenly spaced in the coordinate of an exponent's prior, such as its logarithm.
    bijectors = {name: density.coordinates.priors[name].bijector for name in exponents}
    centers = {name: float(bijectors[name].inv(at_mode[name])) for name in exponents}
    steps = np.linspace(-_REACH, _REACH, _CELLS[len(exponents)])
    axes = {name: centers[name] + sd[name] * steps for name in exponents}
    grid = {name: bijectors[name](z) for name, z in axes.items()}
    cells = fit_cells(law, form, density.likelihood.inputs, response, weights, grid)
    prior = sum(
        np.reshape(
            jax.vmap(density.coordinates.priors[name].log_density)(jnp.asarray(axes[name])),
            [-1 if other == name else 1 for other in exponents],
        )
        for name in exponents
    )
    log_cells = np.nan_to_num(
        np.asarray(prior - (cells.sse + cells.log_det) / 2), nan=-np.inf, neginf=-np.inf
    )
    share = np.exp(log_cells - log_cells.max())
    share /= share.sum()
    chosen = random.choice(share.size, count, p=share.ravel())
    width = np.array([sd[name] for name in exponents]) * (steps[1] - steps[0])
    places = np.unravel_index(chosen, share.shape)
    corners = np.stack([axes[name][i] for name, i in zip(exponents, places, strict=True)], axis=1)
    z = corners + width * random.uniform(-0.5, 0.5, corners.shape)
    log_q = np.log(share.ravel()[chosen]) - np.log(width).sum()

    noise = list(density.noise.parameters)
    first = len(law.parameters)
    noise_root = np.linalg.cholesky(covariance[first:, first:])
    t = student_t_proposals(random, count, len(noise))
    noise_coordinates = np.asarray(mode)[first:] + t.points @ noise_root.T
    log_q += t.log_density - np.linalg.slogdet(noise_root)[1]

    normal = random.standard_normal((count, len(form.terms)))
    points, log_terms = _complete(
        density,
        form,
        response,
        weights,
        *to_dtype((z, noise_coordinates, normal), "float64"),
    )
    return Proposals(np.asarray(points), log_q + np.asarray(log_terms))


def _working_rows(density: LogDensity, mode: Float[Array, " dim"]) -> tuple[Array, Array]:
    """Return the response and weights of the least squares that approximates the likelihood."""
    location = density.location(mode)
    rows = working_rows(density, mode, location)
    expected = density.law(density.likelihood.inputs, density.coordinates.at_reference(mode))
    slope = density.noise.scale.slope(expected)
    # With heavy tails the IRLS weights sum to more than the Fisher information of the scores.
    information = (density.weights @ rows.score**2) / rows.precision.sum()
    return expected + rows.deviation / slope, information * rows.precision * slope**2


@partial(compiled, static=("form",))
def _complete(
    density: LogDensity,
    form: LinearForm,
    response: Float[Array, " rows"],
    weights: Float[Array, " rows"],
    z: Float[Array, "draws exponents"],
    noise_coordinates: Float[Array, "draws noise"],
    normal: Float[Array, "draws terms"],
) -> tuple[Float[Array, "draws dim"], Float[Array, " draws"]]:
    """Draw terms given exponents; return the points and the log density of the terms.

    The log density of the terms is over the coordinates of a point, given its other coordinates.
    """
    law, linear = density.law, form.terms
    reference = dict.fromkeys(density.coordinates.reference, 1.0)

    def one(draw: tuple[Array, Array, Array]) -> tuple[Array, Array]:
        z, noise_z, normal = draw
        values = {
            name: density.coordinates.priors[name].bijector(at)
            for name, at in zip(form.exponents, z, strict=True)
        }
        noise = dict(zip(density.noise.parameters, noise_z, strict=True))
        none = {name: jnp.zeros(()) for name in linear}
        columns = jax.jacfwd(lambda terms: law(density.likelihood.inputs, {**values, **terms}))(
            none
        )
        design = jnp.stack([columns[name] for name in linear], axis=1)
        precision_root = jnp.linalg.cholesky((design.T * weights) @ design)
        best = jax.scipy.linalg.cho_solve((precision_root, True), design.T @ (weights * response))
        terms = best + jax.scipy.linalg.solve_triangular(precision_root.T, normal, lower=False)
        log_normal = -(normal @ normal) / 2 - len(linear) / 2 * jnp.log(2 * jnp.pi)
        log_normal += jnp.log(jnp.diag(precision_root)).sum()

        def coordinates(terms: Array) -> Array:
            given = dict(zip(linear, terms, strict=True))
            spread = {
                n: density.parameters[n].place(
                    density.coordinates.priors[n].bijector(at), reference
                )
                for n, at in noise.items()
            }
            return density.coordinates.from_reference({**values, **given, **spread})

        # Only the coordinates of the terms depend on the terms.
        jacobian = jax.jacfwd(coordinates)(terms)
        own = jnp.array([list(density.parameters).index(name) for name in linear])
        log_volume = jnp.linalg.slogdet(jacobian[own])[1]
        return coordinates(terms), log_normal - log_volume

    return jax.lax.map(one, (z, noise_coordinates, normal), batch_size=64)
