"""The loss of a model with an image tower and a text tower, by both sizes and samples."""

from collections.abc import Mapping
from functools import reduce
from typing import Any

import jax.numpy as jnp
import numpyro.distributions as dist
from jaxtyping import Array

from scalingbayes.laws.base.family import family
from scalingbayes.laws.base.law import Budget, Input, Law, Sum, signed
from scalingbayes.laws.base.parameters import Parameter
from scalingbayes.laws.base.priors import exponent, floor, weight
from scalingbayes.laws.base.targets import Target

TOWER_BUDGET = Budget(
    "image_params", unknown="sb.costs.TwoTower(image_tokens=..., text_params=..., text_tokens=77)"
)
"""A sample passes both towers, with as many tokens as its image and its text have."""

TOWER_INPUTS = {
    "image_params": Input("params of the image tower, N_img"),
    "text_params": Input("params of the text tower, N_txt"),
    "tokens": Input("samples seen in training: image-text pairs, S"),
    "image_tokens": Input("tokens of an image: its patches, P"),
}
"""Inputs of laws of two towers."""


def log_error(inputs: Mapping[str, Array], values: Mapping[str, Array]) -> Array:
    """Return the log of A_image / N_img^alpha_image + A_text / N_txt^alpha_text + B / S^beta."""
    alpha_image, alpha_text = exponents_of(values)
    terms = (
        jnp.log(values["A_image"]) - alpha_image * jnp.log(inputs["image_params"]),
        jnp.log(values["A_text"]) - alpha_text * jnp.log(inputs["text_params"]),
        jnp.log(values["B"]) - values["beta"] * jnp.log(inputs["tokens"]),
    )
    return reduce(jnp.logaddexp, terms)


def exponents_of(values: Mapping[str, Any]) -> tuple[Any, Any]:
    """Return the exponents of the two towers, which a tied law has in common."""
    if "alpha" in values:
        return values["alpha"], values["alpha"]
    return values["alpha_image"], values["alpha_text"]


def tower_exponents(tied: bool) -> dict[str, Parameter]:
    """Return the exponents of the towers' sizes and of the samples."""
    towers = (
        {"alpha": exponent("size of each tower")}
        if tied
        else {
            "alpha_image": exponent("image tower's size"),
            "alpha_text": exponent("text tower's size"),
        }
    )
    return {**towers, "beta": exponent("samples seen")}


def names_of_exponents(tied: bool) -> tuple[str, str]:
    """Return the names of the exponents of the image tower and of the text tower."""
    return ("alpha", "alpha") if tied else ("alpha_image", "alpha_text")


@family
def two_tower(tied: bool = False, image_tokens: bool = False, target: str = "loss") -> Law:
    """Return a law of models with an image tower and a text tower.

    L = E + (A_image / N_img^alpha_image + A_text / N_txt^alpha_text + B / S^beta)^k. The sum of
    three power laws under a power is this package's extension of law ``coupled`` to two sizes. It
    suits losses per token, such as the caption loss of MaMMUT. A contrastive loss also depends on
    the batch: use law ``contrastive``. The column ``tokens`` counts samples, S. An allocation
    chooses the image tower's size and the samples; the text tower's size is given. It counts FLOPs
    as the table's column of compute does; without one, pass :class:`~scalingbayes.costs.TwoTower`.

    Parameters
    ----------
    tied
        Whether both towers have one exponent, ``alpha``.
    image_tokens
        Whether the law also reads the tokens of an image, P. The image tower's term is then
        A_image / (N_img^alpha_image P^gamma).
    target
        The column of the loss.
    """
    image, text = names_of_exponents(tied)
    inputs = ["image_params", "text_params", "tokens", *["image_tokens"] * image_tokens]

    def loss(*given: Array, **values: Array) -> Array:
        at = dict(zip(inputs, given, strict=True))
        if image_tokens:
            tokens_effect = jnp.exp(-values["gamma"] * jnp.log(at["image_tokens"]))
            values = {**values, "A_image": values["A_image"] * tokens_effect}
        return values["E"] + jnp.exp(values["k"] * log_error(at, values))

    per_tokens = " * image_tokens**gamma" if image_tokens else ""
    unit = f"{target}**(1/k)"
    parameters = {
        "E": floor(unit=target),
        "A_image": weight(
            "finite image tower", f"{unit} * image_params**{image}{per_tokens}", power="1/k"
        ),
        "A_text": weight("finite text tower", f"{unit} * text_params**{text}", power="1/k"),
        "B": weight("finite data", f"{unit} * tokens**beta", power="1/k"),
        **tower_exponents(tied),
        "k": Parameter("power of all three together", dist.LogNormal(0.0, 0.7)),
    }
    if image_tokens:
        parameters["gamma"] = exponent("tokens of an image")
    return Law(
        name="two_tower",
        function=signed(loss, inputs, parameters),
        equation=f"L = E + (A_image/{'(' if image_tokens else ''}N_img^{image}"
        f"{' P^gamma)' if image_tokens else ''} + A_text/N_txt^{text} + B/S^beta)^k",
        source="this package: law coupled with two sizes",
        target=Target(target),
        inputs={name: TOWER_INPUTS[name] for name in inputs},
        parameters=parameters,
        budget=TOWER_BUDGET,
        terms=Sum(Sum("A_image", "A_text", "B", power="k"), "E"),
        decreasing=tuple(inputs),
    )
