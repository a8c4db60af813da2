"""Kaplan's law of model size and optimiser steps, and the critical batch size."""

import jax
import jax.numpy as jnp
import numpyro.distributions as dist
from jaxtyping import Array, Float

from scalingbayes._core.roots import root
from scalingbayes.laws.base.derived import Derived
from scalingbayes.laws.base.family import family
from scalingbayes.laws.base.law import Input, Law, Sum, Values
from scalingbayes.laws.base.parameters import Parameter
from scalingbayes.laws.base.priors import exponent
from scalingbayes.laws.kaplan import scale_of_loss


def loss(
    params: Values, steps: Values, *, N_c: Values, S_c: Values, alpha_N: Values, alpha_S: Values
) -> Float[Array, "*shape"]:
    """L(N, S_min) = (N_c / N)^alpha_N + (S_c / S_min)^alpha_S (Kaplan et al. 2020, eq. 5.6).

    The paper finds N_c = 6.5e13, S_c = 2.1e3, alpha_N = 0.077 and alpha_S = 0.76 (table 3).
    """
    of_size = jnp.exp(alpha_N * (jnp.log(N_c) - jnp.log(params)))
    return of_size + jnp.exp(alpha_S * (jnp.log(S_c) - jnp.log(steps)))


def critical_batch_size(loss: Values, *, B_star: Values, alpha_B: Values) -> Float[Array, "*shape"]:
    """B_crit(L) = B_* / L^(1/alpha_B), in tokens (Kaplan et al. 2020, eq. 5.3).

    The paper finds B_* = 2e8 and alpha_B = 0.21 (eq. 5.3).
    """
    return B_star * jnp.exp(-jnp.log(loss) / alpha_B)


def loss_at_batch(
    params: Values,
    steps: Values,
    batch_size: Values,
    *,
    N_c: Values,
    S_c: Values,
    alpha_N: Values,
    alpha_S: Values,
    B_star: Values,
    alpha_B: Values,
) -> Float[Array, "*shape"]:
    """L(N, S, B), with S_min = S / (1 + B_crit(L) / B) (Kaplan et al. 2020, eq. 5.4).

    The relation is (S / S_min - 1) (E / E_min - 1) = 1 of McCandlish et al. 2018
    (arXiv:1812.06162), with tokens E = B S and B_crit = E_min / S_min. The loss is on both sides of
    the equation, which is solved by Newton's method.
    """
    of_size = alpha_N * (jnp.log(N_c) - jnp.log(params))
    of_steps = alpha_S * (jnp.log(S_c) - jnp.log(steps))
    excess = jnp.log(B_star) - jnp.log(batch_size)

    def gap(
        y: Array, size: Array, steps: Array, excess: Array, alpha_S: Array, alpha_B: Array
    ) -> Array:
        return y - jnp.logaddexp(size, steps + alpha_S * jax.nn.softplus(excess - y / alpha_B))

    without_waste = jnp.logaddexp(of_size, of_steps)
    return jnp.exp(root(gap, without_waste, of_size, of_steps, excess, alpha_S, alpha_B))


def least_steps(
    params: Values,
    loss: Values,
    *,
    N_c: Values,
    S_c: Values,
    alpha_N: Values,
    alpha_S: Values,
) -> Float[Array, "*shape"]:
    """Return S_min, the steps in which a model reaches a loss at a batch far above B_crit.

    It is infinite for a loss that a model of this size does not reach. Kaplan et al. 2020, eq. 5.6.
    """
    left = loss - jnp.exp(alpha_N * (jnp.log(N_c) - jnp.log(params)))
    steps = S_c * jnp.exp(-jnp.log(jnp.where(left > 0, left, 1.0)) / alpha_S)
    return jnp.where(left > 0, steps, jnp.inf)


def least_tokens(
    params: Values,
    loss: Values,
    *,
    N_c: Values,
    S_c: Values,
    alpha_N: Values,
    alpha_S: Values,
    B_star: Values,
    alpha_B: Values,
) -> Float[Array, "*shape"]:
    """Return E_min = B_crit S_min, the tokens at a batch far below B_crit (eq. 5.2)."""
    steps = least_steps(params, loss, N_c=N_c, S_c=S_c, alpha_N=alpha_N, alpha_S=alpha_S)
    return steps * critical_batch_size(loss, B_star=B_star, alpha_B=alpha_B)


@family
def kaplan_steps(batch: bool = False) -> Law:
    """Return Kaplan's law of model size and optimiser steps.

    Parameters
    ----------
    batch
        Whether the table has steps at a ``batch_size`` in tokens; the critical batch size is then
        inferred. If not, ``steps`` are S_min, the steps at a batch far above the critical one.
    """
    parameters = {
        "N_c": scale_of_loss("params", "params", "alpha_N"),
        "S_c": scale_of_loss("steps", "steps", "alpha_S"),
        "alpha_N": Parameter("exponent of the model's size", dist.LogNormal(-2.0, 0.8)),
        "alpha_S": exponent("steps"),
    }
    equation = "L = (N_c/N)^alpha_N + (S_c/S_min)^alpha_S"
    inputs = {"steps": Input("optimiser steps, S")}
    derived = {"S_min": Derived("least steps to the loss, at a large batch", least_steps)}
    if batch:
        equation += ", S_min = S/(1 + B_crit/B), B_crit = B_star/L^(1/alpha_B)"
        inputs["batch_size"] = Input("tokens in a batch, B")
        derived["B_crit"] = Derived(
            "critical batch size at the loss, in tokens", critical_batch_size
        )
        derived["E_min"] = Derived("least tokens to the loss, at a small batch", least_tokens)
        parameters |= {
            "B_star": Parameter(
                "critical batch size at a loss of 1",
                dist.LogNormal(0.0, 2.0),
                unit="batch_size * loss**(1/alpha_B)",
            ),
            "alpha_B": Parameter("exponent of the loss", dist.LogNormal(-1.5, 0.8)),
        }
    return Law(
        name="kaplan_steps",
        function=loss_at_batch if batch else loss,
        equation=equation,
        source="Kaplan et al. 2020 (arXiv:2001.08361), eq. 5.1 to 5.6; "
        "McCandlish et al. 2018 (arXiv:1812.06162)",
        inputs=inputs,
        parameters=parameters,
        terms=Sum("N_c", "S_c"),
        decreasing=("params", *inputs),
        derived=derived,
    )
