"""Are numbers uniform? The empirical distribution function against a simultaneous band.

Säilynoja, Bürkner & Vehtari 2022 (Statistics and Computing 32, section 3).
"""

from functools import cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy import special, stats

_POINTS = 100  # most points at which the function is compared
_NULL_SAMPLES = 20_000
_SEED = 20220303


class Band(NamedTuple):
    """What the empirical distribution function of uniform numbers stays between.

    Parameters
    ----------
    at
        Points of comparison, from 0 to 1.
    lower, upper
        The band there, from 0 to 1.
    """

    at: Float[np.ndarray, " points"]
    lower: Float[np.ndarray, " points"]
    upper: Float[np.ndarray, " points"]


def p_value(numbers: Float[np.ndarray, " count"]) -> float:
    """Say how often uniform numbers would stray as far from uniformity as these do.

    The statistic is the smallest binomial tail probability of the empirical distribution function
    over a grid of points; its distribution is simulated, so that p is no less than 1 / 20,001.

    Parameters
    ----------
    numbers
        From 0 to 1, independent.
    """
    at = _points(len(numbers))
    below = np.searchsorted(np.sort(numbers), at, side="right")
    null = _null(len(numbers))
    extreme = np.searchsorted(null, _smallest_tail(below[None], len(numbers))[0], side="right")
    return float((extreme + 1) / (len(null) + 1))


def band(count: int, prob: float) -> Band:
    """Find the band in which the function of uniform numbers stays, everywhere at once.

    Parameters
    ----------
    count
        How many numbers.
    prob
        With what probability.
    """
    at = _points(count)
    tail = np.quantile(_null(count), 1 - prob)
    lower, upper = stats.binom.ppf(tail, count, at), stats.binom.isf(tail, count, at)
    return Band(at, lower / count, upper / count)


def _points(count: int) -> Float[np.ndarray, " points"]:
    number = min(count, _POINTS)
    return np.arange(1, number) / number


@cache
def _null(count: int) -> Float[np.ndarray, " samples"]:
    """Draw the statistic of uniform numbers, in ascending order."""
    cells = min(count, _POINTS)
    random = np.random.default_rng(_SEED)
    numbers = random.multinomial(count, np.full(cells, 1 / cells), _NULL_SAMPLES)
    return np.sort(_smallest_tail(np.cumsum(numbers, 1)[:, :-1], count))


def _smallest_tail(
    below: Int[np.ndarray, "samples points"], count: int
) -> Float[np.ndarray, " samples"]:
    at = _points(count)
    lower = special.bdtr(below, count, at)
    upper = np.where(below == 0, 1.0, special.bdtrc(np.maximum(below - 1, 0), count, at))
    return np.minimum(lower, upper).min(1)
