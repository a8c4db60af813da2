"""Reinforcement learning: a sigmoid of the reward in the logarithm of compute."""

import jax
import jax.numpy as jnp
import numpyro.distributions as dist
from jaxtyping import Array

from scalingbayes.laws.base.family import family
from scalingbayes.laws.base.law import Law, signed
from scalingbayes.laws.base.parameters import Parameter
from scalingbayes.laws.base.targets import Target


@family
def reinforcement(x: str = "gpu_hours", target: str = "pass_rate") -> Law:
    """Return the law of a reward that reinforcement learning raises from R_0 to an asymptote A.

    R = R_0 + (A - R_0) / (1 + (C_mid / C)^B), with C the compute of reinforcement learning alone.
    Half of the gain is reached at C_mid. ``post.summary()`` has the asymptote A with its interval,
    also from the early part of a run. If R_0 was measured, give it a narrow prior.

    Khatri et al. 2025 measure C in GPU hours, leave out the first 1,500, and find A = 0.610,
    B = 1.92 and C_mid = 2542 for ScaleRL on a model of 8B, and 0.710, 1.65 and 4242 on one of
    17B x 16 experts (table 1, read in notes on the paper).

    Parameters
    ----------
    x
        The column of the compute.
    target
        The column of the reward: a fraction strictly between 0 and 1, such as a pass rate.
    """

    def reward(x: Array, *, A: Array, B: Array, C_mid: Array, R_0: Array) -> Array:
        return R_0 + (A - R_0) * jax.nn.sigmoid(B * (jnp.log(x) - jnp.log(C_mid)))

    parameters = {
        "R_0": Parameter("reward before the training", dist.Beta(1.0, 2.0)),
        "A": Parameter(
            "asymptote of the reward",
            dist.Uniform(0.0, 1.0),
            unit="1 - R_0",
            shift="R_0",
        ),
        "B": Parameter("steepness", dist.LogNormal(0.0, 0.8)),
        "C_mid": Parameter(f"{x} at half of the gain", dist.LogNormal(0.0, 2.0), unit=x),
    }
    return Law(
        name="reinforcement",
        function=signed(reward, [x], parameters),
        equation=f"R = R_0 + (A - R_0) / (1 + (C_mid/C)^B), C = {x}",
        source="Khatri et al. 2025 (arXiv:2510.13786), eq. 1",
        target=Target(target, "logit", higher_is_better=True),
        parameters=parameters,
    )
