"""The sum of two power laws raised to a power: contains Chinchilla's and Kaplan's laws."""

import jax.numpy as jnp
import numpyro.distributions as dist
from jaxtyping import Array, Float

from scalingbayes.laws import chinchilla
from scalingbayes.laws.base.law import Law, Sum, Values
from scalingbayes.laws.base.parameters import Parameter
from scalingbayes.laws.base.priors import exponent, floor, weight


def loss(
    params: Values,
    tokens: Values,
    *,
    E: Values,
    A: Values,
    B: Values,
    alpha: Values,
    beta: Values,
    k: Values,
) -> Float[Array, "*shape"]:
    """L(N, D) = E + (A / N^alpha + B / D^beta)^k.

    With k = 1 it is Chinchilla's law; with E = 0, beta = 1 and k = alpha_D it is Kaplan's joint
    law.
    """
    log_sum = jnp.logaddexp(
        jnp.log(A) - alpha * jnp.log(params), jnp.log(B) - beta * jnp.log(tokens)
    )
    return E + jnp.exp(k * log_sum)


def optimum(
    compute: Values, *, E: Values, A: Values, B: Values, alpha: Values, beta: Values, k: Values
) -> tuple[Float[Array, "*shape"], Float[Array, "*shape"]]:
    """N_opt and D_opt are Chinchilla's for every k: a = beta / (alpha + beta)."""
    return chinchilla.optimum(compute, E=E, A=A, B=B, alpha=alpha, beta=beta)


coupled = Law(
    name="coupled",
    function=loss,
    optimum=optimum,
    equation="L = E + (A/N^alpha + B/D^beta)^k",
    source="the common form of Kaplan et al. 2020, eq. 1.5 and Hoffmann et al. 2022, eq. 2",
    parameters={
        "E": floor(),
        "A": weight("finite model", "loss**(1/k) * params**alpha", power="1/k"),
        "B": weight("finite data", "loss**(1/k) * tokens**beta", power="1/k"),
        "alpha": exponent("model's size"),
        "beta": exponent("training tokens"),
        "k": Parameter("power of both together", dist.LogNormal(0.0, 0.5)),
    },
    terms=Sum(Sum("A", "B", power="k"), "E"),
    decreasing=("params", "tokens"),
)
