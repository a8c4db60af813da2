"""The figure of a law's surface over model size and tokens."""

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.ticker import FuncFormatter, MaxNLocator

from scalingbayes._core.arguments import Probability
from scalingbayes._core.checked import checked
from scalingbayes._core.numbers import write
from scalingbayes.plots.curves import (
    Numbers,
    estimate_band,
    has_runs,
    other_inputs,
    require_allocation,
    run_inputs,
    run_targets,
    runs_near,
    source_of,
)
from scalingbayes.plots.labels import escaped, input_label, number_axis, target_label
from scalingbayes.plots.style import (
    ACCENT,
    Style,
    add_legend_below,
    draws_result,
    figure_of,
    finish,
    marker_area,
    new_axes,
    percent,
)

if TYPE_CHECKING:
    from scalingbayes.decisions import Plan
    from scalingbayes.posterior.posterior import Posterior

_GRID = 32  # points a side
_DRAWS = 200  # of the median
_LEVELS = 12
_BUDGETS = 60
_ROOM = 0.04  # beside the runs, as a share of their range in log


@checked
@draws_result("Posterior", "sb.fit")
def plot_surface(
    post: "Posterior",
    prob: Probability = 0.9,
    ax: Axes | None = None,
    *,
    plan: "Plan | None" = None,
    **inputs: float,
) -> Axes:
    """Plot the law's target over model size and tokens, the runs, and the compute-optimal line.

    Contours are the posterior median. Runs are filled with the colour of their own target, so that
    a run whose colour differs from that around it does not fit. Dotted lines are the ends of the
    interval of the optimal size at each budget.

    Parameters
    ----------
    post
        A fit of a law that has a compute-optimal allocation.
    prob
        Posterior probability of the equal-tailed interval of the optimal size.
    ax
        Where to draw; new axes by default.
    plan
        A plan, such as ``sb.plan(post, 1e23)``, whose run is marked. A line has all runs of the
        same budget whose expected regret is small enough.
    **inputs
        The law's inputs other than the model's size and tokens; by default those of most runs. Runs
        with other values are hollow.

    Returns
    -------
    Axes
        The axes.

    Raises
    ------
    InputError
        If the law has no compute-optimal allocation, or does not read an input.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> post = sb.fit(sb.datasets.load("chinchilla"), "chinchilla")  # doctest: +SKIP
    >>> sb.plots.plot_surface(post, plan=sb.plan(post, 1e23)).get_ylabel()
    'training data $D$ (tokens)'
    """
    require_allocation(post, "plot_fit")
    others, said = other_inputs(post, inputs, shared=True)
    size, runs = post.law.budget.size, run_inputs(post)
    ends = {name: _ends(runs[name], plan, name) for name in (size, "tokens")}
    own, ax = ax is None, new_axes(ax, figsize=(7, 6.5))
    norm = _draw_contours(post, ax, ends, others)
    if has_runs(post):
        _draw_runs(post, ax, others, norm)
    _draw_frontier(post, ax, ends, others, prob)
    if plan is not None:
        _draw_plan(post, ax, plan, others)
    ax.set(
        xlabel=input_label(post, size),
        ylabel=input_label(post, "tokens"),
        title=f"{escaped(post.law.name)}, {source_of(post)}: median "
        f"{escaped(post.runs.units.name_of(post.law.target.column))}{said}",
        xlim=ends[size],
        ylim=ends["tokens"],
    )
    for axis in (ax.xaxis, ax.yaxis):
        number_axis(axis, "count")
    add_legend_below(ax, own)
    return finish(ax, post.verdict)


def _draw_runs(post: "Posterior", ax: Axes, others: dict[str, Any], norm: Normalize) -> None:
    """Draw the runs; those with other inputs than the surface's are hollow."""
    size, runs, targets = post.law.budget.size, run_inputs(post), run_targets(post)
    near, area = runs_near(post, others), 1.5 * marker_area(len(targets))
    ax.scatter(
        runs[size][near],
        runs["tokens"][near],
        c=targets[near],
        norm=norm,
        cmap="viridis",
        s=area,
        edgecolors="white",
        linewidths=0.6,
        zorder=3,
    )
    entry: Style = {"s": 20, "color": "#555555", "edgecolors": "white", "label": "runs"}
    ax.scatter([], [], **entry)
    if not near.all():
        hollow: Style = {"s": area, "facecolors": "none", "edgecolors": "white", "linewidths": 0.6}
        ax.scatter(runs[size][~near], runs["tokens"][~near], **hollow)


