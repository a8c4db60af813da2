"""Learning-rate annealing: the loss at every step of a run, under any schedule."""

import jax.numpy as jnp
import numpyro.distributions as dist
from jaxtyping import Array, Float

from scalingbayes._core.domains import NONNEGATIVE
from scalingbayes.laws.base.law import Input, Law, Sum, Values, power
from scalingbayes.laws.base.parameters import Parameter
from scalingbayes.laws.base.priors import exponent, floor, weight

LR_SUM = Input("sum of the learning rates of all steps so far, S1")
"""The column of the sum of the learning rates."""

_LEAST = 1e-6  # share of the loss that annealing leaves at least


def annealed(before: Array, fall: Array) -> Array:
    """Return the loss less the fall of the loss by annealing, which cannot reach 0."""
    return jnp.maximum(before - fall, _LEAST * before)


def loss(
    lr_sum: Values, lr_annealing: Values, *, L0: Values, A: Values, alpha: Values, C: Values
) -> Float[Array, "*shape"]:
    """L(s) = L0 + A S1^-alpha - C S2 (Tissue et al. 2024).

    S1 is the area under the learning rate, and S2 the annealing area: the sum of the momentum
    m_i = lambda m_(i-1) + (eta_(i-1) - eta_i). :func:`scalingbayes.schedule_columns` computes both
    from curves or from a schedule, with lambda = 0.999 as in the paper.
    """
    return annealed(L0 + A * power(lr_sum, -alpha), C * lr_annealing)


annealing = Law(
    name="annealing",
    function=loss,
    equation="L = L0 + A S1^-alpha - C S2, S1 = lr_sum, S2 = lr_annealing",
    source="Tissue et al. 2024 (arXiv:2408.11029), abstract",
    inputs={
        "lr_sum": LR_SUM,
        "lr_annealing": Input("annealing area, S2", NONNEGATIVE, unit="lr_sum"),
    },
    parameters={
        "L0": floor(),
        "A": weight("finite training", "loss * lr_sum**alpha"),
        "alpha": exponent("sum of the learning rates"),
        "C": Parameter(
            "fall of the loss by annealing", dist.LogNormal(0.0, 1.5), unit="loss / lr_sum"
        ),
    },
    terms=Sum("A", "L0"),
    decreasing=("lr_sum",),
)
