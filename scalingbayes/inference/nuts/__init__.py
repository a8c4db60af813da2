"""The No-U-Turn sampler: starts, warm-up, transition kernel, jumps, and the engine.

``nuts`` holds the engine, ``kernel`` one transition, ``sampling`` the compiled blocks of draws,
``starts`` the modes, ``warmup`` the adaptation, ``mixture`` the jumps, and ``constants`` the
constants.
"""

from scalingbayes.inference.nuts.nuts import NUTS

__all__ = ["NUTS"]