def _ends(values: Numbers, plan: "Plan | None", name: str) -> tuple[float, float]:
    """Return the ends of an axis: all runs, and the plan."""
    shown = values if plan is None else np.append(values, plan.run[name])
    if plan is not None and plan.within is not None:
        shares = np.array(plan.within) / plan.run[plan.size]
        shown = np.append(shown, plan.run[name] * (shares if name == plan.size else 1 / shares))
    room = max((shown.max() / shown.min()) ** _ROOM, 1.2)
    return float(shown.min() / room), float(shown.max() * room)


def _draw_contours(
    post: "Posterior", ax: Axes, ends: dict[str, tuple[float, float]], others: dict[str, Any]
) -> Normalize:
    """Draw the contours of the median with a colour bar; returns the scale of the colours."""
    size, targets = post.law.budget.size, run_targets(post)
    across, up = (np.geomspace(*ends[name], _GRID) for name in (size, "tokens"))
    points = dict(zip((size, "tokens"), map(np.ravel, np.meshgrid(across, up)), strict=True))
    points |= {name: np.full(_GRID**2, value) for name, value in others.items()}
    draws = post.thin(_DRAWS).expected(**points)
    surface = np.median(draws, axis=(0, 1)).reshape(_GRID, _GRID)
    high = min(surface.max(), targets.max())
    low = min(surface.min(), targets.min())
    norm = LogNorm(low, high) if low > 0 else Normalize(low, high)
    levels = _levels(low, high)
    filled = ax.contourf(
        across, up, surface, levels=levels, norm=norm, cmap="viridis", extend="both", alpha=0.75
    )
    lines = ax.contour(across, up, surface, levels=levels, colors="white", linewidths=0.6)
    ax.clabel(lines, fontsize="x-small", fmt=lambda level: write(level, "loss"))
    bar = figure_of(ax).colorbar(filled, ax=ax, label=target_label(post), ticks=levels)
    bar.ax.yaxis.set_major_formatter(FuncFormatter(lambda x, _: write(float(x), "loss")))
    return norm


def _levels(low: float, high: float) -> Numbers:
    """Return round levels that are about even in log, or even if targets are not positive."""
    if low <= 0:
        return np.asarray(MaxNLocator(_LEVELS).tick_values(low, high))
    even = np.geomspace(low, high, _LEVELS)
    gaps = np.diff(even)
    digits = np.ceil(-np.log10(gaps[0])).astype(int)
    levels = np.unique(np.round(even, max(int(digits), 0)))
    return levels[(levels > 0) & (levels >= low)]


def _draw_frontier(
    post: "Posterior",
    ax: Axes,
    ends: dict[str, tuple[float, float]],
    others: dict[str, Any],
    prob: float,
) -> None:
    """Draw the compute-optimal size and tokens, and the ends of the interval of the size."""
    size = post.law.budget.size
    corners = [(ends[size][place], ends["tokens"][place]) for place in (0, 1)]
    cost = post.cost.at(others)
    low, high = (float(cost.training_flops(n, d)) for n, d in corners)
    budgets = np.geomspace(low, high, _BUDGETS)
    band = estimate_band(post.allocate(budgets, **others), size, prob)
    dotted: Style = {"linewidth": 1, "linestyle": ":"}
    styles: list[Style] = [
        {"linewidth": 2, "label": "compute-optimal, median"},
        {**dotted, "label": f"{percent(prob)} interval"},
        dotted,
    ]
    for sizes, how in zip((band.median, band.lower, band.upper), styles, strict=True):
        ax.plot(sizes, budgets / cost.training_flops(sizes), color="black", **how)


def _draw_plan(post: "Posterior", ax: Axes, plan: "Plan", others: dict[str, Any]) -> None:
    """Draw the run of a plan, and the runs of the same budget with little expected regret."""
    budget = write(plan.compute, "flops")
    if plan.within is not None:
        sizes = np.geomspace(*plan.within, _GRID)
        cost = post.cost.at(others)
        spent = cost.training_flops(plan.run[plan.size], plan.run["tokens"])
        ax.plot(
            sizes,
            spent / cost.training_flops(sizes),
            color=ACCENT,
            linewidth=3,
            zorder=4,
            label=f"expected regret at most {plan.regret:g}",
        )
    ax.scatter(
        plan.run[plan.size],
        plan.run["tokens"],
        marker="*",
        s=200,
        color=ACCENT,
        edgecolors="black",
        zorder=5,
        label=f"plan for {budget} FLOPs: {write(plan.run[plan.size], 'count')} "
        f"on {write(plan.run['tokens'], 'count')}",
    )
