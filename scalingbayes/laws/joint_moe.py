"""Dense models and mixtures of experts, of any size, tokens and number of experts."""

import jax.numpy as jnp
import numpyro.distributions as dist
from jaxtyping import Array, Float

from scalingbayes.laws.base.family import family
from scalingbayes.laws.base.law import Budget, Input, Law, Sum, Values
from scalingbayes.laws.base.parameters import Parameter
from scalingbayes.laws.base.priors import floor
from scalingbayes.laws.routed import EXPERTS, effective_experts

_ASPECT = 64.0  # d_model over the number of blocks (Ludziejewski et al. 2025, app. A.3)
_DENSE_BLOCK = 13.0  # params of a block with one expert over d_model^2 (app. A.1)
_EXPERT = 9.0  # params of an expert over d_model^2


def loss(
    active_params: Values,
    tokens: Values,
    experts: Values,
    *,
    a: Values,
    b: Values,
    c: Values,
    alpha: Values,
    beta: Values,
    gamma: Values,
    zeta: Values,
    delta: Values,
    omega: Values,
    E_start: Values,
    E_max: Values,
) -> Float[Array, "*shape"]:
    """L = a E'^delta N^(alpha + gamma ln E') + b E'^omega D^(beta + zeta ln E') + c.

    Ludziejewski et al. 2025, eq. 6. N counts active params, embeddings included; E' is that of
    :func:`~scalingbayes.laws.routed.effective_experts`. The paper finds a = 35.91, alpha = -0.1889,
    delta = -0.2285, gamma = 0.0098, b = 35.98, beta = -0.1775, omega = 0.5529, zeta = -0.0259,
    E_start = 2.0732, E_max = 290.4521 and c = 1.3637 (table 3).
    """
    log_E = jnp.log(effective_experts(experts, E_start, E_max))
    of_size = a * jnp.exp(delta * log_E + (alpha + gamma * log_E) * jnp.log(active_params))
    of_data = b * jnp.exp(omega * log_E + (beta + zeta * log_E) * jnp.log(tokens))
    return of_size + of_data + c


def width(active_params: Array, vocab: int) -> Array:
    """Return the d_model of a model of given active params.

    N = 2 vocab d_model + 13 n_blocks d_model^2 with n_blocks = d_model / 64 (eq. 10, app. A.3): a
    cubic equation with one positive root.
    """
    cubed = active_params * _ASPECT / _DENSE_BLOCK
    if not vocab:
        return jnp.cbrt(cubed)
    linear = 2 * vocab * _ASPECT / _DENSE_BLOCK
    scale = jnp.sqrt(linear / 3)
    return 2 * scale * jnp.sinh(jnp.arcsinh(cubed / (2 * scale**3)) / 3)


def _parameters() -> dict[str, Parameter]:
    """Return the parameters, with priors that are stated at the reference size.

    The priors are on the terms and exponents of a dense model, and on the change of each term and
    exponent from E_start to E_max.
    """
    dense_N = "(alpha + gamma * log(E_start))"
    dense_D = "(beta + zeta * log(E_start))"
    return {
        "a": Parameter(
            "weight of the finite model; that of a dense model",
            dist.LogNormal(-1.2, 1.5),
            unit=f"loss * active_params**-{dense_N} * E_start**-delta",
        ),
        "b": Parameter(
            "weight of the finite data; that of a dense model",
            dist.LogNormal(-1.2, 1.5),
            unit=f"loss * tokens**-{dense_D} * E_start**-omega",
        ),
        "c": floor(),
        "alpha": Parameter(
            "exponent of the active params, negative; that of a dense model",
            dist.LogNormal(-1.0, 0.8),
            unit="-1",
            shift="-gamma * log(E_start)",
        ),
        "beta": Parameter(
            "exponent of the tokens, negative; that of a dense model",
            dist.LogNormal(-1.0, 0.8),
            unit="-1",
            shift="-zeta * log(E_start)",
        ),
        "gamma": Parameter(
            "interaction of size and experts; change of the exponent",
            dist.Normal(0.0, 0.1),
            unit="1 / log(E_max / E_start)",
        ),
        "zeta": Parameter(
            "interaction of tokens and experts; change of the exponent",
            dist.Normal(0.0, 0.1),
            unit="1 / log(E_max / E_start)",
        ),
        "delta": Parameter(
            "exponent of experts in the size's term; log of the term's change",
            dist.Normal(0.0, 0.5),
            unit="1 / log(E_max / E_start)",
            shift="-gamma * log(active_params)",
        ),
        "omega": Parameter(
            "exponent of experts in the tokens' term; log of the term's change",
            dist.Normal(0.0, 0.5),
            unit="1 / log(E_max / E_start)",
            shift="-zeta * log(tokens)",
        ),
        **EXPERTS,
    }


@family
def joint_moe(vocab: int = 50_257) -> Law:
    """Return the joint law of dense models and mixtures of experts.

    A token uses one expert of each layer. :class:`~scalingbayes.Limits` bounds the params of all
    experts with ``max_params``.

    Parameters
    ----------
    vocab
        Size of the vocabulary, whose embedding and unembedding are among the params; 0 if the
        table's params leave both out. From active to all params, this law assumes
        d_model = 64 n_blocks and 9 d_model^2 params in an expert (app. A).
    """

    def total(active_params: Array, experts: Array) -> Array:
        squares = width(active_params, vocab) ** 3 / _ASPECT  # d_model^2 n_blocks
        return active_params + _EXPERT * (experts - 1) * squares

    return Law(
        name="joint_moe",
        function=loss,
        equation="L = a E'^delta N_active^(alpha + gamma ln E') "
        "+ b E'^omega D^(beta + zeta ln E') + c",
        source="Ludziejewski et al. 2025 (arXiv:2502.05172), eq. 4 and 6",
        inputs={
            "active_params": Input("parameters that a token uses, N_active"),
            "experts": Input("experts of a layer, E; 1 for a dense model", unit="1"),
        },
        parameters=_parameters(),
        budget=Budget(size="active_params", total=total),
        terms=Sum("a", "b", "c"),
        decreasing=(),
    )
