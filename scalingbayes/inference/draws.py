"""What an engine hands on: draws in R^k and what the engine says of each."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Shaped

Progress = Callable[[int, int], None]
"""Called with the draws done and the draws there will be, warm-up included, over all chains."""


@dataclass(frozen=True, eq=False)
class Draws:
    """Draws from a posterior over unconstrained coordinates.

    Parameters
    ----------
    points
        Shape (chains, draws, dim), in the coordinates of :class:`~scalingbayes.density.LogDensity`.
    stats
        Sampler statistics of each draw under ArviZ's names; shape (chains, draws).
    gradients
        Gradients that the engine evaluated over all chains, warm-up included, search for a start
        not.
    """

    points: Float[np.ndarray, "chains draws dim"]
    stats: dict[str, Shaped[np.ndarray, "chains draws"]]
    gradients: int
