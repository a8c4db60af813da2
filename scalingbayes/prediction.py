"""What runs that have not been trained would reach."""

from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp
from jaxtyping import Array, ArrayLike, Float, Int

from scalingbayes.drift import Drift
from scalingbayes.laws import Law
from scalingbayes.noise import SHARED, Noise
from scalingbayes.precision import precision, to_device

_NODES, _NODE_WEIGHTS = np.polynomial.hermite.hermgauss(31)
_NODE_WEIGHTS = _NODE_WEIGHTS / np.sqrt(np.pi)
_POINTS_AT_ONCE = 64  # one program for any number of runs, in little memory


class Walk(NamedTuple):
    """Draws of a law's own error: its steps, over the root of their lengths."""

    drift: Drift
    steps: Float[Array | np.ndarray, "*draws effects"]


def shared_error(
    noise: Noise,
    values: dict[str, Float[Array, "*draws 1"]],
    ratios: dict[str, Float[Array, "*#draws points"]],
    walk: Walk | None,
) -> tuple[Any, Any]:
    """Give the mean and the sd of what new runs share, on the scale on which they scatter.

    A new run is of a new group. Along a drift it is where the walk has led, or beyond.
    """
    if walk is None:
        return 0.0, values[SHARED]
    log_scale = sum(jnp.log(ratios[name]) for name in noise.drift)
    mean = (walk.drift.basis(log_scale) * walk.steps).sum(-1)
    return mean, values[SHARED] * walk.drift.beyond(log_scale)


@partial(jax.jit, static_argnums=(0, 1))
def predict(
    law: Law,
    noise: Noise,
    values: dict[str, Float[Array, "*draws"]],
    inputs: dict[str, Float[Array, "*#draws points"]],
    reference: dict[str, Float[Array, ""]],
    walk: Walk | None,
    seed: Int[ArrayLike, ""],
    stream: Int[ArrayLike, ""],
    errors: Float[Array, " points"] | None = None,
) -> dict[str, Float[Array, "*draws points"]]:
    """Draw from the posterior predictive distribution.

    Parameters
    ----------
    law, noise, values
        What was fitted, and draws of its parameters.
    inputs
        The runs.
    reference
        The reference value of each input.
    walk
        The law's own error, where the noise has a drift.
    seed, stream
        Two numbers that the noise comes from. Posteriors whose predictions are combined need
        streams of their own.
    errors
        Known standard errors of what the runs reach, on the scale on which they scatter.

    Returns
    -------
    dict
        ``expected``, the target by the law, and ``observed``, what one new run would reach: the
        same with the noise of a run; each of shape (*draws, points).
    """
    values = {name: value[..., None] for name, value in values.items()}
    if walk is not None:
        walk = Walk(walk.drift, walk.steps[..., None, :])
    expected = law(inputs, values)
    ratios = {name: x / reference[name] for name, x in inputs.items()}
    key = jax.random.fold_in(jax.random.key(seed), stream)
    location = noise.scale.link(expected)
    if noise.shares:
        key, own = jax.random.split(key)
        mean, sd = shared_error(noise, values, ratios, walk)
        location += mean + sd * jax.random.normal(own, location.shape, location.dtype)
    scatter = noise.about(location, values, ratios, errors).sample(key)
    return {"expected": expected, "observed": noise.scale.inverse()(scatter)}


def log_predictive(
    law: Law,
    noise: Noise,
    values: dict[str, Float[np.ndarray, "*draws"]],
    inputs: dict[str, Float[np.ndarray, " points"]],
    observed: Float[np.ndarray, " points"],
    reference: Mapping[str, float],
    errors: Float[np.ndarray, " points"] | None = None,
    walk: Walk | None = None,
) -> Float[np.ndarray, " points"]:
    """Compute the log predictive density of each of some runs: of its target, in its own unit.

    It is the logarithm of the mean over the draws of the density of what was observed.

    Parameters
    ----------
    law, noise, values
        What was fitted, and draws of its parameters.
    inputs, observed
        The runs, and the target that each reached.
    reference
        The reference value of each input.
    errors
        Known standard errors of the targets, on the scale on which they scatter.
    walk
        The law's own error, where the noise has a drift.
    """
    count = len(observed)
    padded = -(-count // _POINTS_AT_ONCE) * _POINTS_AT_ONCE
    found = []
    with precision("float64"):
        draws, there, path = to_device((values, dict(reference), walk), "float64")
        for first in range(0, padded, _POINTS_AT_ONCE):
            rows = np.arange(first, first + _POINTS_AT_ONCE) % count
            own = ({n: x[rows] for n, x in inputs.items()}, observed[rows])
            block = to_device((*own, None if errors is None else errors[rows]), "float64")
            found.append(_log_predictive(law, noise, draws, there, path, *block))
        return np.concatenate([np.asarray(each) for each in found])[:count]


@partial(jax.jit, static_argnums=(0, 1))
def _log_predictive(
    law: Law,
    noise: Noise,
    values: dict[str, Float[Array, "*draws"]],
    reference: dict[str, Float[Array, ""]],
    walk: Walk | None,
    inputs: dict[str, Float[Array, " points"]],
    observed: Float[Array, " points"],
    errors: Float[Array, " points"] | None,
) -> Float[Array, " points"]:
    values = {name: value.reshape(-1, 1) for name, value in values.items()}
    if walk is not None:
        walk = Walk(walk.drift, walk.steps.reshape(-1, 1, walk.steps.shape[-1]))
    ratios = {name: x / reference[name] for name, x in inputs.items()}
    location = noise.scale.link(law(inputs, values))
    if noise.shares:  # what is not known of the shared error is integrated out
        mean, sd = shared_error(noise, values, ratios, walk)
        location = location + mean + np.sqrt(2.0) * sd * _NODES[:, None, None]
        log_weights = jnp.log(_NODE_WEIGHTS)[:, None, None]
    else:
        location, log_weights = location[None], jnp.zeros((1, 1, 1))
    expected = noise.scale.inverse()(location)
    log_density = noise(expected, values, ratios, errors).log_prob(observed)
    return logsumexp(log_density + log_weights, axis=(0, 1)) - jnp.log(log_density.shape[1])
