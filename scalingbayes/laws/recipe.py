"""Two recipes in one table: effective params and tokens of the new recipe."""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpyro.distributions as dist
from jaxtyping import Array

from scalingbayes._core.domains import FRACTION
from scalingbayes.laws import coupled
from scalingbayes.laws.base.family import family
from scalingbayes.laws.base.law import Input, Law, Sum, signed
from scalingbayes.laws.base.parameters import Parameter

COLUMN = "recipe"


def of_one_recipe(values: Mapping[str, Any], recipe: float) -> dict[str, Any]:
    """Return the parameters of the law ``coupled`` that holds for one of the two recipes.

    Parameters
    ----------
    values
        Parameters of the law ``recipe``.
    recipe
        0 for the baseline, 1 for the new recipe.
    """
    found = {name: values[name] for name in coupled.coupled.parameters}
    for weight, exponent, size in (("A", "alpha", "N"), ("B", "beta", "D")):
        gain = values[f"g_{size}"] * recipe
        found[weight] = values[weight] * jnp.exp(-values[exponent] * gain)
        if (growth := values.get(f"h_{size}")) is not None:
            found[exponent] = values[exponent] * (1 + growth * recipe)
    return found


@family
def recipe(grows: bool = True) -> Law:
    """Return one law for the runs of two recipes, which share the floor.

    The column ``recipe`` is 0 for runs of the baseline and 1 for runs of the new recipe. The new
    recipe acts as more params and tokens do: L = E + (A / N'^alpha + B / D'^beta)^k with
    N' = exp(g_N) N^(1 + h_N) and D' = exp(g_D) D^(1 + h_D) for the new recipe, and N' = N and
    D' = D for the baseline. With h_N = h_D = 0 the exponents are shared too, and the
    compute-equivalent gain is exp(g_N + g_D) at every budget. The form is that of algorithmic
    progress (Ho et al. 2024, eq. 3), with the recipe in place of the year.

    :func:`scalingbayes.compute_gain` computes the gain at any budget.

    Parameters
    ----------
    grows
        Whether the gain may grow or shrink with scale; otherwise h_N = h_D = 0.
    """

    def loss(params: Array, tokens: Array, recipe: Array, **values: Array) -> Array:
        log_N, log_D = jnp.log(params), jnp.log(tokens)
        if grows:
            log_N = log_N * (1 + values.pop("h_N") * recipe)
            log_D = log_D * (1 + values.pop("h_D") * recipe)
        log_N = log_N + values.pop("g_N") * recipe
        log_D = log_D + values.pop("g_D") * recipe
        terms = (
            jnp.log(values["A"]) - values["alpha"] * log_N,
            jnp.log(values["B"]) - values["beta"] * log_D,
        )
        return values["E"] + jnp.exp(values["k"] * jnp.logaddexp(*terms))

    parameters = dict(coupled.coupled.parameters)
    for size, column in (("N", "params"), ("D", "tokens")):
        if grows:
            parameters[f"h_{size}"] = Parameter(
                f"relative growth of the exponent of {column}", dist.Normal(0.0, 0.1)
            )
        parameters[f"g_{size}"] = Parameter(
            f"log of effective over actual {column}",
            dist.Normal(0.0, 0.7),
            shift=f"-h_{size} * log({column})" if grows else "0",
        )
    power_N, power_D = ("^(1 + h_N r)", "^(1 + h_D r)") if grows else ("", "")
    return Law(
        name="recipe",
        function=signed(loss, ["params", "tokens", COLUMN], parameters),
        equation="L = E + (A/N'^alpha + B/D'^beta)^k, "
        f"N' = e^(g_N r) N{power_N}, D' = e^(g_D r) D{power_D}, r = recipe",
        source="the form of Ho et al. 2024 (arXiv:2403.05812), eq. 3, with a recipe for the year",
        inputs={COLUMN: Input("0 for the baseline, 1 for the new recipe", FRACTION, unit="1")},
        parameters=parameters,
        terms=Sum(Sum("A", "B", power="k"), "E"),
        decreasing=("params", "tokens"),
    )
