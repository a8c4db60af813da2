"""Standardised residuals of a fit: those of its runs, and those of runs replicated from draws."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from scalingbayes._core.precision import precision, to_device
from scalingbayes._core.programs import compiled
from scalingbayes.data.runs import Runs
from scalingbayes.laws import Law
from scalingbayes.model.bound_model import known_errors
from scalingbayes.model.noise import TAU, Noise
from scalingbayes.model.random_effects import Design
from scalingbayes.posterior.posterior import Posterior

WIDE_BAND = 0.9
"""Probability of the widest band of replicated residuals."""

_MAX_DRAWS = 2000
_MIN_DRAWS = 100
_MAX_RESIDUALS = 20_000_000  # draws times runs


@dataclass(frozen=True, eq=False)
class Residuals:
    """Residuals on the target's scale, over the noise's sigma. Random effects are part of them.

    Parameters
    ----------
    values
        The residuals; shape (draws, runs), with at most 2,000 draws.
    expected
        The target that the law expects of each run, in the table's unit; shape (draws, runs).
    inputs
        The law's inputs, each of shape (runs,).
    band
        The 90 % quantile of the absolute residuals of replicated runs.
    target
        The column of the target.
    runs
        The table of the runs.
    descriptions
        What each input of the law is.
    """

    values: Float[np.ndarray, "draws runs"]
    expected: Float[np.ndarray, "draws runs"]
    inputs: Mapping[str, Float[np.ndarray, " runs"]]
    band: float
    target: str
    runs: Runs
    descriptions: Mapping[str, str]


class ResidualPair(NamedTuple):
    """Residuals of the runs, and of runs that are replicated from each draw."""

    observed: Float[np.ndarray, "draws runs"]
    replicated: Float[np.ndarray, "draws runs"]


def replicate_residuals(post: Posterior, seed: int) -> tuple[Residuals, ResidualPair]:
    """Return the residuals of a fit, and a pair of these and those of replicated runs.

    The random effects of replicated runs are drawn anew.

    Parameters
    ----------
    post
        A fit.
    seed
        Seed of the replicated runs.
    """
    law = post.law
    column = law.target.column
    data = post.tree["constant_data"].to_dataset()
    inputs = {name: data[name].to_numpy() for name in law.inputs}
    observed = post.tree["observed_data"][column].to_numpy()
    values = _thin(post, len(observed))
    errors = known_errors(post.noise, post.runs, observed)
    table = inputs, observed, errors
    with precision("float64"):
        arrays = to_device((values, post.record.reference, *table), "float64")
        arrays_of_draws = _residuals(law, post.noise, *arrays, post.effects_design, seed)
    expected, *both = map(np.asarray, arrays_of_draws)
    pair = ResidualPair(*both)
    band = float(np.quantile(abs(pair.replicated), WIDE_BAND))
    meanings = {name: each.description for name, each in law.inputs.items()}
    found = Residuals(pair.observed, expected, inputs, band, column, post.runs, meanings)
    return found, pair


def _thin(post: Posterior, rows: int) -> dict[str, Float[np.ndarray, " draws"]]:
    """Return evenly spaced draws, fewer for larger tables."""
    most = int(np.clip(_MAX_RESIDUALS // rows, _MIN_DRAWS, _MAX_DRAWS))
    values = {name: draws.ravel() for name, draws in post.values.items()}
    total = len(next(iter(values.values())))
    chosen = np.unique(np.linspace(0, total - 1, most).astype(int))
    return {name: draws[chosen] for name, draws in values.items()}


@partial(compiled, static=("law", "noise"))
def _residuals(
    law: Law,
    noise: Noise,
    values: dict[str, Float[Array, " draws"]],
    reference: dict[str, Float[Array, ""]],
    inputs: dict[str, Float[Array, " runs"]],
    observed: Float[Array, " runs"],
    errors: Float[Array, " runs"] | None,
    effects_design: Design | None,
    seed: Int[Array, ""] | int,
) -> tuple[Float[Array, "draws runs"], ...]:
    """Return expected targets, and residuals of the runs and of replicated runs."""
    values = {name: draws[:, None] for name, draws in values.items()}
    expected = law(inputs, values)
    location = noise.scale.link(expected)
    target = jnp.broadcast_to(noise.scale.link(observed), location.shape)
    ratios = {name: x / reference[name] for name, x in inputs.items()}
    noise_key, effects_key = jax.random.split(jax.random.key(seed))
    centers = location
    if effects_design is not None:
        shape = (len(location), effects_design.count)
        normals = jax.random.normal(effects_key, shape, location.dtype)
        centers += values[TAU] * effects_design.apply(normals)
    replicate = noise.about(centers, values, ratios, errors).sample(noise_key)
    sigma = noise.spread(values, ratios, errors)
    return expected, (target - location) / sigma, (replicate - location) / sigma
