"""Routed language models: the bilinear law of params and experts."""

import jax.numpy as jnp
import numpyro.distributions as dist
from jaxtyping import Array, Float

from scalingbayes.laws.base.law import Input, Law, Values
from scalingbayes.laws.base.parameters import Parameter


def loss(
    params: Values,
    experts: Values,
    *,
    a: Values,
    b: Values,
    c: Values,
    d: Values,
    E_start: Values,
    E_max: Values,
) -> Float[Array, "*shape"]:
    """log10 L = a log10 N + b log10 E' + c log10 N log10 E' + d (Clark et al. 2022, eq. 1).

    The effective number of experts saturates: 1/E' = 1/(E - 1 + 1/(1/E_start - 1/E_max)) + 1/E_max,
    from E_start for one expert to E_max. The paper finds a = -0.082, b = -0.108, c = 0.009,
    d = 1.104, E_start = 1.847 and E_max = 314.478 for S-BASE at 130 billion tokens (table 3).
    """
    at_one = E_start * E_max / (E_max - E_start)
    effective = 1 / (1 / (experts - 1 + at_one) + 1 / E_max)
    log_N, log_E = jnp.log(params) / jnp.log(10.0), jnp.log(effective) / jnp.log(10.0)
    return jnp.exp(jnp.log(10.0) * (a * log_N + b * log_E + c * log_N * log_E + d))


routed = Law(
    name="routed",
    function=loss,
    equation="log10 L = a log10 N + b log10 E' + c log10 N log10 E' + d",
    source="Clark et al. 2022 (arXiv:2202.01169), eq. 1",
    inputs={"experts": Input("experts of a routed layer, E; 1 for a dense model", unit="1")},
    # Priors are stated at the reference size: on level and slope of a dense model, and on the
    # change of both from E_start to E_max.
    parameters={
        "a": Parameter(
            "exponent of the params; that of a dense model",
            dist.Normal(-0.1, 0.1),
            shift="-c * log(E_start) / log(10)",
        ),
        "b": Parameter(
            "exponent of the experts; log10 of all that they gain",
            dist.Normal(-0.1, 0.1),
            unit="log(10) / log(E_max / E_start)",
            shift="-c * log(params) / log(10)",
        ),
        "c": Parameter(
            "interaction of the two; change of the params' exponent by experts",
            dist.Normal(0.0, 0.05),
            unit="log(10) / log(E_max / E_start)",
        ),
        "d": Parameter(
            "log10 level; that of a dense model",
            dist.Normal(0.1, 0.2),
            shift="(log(loss) - a * log(params)) / log(10)"
            " - (b + c * log(params) / log(10)) * log(E_start) / log(10)",
        ),
        "E_start": Parameter(
            "effective experts of a dense model", dist.LogNormal(0.0, 1.0), shift="1"
        ),
        "E_max": Parameter("effective experts at most", dist.LogNormal(5.5, 1.0), shift="E_start"),
    },
)
