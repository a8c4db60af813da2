"""Draws from the priors."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import override

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float, Int

from scalingbayes._core.arguments import Count
from scalingbayes._core.checked import checked
from scalingbayes._core.errors import InputError
from scalingbayes._core.precision import precision
from scalingbayes._core.programs import compiled
from scalingbayes._core.progress import Report
from scalingbayes.inference.draws import Draws
from scalingbayes.inference.engine import Engine
from scalingbayes.model.bound_model import BoundModel
from scalingbayes.model.coordinates import Point
from scalingbayes.model.log_density import LogDensity
from scalingbayes.model.noise import TAU

_MOST_ROUNDS = 100  # rounds of draws, of which those outside a parameter's range are dropped


@checked
@dataclass(frozen=True)
class PriorDraws(Engine):
    """Draw from the priors, independently. The runs only determine the reference point.

    The result is a posterior like any other, so that it shows what the priors imply for losses
    (``predict``), exponents and allocations.

    Parameters
    ----------
    draws
        Number of draws to keep.

    Raises
    ------
    InputError
        If a setting is out of range, or the priors almost exclude each other (such as a prior of
        e_0 below that of e_inf).

    Examples
    --------
    >>> import scalingbayes as sb
    >>> runs = sb.datasets.load("chinchilla")
    >>> prior = sb.fit(runs, engine=sb.PriorDraws(draws=1000))  # doctest: +SKIP
    >>> prior.exponents()  # what the priors say alone  # doctest: +SKIP
    """

    draws: Count = 4000

    @override
    def run(
        self, models: Sequence[BoundModel], seeds: Sequence[int], dtype: str, progress: Report
    ) -> list[Draws]:
        found = []
        for model, seed in zip(models, seeds, strict=True):
            with precision(dtype):
                points = self._draw(model.density(dtype), seed)
            found.append(Draws(points[None].astype(float), {}, of="prior"))
            progress(len(found) / len(models))
        return found

    def _draw(self, density: LogDensity, seed: int) -> Float[np.ndarray, "draws dim"]:
        kept: list[np.ndarray] = []
        for step in range(_MOST_ROUNDS):
            points, possible = jax.tree.map(
                np.asarray, draw_priors(density, self.draws, seed, step)
            )
            kept.append(points[possible])
            if sum(map(len, kept)) >= self.draws:
                return np.concatenate(kept)[: self.draws]
        raise InputError(
            f"Of {_MOST_ROUNDS * self.draws} draws from the priors, {sum(map(len, kept))} are in "
            f"the range of every parameter; {self.draws} are needed. Give priors that do not "
            f"exclude each other."
        )


@partial(compiled, static=("count",))
def draw_priors(
    density: LogDensity, count: int, seed: Int[ArrayLike, ""], step: Int[ArrayLike, ""]
) -> tuple[Float[Array, "count dim"], Bool[Array, " count"]]:
    """Draw each parameter from its prior, and return which draws are in the range of all.

    Parameters
    ----------
    density
        Log density with the priors.
    count
        Number of draws.
    seed, step
        Numbers that determine the random key.

    Returns
    -------
    points, inside
        The draws, shape (count, dim), and whether each is in the range of every parameter.
    """
    key = jax.random.fold_in(jax.random.key(seed), step)
    *keys, of_errors = jax.random.split(key, len(density.parameters) + 1)
    coordinates = {}
    for name, own in zip(density.parameters, keys, strict=True):
        prior = density.coordinates.priors[name]
        coordinates[name] = prior.bijector.inv(prior.distribution.sample(own, (count,)))
    points = jax.vmap(density.coordinates.from_priors)(coordinates)
    if density.effects:
        normals = jax.random.normal(of_errors, (count, density.effects), points.dtype)
        points = jax.vmap(partial(_share_errors, density))(points, normals)
    inside = jnp.isfinite(jax.vmap(density.prior)(points))
    return points, inside & jnp.isfinite(points).all(1)


def _share_errors(density: LogDensity, point: Point, normals: Float[Array, " effects"]) -> Point:
    coordinates = density.coordinates
    tau = coordinates.at_reference(point)[TAU]
    return coordinates.with_random_effects(point[coordinates.parameter_indices], tau * normals)
