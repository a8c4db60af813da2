"""Test numbers for uniformity, and the coverage of intervals.

The empirical distribution function is compared with a simultaneous band, as in Säilynoja, Bürkner &
Vehtari 2022 (Statistics and Computing 32, 32, section 3).
"""

from collections.abc import Mapping
from functools import cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import special, stats

_POINTS = 100  # largest number of points at which the function is evaluated
_NULL_SAMPLES = 20_000
_SEED = 20220303


class Band(NamedTuple):
    """A simultaneous band for the empirical distribution function of uniform numbers.

    Parameters
    ----------
    at
        Points at which the function is evaluated, from 0 to 1.
    lower, upper
        Ends of the band at each point, from 0 to 1.
    """

    at: Float[np.ndarray, " points"]
    lower: Float[np.ndarray, " points"]
    upper: Float[np.ndarray, " points"]


def p_value(numbers: Float[np.ndarray, " count"]) -> float:
    """Return the p-value of a test that numbers are uniform.

    The statistic is the smallest binomial tail probability of the empirical distribution function
    over a grid of points. Its null distribution is simulated, so p is at least 1 / 20,001.

    Parameters
    ----------
    numbers
        Independent numbers from 0 to 1.
    """
    at = _points(len(numbers))
    below = np.searchsorted(np.sort(numbers), at, side="right")
    null = _null(len(numbers))
    extreme = np.searchsorted(null, _smallest_tail(below[None], len(numbers))[0], side="right")
    return float((extreme + 1) / (len(null) + 1))


def coverage_p_value(holds: Mapping[float, Bool[np.ndarray, " tables"]]) -> float:
    """Return the p-value of a test that intervals contain the truth at least as often as stated.

    It is the smallest binomial tail probability over the intervals' probabilities, after
    Bonferroni.

    Parameters
    ----------
    holds
        For each probability of intervals, whether the interval of each table contains the truth.
    """
    tails = [stats.binom.cdf(each.sum(), len(each), prob) for prob, each in holds.items()]
    return float(min(1.0, len(tails) * min(tails)))


def band(count: int, prob: float) -> Band:
    """Return the band that contains the distribution function of uniform numbers at all points.

    Parameters
    ----------
    count
        How many numbers there are.
    prob
        Probability that the function is inside the band at all points.
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
    """Simulate the statistic for uniform numbers; the samples are in ascending order."""
    cells = min(count, _POINTS)
    random = np.random.default_rng(_SEED)
    numbers = random.multinomial(count, np.full(cells, 1 / cells), _NULL_SAMPLES)
    return np.sort(_smallest_tail(np.cumsum(numbers, 1)[:, :-1], count))


def _smallest_tail(
    below: Int[np.ndarray, "samples points"], count: int
) -> Float[np.ndarray, " samples"]:
    """Return the smallest of both binomial tail probabilities over all points.

    Parameters
    ----------
    below
        How many numbers are at or below each point.
    count
        How many numbers there are.
    """
    at = _points(count)
    lower = special.bdtr(below, count, at)
    upper = np.where(below == 0, 1.0, special.bdtrc(np.maximum(below - 1, 0), count, at))
    return np.minimum(lower, upper).min(1)
