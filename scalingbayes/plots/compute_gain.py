"""The figure of the compute-equivalent gain of a recipe."""

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes

from scalingbayes._core.arguments import Probability
from scalingbayes._core.checked import checked
from scalingbayes.plots.curves import draws_band
from scalingbayes.plots.labels import number_axis
from scalingbayes.plots.style import (
    ACCENT,
    INK,
    RUNS,
    draw_band,
    draws_result,
    finish,
    new_axes,
    percent,
    set_long_title,
)

if TYPE_CHECKING:
    import xarray as xr

    from scalingbayes.decisions import ComputeGain

_HIGHEST, _LOWEST = 100.0, 0.01  # gains that are drawn


@checked
@draws_result("ComputeGain", "sb.compute_gain")
def plot_compute_gain(gain: "ComputeGain", prob: Probability = 0.9, ax: Axes | None = None) -> Axes:
    """Plot the compute-equivalent gain against compute, with its band and the range of the runs.

    Dashed lines are the ends of the band if the laws are taken as exact.

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
    middle, lower, upper = _curve(gain.curve, prob)
    if gain.fitted is not None:
        label_of_runs = "runs of both recipes"
        ax.axvspan(*gain.fitted, color=RUNS, alpha=0.2, linewidth=0, label=label_of_runs)
    ax.axhline(1.0, color=RUNS, linewidth=1, linestyle=":")
    labels = ("median", f"{percent(prob)} band")
    draw_band(ax, compute, middle, (lower, upper), labels)
    if gain.exact_curve is not None:
        label: str | None = "band if laws are exact"
        for end in _curve(gain.exact_curve, prob)[1:]:
            ax.plot(compute, end, color=INK, linewidth=1, linestyle="--", label=label)
            label = None
    asked = gain.draws["compute"].to_numpy()
    at = gain.median()["gain"].to_numpy()
    shown = np.isfinite(at)
    ax.plot(asked[shown], at[shown], "o", color=ACCENT, markersize=5, clip_on=False)
    low, high = min(lower.min(), 0.9), max(upper.max(), 1.1)
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


def _curve(draws: "xr.Dataset", prob: float) -> Float[np.ndarray, "3 budgets"]:
    """Return the median and the ends of the band of a gain, within the range that is drawn."""
    band = draws_band(draws["gain"], prob)
    return np.clip([band.median, band.lower, band.upper], _LOWEST, _HIGHEST)
