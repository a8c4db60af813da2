"""Accuracy on downstream tasks: a logistic curve between chance and 1."""

import jax
import jax.numpy as jnp
import numpyro.distributions as dist
from jaxtyping import Array

from scalingbayes._core.errors import InputError
from scalingbayes.laws.base.family import family
from scalingbayes.laws.base.law import Law, signed
from scalingbayes.laws.base.parameters import Parameter
from scalingbayes.laws.base.targets import Target


@family
def accuracy(x: str = "loss", chance: float = 0.0, target: str = "accuracy") -> Law:
    """Return a law of a task's accuracy: a logistic curve from chance to 1.

    In the loss the accuracy falls: p = chance + (1 - chance) / (1 + exp(s (L - x_0))). In a
    quantity such as compute it rises with the logarithm:
    p = chance + (1 - chance) / (1 + (x / x_0)^-s). Llama 3 predicts benchmarks by the first form,
    from the loss on the correct answers. The second form predicts in one step. The floor at chance
    is an addition of this package.

    Parameters
    ----------
    x
        ``loss``, or a column of positive numbers that the accuracy rises with, such as ``compute``.
    chance
        Accuracy of random guessing: 0.25 for a choice of four.
    target
        The column that holds the accuracy, a fraction.

    Raises
    ------
    InputError
        If chance is not in [0, 1).
    """
    if not 0 <= chance < 1:
        raise InputError(f"chance must be from 0 to below 1, such as 0.25; got {chance!r}.")
    falls = x == "loss"

    def in_loss(x: Array, *, x_0: Array, s: Array) -> Array:
        return chance + (1 - chance) * jax.nn.sigmoid(s * (x_0 - x))

    def in_scale(x: Array, *, x_0: Array, s: Array) -> Array:
        return chance + (1 - chance) * jax.nn.sigmoid(s * (jnp.log(x) - jnp.log(x_0)))

    half = f"{x} at the midpoint between chance and 1"
    if falls:
        parameters = {
            "x_0": Parameter(half, dist.LogNormal(0.0, 1.0), unit=x),
            "s": Parameter("steepness", dist.LogNormal(1.5, 1.0), unit="1 / loss"),
        }
    else:
        parameters = {
            "x_0": Parameter(half, dist.LogNormal(0.0, 4.0), unit=x),
            "s": Parameter("steepness", dist.LogNormal(-0.7, 1.0)),
        }
    start = f"{chance:g} + {1 - chance:g}" if chance else "1"
    return Law(
        name="accuracy",
        function=signed(in_loss if falls else in_scale, [x], parameters),
        equation=f"p = {start} / (1 + exp(s (L - x_0)))"
        if falls
        else f"p = {start} / (1 + (x/x_0)^-s), x = {x}",
        source="Grattafiori et al. 2024 (Llama 3, arXiv:2407.21783), section 3.2.1",
        target=Target(target, "logit", higher_is_better=True),
        parameters=parameters,
        decreasing=(x,) if falls else (),
    )
