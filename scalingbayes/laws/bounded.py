"""Training on repeated data: a loss between that of an ideal model and that of a guess."""

from functools import reduce

import jax.numpy as jnp
import numpyro.distributions as dist
from jaxtyping import Array, Float

from scalingbayes.laws.base.law import Input, Law, Values
from scalingbayes.laws.base.parameters import Parameter
from scalingbayes.laws.base.priors import exponent, floor


def loss(
    params: Values,
    tokens: Values,
    unique_tokens: Values,
    *,
    E: Values,
    L_0: Values,
    a: Values,
    b: Values,
    c: Values,
    alpha: Values,
    beta: Values,
    gamma: Values,
    delta: Values,
) -> Float[Array, "*shape"]:
    """L(N, D, U_D) = E + (L_0 - E) h / (1 + h) (Bryant and Liu 2026).

    h = a / N^alpha + b / D^beta + c N^gamma / U_D^delta adds up too few params, too little training
    and overfitting. The paper calls the training tokens T and the distinct ones D. L_0 is the loss
    of a guess without knowledge, E the irreducible one. With much data and h small this is
    Chinchilla's law. Unlike law ``data_constrained``, the loss can increase with params. On the
    runs of datablations with at most 60 epochs, both predict held-out numbers of distinct tokens
    alike. The equation is as summaries of the paper state it. Simulation-based calibration has not
    been run.
    """
    log_N, log_T, log_D = jnp.log(params), jnp.log(tokens), jnp.log(unique_tokens)
    terms = (
        jnp.log(a) - alpha * log_N,
        jnp.log(b) - beta * log_T,
        jnp.log(c) + gamma * log_N - delta * log_D,
    )
    log_h = reduce(jnp.logaddexp, terms)
    return E + (L_0 - E) / (1 + jnp.exp(-log_h))


def _share(of: str, unit: str) -> Parameter:
    return Parameter(f"weight of {of} in h", dist.LogNormal(-3.0, 1.5), unit=unit)


bounded = Law(
    name="bounded",
    function=loss,
    equation="L = E + (L_0 - E) h/(1 + h), h = a/N^alpha + b/D^beta + c N^gamma/U_D^delta",
    source="Bryant and Liu 2026 (arXiv:2605.09189)",
    inputs={"unique_tokens": Input("distinct training tokens, U_D", unit="tokens")},
    parameters={
        "E": floor(),
        "L_0": Parameter(
            "loss of a guess, above E", dist.LogNormal(1.0, 0.7), unit="loss", shift="E"
        ),
        "a": _share("too few params", "params**alpha"),
        "b": _share("too few tokens", "tokens**beta"),
        "c": _share("overfitting", "params**-gamma * unique_tokens**delta"),
        "alpha": exponent("model's size"),
        "beta": exponent("training tokens"),
        "gamma": exponent("model's size in overfitting"),
        "delta": exponent("distinct tokens"),
    },
    decreasing=("tokens", "unique_tokens"),
)
