"""Rows of medians with intervals, one a case."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes

from scalingbayes.plots.curves import Band
from scalingbayes.plots.labels import escaped
from scalingbayes.plots.style import BAND, INK, Style, median_and_bounds, percent

if TYPE_CHECKING:
    from scalingbayes.results import DrawsResult

HEIGHT = 0.3
"""Height of a row in inches."""

_BELOW = 0.22  # distance of a second interval below the first


def draw_rows(
    ax: Axes, names: Sequence[str], band: Band, prob: float | None, exact: Band | None = None
) -> None:
    """Draw a median and an interval for each row, the first on top.

    Parameters
    ----------
    ax
        The axes.
    names
        The labels of the rows.
    band
        The medians and intervals.
    prob
        Posterior probability of the intervals, for the legend; None if they are no such intervals.
    exact
        Intervals that take the law as exact; NaN where there is none.
    """
    heights = np.arange(len(names))[::-1]
    label = "" if prob is None else f"{percent(prob)} interval"
    ax.hlines(heights, band.lower, band.upper, color=BAND, linewidth=4, label=label)
    ax.plot(band.median, heights, "o", color=INK, markersize=4, label="median")
    if exact is not None and np.isfinite(exact.lower).any():
        how: Style = {"color": INK, "linewidth": 1.2, "label": "law taken as exact"}
        ax.hlines(heights - _BELOW, exact.lower, exact.upper, **how)
    ax.set(
        yticks=heights,
        yticklabels=[escaped(name) for name in names],
        ylim=(-0.6, len(names) - 0.4),
    )


def quantity_band(results: "Sequence[DrawsResult]", name: str, prob: float) -> Band:
    """Return the medians and intervals of a quantity that several results have."""
    found = [median_and_bounds(each[name].to_numpy().ravel(), prob) for each in results]
    return Band(*np.array(found).T)
