"""The posterior predictive distribution of new runs."""

from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp
from jaxtyping import Array, ArrayLike, Float, Int

from scalingbayes._core.precision import precision, to_device
from scalingbayes._core.programs import compiled
from scalingbayes.laws import Law
from scalingbayes.model.discrepancy import Discrepancy
from scalingbayes.model.noise import TAU, Noise

_NODES, _NODE_WEIGHTS = np.polynomial.hermite.hermgauss(31)
_NODE_WEIGHTS = _NODE_WEIGHTS / np.sqrt(np.pi)
_LARGEST_LOG = 700.0  # heavy tails would overflow float64 beyond
_POINTS_AT_ONCE = 64  # so that one compiled program serves any number of runs


class DiscrepancyDraws(NamedTuple):
    """Draws of a discrepancy: its steps, each over the square root of its length."""

    discrepancy: Discrepancy
    steps: Float[Array | np.ndarray, "*draws effects"]


def _random_effect(
    noise: Noise,
    values: dict[str, Float[Array, "*draws 1"]],
    ratios: dict[str, Float[Array, "*#draws points"]],
    discrepancy_draws: DiscrepancyDraws | None,
) -> tuple[Any, Any]:
    """Return the mean and the sd of the random effect of new runs, on the scale of the noise.

    A new run belongs to a new group. With a discrepancy, the mean is the walk at the run's scale,
    and the sd is what the walk gains outside the range of the fitted runs.
    """
    if discrepancy_draws is None:
        return 0.0, values[TAU]
    log_scale = sum(jnp.log(ratios[name]) for name in noise.discrepancy)
    mean = (discrepancy_draws.discrepancy.basis(log_scale) * discrepancy_draws.steps).sum(-1)
    return mean, values[TAU] * discrepancy_draws.discrepancy.extra_sd(log_scale)


@partial(compiled, static=("law", "noise"))
def predict(
    law: Law,
    noise: Noise,
    values: dict[str, Float[Array, "*draws"]],
    inputs: dict[str, Float[Array, "*#draws points"]],
    reference: dict[str, Float[Array, ""]],
    discrepancy_draws: DiscrepancyDraws | None,
    seeds: tuple[Int[ArrayLike, ""], Int[ArrayLike, ""]],
    errors: Float[Array, " points"] | None = None,
    shift: Float[Array, "*draws points"] | None = None,
) -> dict[str, Float[Array, "*draws points"]]:
    """Draw from the posterior predictive distribution.

    Parameters
    ----------
    law, noise, values
        The law, the noise model, and draws of their parameters.
    inputs
        The inputs of the new runs.
    reference
        The reference value of each input.
    discrepancy_draws
        Draws of the discrepancy, if the noise model has one.
    seeds
        The seed of the noise, and a number that differs between posteriors whose predictions are
        combined, so that their noise is independent.
    errors
        Known standard errors of the targets, on the scale on which they scatter.
    shift
        Draws of the law's own error, on that scale.

    Returns
    -------
    dict
        ``expected``, the target by the law, and ``observed``, the target of one new run, noise
        included; each of shape (*draws, points).
    """
    values = {name: value[..., None] for name, value in values.items()}
    if discrepancy_draws is not None:
        discrepancy_draws = DiscrepancyDraws(
            discrepancy_draws.discrepancy, discrepancy_draws.steps[..., None, :]
        )
    expected = law(inputs, values)
    ratios = {name: x / reference[name] for name, x in inputs.items()}
    key = jax.random.fold_in(jax.random.key(seeds[0]), seeds[1])
    location = noise.scale.link(expected)
    if shift is not None:
        location = location + shift
        expected = noise.scale.inverse()(location)
    if noise.has_random_effects:
        key, effect_key = jax.random.split(key)
        mean, sd = _random_effect(noise, values, ratios, discrepancy_draws)
        location += mean + sd * jax.random.normal(effect_key, location.shape, location.dtype)
    scatter = noise.about(location, values, ratios, errors).sample(key)
    if noise.scale.name != "plain":
        scatter = jnp.clip(scatter, -_LARGEST_LOG, _LARGEST_LOG)
    return {"expected": expected, "observed": noise.scale.inverse()(scatter)}


def log_predictive(
    law: Law,
    noise: Noise,
    values: dict[str, Float[np.ndarray, "*draws"]],
    inputs: dict[str, Float[np.ndarray, " points"]],
    observed: Float[np.ndarray, " points"],
    reference: Mapping[str, float],
    errors: Float[np.ndarray, " points"] | None = None,
    discrepancy_draws: DiscrepancyDraws | None = None,
    shift: Float[np.ndarray, "*draws points"] | None = None,
) -> Float[np.ndarray, " points"]:
    """Compute the log predictive density of the observed target of each run, in its own unit.

    The predictive density is the mean over the draws of the density of the observed target.

    Parameters
    ----------
    law, noise, values
        The law, the noise model, and draws of their parameters.
    inputs, observed
        The inputs of the runs, and their targets.
    reference
        The reference value of each input.
    errors
        Known standard errors of the targets, on the scale on which they scatter.
    discrepancy_draws
        Draws of the discrepancy, if the noise model has one.
    shift
        Draws of the law's own error, on the scale on which targets scatter.
    """
    count = len(observed)
    padded = -(-count // _POINTS_AT_ONCE) * _POINTS_AT_ONCE
    found = []
    with precision("float64"):
        shared = to_device((values, dict(reference), discrepancy_draws), "float64")
        for first in range(0, padded, _POINTS_AT_ONCE):
            rows = np.arange(first, first + _POINTS_AT_ONCE) % count
            block = (
                {name: x[rows] for name, x in inputs.items()},
                observed[rows],
                None if errors is None else errors[rows],
                None if shift is None else shift[..., rows],
            )
            found.append(_log_predictive(law, noise, *shared, *to_device(block, "float64")))
        return np.concatenate([np.asarray(each) for each in found])[:count]


@partial(compiled, static=("law", "noise"))
def _log_predictive(
    law: Law,
    noise: Noise,
    values: dict[str, Float[Array, "*draws"]],
    reference: dict[str, Float[Array, ""]],
    discrepancy_draws: DiscrepancyDraws | None,
    inputs: dict[str, Float[Array, " points"]],
    observed: Float[Array, " points"],
    errors: Float[Array, " points"] | None,
    shift: Float[Array, "*draws points"] | None,
) -> Float[Array, " points"]:
    values = {name: value.reshape(-1, 1) for name, value in values.items()}
    if discrepancy_draws is not None:
        discrepancy_draws = DiscrepancyDraws(
            discrepancy_draws.discrepancy,
            discrepancy_draws.steps.reshape(-1, 1, discrepancy_draws.steps.shape[-1]),
        )
    ratios = {name: x / reference[name] for name, x in inputs.items()}
    location = noise.scale.link(law(inputs, values))
    if shift is not None:
        location += shift.reshape(location.shape)
    if noise.has_random_effects:  # integrate over the unknown random effect
        mean, sd = _random_effect(noise, values, ratios, discrepancy_draws)
        location = location + mean + np.sqrt(2.0) * sd * _NODES[:, None, None]
        log_weights = jnp.log(_NODE_WEIGHTS)[:, None, None]
    else:
        location, log_weights = location[None], jnp.zeros((1, 1, 1))
    expected = noise.scale.inverse()(location)
    log_density = noise(expected, values, ratios, errors).log_prob(observed)
    return logsumexp(log_density + log_weights, axis=(0, 1)) - jnp.log(log_density.shape[1])
