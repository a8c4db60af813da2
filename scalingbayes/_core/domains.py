"""Intervals of allowed numbers, for columns, inputs and arguments."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float

LARGEST, SMALLEST = 1e100, 1e-100
"""Range of the positive numbers that a caller may give: their products do not overflow."""

LARGEST_CELL, SMALLEST_CELL = 1e37, 1e-37
"""Range of the positive numbers of a table: that of float32, in which fits may run."""


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
        Which ends belong to the interval: ``"neither"``, ``"lower"``, ``"upper"`` or ``"both"``.

    Examples
    --------
    >>> fraction = Domain("from 0 to 1", 0.0, 1.0, closed="both")
    >>> fraction.excludes(np.array([-0.1, 0.0, 1.0, 1.1]))
    array([ True, False, False,  True])
    """

    name: str
    lower: float = -np.inf
    upper: float = np.inf
    closed: Literal["neither", "lower", "upper", "both"] = "neither"

    def excludes(self, values: Float[np.ndarray, "*shape"]) -> Bool[np.ndarray, "*shape"]:
        """Return which of the values lie outside the interval."""
        with_lower, with_upper = (self.closed in (end, "both") for end in ("lower", "upper"))
        below = values < self.lower if with_lower else values <= self.lower
        above = values > self.upper if with_upper else values >= self.upper
        return below | above

    def too_extreme(
        self,
        values: Float[np.ndarray, "*shape"],
        largest: float = LARGEST,
        smallest: float = SMALLEST,
    ) -> Bool[np.ndarray, "*shape"]:
        """Return which finite values are too large to compute with, or too small.

        Small values are refused only if the interval excludes 0: then their logarithm or their
        inverse is needed.
        """
        sizes = np.abs(values)
        small = sizes < smallest if self.excludes(np.zeros(())) else False
        return np.isfinite(values) & ((sizes > largest) | small)


REAL = Domain("a real number")
POSITIVE = Domain("positive", 0.0)
POSITIVE_OR_INFINITE = Domain("positive, or inf", 0.0, closed="upper")
NONNEGATIVE = Domain("0 or more", 0.0, closed="lower")
FRACTION = Domain("from 0 to 1", 0.0, 1.0, closed="both")
PROPER_FRACTION = Domain("from 0 to below 1", 0.0, 1.0, closed="lower")
OPEN_FRACTION = Domain("strictly between 0 and 1", 0.0, 1.0)
