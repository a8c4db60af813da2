"""Training and serving in low precision: effective params."""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpyro.distributions as dist
from jaxtyping import Array

from scalingbayes._core.errors import InputError
from scalingbayes.laws import chinchilla
from scalingbayes.laws.base.family import family
from scalingbayes.laws.base.law import Input, Law, Sum, power, signed
from scalingbayes.laws.base.parameters import Parameter
from scalingbayes.laws.base.priors import exponent

POST_BITS = "post_bits"
_LEAST_SHARE = 1e-6  # of effective params: so few bits are outside of what the law describes


def effective_share(
    bits: Mapping[str, Any], values: Mapping[str, Any], parts: int
) -> Array | float:
    """Return N_eff / N: the product of 1 - exp(n - P / gamma) over columns of bits.

    Parameters
    ----------
    bits
        The precision P of each column.
    values
        Parameters of the law: ``gamma_COLUMN`` and, if it has offsets, ``n_COLUMN``.
    parts
        How many parts of the model each column is the precision of.
    """
    share: Array | float = 1.0
    for name, each in bits.items():
        log_lost = values.get(f"n_{name}", 0.0) - each / values[f"gamma_{name}"]
        share = share * jnp.maximum(-jnp.expm1(jnp.minimum(log_lost, 0.0)), _LEAST_SHARE) ** parts
    return share


def quantization_loss(
    bits: Mapping[str, Array], post_bits: Array, values: Mapping[str, Array], parts: int
) -> Array:
    """Return C_T exp(-P_post / gamma_post) times 1 - exp(-C_x (P_x - P_post)) for each part x.

    Kumar et al. 2024, eq. 9, without its factor D^gamma_D / N_eff^gamma_N. Arguments are those of
    :func:`effective_share`, and the bits after the training.
    """
    found = values["C_T"] * jnp.exp(-post_bits / values["gamma_post"])
    for name, each in bits.items():
        fewer = jnp.maximum(each - post_bits, 0.0)
        found = found * (-jnp.expm1(-values[f"C_{name}"] * fewer)) ** parts
    return found


def _of_quantization() -> dict[str, Parameter]:
    """Return the parameters of the quantization after the training that no column has."""
    return {
        "C_T": Parameter(
            "weight of the quantization after the training",
            dist.LogNormal(1.0, 1.5),
            unit="loss * params**gamma_N / tokens**gamma_D",
        ),
        "gamma_D": exponent("tokens, in the harm of quantization"),
        "gamma_N": exponent("model's size, in the harm of quantization"),
        "gamma_post": Parameter("scale of post_bits, in bits", dist.LogNormal(-0.4, 0.5)),
    }


@family
def precision(
    columns: tuple[str, ...] = ("bits",), parts: int = 1, offset: bool = False, post: bool = False
) -> Law:
    """Return Chinchilla's law in effective params, which fall with the precision of the training.

    L = E + A / N_eff^alpha + B / D^beta with N_eff = N times 1 - exp(-P / gamma) for each column of
    bits P: of weights, activations and the attention's cache in Kumar et al. 2024, eq. 4.
    :func:`scalingbayes.optimal_precision` computes the precision that is compute-optimal.

    The paper finds alpha = beta = 0.4965, A = 4299, B = 18060, E = 2.7648, and with offsets n,
    1 - exp(n - P / gamma), gamma = 2.6745 and n = 0.3037 for weights, 2.2102 and 1.4072 for
    activations, 0.9578 and 2.4185 for the cache (table 2; the sign of n is the one that gives the
    paper's optimum of 7 to 8 bits).

    Parameters
    ----------
    columns
        Columns with the bits of parts of the model in training.
    parts
        How many parts each column is the precision of: 3 if one column holds the bits of weights,
        activations and cache (eq. 5).
    offset
        Whether each column has an offset n, as in the paper's own fits.
    post
        Whether the weights are quantized after the training to the bits in the column
        ``post_bits``. This adds C_T D^gamma_D / N_eff^gamma_N exp(-P_post / gamma_post), so that
        more tokens may harm, times 1 - exp(-C_x (P_x - P_post)) for each column and part x
        (eq. 9): models that were trained in few bits lose less. Weights in as many bits as in
        training lose nothing. The paper finds C_T = 0.0598, gamma_D = 0.5068, gamma_N = 0.3439,
        gamma_post = 0.5907 (table 2, which adds 1.1277 to the exponent), and does not print C_x.

    Raises
    ------
    InputError
        If there is no column, or ``parts`` is below 1.
    """
    if not columns or parts < 1:
        raise InputError(
            f"precision needs a column of bits and one part or more; got columns={columns!r}, "
            f"parts={parts!r}."
        )
    surface = chinchilla.surface_parameters()

    def loss(params: Array, tokens: Array, *bits: Array, **values: Array) -> Array:
        trained = dict(zip(columns, bits, strict=False))
        effective = params * effective_share(trained, values, parts)
        found = chinchilla.loss(effective, tokens, **{name: values[name] for name in surface})
        if post:
            lost = quantization_loss(trained, bits[-1], values, parts)
            scale = power(tokens, values["gamma_D"]) * power(effective, -values["gamma_N"])
            found = found + scale * lost
        return found

    parameters = dict(surface)
    for name in columns:
        parameters[f"gamma_{name}"] = Parameter(
            f"scale of {name}, in bits", dist.LogNormal(0.7, 0.6)
        )
        if offset:
            parameters[f"n_{name}"] = Parameter(f"offset of {name}", dist.HalfNormal(1.0))
        if post:
            parameters[f"C_{name}"] = Parameter(
                f"how fast quantization harms below {name}, a bit", dist.LogNormal(0.0, 1.0)
            )
    inputs = {name: Input(f"precision of the training, {name}", unit="1") for name in columns}
    if post:
        inputs[POST_BITS] = Input("precision of the weights in use, P_post", unit="1")
        parameters |= _of_quantization()
    start = "n - " if offset else "-"
    power_of_parts = f"^{parts}" if parts > 1 else ""
    share = f"(1 - e^({start}P/gamma)){power_of_parts}"
    each = "" if len(columns) == 1 else f", factors for each of {', '.join(columns)}"
    after = ""
    if post:
        after = " + C_T D^gamma_D/N_eff^gamma_N e^(-P_post/gamma_post) "
        after += "(1 - e^(-C (P - P_post)))" + power_of_parts
    return Law(
        name="precision",
        function=signed(loss, ["params", "tokens", *inputs], parameters),
        equation=f"L = E + A/N_eff^alpha + B/D^beta{after}, N_eff = N {share}{each}",
        source="Kumar et al. 2024 (arXiv:2411.04330), eq. 4, 5 and 9",
        inputs=inputs,
        parameters=parameters,
        terms=Sum("A", "B", "E"),
        # Quantization harms more after more tokens, and after training in more bits.
        decreasing=("params", POST_BITS) if post else ("params", "tokens", *columns),
    )
