"""FLOPs of models with a part of their own for images: late fusion, and two towers."""

from dataclasses import dataclass
from typing import Annotated, override

import jax
import jax.numpy as jnp

from scalingbayes._core.checked import checked
from scalingbayes._core.domains import FRACTION
from scalingbayes._core.errors import InputError
from scalingbayes._core.numbers import write
from scalingbayes.allocation.costs.base import NonNegativeReal, PositiveReal, Real, Scale, SizeCost
from scalingbayes.data.architecture import FLOPS_PER_PARAM_TOKEN


@dataclass(frozen=True)
class _Encoders(SizeCost):
    """What costs of several encoders share: no shape gives their size."""

    @override
    def of_shapes(self, n_layer: Scale, d_model: Scale) -> tuple[Scale, Scale, Scale]:
        raise InputError(
            "Shapes give the params of one transformer, but this cost has several parts. Remove "
            "shapes from the limits."
        )


@checked
@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class LateFusion(_Encoders):
    """FLOPs of late fusion: 6 (N_v D_v + N_t D), a vision encoder before a decoder.

    Shukor et al. 2025 (arXiv:2504.07951, table 1 and appendix C.2). All tokens D pass the decoder's
    N_t params; the D_v vision tokens among them also pass the encoder's N_v params. ``params`` is
    the sum of both, N. Early fusion has no encoder and costs 6 N D: it is
    :class:`~scalingbayes.costs.Proportional`.

    Parameters
    ----------
    vision_tokens
        Vision tokens over all tokens, D_v / D: 0.544 for the paper's mixture of 45 % image
        captions, 45 % interleaved documents and 10 % text.
    vision_share, vision_params
        The encoder's size: N_v = vision_params + vision_share * N. The paper fits such a line to
        its models; its coefficients are not printed.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> sb.costs.LateFusion(0.544, vision_params=3e8).equation
    'C = 6 (N_v D_v + N_t D), D_v = 0.544 D, N_v = 300M'
    """

    vision_tokens: Annotated[Real, FRACTION]
    vision_share: Annotated[Real, FRACTION] = 0.0
    vision_params: NonNegativeReal = 0.0

    @property
    @override
    def size(self) -> str:
        return "params"

    @property
    @override
    def equation(self) -> str:
        parts = [f"{self.vision_share:.3g} N"] if self.vision_share else []
        parts += [write(self.vision_params, "count")] if self.vision_params else []
        served = f"; and serving {write(self.served_tokens, 'count')} tokens"
        return (
            f"C = 6 (N_v D_v + N_t D), D_v = {self.vision_tokens:.3g} D, N_v = "
            f"{' + '.join(parts) or '0'}{served if self.served_tokens else ''}"
        )

    @override
    def log_training(self, scale: Scale) -> Scale:
        params = jnp.exp(scale)
        vision = self.vision_params + self.vision_share * params
        # The decoder's FLOPs cannot be negative: models smaller than the encoder count as it.
        text = jnp.maximum(params - vision, 0.0)
        return jnp.log(FLOPS_PER_PARAM_TOKEN * (vision * self.vision_tokens + text))


@checked
@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class TwoTower(_Encoders):
    """FLOPs of a sample of a model with two towers: 6 (N_img P + N_txt T).

    The size is ``image_params``, as in laws ``two_tower`` and ``contrastive``: an allocation
    chooses it and the samples. The text tower is given.

    Parameters
    ----------
    image_tokens
        Tokens of an image, P.
    text_params
        Params of the text tower, N_txt.
    text_tokens
        Tokens of a text, T.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> sb.costs.TwoTower(image_tokens=196, text_params=63e6).equation
    'C = 6 S (196 N_img + 77 * 63M)'
    """

    image_tokens: PositiveReal
    text_params: NonNegativeReal
    text_tokens: NonNegativeReal = 77.0

    @property
    @override
    def size(self) -> str:
        return "image_params"

    @property
    @override
    def equation(self) -> str:
        served = f"; and serving {write(self.served_tokens, 'count')} samples"
        return (
            f"C = 6 S ({self.image_tokens:g} N_img + {self.text_tokens:g} * "
            f"{write(self.text_params, 'count')}){served if self.served_tokens else ''}"
        )

    @override
    def log_training(self, scale: Scale) -> Scale:
        image = jnp.exp(scale) * self.image_tokens
        return jnp.log(FLOPS_PER_PARAM_TOKEN * (image + self.text_params * self.text_tokens))
