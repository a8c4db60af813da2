"""The figure of IsoFLOP curves."""

from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool, Int
from matplotlib.axes import Axes

from scalingbayes._core.arguments import Probability
from scalingbayes._core.checked import checked
from scalingbayes._core.errors import InputError
from scalingbayes._core.numbers import write
from scalingbayes.data.folds import levels
from scalingbayes.plots.curves import (
    Band,
    Case,
    Numbers,
    estimate_band,
    frame_targets,
    law_band,
    other_inputs,
    require_allocation,
    run_inputs,
    run_targets,
    runs_near,
)
from scalingbayes.plots.labels import escaped, input_label, number_axis, target_label
from scalingbayes.plots.style import (
    DASHES,
    MARKERS,
    Style,
    add_legend,
    draws_result,
    finish,
    label_band,
    marker_area,
    new_axes,
    ordered_colors,
    percent,
)

if TYPE_CHECKING:
    from scalingbayes.posterior.posterior import Posterior

_POINTS = 32  # of a curve; 8 curves are evaluated at once
_WIDER = 1.3  # factor by which a curve extends beyond its runs on either side
_SIZES = 3  # sizes, at least, that make a curve
_TOLERANCE = 0.05  # relative width of an IsoFLOP budget
_NEAR = 1.3  # runs of a table without IsoFLOP budgets are at most this factor from their curve
_COLUMN = "isoflop_budget"


@checked
@draws_result("Posterior", "sb.fit")
def plot_isoflop(
    post: "Posterior",
    prob: Probability = 0.9,
    ax: Axes | None = None,
    *,
    curves: int = 8,
    **inputs: float,
) -> Axes:
    """Plot the target against model size at constant compute: runs, the law's curve, its optimum.

    A diamond is the compute-optimal size with its credible interval, and a ring the best run of a
    budget. If the table is no IsoFLOP sweep, runs within 30 % of evenly spaced budgets are drawn,
    and the title says so.

    Parameters
    ----------
    post
        A fit of a law that has a compute-optimal allocation.
    prob
        Posterior probability of the equal-tailed bands and intervals.
    ax
        Where to draw; new axes by default.
    curves
        Number of budgets, at most, spread over those of the runs.
    **inputs
        The law's inputs other than the model's size and tokens; by default those of most runs. Only
        runs with these values are drawn.

    Returns
    -------
    Axes
        The axes.

    Raises
    ------
    InputError
        If the law has no compute-optimal allocation, or no budget has runs of three sizes.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> post = sb.fit(sb.datasets.load("chinchilla"), "chinchilla")  # doctest: +SKIP
    >>> sb.plots.plot_isoflop(post).get_xlabel()
    'model size $N$ (parameters)'
    """
    require_allocation(post, "plot_fit")
    others, said = other_inputs(post, inputs, shared=True)
    size = post.law.budget.size
    cases, is_sweep = _choose_budgets(post, runs_near(post, others), curves)
    own, ax = ax is None, new_axes(ax, figsize=(8, 5))
    budgets = np.array([case.inputs["compute"] for case in cases])
    optima = estimate_band(post.allocate(budgets, **others), size, prob)
    _draw_curves(post, ax, cases, others, prob, optima.median)
    _draw_optima(post, ax, budgets, others, prob, optima)
    shown = np.concatenate([case.rows for case in cases])
    frame_targets(ax, run_targets(post)[shown])
    number_axis(ax.xaxis, "count")
    near = "" if is_sweep else f", runs within {_NEAR - 1:.0%} of each budget"
    name = escaped(post.runs.name)
    ax.set(
        xlabel=input_label(post, size),
        ylabel=target_label(post),
        title=f"IsoFLOP curves of {name}{near}{said}",
    )
    add_legend(ax, own, "compute (FLOPs)")
    return finish(ax, post.verdict)


