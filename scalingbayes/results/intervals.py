"""Credible intervals: their kinds, their probabilities and the names of their columns."""

from numbers import Real
from typing import Literal

from scalingbayes._core.errors import InputError

IntervalKind = Literal["eti", "hdi"]
"""``"eti"``: equal-tailed interval. ``"hdi"``: highest-density interval, the shortest one."""


EXACT_COLUMNS = ("exact_lb", "exact_ub")
"""Columns of the interval that takes the law as exact, beside one that allows for its error."""


def check_interval(prob: float, kind: str = "eti", *, equal_tails_only: bool = False) -> None:
    """Check the probability and the kind of a credible interval.

    Parameters
    ----------
    prob, kind
        The probability and the kind.
    equal_tails_only
        Whether the result at hand has no highest-density intervals.

    Raises
    ------
    InputError
        If ``prob`` is not between 0 and 1, or the result has no interval of this kind.
    """
    if not isinstance(prob, Real) or not 0 < prob < 1:
        raise InputError(f"prob must be between 0 and 1, such as 0.9; got {prob!r}.")
    if kind not in ("eti", "hdi"):
        raise InputError(f"kind must be 'eti' (equal tails) or 'hdi' (shortest); got {kind!r}.")
    if kind == "hdi" and equal_tails_only:
        raise InputError("This result has equal-tailed intervals only: use kind='eti'.")


def interval_columns(prob: float, kind: IntervalKind = "eti") -> tuple[str, str]:
    """Return ArviZ's names for the columns of an interval's ends: ``eti90_lb``, ``eti90_ub``."""
    return f"{kind}{100 * prob:g}_lb", f"{kind}{100 * prob:g}_ub"
