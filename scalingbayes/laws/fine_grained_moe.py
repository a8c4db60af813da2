"""Mixtures of fine-grained experts."""

from jaxtyping import Array, Float

from scalingbayes.laws.base.law import Budget, Input, Law, Sum, Values, power
from scalingbayes.laws.base.priors import exponent, floor, weight


def loss(
    params: Values,
    tokens: Values,
    granularity: Values,
    *,
    c: Values,
    a: Values,
    g: Values,
    b: Values,
    alpha: Values,
    beta: Values,
    gamma: Values,
) -> Float[Array, "*shape"]:
    """L(N, D, G) = c + (g / G^gamma + a) / N^alpha + b / D^beta (Krajewski et al. 2024, eq. 9).

    The paper finds a = 18.1, alpha = 0.115, b = 30.8, beta = 0.147, g = 2.1, gamma = 0.58 and
    c = 0.47 for an expansion rate of 64 (table 1).
    """
    per_size = g * power(granularity, -gamma) + a
    return c + per_size * power(params, -alpha) + b * power(tokens, -beta)


fine_grained_moe = Law(
    name="fine_grained_moe",
    function=loss,
    equation="L = c + (g/G^gamma + a)/N^alpha + b/D^beta",
    source="Krajewski et al. 2024 (arXiv:2402.07871), eq. 9",
    inputs={"granularity": Input("how finely experts are divided, G; 1 for whole ones", unit="1")},
    parameters={
        "c": floor(),
        "a": weight("finite model", "loss * params**alpha"),
        "g": weight("coarse experts", "loss * params**alpha"),
        "b": weight("finite data", "loss * tokens**beta"),
        "alpha": exponent("model's size"),
        "beta": exponent("training tokens"),
        "gamma": exponent("granularity"),
    },
    budget=Budget(size="active_params"),  # which it does not read: no allocation
    terms=Sum("a", "g", "b", "c"),
    decreasing=("params", "tokens", "granularity"),
)
