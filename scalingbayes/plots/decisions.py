"""Figures of decisions: a plan, smaller models, the stock of tokens, models and the frontier."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, PercentFormatter

from scalingbayes._core.arguments import Probability
from scalingbayes._core.checked import checked
from scalingbayes._core.numbers import kind_of, write, write_with_interval
from scalingbayes.plots.curves import Band
from scalingbayes.plots.draws import plot_density
from scalingbayes.plots.labels import escaped, number_axis
from scalingbayes.plots.rows import HEIGHT, draw_rows
from scalingbayes.plots.style import (
    ACCENT,
    BAND,
    INK,
    RUNS,
    Style,
    draw_band,
    draws_result,
    figure_of,
    finish,
    is_wide,
    new_axes,
    panels,
    percent,
)

if TYPE_CHECKING:
    from scalingbayes.decisions import DataExhaustion, FrontierGap, Overtraining, Plan

_HIGHEST_OVERHEAD = 2.0
_YEARS_AFTER = 3  # the interval's end
_GAPS = (
    ("params_ratio", r"model size / $N_\mathrm{opt}$ of its compute", 1.0),
    ("excess_loss", "loss above the frontier's", 0.0),
    ("compute_wasted", "share of compute wasted", 0.0),
)
"""Quantities of a frontier gap, their labels, and their values on the frontier."""


@checked
@draws_result("Overtraining", "sb.overtrain")
def plot_overtraining(
    overtraining: "Overtraining", prob: Probability = 0.9, ax: Axes | None = None
) -> Axes:
    """Plot the compute that smaller and larger models need to reach the loss of the optimal one.

    Parameters
    ----------
    overtraining
        The result of :func:`scalingbayes.overtrain`.
    prob
        Posterior probability of the equal-tailed band and of the sizes' intervals.
    ax
        Where to draw; new axes by default.

    Returns
    -------
    Axes
        The axes.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> post = sb.fit(sb.datasets.load("chinchilla"), "chinchilla")  # doctest: +SKIP
    >>> sb.plots.plot_overtraining(sb.overtrain(post)).get_ylabel()
    'extra training compute'
    """
    ax = new_axes(ax)
    overhead = overtraining.median()["overhead"]
    factors = overhead["size_factor"].to_numpy()
    bounds = overtraining.interval(prob)["overhead"]
    lower, upper = bounds.transpose("bound", "size_factor").to_numpy()
    least = overtraining.smallest_size.interval(prob)["size_factor"].to_numpy()
    label = f"smallest size, {percent(prob)} interval"
    ax.axvspan(*least, color=RUNS, alpha=0.3, linewidth=0, label=label)
    _draw_twice_the_compute(overtraining, prob, ax)
    # The overhead is infinite below the smallest size, which matplotlib cannot fill.
    upper = np.minimum(upper, 10 * _HIGHEST_OVERHEAD)
    labels = ("overhead, median", f"{percent(prob)} band")
    draw_band(ax, factors, overhead.to_numpy(), (lower, upper), labels, where=np.isfinite(lower))
    ax.set(
        xlabel="model size / compute-optimal model size",
        ylabel="extra training compute",
        xlim=(factors.min(), factors.max()),
        ylim=(-0.02, _HIGHEST_OVERHEAD),
        title="Smaller models on more tokens, at the same loss",
    )
    number_axis(ax.xaxis, "ratio", is_wide(factors))
    ax.yaxis.set_major_formatter(PercentFormatter(1.0))
    ax.legend(frameon=False, loc="upper right")
    return finish(ax, overtraining.verdict)


def _draw_twice_the_compute(overtraining: "Overtraining", prob: float, ax: Axes) -> None:
    """Draw the interval of the size that costs twice the compute."""
    size = overtraining.twice_the_compute
    median = float(size.median()["size_factor"])
    low, high = size.interval(prob)["size_factor"].to_numpy()
    ends = [[median - low], [high - median]]
    label = f"twice the compute, {percent(prob)} interval"
    ax.errorbar(median, 1.0, xerr=ends, color=ACCENT, fmt="o", capsize=3, zorder=4, label=label)


@checked
@draws_result("DataExhaustion", "sb.data_exhaustion")
def plot_data_exhaustion(
    exhaustion: "DataExhaustion", prob: Probability = 0.9, ax: Axes | None = None
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

    Returns
    -------
    Axes
        The axes.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> post = sb.fit(sb.datasets.load("chinchilla"), "chinchilla")  # doctest: +SKIP
    >>> sb.plots.plot_data_exhaustion(sb.data_exhaustion(post)).get_xlabel()
    'year'
    """
    year, lower, upper = map(float, exhaustion.summary(prob).loc["year"].to_numpy()[:3])
    last = int(np.minimum(exhaustion.horizon, np.ceil(upper) + _YEARS_AFTER))
    curves = exhaustion.curves.sel(year=slice(None, last))
    years = curves["year"].to_numpy()
    tails = [0.5, (1 - prob) / 2, (1 + prob) / 2]
    quantiles = curves.quantile(tails, ("chain", "draw"))
    ax = new_axes(ax)
    for name, color, shade, label in (
        ("stock", RUNS, RUNS, "stock of tokens"),
        ("demand", INK, BAND, "training tokens of the largest budget"),
    ):
        middle, low, high = quantiles[name].transpose("quantile", "year").to_numpy()
        ax.plot(years, middle, color=color, label=f"{label}, median and {percent(prob)} band")
        ax.fill_between(years, low, high, color=shade, alpha=0.4, linewidth=0)
    if np.isfinite(lower):
        stock = quantiles["stock"].sel(quantile=0.5)
        height = float(np.interp(np.minimum(year, last), years, stock))
        end = float(np.minimum(upper, last))
        label = f"year in which they meet, {percent(prob)} interval"
        how: Style = {"color": ACCENT, "linewidth": 3, "solid_capstyle": "butt", "label": label}
        ax.plot([lower, end], [height] * 2, **how)
        if np.isfinite(year):
            ax.plot(year, height, "o", color=ACCENT, markersize=7)
        if end < upper:
            ax.plot(end, height, ">", color=ACCENT, markersize=9, clip_on=False)
    if np.isfinite(year):
        middle_year, interval = write_with_interval(year, lower, upper, "year")
        interval = interval.replace("inf", f"after {exhaustion.horizon}")
        title = f"Demand meets the stock in {middle_year} {interval}"
    else:
        unmet = 1 - exhaustion.share_met()
        title = (
            f"Demand does not meet the stock by {exhaustion.horizon} in {unmet:.0%} of the draws"
        )
    ax.set(
        xlabel="year",
        ylabel="training data $D$ (tokens)",
        title=title,
        xlim=(exhaustion.compute_year, last),
    )
    number_axis(ax.yaxis, "count")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.legend(frameon=False, loc="upper left")
    return finish(ax, exhaustion.verdict)


