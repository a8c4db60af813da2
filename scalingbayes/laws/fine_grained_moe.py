"""Mixtures of fine-grained experts."""

from jaxtyping import Array, Float

from scalingbayes.laws.base.family import family
from scalingbayes.laws.base.law import Budget, Input, Law, Sum, Values, power
from scalingbayes.laws.base.priors import exponent, floor, weight

_ROUTING_FLOPS = 14.0  # for each param of a router and token (Krajewski et al. 2024, app. E)
_FLOPS = 6.0  # for each other active param and token
_ASPECT = 64.0  # d_model over the number of blocks (section 6.1)


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

    N counts all params without embeddings (section 5), those of all experts included. The paper
    finds a = 18.1, alpha = 0.115, b = 30.8, beta = 0.147, g = 2.1, gamma = 0.58 and c = 0.47 for an
    expansion rate of 64 (table 1); for 16 it finds a = 19.64, alpha = 0.124, b = 57.07,
    beta = 0.169, g = 1.18, gamma = 0.986 and c = 0.472 (table 8).
    """
    per_size = g * power(granularity, -gamma) + a
    return c + per_size * power(params, -alpha) + b * power(tokens, -beta)


@family
def fine_grained_moe(expansion: int = 64) -> Law:
    """Return the law of mixtures of fine-grained experts, of one expansion rate.

    Its budget counts the FLOPs of a token as Krajewski et al. 2024 do (eq. 10): 6 for each active
    param, and 14 for each param of the routers, whose number grows with the granularity. Without
    the routers no granularity would be the best.

    Parameters
    ----------
    expansion
        Params of all experts of a layer over those of a dense layer, E. N is
        (8 E + 4) d_model^2 n_blocks, with d_model = 64 n_blocks (section 6.1).
    """

    def active(params: Array, granularity: Array) -> Array:
        squares = params / (8 * expansion + 4)  # d_model^2 n_blocks
        routers = expansion * granularity * power(_ASPECT * squares, 2 / 3) / _ASPECT
        return 12 * squares + _ROUTING_FLOPS / _FLOPS * routers

    return Law(
        name="fine_grained_moe",
        function=loss,
        equation="L = c + (g/G^gamma + a)/N^alpha + b/D^beta, N of all experts",
        source="Krajewski et al. 2024 (arXiv:2402.07871), eq. 9",
        inputs={
            "params": Input("parameters of all experts and layers, without embeddings, N"),
            "granularity": Input("how finely experts are divided, G; 1 for whole ones", unit="1"),
        },
        parameters={
            "c": floor(),
            "a": weight("finite model", "loss * params**alpha"),
            "g": weight("coarse experts", "loss * params**alpha"),
            "b": weight("finite data", "loss * tokens**beta"),
            "alpha": exponent("model's size"),
            "beta": exponent("training tokens"),
            "gamma": exponent("granularity"),
        },
        budget=Budget(
            active=active,
            equation=f"active and routing params of N at an expansion rate of {expansion}",
        ),
        terms=Sum("a", "g", "b", "c"),
        decreasing=("params", "tokens", "granularity"),
    )
