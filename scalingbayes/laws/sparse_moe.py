"""Mixtures of experts by their sparsity."""

import jax.numpy as jnp
import numpyro.distributions as dist
from jaxtyping import Array, Float

from scalingbayes._core.domains import PROPER_FRACTION
from scalingbayes.laws.base.law import Budget, Input, Law, Sum, Values, power
from scalingbayes.laws.base.parameters import Parameter
from scalingbayes.laws.base.priors import exponent, floor, weight


def loss(
    params: Values,
    tokens: Values,
    sparsity: Values,
    *,
    e: Values,
    a: Values,
    b: Values,
    c: Values,
    d: Values,
    alpha: Values,
    beta: Values,
    lam: Values,
    delta: Values,
    gamma: Values,
) -> Float[Array, "*shape"]:
    """L = a / N^alpha + b / D^beta + c / (1 - S)^lam + d / ((1 - S)^delta N^gamma) + e.

    Abnar et al. 2025, eq. 6, where N counts all params, those of inactive experts included, and S
    is the share of experts that are inactive. The paper finds a = 16612.50, alpha = 0.5962,
    b = 5455.67, beta = 0.3954, c = 0.4598, lambda = -0.1666, d = 17.26, delta = 0.1603,
    gamma = 0.1595 and e = 0.94 (table 3).
    """
    log_active = jnp.log1p(-sparsity)
    of_sparsity = c * jnp.exp(-lam * log_active)
    of_both = d * jnp.exp(-delta * log_active - gamma * jnp.log(params))
    return a * power(params, -alpha) + b * power(tokens, -beta) + of_sparsity + of_both + e


def active_params(params: Array, sparsity: Array) -> Array:
    """Return the params that a token uses, as if all params were experts'.

    Attention and embeddings, which every token uses, are left out. A table with the column
    ``active_params`` sets the FLOPs that a budget counts.
    """
    return params * (1 - sparsity)


sparse_moe = Law(
    name="sparse_moe",
    function=loss,
    equation="L = a/N^alpha + b/D^beta + c/(1-S)^lam + d/((1-S)^delta N^gamma) + e",
    source="Abnar et al. 2025 (arXiv:2501.12370), eq. 6",
    inputs={
        "params": Input("parameters of all experts and layers, N"),
        "sparsity": Input("share of experts that is not active, S", PROPER_FRACTION, unit="1"),
    },
    parameters={
        "e": floor(),
        "a": weight("finite model", "loss * params**alpha"),
        "b": weight("finite data", "loss * tokens**beta"),
        "c": weight("sparsity", "loss"),
        "d": weight("sparsity in a finite model", "loss * params**gamma"),
        "alpha": exponent("model's size"),
        "beta": exponent("training tokens"),
        "lam": Parameter("exponent of the active share", dist.Normal(0.0, 0.5)),
        "delta": Parameter("exponent of the active share, with size", dist.Normal(0.0, 0.5)),
        "gamma": exponent("model's size, with sparsity"),
    },
    budget=Budget(active=active_params, equation="N_active = (1 - S) N"),
    terms=Sum("a", "b", "c", "d", "e"),
    decreasing=("params", "tokens"),
)