@checked
@draws_result("Plan", "sb.plan")
def plot_plan(
    plan: "Plan", prob: Probability = 0.9, ax: Axes | Iterable[Axes] | None = None
) -> np.ndarray:
    """Plot a plan: the range of good sizes, and the draws of its loss and of its regret.

    Parameters
    ----------
    plan
        The result of :func:`scalingbayes.plan`.
    prob
        Posterior probability of the equal-tailed intervals.
    ax
        Three axes; new ones by default.

    Returns
    -------
    numpy.ndarray
        The axes, one a panel.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> post = sb.fit(sb.datasets.load("chinchilla"), "chinchilla")  # doctest: +SKIP
    >>> len(sb.plots.plot_plan(sb.plan(post, 1e23)))
    3
    """
    drawn = panels(ax, 3, 3, figsize=(11, 3.2))
    sizes, loss, regret = drawn
    size, tokens = plan.run[plan.size], plan.run["tokens"]
    if plan.within is not None:
        label = f"expected regret at most {plan.regret:g}"
        sizes.plot(plan.within, [0, 0], color=BAND, linewidth=8, label=label)
    sizes.plot([size], [0], "*", color=ACCENT, markersize=15, label="plan")
    sizes.set(
        yticks=[],
        ylim=(-1, 1.4),
        xlabel="model size $N$ (parameters)" if plan.size == "params" else escaped(plan.size),
        title=f"{write(plan.compute, 'flops')} FLOPs: {write(size, 'count')} on "
        f"{write(tokens, 'count')} tokens",
    )
    lines = [
        f"{escaped(name)} {write(x, kind_of(name))}"
        for name, x in plan.run.items()
        if name not in (plan.size, "tokens")
    ]
    for name, setting in plan.settings.items():
        low, high = setting.interval(prob)[name].to_numpy()
        number = write_with_interval(float(setting.median()[name]), low, high, kind_of(name))
        lines.append(f"{escaped(name)} {' '.join(number)}".strip())
    text = {"transform": sizes.transAxes, "va": "bottom", "fontsize": "small"}
    sizes.text(0.03, 0.04, "\n".join(lines), **text)
    sizes.margins(x=0.15)
    number_axis(sizes.xaxis, "count", plan.within is not None)
    sizes.legend(frameon=False, fontsize="small", loc="upper left")
    target = next(iter(plan))
    for name, panel in ((target, loss), ("regret", regret)):
        values = plan[name].to_numpy().ravel()
        bounds = plot_density(values, prob, panel)
        middle, interval = write_with_interval(float(np.median(values)), *bounds, kind_of(name))
        panel.set(xlabel=escaped(name), title=f"{escaped(name)} {middle} {interval}")
        number_axis(panel.xaxis, kind_of(name), log=False)
    mean = float(plan["regret"].mean())
    regret.axvline(mean, color=ACCENT, linestyle="--", label=f"expected, {mean:.2g}")
    for panel in (loss, regret):
        panel.legend(frameon=False, fontsize="small", loc="upper right")
    for panel in (sizes, loss, regret):
        panel.title.set_fontsize("medium")
        finish(panel, plan.verdict)
    return drawn


