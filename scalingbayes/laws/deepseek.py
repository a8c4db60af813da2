"""Chinchilla's law with DeepSeek's measure of model size, FLOPs per token.

The paper reads M_opt and D_opt from IsoFLOP curves. The loss surface in M and D is an addition of
this package.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

from scalingbayes.laws import chinchilla
from scalingbayes.laws.base.law import Budget, Input, Law, Sum, Values


def loss(
    flops_per_token: Values,
    tokens: Values,
    *,
    E: Values,
    A: Values,
    B: Values,
    alpha: Values,
    beta: Values,
) -> Float[Array, "*shape"]:
    """L(M, D) = E + A / M^alpha + B / D^beta."""
    return chinchilla.loss(flops_per_token, tokens, E=E, A=A, B=B, alpha=alpha, beta=beta)


def optimum(
    compute: Values, *, E: Values, A: Values, B: Values, alpha: Values, beta: Values
) -> tuple[Float[Array, "*shape"], Float[Array, "*shape"]]:
    """M_opt and D_opt with C = M D (DeepSeek-AI 2024).

    The paper finds M_opt = 0.1715 C^0.5243 and D_opt = 5.8316 C^0.4757 (eq. 4).
    """
    return chinchilla.share_out(jnp.log(compute), jnp.log(A), jnp.log(B), alpha, beta)


deepseek = Law(
    name="deepseek",
    function=loss,
    optimum=optimum,
    budget=Budget(size="flops_per_token", flops=1.0),
    equation="L = E + A/M^alpha + B/D^beta, C = M D",
    source="DeepSeek-AI 2024 (arXiv:2401.02954), eq. 2 and 4",
    inputs={
        "flops_per_token": Input(
            "training FLOPs a token without embeddings, M; derived from n_layer, d_model, seq_len"
        )
    },
    parameters=chinchilla.surface_parameters(size="flops_per_token"),
    terms=Sum("A", "B", "E"),
    decreasing=("flops_per_token", "tokens"),
)
