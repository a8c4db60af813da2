"""Kaplan's joint law of model size and data."""

import jax.numpy as jnp
import numpyro.distributions as dist
from jaxtyping import Array, Float

from scalingbayes.data.architecture import FLOPS_PER_PARAM_TOKEN
from scalingbayes.laws.base.law import Law, Sum, Values
from scalingbayes.laws.base.parameters import Parameter
from scalingbayes.laws.chinchilla import share_out


def loss(
    params: Values, tokens: Values, *, N_c: Values, D_c: Values, alpha_N: Values, alpha_D: Values
) -> Float[Array, "*shape"]:
    """L(N, D) = [(N_c / N)^(alpha_N / alpha_D) + D_c / D]^alpha_D (Kaplan et al. 2020, eq. 1.5).

    N counts no embeddings. The paper finds N_c = 6.4e13, D_c = 1.8e13, alpha_N = 0.076 and
    alpha_D = 0.103 (table 2).
    """
    log_sum = jnp.logaddexp(
        alpha_N / alpha_D * (jnp.log(N_c) - jnp.log(params)), jnp.log(D_c) - jnp.log(tokens)
    )
    return jnp.exp(alpha_D * log_sum)


def optimum(
    compute: Values, *, N_c: Values, D_c: Values, alpha_N: Values, alpha_D: Values
) -> tuple[Float[Array, "*shape"], Float[Array, "*shape"]]:
    """N_opt and D_opt: those of Chinchilla's law with alpha = alpha_N / alpha_D and beta = 1.

    They hold for converged runs. Kaplan's own N_opt ∝ C^0.73 comes from the law of steps,
    ``kaplan_steps``.
    """
    alpha = alpha_N / alpha_D
    log_product = jnp.log(compute / FLOPS_PER_PARAM_TOKEN)
    log_A = alpha * jnp.log(N_c)
    return share_out(log_product, log_A, jnp.log(D_c), alpha, jnp.ones_like(alpha))


def scale_of_loss(of: str, unit: str, exponent: str) -> Parameter:
    """Return the amount at which the loss would be 1; its prior is on the loss at the reference."""
    return Parameter(
        f"{of} at which the loss would be 1",
        dist.LogNormal(-0.5, 1.0),
        unit=f"{unit} * loss**(1/{exponent})",
        power=f"1/{exponent}",
    )


kaplan = Law(
    name="kaplan",
    function=loss,
    optimum=optimum,
    equation="L = [(N_c/N)^(alpha_N/alpha_D) + D_c/D]^alpha_D",
    source="Kaplan et al. 2020 (arXiv:2001.08361), eq. 1.5",
    parameters={
        "N_c": scale_of_loss("params", "params", "alpha_N"),
        "D_c": scale_of_loss("tokens", "tokens", "alpha_D"),
        "alpha_N": Parameter("exponent of the model's size", dist.LogNormal(-2.0, 0.8)),
        "alpha_D": Parameter("exponent of the training tokens", dist.LogNormal(-2.0, 0.8)),
    },
    terms=Sum("N_c", "D_c", power="alpha_D"),
    decreasing=("params", "tokens"),
)
