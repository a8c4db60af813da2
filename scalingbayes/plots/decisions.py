"""Figures of decisions: smaller models on more tokens, and the stock of tokens."""

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, NullFormatter, PercentFormatter

from scalingbayes.plots.style import BAND, INK, RUNS, WARNING, draw_band, finish, new_axes

if TYPE_CHECKING:
    from scalingbayes.decisions import DataExhaustion, Overtraining

_HIGHEST_OVERHEAD = 2.0
_YEARS_AFTER = 3  # the interval's end


def plot_overtraining(
    overtraining: "Overtraining", prob: float = 0.9, ax: Axes | None = None
) -> Axes:
    """Plot the compute that smaller and larger models need to reach the loss of the optimal one.

    Parameters
    ----------
    overtraining
        The result of :func:`scalingbayes.overtrain`.
    prob
        Posterior probability of the equal-tailed band and of the critical size's interval.
    ax
        Where to draw; new axes by default.
    """
    ax = new_axes(ax)
    overhead = overtraining.median()["overhead"]
    factors = overhead["size_factor"].to_numpy()
    bounds = overtraining.interval(prob)["overhead"]
    lower, upper = bounds.transpose("bound", "size_factor").to_numpy()
    critical = overtraining.critical_size.interval(prob)["size_factor"].to_numpy()
    ax.axvspan(*critical, color=RUNS, alpha=0.3, linewidth=0, label="critical size")
    # The overhead is infinite below the critical size, which matplotlib cannot fill.
    upper = np.minimum(upper, 10 * _HIGHEST_OVERHEAD)
    labels = ("overhead, median", f"{100 * prob:g}% band")
    draw_band(ax, factors, overhead.to_numpy(), (lower, upper), labels, where=np.isfinite(lower))
    ax.set(
        xscale="log",
        xlabel="model size / optimal model size",
        ylabel="extra training compute",
        xticks=[0.1, 0.2, 0.3, 0.5, 0.7, 1, 2, 3],
        ylim=(-0.02, _HIGHEST_OVERHEAD),
        title="Smaller models on more tokens, at the same loss",
    )
    ax.xaxis.set_major_formatter("{x:g}")
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.yaxis.set_major_formatter(PercentFormatter(1.0))
    ax.legend(frameon=False, loc="upper right")
    return finish(ax, overtraining.verdict)


def plot_data_exhaustion(
    exhaustion: "DataExhaustion", prob: float = 0.9, ax: Axes | None = None
) -> Axes:
    """Plot the stock of tokens and the demand for them over the years, with their bands.

    The bar is the interval of the year in which they meet; an arrow leads past the horizon.

    Parameters
    ----------
    exhaustion
        The result of :func:`scalingbayes.data_exhaustion`.
    prob
        Posterior probability of the equal-tailed bands and of the interval.
    ax
        Where to draw; new axes by default.
    """
    year, lower, upper = map(float, exhaustion.summary(prob).loc["year"].to_numpy())
    last = int(np.minimum(exhaustion.horizon, np.ceil(upper) + _YEARS_AFTER))
    curves = exhaustion.curves.sel(year=slice(None, last))
    years = curves["year"].to_numpy()
    tails = [0.5, (1 - prob) / 2, (1 + prob) / 2]
    quantiles = curves.quantile(tails, ("chain", "draw"))
    ax = new_axes(ax)
    for name, color, shade, label in (
        ("stock", RUNS, RUNS, "stock of tokens"),
        ("demand", INK, BAND, r"$D_\mathrm{opt}$ of the largest budget"),
    ):
        middle, low, high = quantiles[name].transpose("quantile", "year").to_numpy()
        ax.plot(years, middle, color=color, label=f"{label}, median and {100 * prob:g}% band")
        ax.fill_between(years, low, high, color=shade, alpha=0.4, linewidth=0)
    if np.isfinite(lower):
        stock = quantiles["stock"].sel(quantile=0.5)
        height = float(np.interp(np.minimum(year, last), years, stock))
        end = float(np.minimum(upper, last))
        label = f"year in which they meet, {100 * prob:g}% interval"
        how: dict[str, Any] = {"linewidth": 3, "solid_capstyle": "butt", "label": label}
        ax.plot([lower, end], [height] * 2, color=WARNING, **how)
        if np.isfinite(year):
            ax.plot(year, height, "o", color=WARNING, markersize=7)
        if end < upper:
            ax.plot(end, height, ">", color=WARNING, markersize=9, clip_on=False)
    if np.isfinite(year):
        latest = f"{upper:.1f}" if np.isfinite(upper) else f"after {last}"
        title = f"Demand meets the stock in {year:.1f} [{lower:.1f}, {latest}]"
    else:
        unmet = 1 - exhaustion.share_met()
        title = f"Demand does not meet the stock by {last} in {unmet:.0%} of the draws"
    ax.set(
        yscale="log",
        xlabel="year",
        ylabel="tokens",
        title=title,
        xlim=(exhaustion.compute_year, last),
    )
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.legend(frameon=False, loc="upper left")
    return finish(ax, exhaustion.verdict)