@checked
@draws_result("FrontierGap", "sb.frontier_gap")
def plot_frontier_gap(
    gap: "FrontierGap", prob: Probability = 0.9, ax: Axes | Iterable[Axes] | None = None
) -> np.ndarray:
    """Plot how far models are from the frontier: size, excess loss and wasted compute.

    Parameters
    ----------
    gap
        The result of :func:`scalingbayes.frontier_gap`.
    prob
        Posterior probability of the equal-tailed intervals.
    ax
        Three axes; new ones by default.

    Returns
    -------
    numpy.ndarray
        The axes, one a panel.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> post = sb.fit(sb.datasets.load("chinchilla"), "chinchilla")  # doctest: +SKIP
    >>> gap = sb.frontier_gap(post, {"model": ["A"], "params": [280e9], "tokens": [300e9]})
    >>> len(sb.plots.plot_frontier_gap(gap))
    3
    """
    middle, bounds = gap.median(), gap.interval(prob)
    names = [str(name) for name in middle["model"].to_numpy()]
    height = 1.3 + 0.8 * HEIGHT * len(names)
    drawn = panels(ax, 3, 3, figsize=(11, height), sharey=True)
    for (name, label, at), panel in zip(_GAPS, drawn, strict=True):
        ends = bounds[name].transpose("bound", "model").to_numpy()
        band = Band(middle[name].to_numpy(), *ends)
        draw_rows(panel, names, band, prob)
        panel.axvline(at, color=RUNS, linewidth=1, linestyle=":")
        panel.set_xlabel(label)
        number_axis(panel.xaxis, kind_of(name), name == "params_ratio" and is_wide(ends))
        finish(panel, gap.verdict)
    drawn[0].legend(frameon=False, fontsize="x-small")
    if ax is None:
        figure_of(drawn).suptitle(escaped(gap.title), fontsize="medium")
    return drawn
