"""Figures of a posterior. Each draws into axes that the caller may give, and returns them."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullFormatter, PercentFormatter

from scalingbayes.allocation import require_allocation
from scalingbayes.decisions import DataExhaustion, critical_size, overtrain
from scalingbayes.decisions.approaches import ApproachComparison
from scalingbayes.evaluation.calibration import Calibration
from scalingbayes.evaluation.calibration.uniformity import band
from scalingbayes.evaluation.predictive_checks import PredictiveChecks
from scalingbayes.posterior.posterior import Posterior
from scalingbayes.results import SAMPLE_DIMS, Estimate

_INK = "#1f4e79"
_BAND = "#7fa8d1"
_RUNS = "#9a9a9a"
_WARNING = "#b3261e"


def overview(post: Posterior, prob: float = 0.9) -> Figure:
    """Draw the posterior of the exponent a beside the band of N_opt against compute.

    Parameters
    ----------
    post
        A fit of a law that has a compute-optimal allocation.
    prob
        Posterior probability of the interval and of the band.
    """
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(10, 4), width_ratios=(2, 3), layout="constrained"
    )
    plot_exponent(post, prob=prob, ax=left)
    plot_frontier(post, prob=prob, ax=right)
    return figure


def plot_exponent(post: Posterior, prob: float = 0.9, ax: Axes | None = None) -> Axes:
    """Draw the posterior density of a, of N_opt ∝ C^a, and its credible interval.

    Parameters
    ----------
    post
        A fit of a law that has a compute-optimal allocation.
    prob
        Posterior probability of the equal-tailed interval.
    ax
        Where to draw; new axes by default.
    """
    import arviz_stats

    ax = ax if ax is not None else plt.subplots(layout="constrained")[1]
    estimate = post.exponents()
    values = estimate.draws["a"].values
    lower, upper = estimate.interval(prob)["a"].values
    grid, density, _ = arviz_stats.base.array_stats.kde(values.ravel())
    inside = (grid >= lower) & (grid <= upper)
    ax.plot(grid, density, color=_INK)
    ax.fill_between(grid[inside], density[inside], color=_BAND, alpha=0.5, linewidth=0)
    ax.axvline(np.median(values), color=_INK, linewidth=1)
    ax.set(
        xlabel=r"exponent $a$ of $N_\mathrm{opt} \propto C^{\,a}$",
        ylabel="posterior density",
        yticks=[],
        ylim=(0, None),
        title=f"a = {np.median(values):.3f}, {100 * prob:g}% interval [{lower:.3f}, {upper:.3f}]",
    )
    return _finish(ax, estimate)


def plot_frontier(
    post: Posterior,
    compute: tuple[float, float] | None = None,
    prob: float = 0.9,
    ax: Axes | None = None,
) -> Axes:
    """Draw the compute-optimal model size against the budget, with its credible band.

    Parameters
    ----------
    post
        A fit of a law that has a compute-optimal allocation.
    compute
        Smallest and largest budget in FLOPs; by default from the smallest run's to a hundred
        times the largest run's.
    prob
        Posterior probability of the equal-tailed band at each budget.
    ax
        Where to draw; new axes by default.
    """
    ax = ax if ax is not None else plt.subplots(layout="constrained")[1]
    require_allocation(post.law)
    size, flops = post.law.budget.size, post.law.budget.flops
    data = post.tree["constant_data"].to_dataset()
    spent = (flops * data[size] * data["tokens"]).to_numpy()
    low, high = compute or (spent.min(), 100 * spent.max())
    estimate = post.allocate(low * (high / low) ** np.linspace(0, 1, 60))
    budgets = estimate.draws["compute"].values
    lower, upper = estimate.interval(prob)[size].transpose("bound", "compute").values
    ax.scatter(spent, data[size], s=8, color=_RUNS, label="training runs", linewidths=0)
    ax.plot(budgets, estimate.median()[size], color=_INK, label=r"$N_\mathrm{opt}$, median")
    ax.fill_between(
        budgets, lower, upper, color=_BAND, alpha=0.5, linewidth=0, label=f"{100 * prob:g}% band"
    )
    if spent.max() < high:
        ax.axvline(spent.max(), color=_RUNS, linewidth=1, linestyle=":")
        ax.annotate(
            "largest run",
            (spent.max(), 0.03),
            xycoords=("data", "axes fraction"),
            xytext=(4, 0),
            textcoords="offset points",
            color="#666666",
            fontsize="small",
        )
    ax.set(
        xscale="log",
        yscale="log",
        xlabel="training compute $C$ (FLOPs)",
        ylabel="params $N$" if size == "params" else size.replace("_", " "),
        title="Compute-optimal model size",
    )
    ax.legend(frameon=False, loc="upper left")
    return _finish(ax, estimate)


def plot_overtraining(
    post: Posterior, compute: float | None = None, prob: float = 0.9, ax: Axes | None = None
) -> Axes:
    """Draw what compute smaller and larger models take for the loss of the optimal one.

    Parameters
    ----------
    post
        A fit of a law that has a compute-optimal allocation.
    compute
        The optimal model's budget in FLOPs; amid the runs by default.
    prob
        Posterior probability of the equal-tailed band and of the critical size's interval.
    ax
        Where to draw; new axes by default.
    """
    ax = ax if ax is not None else plt.subplots(layout="constrained")[1]
    factors = np.geomspace(0.1, 3.0, 120)
    estimate = overtrain(post, factors, compute)
    critical = critical_size(post, compute).interval(prob)["size_factor"].to_numpy()
    lower, upper = estimate.interval(prob)["overhead"].transpose("bound", "size_factor").to_numpy()
    top = 2.0
    ax.axvspan(*critical, color=_RUNS, alpha=0.3, linewidth=0, label="critical size")
    ax.plot(factors, estimate.median()["overhead"], color=_INK, label="overhead, median")
    ax.fill_between(
        factors,
        lower,
        np.minimum(upper, 10 * top),  # infinite below the critical size
        where=np.isfinite(lower),
        color=_BAND,
        alpha=0.5,
        linewidth=0,
        label=f"{100 * prob:g}% band",
    )
    ax.set(
        xscale="log",
        xlabel="size over the optimal one",
        ylabel="compute over the optimal model's, less 1",
        xticks=[0.1, 0.2, 0.3, 0.5, 0.7, 1, 2, 3],
        ylim=(-0.02, top),
        title="Smaller models on more tokens, at the same loss",
    )
    ax.xaxis.set_major_formatter("{x:g}")
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.yaxis.set_major_formatter(PercentFormatter(1.0))
    ax.legend(frameon=False, loc="upper right")
    return _finish(ax, estimate)


def plot_data_exhaustion(found: DataExhaustion, prob: float = 0.9, ax: Axes | None = None) -> Axes:
    """Draw the stock of tokens and the demand for them over the years, with their bands.

    The bar is the interval of the year in which they meet; an arrow leads past the horizon.

    Parameters
    ----------
    found
        What :func:`scalingbayes.data_exhaustion` found.
    prob
        Posterior probability of the equal-tailed bands and of the interval.
    ax
        Where to draw; new axes by default.
    """
    ax = ax if ax is not None else plt.subplots(layout="constrained")[1]
    year, lower, upper = map(float, found.summary(prob).loc["year"].to_numpy())
    last = int(np.minimum(found.horizon, np.ceil(upper) + 3))
    curves = found.curves.sel(year=slice(None, last))
    years = curves["year"].to_numpy()
    tails = [0.5, (1 - prob) / 2, (1 + prob) / 2]
    stock, demand = (
        curves[name].quantile(tails, SAMPLE_DIMS).to_numpy() for name in ("stock", "demand")
    )
    for (middle, low, high), color, shade, label in (
        (stock, _RUNS, _RUNS, "tokens there are"),
        (demand, _INK, _BAND, r"$D_\mathrm{opt}$ of the largest budget"),
    ):
        ax.plot(years, middle, color=color, label=f"{label}, median and {100 * prob:g}% band")
        ax.fill_between(years, low, high, color=shade, alpha=0.4, linewidth=0)
    if np.isfinite(lower):
        at = float(np.interp(np.minimum(year, last), years, stock[0]))
        end = float(np.minimum(upper, last))
        ax.plot([lower, end], [at, at], color=_WARNING, linewidth=3, solid_capstyle="butt")
        if np.isfinite(year):
            ax.plot(year, at, "o", color=_WARNING, markersize=7)
        if end < upper:
            ax.plot(end, at, ">", color=_WARNING, markersize=9, clip_on=False)
    if np.isfinite(year):
        ends = f"[{int(lower)}, {int(upper) if np.isfinite(upper) else f'after {last}'}]"
        title = f"Demand meets the stock in {int(year)}, {100 * prob:g}% interval {ends}"
    else:
        unmet = 1 - found.share_met()
        title = f"Demand does not meet the stock by {last} in {unmet:.0%} of the draws"
    ax.set(
        yscale="log",
        xlabel="year",
        ylabel="tokens",
        title=title,
        xlim=(found.compute_year, last),
    )
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.legend(frameon=False, loc="upper left")
    return _finish(ax, found)


def _finish(ax: Axes, estimate: Estimate | DataExhaustion) -> Axes:
    ax.spines[["top", "right"]].set_visible(False)
    if not estimate.verdict.passed:
        ax.text(
            0.5,
            0.5,
            "the fit failed its checks",
            transform=ax.transAxes,
            ha="center",
            color=_WARNING,
            fontweight="bold",
        )
    return ax


def plot_approaches(found: ApproachComparison, ax: Axes | None = None) -> Axes:
    """Draw the exponent a with its interval, a row a method; intervals differ in kind.

    Parameters
    ----------
    found
        What :func:`scalingbayes.compare_approaches` found.
    ax
        Where to draw; new axes by default.
    """
    table = found.summary()
    if ax is None:
        size = (9, 1.2 + 0.45 * len(table))
        ax = plt.subplots(figsize=size, layout="constrained")[1]
    heights = np.arange(len(table))[::-1]
    middle, lower, upper = (table[column].to_numpy(float) for column in ("a", "a_lower", "a_upper"))
    ax.hlines(heights, lower, upper, color=_BAND, linewidth=4)
    ax.scatter(middle, heights, s=30, color=_INK, zorder=3)
    ax.axvline(0.5, color=_RUNS, linewidth=1, linestyle=":")
    for height, value, at in zip(heights, middle, upper, strict=True):
        if np.isnan(value):
            ax.annotate("not used", (0.5, height), color=_WARNING, va="center", ha="center")
        else:
            place = (value if np.isnan(at) else at, height)
            ax.annotate(f"  {value:.3f}", place, va="center", fontsize="small")
    ax.set(
        yticks=heights,
        yticklabels=table.index,
        ylim=(-0.6, len(table) - 0.4),
        xlabel=r"exponent $a$ of $N_\mathrm{opt} \propto C^{\,a}$",
        title=found.runs_name,
    )
    ax.margins(x=0.1)
    if found.posterior is not None and not found.posterior.verdict.passed:
        at = table.index.get_loc(found.posterior_row)
        ax.annotate(
            "failed its checks",
            (np.nan_to_num(middle[at], nan=0.5), heights[at]),
            xytext=(0, -13),
            textcoords="offset points",
            ha="center",
            color=_WARNING,
            fontsize="small",
        )
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def plot_calibration(calibration: Calibration, prob: float = 0.99) -> Figure:
    """Draw the distribution of ranks of simulated truths, less the uniform one: a panel a quantity.

    Where posteriors are right a curve stays in its band everywhere with the probability given. A
    curve that rises first and falls below later is of posteriors that are too narrow; one that is
    above throughout, of posteriors that are too high.

    Parameters
    ----------
    calibration
        What :func:`scalingbayes.calibrate` found.
    prob
        Probability of each band, simultaneous over its panel (Säilynoja et al. 2022).
    """
    names = [str(name) for name in calibration.ranks]
    rows = -(-len(names) // 4)
    columns = -(-len(names) // rows)
    figure, axes = plt.subplots(
        rows,
        columns,
        figsize=(2.6 * columns, 2.2 * rows + 0.5),
        sharex=True,
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    at, lower, upper = band(len(calibration.simulation), prob)
    for name, ax in zip(names, axes.flat, strict=False):
        ranks = np.sort(calibration.ranks[name].to_numpy())
        found = np.searchsorted(ranks, at, side="right") / len(ranks)
        outside = ((found < lower) | (found > upper)).any()
        ax.fill_between(at, lower - at, upper - at, color=_BAND, alpha=0.5, linewidth=0)
        ax.axhline(0, color=_RUNS, linewidth=0.8)
        ax.plot(at, found - at, color=_WARNING if outside else _INK, linewidth=1.2)
        ax.set_title(name, fontsize="medium")
        ax.spines[["top", "right"]].set_visible(False)
    for ax in axes.flat[len(names) :]:
        ax.set_axis_off()
    for ax in axes.flat[max(0, len(names) - columns) : len(names)]:
        ax.tick_params(labelbottom=True)
    law = calibration.simulation.model.law.name
    figure.suptitle(f"Ranks of {len(calibration.simulation)} truths, {law}: {100 * prob:g}% bands")
    figure.supxlabel("rank of the truth in its posterior, from 0 to 1", fontsize="medium")
    figure.supylabel("share of ranks below, less uniform", fontsize="medium")
    return figure


def plot_residuals(checks: PredictiveChecks) -> Figure:
    """Plot residuals against each input and against the expected target, in units of sigma.

    Each point is a run at its posterior median, its bar the 90 % interval over draws of the law;
    between the dotted lines lie 90 % of runs if the noise model is right.

    Parameters
    ----------
    checks
        The result of :func:`scalingbayes.check`.
    """
    found = checks.residuals
    middle, low, high = np.quantile(found.values, [0.5, 0.05, 0.95], axis=0)
    covariates = dict(found.inputs)
    covariates[f"expected {found.target}"] = np.median(found.expected, axis=0)
    figure, axes = plt.subplots(
        1,
        len(covariates),
        figsize=(3.6 * len(covariates), 3.2),
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    for (name, x), ax in zip(covariates.items(), axes.flat, strict=True):
        ax.errorbar(
            x,
            middle,
            [middle - low, high - middle],
            fmt="o",
            markersize=2.5,
            color=_INK,
            ecolor=_BAND,
            elinewidth=0.8,
            alpha=0.8,
        )
        ax.axhline(0, color=_RUNS, linewidth=0.8)
        for end in (-found.band, found.band):
            ax.axhline(end, color=_RUNS, linewidth=0.8, linestyle=":")
        wide = (x > 0).all() and x.max() > 10 * x.min()
        ax.set(xlabel=name, xscale="log" if wide else "linear")
        # Heavy tails are meant: a few far runs must not press the others into a line.
        if max(high.max(), -low.min()) > 3 * found.band:
            ax.set_yscale("symlog", linthresh=3 * found.band)
        ax.spines[["top", "right"]].set_visible(False)
    axes[0, 0].set_ylabel("residual, in sigma")
    figure.suptitle(checks.title, fontsize="medium")
    return figure
