"""Intervals of allowed numbers, for columns, inputs and arguments."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float


@dataclass(frozen=True)
class Domain:
    """An interval of the real line.

    Parameters
    ----------
    name
        Description of its numbers, such as ``"positive"``; it is printed in error messages.
    lower, upper
        The ends.
    closed
        Which ends belong to the interval: ``"neither"``, ``"lower"`` or ``"both"``.

    Examples
    --------
    >>> fraction = Domain("from 0 to 1", 0.0, 1.0, closed="both")
    >>> fraction.excludes(np.array([-0.1, 0.0, 1.0, 1.1]))
    array([ True, False, False,  True])
    """

    name: str
    lower: float = -np.inf
    upper: float = np.inf
    closed: Literal["neither", "lower", "both"] = "neither"

    def excludes(self, values: Float[np.ndarray, "*shape"]) -> Bool[np.ndarray, "*shape"]:
        """Return which of the values lie outside the interval."""
        below = values < self.lower if self.closed != "neither" else values <= self.lower
        above = values > self.upper if self.closed == "both" else values >= self.upper
        return below | above


REAL = Domain("a real number")
POSITIVE = Domain("positive", 0.0)
NONNEGATIVE = Domain("0 or more", 0.0, closed="lower")
FRACTION = Domain("from 0 to 1", 0.0, 1.0, closed="both")
PROPER_FRACTION = Domain("from 0 to below 1", 0.0, 1.0, closed="lower")
OPEN_FRACTION = Domain("strictly between 0 and 1", 0.0, 1.0)
