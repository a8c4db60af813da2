"""Draws from the priors: what is said before any run is looked at."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, override

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float, Int

from scalingbayes._core.errors import InputError
from scalingbayes._core.precision import precision
from scalingbayes.inference.draws import Draws, Progress
from scalingbayes.inference.engine import Engine
from scalingbayes.inference.settings import check_whole
from scalingbayes.model.bound_model import BoundModel
from scalingbayes.model.log_density import LogDensity, Point
from scalingbayes.model.noise import TAU

_MOST_ROUNDS = 100


@dataclass(frozen=True)
class PriorDraws(Engine):
    """Draw from the priors, independently; the runs give no more than the reference point.

    What a posterior says of itself this says of the priors: the losses that they foresee
    (``predict``), the exponents, the allocation.

    Parameters
    ----------
    draws
        Draws to keep.

    Raises
    ------
    InputError
        If a setting is out of range, or the priors, in the table's units, all but exclude each
        other (as e_0 below e_inf).
    """

    uses_likelihood_power: ClassVar[bool] = False

    draws: int = 4000

    def __post_init__(self) -> None:
        check_whole(self, draws=1)

    @override
    def run(
        self, models: Sequence[BoundModel], seeds: Sequence[int], dtype: str, progress: Progress
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
            f"Of {_MOST_ROUNDS * self.draws} draws from the priors {sum(map(len, kept))} lie in "
            f"the range of every parameter, fewer than the {self.draws} wanted: give priors that "
            f"do not exclude each other."
        )


@partial(jax.jit, static_argnames=("count",))
def draw_priors(
    density: LogDensity, count: int, seed: Int[ArrayLike, ""], step: Int[ArrayLike, ""]
) -> tuple[Float[Array, "count dim"], Bool[Array, " count"]]:
    """Draw each parameter from its prior, and say which draws are in the range of all.

    Parameters
    ----------
    density
        Whose priors.
    count
        How many draws.
    seed, step
        Two numbers that they come from.

    Returns
    -------
    tuple
        Points, shape (count, dim), and booleans, shape (count,).
    """
    key = jax.random.fold_in(jax.random.key(seed), step)
    *keys, of_errors = jax.random.split(key, len(density.parameters) + 1)
    coordinates = {}
    for name, own in zip(density.parameters, keys, strict=True):
        prior = density.priors[name]
        coordinates[name] = prior.bijector.inv(prior.distribution.sample(own, (count,)))
    points = jax.vmap(density.from_coordinates)(coordinates)
    if density.effects:
        normals = jax.random.normal(of_errors, (count, density.effects), points.dtype)
        points = jax.vmap(partial(_share_errors, density))(points, normals)
    inside = jnp.isfinite(jax.vmap(density.log_prior)(points))
    return points, inside & jnp.isfinite(points).all(1)


def _share_errors(density: LogDensity, point: Point, normals: Float[Array, " effects"]) -> Point:
    tau = density.at_reference(point)[TAU]
    return density.with_random_effects(point[density.named], tau * normals)
