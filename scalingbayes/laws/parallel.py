"""Parallel streams of one model."""

import jax.numpy as jnp
import numpyro.distributions as dist
from jaxtyping import Array, Float

from scalingbayes.laws.base.law import Input, Law, Sum, Values
from scalingbayes.laws.base.parameters import Parameter
from scalingbayes.laws.base.priors import exponent, floor, weight


def loss(
    params: Values, streams: Values, *, E: Values, A: Values, alpha: Values, k: Values
) -> Float[Array, "*shape"]:
    """L(N, P) = E + A / (N (k log P + 1))^alpha (Chen et al. 2025, eq. 5).

    P streams have the effect of multiplying the params by k log P + 1. The paper writes
    (A / (N (k log P + 1)))^alpha: its A is this A to the power 1 / alpha.
    """
    log_effective = jnp.log(params) + jnp.log1p(k * jnp.log(streams))
    return E + A * jnp.exp(-alpha * log_effective)


parallel = Law(
    name="parallel",
    function=loss,
    equation="L = E + A/(N (k log P + 1))^alpha",
    source="Chen et al. 2025 (arXiv:2505.10475), eq. 5",
    inputs={"streams": Input("parallel streams, P", unit="1")},
    parameters={
        "E": floor(),
        "A": weight("finite model", "loss * params**alpha"),
        "alpha": exponent("model's size"),
        "k": Parameter("value of a stream", dist.LogNormal(-1.0, 1.0)),
    },
    terms=Sum("A", "E"),
    decreasing=("params", "streams"),
)
