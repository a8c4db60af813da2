"""The loss by size of the vocabulary."""

import numpyro.distributions as dist
from jaxtyping import Array, Float

from scalingbayes.laws.base.law import Input, Law, Values, power
from scalingbayes.laws.base.parameters import Parameter
from scalingbayes.laws.base.priors import exponent
from scalingbayes.laws.base.targets import Target


def loss(
    params_non_vocab: Values,
    params_vocab: Values,
    tokens: Values,
    *,
    E: Values,
    A1: Values,
    A2: Values,
    B: Values,
    alpha1: Values,
    alpha2: Values,
    beta: Values,
) -> Float[Array, "*shape"]:
    """L_u = -E + A1 / N_nv^alpha1 + A2 / N_v^alpha2 + B / D^beta (Tao et al. 2024).

    L_u is the loss minus that of a unigram model, so that vocabularies can be compared. It is
    negative. The paper finds E = 5.533, A1 = 1.831, A2 = 0.196, B = 2.124,
    alpha1 = beta = 0.447 and alpha2 = 0.671, with N in millions and D in a unit of its own.
    """
    of_model = A1 * power(params_non_vocab, -alpha1) + A2 * power(params_vocab, -alpha2)
    return -E + of_model + B * power(tokens, -beta)


def _weight(of: str, x: str, exponent: str) -> Parameter:
    return Parameter(
        f"weight of the finite {of}, times {exponent} its slope",
        dist.LogNormal(-2.5, 1.5),
        unit=f"loss * {x}**{exponent} / {exponent}",
    )


vocabulary = Law(
    name="vocabulary",
    function=loss,
    equation="L_u = -E + A1/N_nv^alpha1 + A2/N_v^alpha2 + B/D^beta",
    source="Tao et al. 2024 (arXiv:2407.13623)",
    target=Target("loss", "plain"),
    inputs={
        "params_non_vocab": Input("params without the embedding, N_nv"),
        "params_vocab": Input("params of the embedding, N_v = vocabulary times width"),
    },
    # Priors are on the gain and the slopes at the reference point, which data determine best.
    parameters={
        "E": Parameter(
            "gain of an ideal model over a unigram; its gain at the reference point",
            dist.LogNormal(0.0, 0.5),
            unit="loss",
            shift="A1 * params_non_vocab**-alpha1 + A2 * params_vocab**-alpha2 + B * tokens**-beta",
        ),
        "A1": _weight("model", "params_non_vocab", "alpha1"),
        "A2": _weight("vocabulary", "params_vocab", "alpha2"),
        "B": _weight("data", "tokens", "beta"),
        "alpha1": exponent("model's size"),
        "alpha2": exponent("embedding's size"),
        "beta": exponent("training data"),
    },
    decreasing=("params_non_vocab", "params_vocab", "tokens"),
)
