"""The figure of several approaches to the exponents."""

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes

from scalingbayes.plots.style import BAND, INK, RUNS, WARNING, finish, new_axes

if TYPE_CHECKING:
    from scalingbayes.decisions.approaches import ApproachComparison


def plot_approaches(comparison: "ApproachComparison", ax: Axes | None = None) -> Axes:
    """Plot the exponent a of each method with its interval. The intervals differ in kind.

    Parameters
    ----------
    comparison
        The result of :func:`scalingbayes.compare_approaches`.
    ax
        Where to draw; new axes by default.
    """
    table = comparison.summary()
    ax = new_axes(ax, figsize=(9, 1.2 + 0.45 * len(table)))
    heights = np.arange(len(table))[::-1]
    middle, lower, upper = (table[column].to_numpy(float) for column in ("a", "a_lower", "a_upper"))
    ax.hlines(heights, lower, upper, color=BAND, linewidth=4)
    ax.scatter(middle, heights, s=30, color=INK, zorder=3)
    ax.axvline(0.5, color=RUNS, linewidth=1, linestyle=":")
    for height, value, end in zip(heights, middle, upper, strict=True):
        if np.isnan(value):
            ax.annotate("not used", (0.5, height), color=WARNING, va="center", ha="center")
        else:
            place = (value if np.isnan(end) else end, height)
            ax.annotate(f"  {value:.3f}", place, va="center", fontsize="small")
    ax.set(
        yticks=heights,
        yticklabels=table.index,
        ylim=(-0.6, len(table) - 0.4),
        xlabel=r"exponent $a$ of $N_\mathrm{opt} \propto C^{\,a}$",
        title=comparison.runs_name,
    )
    ax.margins(x=0.1)
    if not comparison.verdict:
        row = table.index.get_loc(comparison.posterior_row)
        ax.annotate(
            "failed its checks",
            (np.nan_to_num(middle[row], nan=0.5), heights[row]),
            xytext=(0, -13),
            textcoords="offset points",
            ha="center",
            color=WARNING,
            fontsize="small",
        )
    return finish(ax)
