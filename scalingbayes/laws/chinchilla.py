"""Chinchilla's law: two separable power laws above an irreducible loss."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from scalingbayes.data.architecture import FLOPS_PER_PARAM_TOKEN
from scalingbayes.laws.base.family import family
from scalingbayes.laws.base.law import Law, Sum, Values, power, signed
from scalingbayes.laws.base.parameters import Parameter
from scalingbayes.laws.base.priors import exponent, floor, weight


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
    log_product = jnp.log(compute / FLOPS_PER_PARAM_TOKEN)
    return share_out(log_product, jnp.log(A), jnp.log(B), alpha, beta)


def share_out(
    log_product: Values, log_A: Values, log_B: Values, alpha: Values, beta: Values
) -> tuple[Float[Array, "*shape"], Float[Array, "*shape"]]:
    """Return the size and tokens of a given product that minimise A/size^alpha + B/tokens^beta."""
    log_G = (jnp.log(alpha) + log_A - jnp.log(beta) - log_B) / (alpha + beta)
    log_size = log_G + beta / (alpha + beta) * log_product
    return jnp.exp(log_size), jnp.exp(log_product - log_size)


def with_beta_alpha(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function of alpha and beta with beta set to alpha."""

    def tied(*inputs: Array, alpha: Array, **values: Array) -> Any:
        return function(*inputs, alpha=alpha, beta=alpha, **values)

    return tied


def surface_parameters(size: str = "params", tied: bool = False) -> dict[str, Parameter]:
    """Return the parameters E, A, B, alpha and, unless it is tied to alpha, beta."""
    beta = "alpha" if tied else "beta"
    parameters = {
        "E": floor(),
        "A": weight("finite model", f"loss * {size}**alpha"),
        "B": weight("finite data", f"loss * tokens**{beta}"),
        "alpha": exponent("model's size"),
        "beta": exponent("training tokens"),
    }
    if tied:
        del parameters["beta"]
    return parameters


@family
def chinchilla(tied: bool = False) -> Law:
    """Return Chinchilla's law.

    Parameters
    ----------
    tied
        Whether beta equals alpha, as in Muennighoff et al. 2023. Then a = b = 1/2.
    """
    parameters = surface_parameters(tied=tied)
    inputs = ("params", "tokens")
    return Law(
        name="chinchilla",
        function=signed(with_beta_alpha(loss), inputs, parameters) if tied else loss,
        optimum=with_beta_alpha(optimum) if tied else optimum,
        equation=f"L = E + A/N^alpha + B/D^{'alpha' if tied else 'beta'}",
        source="Hoffmann et al. 2022 (arXiv:2203.15556), eq. 2",
        parameters=parameters,
        terms=Sum("A", "B", "E"),
        decreasing=inputs,
    )
