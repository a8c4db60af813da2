"""A surface whose data term depends on the model's size."""

import jax.numpy as jnp
import numpyro.distributions as dist
from jaxtyping import Array, Float

from scalingbayes.laws.base.law import Input, Law, Sum, Values
from scalingbayes.laws.base.parameters import Parameter


def loss(
    params: Values,
    tokens: Values,
    *,
    s: Values,
    q: Values,
    S: Values,
    B: Values,
    b: Values,
    Q: Values,
    A: Values,
    a: Values,
    E: Values,
) -> Float[Array, "*shape"]:
    """L(N, D) = exp(s N^q + S) + exp(B N^b + Q) D^(-exp(A N^a + E)) (Li et al. 2025, eq. 3).

    D must be a count: the law keeps its form only in the unit of D in which it was stated. The
    authors find s = -0.062465, q = 0.13, S = 0.128488, B = 230.7343708, b = -0.1729,
    Q = -1.544210, A = -1.665631, a = 0.0459 and E = 3.133347 (as carried by PlanarG/active-sl).
    """
    log_N = jnp.log(params)
    of_size = jnp.exp(s * jnp.exp(q * log_N) + S)
    fall = jnp.exp(A * jnp.exp(a * log_N) + E)
    return of_size + jnp.exp(B * jnp.exp(b * log_N) + Q - fall * jnp.log(tokens))


farseer = Law(
    name="farseer",
    function=loss,
    equation="L = exp(s N^q + S) + exp(B N^b + Q) D^(-exp(A N^a + E))",
    source="Li et al. 2025 (arXiv:2506.10972), eq. 3",
    inputs={"tokens": Input("training tokens, D, as a count", unit="1")},
    # Levels and slopes are stated at the reference size and at exp(24) = 26 billion tokens. The
    # exponents q, b and a then change only the curvature.
    parameters={
        "s": Parameter(
            "slope of the model's term", dist.LogNormal(-2.0, 1.0), unit="-(params**-q) / q"
        ),
        "q": Parameter("how it bends", dist.Normal(0.1, 0.15)),
        "S": Parameter("its level", dist.Normal(-0.3, 0.5), shift="log(loss) - s * params**q"),
        "B": Parameter(
            "slope of the data term's level", dist.LogNormal(0.0, 1.0), unit="-(params**-b) / b"
        ),
        "b": Parameter("how it bends", dist.Normal(-0.1, 0.15)),
        "Q": Parameter(
            "its level",
            dist.Normal(-2.0, 1.5),
            shift="log(loss) - B * params**b + 24 * exp(A * params**a + E)",
        ),
        "A": Parameter(
            "slope of the data exponent", dist.LogNormal(-1.5, 1.0), unit="-(params**-a) / a"
        ),
        "a": Parameter("how it bends", dist.Normal(0.1, 0.15)),
        "E": Parameter("its level", dist.Normal(-0.8, 0.7), shift="-A * params**a"),
    },
    terms=Sum("Q", "S"),
)
