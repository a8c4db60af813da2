"""The multi-power law: the loss at every step of a run, under any schedule."""

import math

import jax.numpy as jnp
import numpyro.distributions as dist
from jax.scipy.special import gammaln
from jaxtyping import Array

from scalingbayes._core.domains import NONNEGATIVE
from scalingbayes.data.schedules import FALL_RATES, FALLS
from scalingbayes.laws.annealing import LR_SUM, annealed
from scalingbayes.laws.base.law import Input, Law, Sum, power, signed
from scalingbayes.laws.base.parameters import Parameter
from scalingbayes.laws.base.priors import exponent, floor, weight

_LOG_STEP = math.log(FALL_RATES[0] / FALL_RATES[1])


def loss(
    lr_sum: Array,
    *falls: Array,
    L0: Array,
    A: Array,
    alpha: Array,
    B: Array,
    C: Array,
    beta: Array,
) -> Array:
    """L(t) = L0 + A S1^-alpha - B sum_k (eta_(k-1) - eta_k) G(eta_k^-gamma S_k), Luo et al. 2025.

    G(x) = 1 - (1 + C x)^-beta, and S_k is the area under the learning rate since step k.
    :func:`scalingbayes.schedule_columns` computes the columns from curves or from a schedule, and
    has the option gamma (0.64; the published fits have 0.641, 0.655 and 0.635).

    The sum begins after the warm-up, as in the equation. The code of the authors' repository also
    counts the rise of the learning rate in the warm-up, as negative falls. The L0 that it states is
    therefore lower than this law's, by 0.92 to 0.99 times B times the peak learning rate (at the
    end of the curves 0.108, 0.130 and 0.155 nats for 25M, 100M and 400M params): add as much.

    (1 + C x)^-beta is the mean of exp(-u C x) over a gamma distribution of u, so the sum over steps
    is computed once, for each of 17 rates u C. For C from 0.1 to 200 the error of G is
    less than 0.006 if beta is at least 0.6, and 0.03 if it is 0.3.
    """

    def density(rate: float) -> Array:
        log_u = math.log(rate) - jnp.log(C)
        return jnp.exp(beta * log_u - jnp.exp(log_u) - gammaln(beta))

    responded = sum(density(rate) * fall for rate, fall in zip(FALL_RATES, falls, strict=True))
    return annealed(L0 + A * power(lr_sum, -alpha), B * _LOG_STEP * responded)


_parameters = {
    "L0": floor(),
    "A": weight("finite training", "loss * lr_sum**alpha"),
    "alpha": exponent("sum of the learning rates"),
    "B": Parameter(
        "fall of the loss with the learning rate", dist.LogNormal(7.6, 2.0), unit="loss / lr_sum"
    ),
    "C": Parameter("pace of the response to a fall", dist.LogNormal(0.7, 1.0)),
    "beta": Parameter("exponent of the response", dist.LogNormal(-0.5, 0.4)),
}

multi_power = Law(
    name="multi_power",
    function=signed(loss, ["lr_sum", *FALLS], _parameters),
    equation="L = L0 + A S1^-alpha - B sum_k (eta_(k-1) - eta_k) "
    "(1 - (1 + C eta_k^-gamma S_k)^-beta)",
    source="Luo et al. 2025 (arXiv:2503.12811); equation and constants of the authors' repository",
    inputs={
        "lr_sum": LR_SUM,
        **{
            name: Input(f"falls responded to at rate {rate:.2g}", NONNEGATIVE, "lr_sum")
            for name, rate in zip(FALLS, FALL_RATES, strict=True)
        },
    },
    parameters=_parameters,
    terms=Sum("A", "L0"),
    decreasing=("lr_sum",),
)
