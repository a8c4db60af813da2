"""The figure of a forecast: the curve so far, the band ahead, the end and its target."""

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import StrMethodFormatter

from scalingbayes._core.arguments import Probability
from scalingbayes._core.checked import checked
from scalingbayes._core.numbers import write_with_interval
from scalingbayes.plots.curves import estimate_band
from scalingbayes.plots.style import (
    ACCENT,
    INK,
    RUNS,
    draw_band,
    draws_result,
    finish,
    new_axes,
    percent,
)

if TYPE_CHECKING:
    from scalingbayes.decisions import Forecast

_ROOM = 1.04  # beyond the end of the schedule, for the interval of the target
_EARLY = 0.15  # share of the schedule whose high losses the axes leave out


@checked
@draws_result("Forecast", "sb.forecast")
def plot_forecast(forecast: "Forecast", prob: Probability = 0.9, ax: Axes | None = None) -> Axes:
    """Plot the curve of a run so far, the band of its forecast, and its target.

    Parameters
    ----------
    forecast
        The result of :func:`scalingbayes.forecast`.
    prob
        Posterior probability of the equal-tailed band and intervals.
    ax
        Where to draw; new axes by default.

    Returns
    -------
    Axes
        The axes.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> sb.plots.plot_forecast(sb.forecast(curves, schedule)).get_xlabel()  # doctest: +SKIP
    'step'
    """
    ax = new_axes(ax)
    steps = forecast.draws["step"].to_numpy()
    band = estimate_band(forecast, "observed", prob)
    labels = ("forecast, median", f"{percent(prob)} band")
    draw_band(ax, steps, band.median, (band.lower, band.upper), labels)
    losses = [band.lower, band.upper[steps > _EARLY * steps[-1]]]
    if forecast.so_far is not None:
        seen = forecast.so_far
        ax.plot(seen["step"], seen["loss"], color=INK, linewidth=1, label="run so far")
        losses.append(seen["loss"][seen["step"] > _EARLY * steps[-1]].to_numpy())
    ends = [[band.median[-1] - band.lower[-1]], [band.upper[-1] - band.median[-1]]]
    written = " ".join(write_with_interval(band.median[-1], band.lower[-1], band.upper[-1], "loss"))
    last, label = (steps[-1], band.median[-1]), f"end: {written}"
    ax.errorbar(*last, yerr=ends, color=ACCENT, fmt="o", capsize=3, zorder=4, label=label)
    if forecast.target is not None:
        low, middle, high = np.quantile(forecast.target, [(1 - prob) / 2, 0.5, (1 + prob) / 2])
        ax.axhspan(low, high, color=RUNS, alpha=0.25, linewidth=0)
        ax.axhline(middle, color=RUNS, linewidth=1, linestyle=":", label="target")
        losses.append(np.array([low, high]))
    together = np.concatenate(losses)
    margin = 0.05 * (together.max() - together.min())
    ax.set(
        xlim=(0, _ROOM * steps[-1]),
        ylim=(together.min() - margin, together.max() + margin),
        xlabel="step",
        ylabel="loss",
        title=forecast.title,
    )
    ax.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    ax.legend(frameon=False, fontsize="small", loc="upper right")
    return finish(ax, forecast.verdict)
