"""What runs that have not been trained would reach."""

from functools import partial

import jax
from jaxtyping import Array, ArrayLike, Float, Int

from scalingbayes.laws import Law
from scalingbayes.noise import Noise


@partial(jax.jit, static_argnums=(0, 1))
def predict(
    law: Law,
    noise: Noise,
    values: dict[str, Float[Array, "*draws"]],
    inputs: dict[str, Float[Array, "*#draws points"]],
    reference: dict[str, Float[Array, ""]],
    seed: Int[ArrayLike, ""],
    stream: Int[ArrayLike, ""],
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
    seed, stream
        Two numbers that the noise comes from. Posteriors whose predictions are combined need
        streams of their own.

    Returns
    -------
    dict
        ``expected``, the target by the law, and ``observed``, what one new run would reach: the
        same with the noise of a run; each of shape (*draws, points).
    """
    values = {name: value[..., None] for name, value in values.items()}
    expected = law(inputs, values)
    ratios = {name: x / reference[name] for name, x in inputs.items()}
    distribution = noise(expected, values, ratios)
    key = jax.random.fold_in(jax.random.key(seed), stream)
    return {"expected": expected, "observed": distribution.sample(key)}
