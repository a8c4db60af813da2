"""The No-U-Turn sampler."""

from scalingbayes.inference.nuts.nuts import NUTS

__all__ = ["NUTS"]
