"""A sigmoid-like law between the error of guessing and the floor."""

import jax
import jax.numpy as jnp
import numpyro.distributions as dist
from jaxtyping import Array

from scalingbayes._core.roots import root
from scalingbayes.laws.base.family import family
from scalingbayes.laws.base.law import Law, Sum, signed
from scalingbayes.laws.base.parameters import Parameter
from scalingbayes.laws.base.priors import exponent, floor, weight
from scalingbayes.laws.base.targets import Target


def loss(x: Array, *, e_inf: Array, e_0: Array, beta: Array, alpha: Array, c: Array) -> Array:
    """L(x) with (L - e_inf) / (e_0 - L)^alpha = beta x^-c (Alabdulmohsin et al. 2022, M4).

    The paper writes x^c with a negative c. L falls from e_0, the error of guessing, to e_inf. With
    w = (L - e_inf) / (e_0 - e_inf), log w - alpha log(1 - w) is linear in log x. The equation is
    solved for the logit of w.
    """
    log_span = jnp.log(e_0 - e_inf)
    linear = jnp.log(beta) + (alpha - 1) * log_span - c * jnp.log(x)

    def gap(s: Array, linear: Array, alpha: Array) -> Array:
        return alpha * jax.nn.softplus(s) - jax.nn.softplus(-s) - linear

    # gap is concave if alpha < 1 and convex otherwise: start on the side from which Newton steps
    # never overshoot.
    steep, shallow = jnp.maximum(alpha, 1.0), jnp.minimum(alpha, 1.0)
    guess = jnp.where(linear > 0, linear / steep, linear / shallow)
    s = root(gap, guess, linear, alpha)
    return e_inf + (e_0 - e_inf) * jax.nn.sigmoid(s)


@family
def m4(x: str = "params", target: str = "loss", scale: str = "log") -> Law:
    """Return a sigmoid-like law, which is flat both for small models and near the floor.

    Parameters
    ----------
    x
        The column that the law reads.
    target
        The column that the law predicts.
    scale
        The scale on which the target scatters: ``log``, or ``logit`` for an error from 0 to 1.
    """
    parameters = {
        "e_inf": floor("limit of the loss", target),
        "e_0": Parameter("loss of guessing", dist.LogNormal(0.0, 1.0), unit=target, shift="e_inf"),
        "beta": weight("power law", f"{target} * (e_0 - e_inf)**-alpha * {x}**c"),
        "alpha": Parameter("how long guessing lasts", dist.LogNormal(0.0, 0.7)),
        "c": exponent(x),
    }
    return Law(
        name="m4",
        function=signed(loss, [x], parameters),
        equation=f"(L - e_inf)/(e_0 - L)^alpha = beta x^-c, x = {x}",
        source="Alabdulmohsin et al. 2022 (arXiv:2209.06640), estimator M4",
        target=Target(target, scale),
        parameters=parameters,
        terms=Sum("beta", "e_inf"),
        decreasing=(x,),
    )
