"""What an engine hands on: draws in R^k and what the engine says of each."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from jaxtyping import Float, Shaped

Progress = Callable[[float], None]
"""Called with the part of the work that is done, up to 1."""


def silent(part: float) -> None:
    """Report no progress."""


@dataclass(frozen=True, eq=False)
class Draws:
    """Draws over unconstrained coordinates.

    Parameters
    ----------
    points
        Shape (chains, draws, dim), in the coordinates of
        :class:`~scalingbayes.model.log_density.LogDensity`. Independent draws form one chain.
    stats
        Statistics of each draw under ArviZ's names; shape (chains, draws).
    facts
        Numbers of the run as a whole, such as ``gradients`` or ``pareto_k``, for the record.
    of
        What they are draws from: the posterior, the prior, or best fits to resampled tables.
    """

    points: Float[np.ndarray, "chains draws dim"]
    stats: Mapping[str, Shaped[np.ndarray, "chains draws"]]
    facts: Mapping[str, int | float] = field(default_factory=dict)
    of: Literal["posterior", "prior", "bootstrap"] = "posterior"
