"""The result of an engine: draws over unconstrained coordinates, with statistics."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from jaxtyping import Float, Shaped

from scalingbayes.model.allowance import Allowance

Progress = Callable[[float], None]
"""Called with the fraction of the work that is done, up to 1."""


def silent(part: float) -> None:
    """Report no progress."""


def never_falling(progress: Progress) -> Progress:
    """Return a callback that reports the largest fraction so far.

    The fraction done falls when a fit turns out to need more work than was planned.
    """
    largest = 0.0

    def report(part: float) -> None:
        nonlocal largest
        largest = max(largest, part)
        progress(largest)

    return report


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
        Distribution of the draws: the posterior, the prior, or best fits to resampled tables.
    allowance
        The allowance for the law's error, if the draws have one.
    exact
        Draws that take the law as exact, if there is an allowance.
    """

    points: Float[np.ndarray, "chains draws dim"]
    stats: Mapping[str, Shaped[np.ndarray, "chains draws"]]
    facts: Mapping[str, int | float] = field(default_factory=dict)
    of: Literal["posterior", "prior", "bootstrap"] = "posterior"
    allowance: Allowance | None = None
    exact: "Draws | None" = None
