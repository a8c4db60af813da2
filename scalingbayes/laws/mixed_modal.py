"""What training two modalities together costs or gains: competition and synergy."""

import numpyro.distributions as dist
from jaxtyping import Array, Float

from scalingbayes.laws.base.law import Law, Values, power
from scalingbayes.laws.base.parameters import Parameter
from scalingbayes.laws.base.priors import exponent
from scalingbayes.laws.base.targets import Target


def excess(
    params: Values, tokens: Values, *, C: Values, A: Values, B: Values, alpha: Values, beta: Values
) -> Float[Array, "*shape"]:
    """L_ij - (L_i + L_j) / 2 = -C_ij + A_ij / N^alpha_ij + B_ij / D^beta_ij.

    The column ``excess`` is the loss of a model of two modalities less the mean loss of two
    models of one modality each, of the same size and on the same tokens; D are the tokens of both
    modalities (Aghajanyan et al. 2023). C is the largest synergy; the other terms are competition
    for params and for training. Above 0, separate models are better; the runs where the excess is 0
    are the competition barrier.
    """
    return -C + A * power(params, -alpha) + B * power(tokens, -beta)


def _competition(of: str, x: str, exponent: str) -> Parameter:
    return Parameter(
        f"competition for {of}, times {exponent} its slope",
        dist.LogNormal(-1.0, 1.5),
        unit=f"excess * {x}**{exponent} / {exponent}",
    )


mixed_modal = Law(
    name="mixed_modal",
    function=excess,
    equation="L_ij - (L_i + L_j)/2 = -C + A/N^alpha + B/D^beta",
    source="Aghajanyan et al. 2023 (arXiv:2301.03728), its bi-modal law",
    target=Target("excess", "plain"),
    # Priors are on the excess and the slopes at the reference point, which data determine best.
    parameters={
        "C": Parameter(
            "largest synergy; minus the excess at the reference point",
            dist.Normal(0.0, 1.5),
            unit="excess",
            shift="A * params**-alpha + B * tokens**-beta",
        ),
        "A": _competition("params", "params", "alpha"),
        "B": _competition("training", "tokens", "beta"),
        "alpha": exponent("model's size"),
        "beta": exponent("tokens"),
    },
    decreasing=("params", "tokens"),
)
