"""Algorithmic progress: params and tokens whose effective number grows every year."""

import jax.numpy as jnp
import numpyro.distributions as dist
from jaxtyping import Array

from scalingbayes._core.domains import REAL
from scalingbayes.laws import chinchilla
from scalingbayes.laws.base.family import family
from scalingbayes.laws.base.law import Input, Law, Sum, signed
from scalingbayes.laws.base.parameters import Parameter


@family
def algorithmic_progress(since: float = 2012.0) -> Law:
    """Return Chinchilla's law in effective params and tokens, which grow with the year.

    L = E + A / (N exp(g_N t))^alpha + B / (D exp(g_D t))^beta with t = year - since. At fixed N and
    D effective compute doubles in 12 log(2) / (g_N + g_D) months. Ho et al. 2024 find 8.4 months,
    95 % interval 4.5 to 14.3.

    Parameters
    ----------
    since
        The year in which effective and actual numbers are equal.
    """

    def loss(
        params: Array, tokens: Array, year: Array, *, g_N: Array, g_D: Array, **law: Array
    ) -> Array:
        t = year - since
        return chinchilla.loss(params * jnp.exp(g_N * t), tokens * jnp.exp(g_D * t), **law)

    parameters = {
        **chinchilla.surface_parameters(),
        "g_N": Parameter("growth of effective params a year", dist.Normal(0.5, 0.7)),
        "g_D": Parameter("growth of effective tokens a year", dist.Normal(0.5, 0.7)),
    }
    return Law(
        name="algorithmic_progress",
        function=signed(loss, ["params", "tokens", "year"], parameters),
        equation=f"L = E + A/(N e^(g_N t))^alpha + B/(D e^(g_D t))^beta, t = year - {since:g}",
        source="Ho et al. 2024 (arXiv:2403.05812), eq. 3",
        inputs={"year": Input("year in which it was trained", REAL, unit="1")},
        parameters=parameters,
        terms=Sum("A", "B", "E"),
        decreasing=("params", "tokens"),
    )