def _draw_curves(
    post: "Posterior",
    ax: Axes,
    cases: list[Case],
    others: dict[str, Any],
    prob: float,
    optima: Numbers,
) -> None:
    """Draw each budget's runs, and the law's curve with its band over the runs and the optimum."""
    size, targets = post.law.budget.size, run_targets(post)
    sizes = run_inputs(post)[size]
    shown = [np.append(sizes[case.rows], best) for case, best in zip(cases, optima, strict=True)]
    ends = [(each.min() / _WIDER, each.max() * _WIDER) for each in shown]
    grid = np.concatenate([np.geomspace(*each, _POINTS) for each in ends])
    compute = np.repeat([each.inputs["compute"] for each in cases], _POINTS)
    points = {size: grid, "tokens": compute / post.cost.at(others).training_flops(grid)}
    points |= {name: np.full(len(grid), value) for name, value in others.items()}
    band = law_band(post, points, prob)
    area = marker_area(sum(len(case.rows) for case in cases))
    colors = ordered_colors(np.arange(1.0, len(cases) + 1))
    for place, (case, color) in enumerate(zip(cases, colors, strict=True)):
        part = slice(place * _POINTS, (place + 1) * _POINTS)
        marker = MARKERS[place % len(MARKERS)]
        budget = write(float(f"{case.inputs['compute']:.3g}"), "flops")
        style: Style = {"color": color, "linestyle": DASHES[place % len(DASHES)], "linewidth": 1.3}
        ax.plot(grid[part], band.median[part], label=budget, marker=marker, markevery=[], **style)
        shade: Style = {"color": color, "alpha": 0.3, "linewidth": 0}
        ax.fill_between(grid[part], band.lower[part], band.upper[part], **shade)
        how: Style = {"color": color, "edgecolors": "white", "linewidths": 0.3, "zorder": 3}
        ax.scatter(sizes[case.rows], targets[case.rows], s=area, marker=marker, **how)
    label_band(ax, f"{percent(prob)} band of the law")
    best = [case.rows[targets[case.rows].argmin()] for case in cases]
    ring: Style = {"facecolors": "none", "edgecolors": "black", "linewidths": 0.9, "zorder": 4}
    ax.scatter(sizes[best], targets[best], s=3 * area, label="best run", **ring)


def _draw_optima(
    post: "Posterior",
    ax: Axes,
    budgets: Numbers,
    others: dict[str, Any],
    prob: float,
    sizes: Band,
) -> None:
    """Draw the compute-optimal size of each budget with its interval."""
    size = post.law.budget.size
    per_token = post.cost.at(others).training_flops(sizes.median)
    points = {size: sizes.median, "tokens": budgets / per_token}
    points |= {name: np.full(len(budgets), value) for name, value in others.items()}
    ax.errorbar(
        sizes.median,
        law_band(post, points, prob).median,
        xerr=[sizes.median - sizes.lower, sizes.upper - sizes.median],
        fmt="D",
        markersize=5,
        color="black",
        markerfacecolor="white",
        elinewidth=1.2,
        capsize=2,
        zorder=5,
        label=f"optimum, {percent(prob)} interval",
    )


def _choose_budgets(
    post: "Posterior", near: Bool[np.ndarray, " runs"], most: int
) -> tuple[list[Case], bool]:
    """Return budgets with their runs, and whether they are those of an IsoFLOP sweep.

    Raises
    ------
    InputError
        If no budget has runs of three sizes.
    """
    compute, size = post.compute, run_inputs(post)[post.law.budget.size]
    frame = post.runs.frame
    labels = frame[_COLUMN].to_numpy() if _COLUMN in frame else levels(compute, _TOLERANCE)
    found = [np.flatnonzero((labels == label) & near) for label in np.unique(labels)]
    groups = [rows for rows in found if len(np.unique(size[rows])) >= _SIZES]
    is_sweep = len(groups) > 1 and sum(map(len, groups)) > near.sum() / 2
    if not is_sweep:
        groups = _bins(compute, size, near, most)
    if not groups:
        raise InputError(
            f"No budget of {post.runs.name!r} has runs of {_SIZES} model sizes, so there is no "
            f"IsoFLOP curve to draw: use sb.plots.plot_fit."
        )
    middle = [float(np.exp(np.log(compute[rows]).mean())) for rows in groups]
    cases = [Case({"compute": c}, rows) for c, rows in zip(middle, groups, strict=True)]
    cases.sort(key=lambda case: case.inputs["compute"])
    chosen = np.unique(np.linspace(0, len(cases) - 1, most).round().astype(int))
    return [cases[place] for place in chosen], is_sweep


def _bins(
    compute: Numbers, size: Numbers, near: Bool[np.ndarray, " runs"], most: int
) -> list[Int[np.ndarray, " rows"]]:
    """Return the runs near budgets that are evenly spaced, where these have enough sizes."""
    low, high = compute[near].min() * _NEAR, compute[near].max() / _NEAR
    budgets = np.geomspace(low, max(low, high), most)
    distances = [abs(np.log(compute / each)) for each in budgets]
    found = [np.flatnonzero(near & (each <= np.log(_NEAR))) for each in distances]
    return [rows for rows in found if len(np.unique(size[rows])) >= _SIZES]
