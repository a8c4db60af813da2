"""Chinchilla's law: two separable power laws above an irreducible loss."""

import jax.numpy as jnp
import numpyro.distributions as dist
from jaxtyping import Array, Float

from scalingbayes.laws.law import Law, power
from scalingbayes.parameters import Parameter
from scalingbayes.runs import FLOPS_PER_PARAM_TOKEN

Values = Float[Array, "*#shape"]


def loss(
    params: Values, tokens: Values, *, E: Values, A: Values, B: Values, alpha: Values, beta: Values
) -> Float[Array, "*shape"]:
    """L(N, D) = E + A / N^alpha + B / D^beta (Hoffmann et al. 2022, eq. 2)."""
    return E + A * power(params, -alpha) + B * power(tokens, -beta)


def optimum(
    compute: Values, *, E: Values, A: Values, B: Values, alpha: Values, beta: Values
) -> tuple[Float[Array, "*shape"], Float[Array, "*shape"]]:
    """N_opt = G (C/6)^a and D_opt = (C/6)^b / G (Hoffmann et al. 2022, eq. 4).

    G = (alpha A / (beta B))^(1 / (alpha + beta)), a = beta / (alpha + beta) and b = 1 - a.
    """
    log_product = jnp.log(compute / FLOPS_PER_PARAM_TOKEN)  # of params and tokens
    log_G = (jnp.log(alpha) + jnp.log(A) - jnp.log(beta) - jnp.log(B)) / (alpha + beta)
    log_params = log_G + beta / (alpha + beta) * log_product
    return jnp.exp(log_params), jnp.exp(log_product - log_params)


chinchilla = Law(
    name="chinchilla",
    function=loss,
    optimum=optimum,
    terms=("A", "B", "E"),
    equation="L = E + A/N^alpha + B/D^beta",
    source="Hoffmann et al. 2022 (arXiv:2203.15556), eq. 2",
    parameters={
        "E": Parameter("loss of an ideal model", dist.HalfNormal(1.0), unit="loss"),
        "A": Parameter(
            "weight of the finite model", dist.LogNormal(-1.2, 1.5), unit="loss * params**alpha"
        ),
        "B": Parameter(
            "weight of the finite data", dist.LogNormal(-1.2, 1.5), unit="loss * tokens**beta"
        ),
        "alpha": Parameter("exponent of the model's size", dist.LogNormal(-1.0, 0.8)),
        "beta": Parameter("exponent of the training tokens", dist.LogNormal(-1.0, 0.8)),
    },
)
