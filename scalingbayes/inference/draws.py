"""The result of an engine: draws over unconstrained coordinates, with statistics."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from jaxtyping import Float, Shaped

from scalingbayes.model.allowance import Allowance


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
        Numbers about the whole run for the record, such as ``gradients`` or ``pareto_k``.
    of
        Distribution of the draws: the posterior, the prior, best fits to resampled tables, or the
        one point of a best fit.
    allowance
        The allowance for the law's error, if the draws have one.
    exact
        Draws that take the law as exact, if there is an allowance.
    """

    points: Float[np.ndarray, "chains draws dim"]
    stats: Mapping[str, Shaped[np.ndarray, "chains draws"]]
    facts: Mapping[str, int | float] = field(default_factory=dict)
    of: Literal["posterior", "prior", "bootstrap", "point"] = "posterior"
    allowance: Allowance | None = None
    exact: "Draws | None" = None
