"""The contrastive loss of models with an image tower and a text tower, by sizes and batch."""

import jax
import jax.numpy as jnp
import numpyro.distributions as dist
from jaxtyping import Array

from scalingbayes.laws.base.family import family
from scalingbayes.laws.base.law import Input, Law, signed
from scalingbayes.laws.base.parameters import Parameter
from scalingbayes.laws.base.priors import exponent, weight
from scalingbayes.laws.base.targets import Target
from scalingbayes.laws.two_tower import (
    TOWER_BUDGET,
    TOWER_INPUTS,
    log_error,
    names_of_exponents,
    tower_exponents,
)


@family
def contrastive(tied: bool = False, image_tokens: bool = False, target: str = "loss") -> Law:
    """Return a law of the contrastive loss of models such as CLIP.

    L = T log(1 + n^delta s^k) with
    s = A_image / N_img^alpha_image + A_text / N_txt^alpha_text + B / S^beta and the batch size n.
    The contrastive loss is the log of 1 plus a sum over the other samples of the batch (van den
    Oord et al. 2018, arXiv:1807.03748, eq. 4), so that it grows with the batch: a model that knows
    nothing has log n. If all samples were equally hard, delta and T were 1. The form is this
    package's. Of the public runs it describes, it has a third of the residuals of a sum of power
    laws. T is the loss's unit: 1 for a loss in nats if samples were equally hard.

    Parameters
    ----------
    tied
        Whether both towers have one exponent, ``alpha``.
    image_tokens
        Whether the law also reads the tokens of an image, P. Then n^delta s^k is divided by
        P^gamma.
    target
        The column of the contrastive loss.
    """
    image, text = names_of_exponents(tied)
    inputs = ["image_params", "text_params", "tokens", *["image_tokens"] * image_tokens]
    inputs += ["batch_size"]

    def loss(*given: Array, **values: Array) -> Array:
        at = dict(zip(inputs, given, strict=True))
        log_sum = values["k"] * log_error(at, values)
        log_sum += values["delta"] * jnp.log(at["batch_size"])
        if image_tokens:
            log_sum -= values["gamma"] * jnp.log(at["image_tokens"])
        return values["T"] * jax.nn.softplus(log_sum)

    per_tokens = " * image_tokens**(gamma/k)" if image_tokens else ""
    unit = f"batch_size**(-delta/k){per_tokens}"
    parameters = {
        "T": Parameter("unit of the loss", dist.LogNormal(0.0, 1.0), unit=target),
        "A_image": weight("finite image tower", f"{unit} * image_params**{image}", power="1/k"),
        "A_text": weight("finite text tower", f"{unit} * text_params**{text}", power="1/k"),
        "B": weight("finite data", f"{unit} * tokens**beta", power="1/k"),
        **tower_exponents(tied),
        "k": Parameter("power of all three together", dist.LogNormal(0.7, 0.7)),
        "delta": Parameter("exponent of the batch size", dist.LogNormal(-0.3, 0.4)),
    }
    if image_tokens:
        parameters["gamma"] = exponent("tokens of an image")
    return Law(
        name="contrastive",
        function=signed(loss, inputs, parameters),
        equation="L = T log(1 + n^delta"
        f"{' P^-gamma' if image_tokens else ''} (A_image/N_img^{image} + A_text/N_txt^{text} + "
        "B/S^beta)^k)",
        source="this package, from the loss of van den Oord et al. 2018 (arXiv:1807.03748), eq. 4",
        target=Target(target),
        inputs={
            **{name: each for name, each in TOWER_INPUTS.items() if name in inputs},
            "batch_size": Input("samples in a batch, n"),
        },
        parameters=parameters,
        budget=TOWER_BUDGET,
        decreasing=tuple(name for name in inputs if name != "batch_size"),
    )
