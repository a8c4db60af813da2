"""Routed language models: the bilinear law of params and experts."""

import jax.numpy as jnp
import numpyro.distributions as dist
from jaxtyping import Array, Float

from scalingbayes.laws.base.derived import Derived
from scalingbayes.laws.base.law import Input, Law, Values
from scalingbayes.laws.base.parameters import Parameter

EXPERTS = {
    "E_start": Parameter("effective experts of a dense model", dist.LogNormal(0.0, 1.0), shift="1"),
    "E_max": Parameter("effective experts at most", dist.LogNormal(5.5, 1.0), shift="E_start"),
}
"""Parameters of :func:`effective_experts`."""


def effective_experts(experts: Values, E_start: Values, E_max: Values) -> Float[Array, "*shape"]:
    """Return E' of 1/E' = 1/(E - 1 + 1/(1/E_start - 1/E_max)) + 1/E_max (Clark et al. 2022, eq. 6).

    E' rises from E_start for one expert to E_max.
    """
    at_one = E_start * E_max / (E_max - E_start)
    return 1 / (1 / (experts - 1 + at_one) + 1 / E_max)


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

    N counts the dense model to which experts are added: about the params that a token uses. All
    runs see the same tokens. The paper finds a = -0.082, b = -0.108, c = 0.009, d = 1.104,
    E_start = 1.847 and E_max = 314.478 for S-BASE at 130 billion tokens (table 3).
    """
    effective = effective_experts(experts, E_start, E_max)
    log_N, log_E = jnp.log10(params), jnp.log10(effective)
    return jnp.exp(jnp.log(10.0) * (a * log_N + b * log_E + c * log_N * log_E + d))


def dense_params(
    params: Values,
    experts: Values,
    *,
    a: Values,
    b: Values,
    c: Values,
    E_start: Values,
    E_max: Values,
) -> Float[Array, "*shape"]:
    """Return the size of the dense model with the loss of a routed one (Clark et al. 2022, eq. 11).

    The paper calls it the effective parameter count.
    """
    log_N, log_start = jnp.log10(params), jnp.log10(E_start)
    log_E = jnp.log10(effective_experts(experts, E_start, E_max))
    level = a * log_N + b * log_E + c * log_N * log_E
    return jnp.exp(jnp.log(10.0) * (level - b * log_start) / (a + c * log_start))


def cutoff_params(*, b: Values, c: Values) -> Float[Array, "*shape"]:
    """Return the size above which experts no longer lower the loss, 10^(-b/c); inf if c <= 0.

    Clark et al. 2022 find 937 billion for S-BASE.
    """
    return jnp.where(c > 0, jnp.exp(-jnp.log(10.0) * b / jnp.where(c > 0, c, 1.0)), jnp.inf)


routed = Law(
    name="routed",
    function=loss,
    equation="log10 L = a log10 N + b log10 E' + c log10 N log10 E' + d",
    source="Clark et al. 2022 (arXiv:2202.01169), eq. 1",
    inputs={
        "params": Input("parameters of the dense model to which experts are added, N"),
        "experts": Input("experts of a routed layer, E; 1 for a dense model", unit="1"),
    },
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
        **EXPERTS,
    },
    derived={
        "dense_params": Derived("size of a dense model with the same loss", dense_params),
        "cutoff_params": Derived("size above which experts no longer help", cutoff_params),
    },
)
