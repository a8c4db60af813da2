"""Smoothly broken power laws of one quantity."""

from typing import Annotated

import jax
import jax.numpy as jnp
import numpyro.distributions as dist
from jaxtyping import Array

from scalingbayes.laws.base.family import Between, family
from scalingbayes.laws.base.law import Law, Sum, signed
from scalingbayes.laws.base.parameters import Parameter
from scalingbayes.laws.base.priors import floor, weight
from scalingbayes.laws.base.targets import Target


def loss(x: Array, *, a: Array, b: Array, c_0: Array, **breaks: Array) -> Array:
    """L(x) = a + b x^-c_0 prod_i (1 + (x / d_i)^(1 / f_i))^(-c_i f_i) (Caballero et al. 2022).

    At d_i the slope on log-log axes changes by -c_i, from -(c_0 + ... + c_{i-1}), with sharpness
    1 / f_i.
    """
    log_x = jnp.log(x)
    log_power = jnp.log(b) - c_0 * log_x
    for i in range(1, len(breaks) // 3 + 1):
        c, d, f = (breaks[f"{name}_{i}"] for name in "cdf")
        log_power -= c * f * jax.nn.softplus((log_x - jnp.log(d)) / f)
    return a + jnp.exp(log_power)


@family
def broken(
    x: str = "params",
    breaks: Annotated[int, Between(1, 20)] = 1,
    target: str = "loss",
    scale: str = "log",
) -> Law:
    """Return a power law whose exponent changes smoothly at some points.

    Parameters
    ----------
    x
        The column that the law reads.
    breaks
        The number of changes of the exponent.
    target
        The column that the law predicts.
    scale
        The scale on which the target scatters: ``log``, or ``logit`` for an error from 0 to 1.
    """
    bends = [f"c_{i} * f_{i} * softplus(log({x} / d_{i}) / f_{i})" for i in range(1, breaks + 1)]
    parameters = {
        "a": floor("limit of the loss", target),
        "b": weight("power law", f"{target} * {x}**c_0 * exp({' + '.join(bends)})"),
        "c_0": Parameter("first exponent", dist.Normal(0.3, 0.5)),
    }
    for i in range(1, breaks + 1):
        # Breaks are in order: each is measured from the one before it.
        last = f"d_{i - 1}" if i > 1 else None
        before = "".join(f" - c_{j}" for j in range(i))
        parameters |= {
            f"c_{i}": Parameter(
                f"change of the exponent at break {i}; the exponent beyond it",
                dist.Normal(0.3, 0.5),
                shift=before.removeprefix(" "),
            ),
            f"d_{i}": Parameter(
                f"where break {i} is",
                dist.LogNormal(0.0, 1.0),
                unit=last or x,
                shift=last or "0",
            ),
            f"f_{i}": Parameter(f"how gradual break {i} is", dist.LogNormal(-0.3, 0.6)),
        }
    return Law(
        name="broken",
        function=signed(loss, [x], parameters),
        equation=f"L = a + b x^-c_0 prod_i (1 + (x/d_i)^(1/f_i))^(-c_i f_i), i = 1..{breaks}, "
        f"x = {x}",
        source="Caballero et al. 2022 (arXiv:2210.14891)",
        target=Target(target, scale),
        parameters=parameters,
        terms=Sum("b", "a"),
    )
