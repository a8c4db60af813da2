"""The figure of the compute-equivalent gain of a recipe."""

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes

from scalingbayes.plots.labels import number_axis
from scalingbayes.plots.style import (
    ACCENT,
    RUNS,
    draw_band,
    draws_result,
    finish,
    median_and_bounds,
    new_axes,
    percent,
    set_long_title,
)

if TYPE_CHECKING:
    from scalingbayes.decisions import ComputeGain

_HIGHEST, _LOWEST = 100.0, 0.01  # gains that are drawn


@draws_result("ComputeGain", "sb.compute_gain")
def plot_compute_gain(gain: "ComputeGain", prob: float = 0.9, ax: Axes | None = None) -> Axes:
    """Plot the compute-equivalent gain against compute, with its band and the range of the runs.

    Parameters
    ----------
    gain
        The result of :func:`scalingbayes.compute_gain`.
    prob
        Posterior probability of the equal-tailed band.
    ax
        Where to draw; new axes by default.

    Returns
    -------
    Axes
        The axes.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> tables = sb.datasets.load("overtraining").split("dataset")
    >>> posts = sb.fit_many(tables, "chinchilla", engine="laplace", exact=True)
    >>> found = sb.compute_gain(posts["refinedweb"], posts["c4"], compute=1e22)
    >>> sb.plots.plot_compute_gain(found).get_ylabel()
    'compute-equivalent gain'
    """
    ax = new_axes(ax)
    compute = gain.curve["compute"].to_numpy()
    values = gain.curve["gain"].transpose("compute", "chain", "draw").to_numpy()
    middle, lower, upper = median_and_bounds(values.reshape(len(compute), -1), prob)
    ax.axvspan(*gain.fitted, color=RUNS, alpha=0.2, linewidth=0, label="runs of both recipes")
    ax.axhline(1.0, color=RUNS, linewidth=1, linestyle=":")
    band = np.clip(lower, _LOWEST, _HIGHEST), np.clip(upper, _LOWEST, _HIGHEST)
    labels = ("median", f"{percent(prob)} band")
    draw_band(ax, compute, np.where(np.isfinite(middle), middle, np.nan), band, labels)
    asked = gain.draws["compute"].to_numpy()
    at = gain.median()["gain"].to_numpy()
    shown = np.isfinite(at)
    ax.plot(asked[shown], at[shown], "o", color=ACCENT, markersize=5, clip_on=False)
    low, high = min(band[0].min(), 0.9), max(band[1].max(), 1.1)
    room = (high / low) ** 0.06
    ax.set(
        xlim=(compute[0], compute[-1]),
        ylim=(low / room, high * room),
        xlabel="compute $C$ of the new recipe (FLOPs)",
        ylabel="compute-equivalent gain",
    )
    number_axis(ax.xaxis, "flops")
    number_axis(ax.yaxis, "ratio")
    set_long_title(ax, gain.title)
    ax.legend(frameon=False, fontsize="small", loc="best")
    return finish(ax, gain.verdict)
