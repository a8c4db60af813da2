"""The loss as a function of compute and tokens per parameter."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from scalingbayes.data.architecture import FLOPS_PER_PARAM_TOKEN
from scalingbayes.laws.base.law import Law, Sum, Values
from scalingbayes.laws.base.priors import exponent, floor, weight


def loss(
    params: Values, tokens: Values, *, E: Values, a: Values, b: Values, eta: Values
) -> Float[Array, "*shape"]:
    """L(C, M) = E + (a M^eta + b M^-eta) C^-eta, M = D / N, C = 6 N D (Gadre et al. 2024, eq. 4).

    The same surface as Chinchilla's with alpha = beta = 2 eta. The paper finds eta = 0.121 on C4,
    0.136 on RedPajama and 0.127 on RefinedWeb.
    """
    log_N, log_D = jnp.log(params), jnp.log(tokens)
    log_C = jnp.log(FLOPS_PER_PARAM_TOKEN) + log_N + log_D
    log_M = log_D - log_N
    return E + a * jnp.exp(eta * (log_M - log_C)) + b * jnp.exp(-eta * (log_M + log_C))


def optimum(
    compute: Values, *, E: Values, a: Values, b: Values, eta: Values
) -> tuple[Float[Array, "*shape"], Float[Array, "*shape"]]:
    """Tokens per parameter are M = (b / a)^(1 / (2 eta)) for every budget."""
    log_M = (jnp.log(b) - jnp.log(a)) / (2 * eta)
    log_product = jnp.log(compute / FLOPS_PER_PARAM_TOKEN)
    return jnp.exp((log_product - log_M) / 2), jnp.exp((log_product + log_M) / 2)


overtrained = Law(
    name="overtrained",
    function=loss,
    optimum=optimum,
    equation="L = E + (a M^eta + b M^-eta) C^-eta, M = D/N, C = 6 N D",
    source="Gadre et al. 2024 (arXiv:2403.08540), eq. 4",
    parameters={
        "E": floor(),
        "a": weight("finite model", "loss * params**(2 * eta)"),
        "b": weight("finite data", "loss * tokens**(2 * eta)"),
        "eta": exponent("compute"),
    },
    terms=Sum("a", "b", "E"),
    decreasing=("params", "tokens"),
)
