"""Training on repeated data: effective tokens and effective params."""

import jax.numpy as jnp
import numpyro.distributions as dist
from jaxtyping import Array, Float

from scalingbayes.laws import chinchilla
from scalingbayes.laws.base.family import family
from scalingbayes.laws.base.law import Input, Law, Sum, Values, signed
from scalingbayes.laws.base.parameters import Parameter

_SMALLEST_SHARE = 30.0  # nats; a smaller fraction of the params has no effect


def loss(
    params: Values,
    tokens: Values,
    unique_tokens: Values,
    *,
    E: Values,
    A: Values,
    B: Values,
    alpha: Values,
    beta: Values,
    R_D_star: Values,
    R_N_star: Values,
) -> Float[Array, "*shape"]:
    """L(N, D, U_D) = E + A / N'^alpha + B / D'^beta (Muennighoff et al. 2023, eq. 5 and 6).

    D' = U_D + U_D R_D_star (1 - exp(-R_D / R_D_star)) discounts repeated tokens, with
    R_D = D / U_D - 1 repetitions. N' likewise discounts params in excess of
    U_N = min(N, N_opt(U_D)), where N_opt(U_D) is the compute-optimal size for U_D tokens. The paper
    finds R_D_star = 15.4 and R_N_star = 5.3.
    """
    log_ratio = jnp.log(alpha) + jnp.log(A) - jnp.log(beta) - jnp.log(B)
    log_optimum = (log_ratio + beta * jnp.log(unique_tokens)) / alpha
    # In logarithms, since the optimum itself may overflow.
    share = jnp.exp(jnp.clip(log_optimum - jnp.log(params), -_SMALLEST_SHARE, 0.0))
    effective_params = _discount(params, params * share, R_N_star)
    effective_tokens = _discount(tokens, jnp.minimum(tokens, unique_tokens), R_D_star)
    return chinchilla.loss(
        effective_params, effective_tokens, E=E, A=A, B=B, alpha=alpha, beta=beta
    )


def _discount(whole: Array, unique: Array, star: Array) -> Array:
    return unique + unique * star * -jnp.expm1(-(whole / unique - 1) / star)


@family
def data_constrained(tied: bool = False) -> Law:
    """Return Chinchilla's law for runs that repeat their data.

    Parameters
    ----------
    tied
        Whether beta equals alpha, as in the paper's own fits.
    """
    parameters = {
        **chinchilla.surface_parameters(tied=tied),
        "R_D_star": Parameter("repetitions after which data wear out", dist.LogNormal(2.0, 1.0)),
        "R_N_star": Parameter("excess after which params do", dist.LogNormal(2.0, 1.0)),
    }
    inputs = ("params", "tokens", "unique_tokens")
    return Law(
        name="data_constrained",
        function=signed(chinchilla.with_beta_alpha(loss), inputs, parameters) if tied else loss,
        equation=f"L = E + A/N'^alpha + B/D'^{'alpha' if tied else 'beta'}, "
        "N' and D' discounted for repetition",
        source="Muennighoff et al. 2023 (arXiv:2305.16264), eq. 5 and 6",
        inputs={"unique_tokens": Input("distinct training tokens, U_D", unit="tokens")},
        parameters=parameters,
        terms=Sum("A", "B", "E"),
        decreasing=("params", "tokens"),
    )
