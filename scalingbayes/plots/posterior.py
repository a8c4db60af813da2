"""Figures of a fit's decisions: its exponent and its compute-optimal frontier."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes

from scalingbayes._core.arguments import Positive, Probability
from scalingbayes._core.checked import checked
from scalingbayes._core.numbers import write_with_interval
from scalingbayes.plots.curves import (
    budget_range,
    estimate_band,
    has_runs,
    other_inputs,
    require_allocation,
    run_inputs,
)
from scalingbayes.plots.draws import plot_density
from scalingbayes.plots.labels import escaped, input_label, label_of, number_axis
from scalingbayes.plots.style import (
    INK,
    RUNS,
    Style,
    draw_band,
    draws_result,
    finish,
    marker_area,
    new_axes,
    panels,
    percent,
)

if TYPE_CHECKING:
    from scalingbayes.posterior.posterior import Posterior

_BUDGETS = 60
_EXACT = "law taken as exact"
_ROOM = 1.4  # for the legend, above a density
_BEYOND = 100.0  # the largest budget drawn, over that of the largest run


@checked
@draws_result("Posterior", "sb.fit")
def overview(
    post: "Posterior",
    prob: Probability = 0.9,
    ax: Axes | Iterable[Axes] | None = None,
    *,
    compute: Positive | tuple[float, float] | None = None,
    **inputs: float,
) -> np.ndarray:
    """Plot the posterior of the exponent a beside the band of N_opt against compute.

    Parameters
    ----------
    post
        A fit of a law that has a compute-optimal allocation.
    prob
        Posterior probability of the interval and of the band.
    ax
        Two axes; new ones by default.
    compute
        The largest budget in FLOPs, or the smallest and the largest; by default from the smallest
        run's to a hundred times the largest run's.
    **inputs
        The law's inputs other than the model's size and tokens; by default the runs' medians.

    Returns
    -------
    numpy.ndarray
        The axes, one a panel.

    Raises
    ------
    InputError
        If the law has no compute-optimal allocation.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> post = sb.fit(sb.datasets.load("chinchilla"), "chinchilla")  # doctest: +SKIP
    >>> len(sb.plots.overview(post))
    2
    """
    drawn = panels(ax, 2, 2, figsize=(10, 4), width_ratios=(2, 3))
    plot_exponent(post, prob, drawn[0], **inputs)
    plot_frontier(post, prob, drawn[1], compute=compute, **inputs)
    return drawn


@checked
@draws_result("Posterior", "sb.fit")
def plot_exponent(
    post: "Posterior", prob: Probability = 0.9, ax: Axes | None = None, **inputs: float
) -> Axes:
    """Plot the posterior density of a, of N_opt ∝ C^a, and its credible interval.

    Dashed lines are the ends of the interval that takes the law as exact.

    Parameters
    ----------
    post
        A fit of a law that has a compute-optimal allocation.
    prob
        Posterior probability of the equal-tailed interval.
    ax
        Where to draw; new axes by default.
    **inputs
        The law's inputs other than the model's size and tokens; by default the runs' medians.

    Returns
    -------
    Axes
        The axes.

    Raises
    ------
    InputError
        If the law has no compute-optimal allocation.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> post = sb.fit(sb.datasets.load("chinchilla"), "chinchilla")  # doctest: +SKIP
    >>> sb.plots.plot_exponent(post).get_ylabel()
    'posterior density'
    """
    require_allocation(post, "plot_draws")
    others, said = other_inputs(post, inputs)
    estimate = post.exponents(**others)
    ax = new_axes(ax)
    bounds = plot_density(estimate["a"].to_numpy().ravel(), prob, ax)
    if estimate.exact is not None:
        exact = estimate_band(estimate, "a", prob, exact=True)
        for end, label in ((exact.lower, f"{percent(prob)}, {_EXACT}"), (exact.upper, None)):
            style: Style = {"color": INK, "linewidth": 1, "linestyle": "--"}
            ax.axvline(float(end), ymax=1 / _ROOM, label=label, **style)
    ax.set_ylim(top=_ROOM * ax.get_ylim()[1])
    middle, interval = write_with_interval(float(estimate["a"].median()), *bounds, "exponent")
    size = "N" if post.law.budget.size == "params" else _subscript(post.law.budget.size)
    ax.set(
        xlabel=rf"exponent $a$ of ${size}_\mathrm{{opt}} \propto C^{{\,a}}$",
        ylabel="posterior density",
        title=f"a = {middle}, {percent(prob)} interval {interval}{said}",
    )
    ax.legend(frameon=False, loc="upper left", fontsize="small")
    return finish(ax, estimate.verdict)


@checked
@draws_result("Posterior", "sb.fit")
def plot_frontier(
    post: "Posterior",
    prob: Probability = 0.9,
    ax: Axes | None = None,
    *,
    compute: Positive | tuple[float, float] | None = None,
    **inputs: float,
) -> Axes:
    """Plot the compute-optimal model size against the budget, with its credible band.

    Dashed lines are the ends of the band that takes the law as exact.

    Parameters
    ----------
    post
        A fit of a law that has a compute-optimal allocation.
    prob
        Posterior probability of the equal-tailed band at each budget.
    ax
        Where to draw; new axes by default.
    compute
        The largest budget in FLOPs, or the smallest and the largest; by default from the smallest
        run's to a hundred times the largest run's.
    **inputs
        The law's inputs other than the model's size and tokens; by default the runs' medians.

    Returns
    -------
    Axes
        The axes.

    Raises
    ------
    InputError
        If the law has no compute-optimal allocation.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> post = sb.fit(sb.datasets.load("chinchilla"), "chinchilla")  # doctest: +SKIP
    >>> sb.plots.plot_frontier(post).get_ylabel()
    'model size $N$ (parameters)'
    """
    require_allocation(post, "plot_fit")
    others, said = other_inputs(post, inputs)
    spent, size = post.compute, post.law.budget.size
    low, high = budget_range(spent, compute, _BEYOND)
    budgets = np.geomspace(low, high, _BUDGETS)
    estimate = post.allocate(budgets, **others)
    ax = new_axes(ax)
    if has_runs(post):
        runs: Style = {"s": marker_area(len(spent)), "color": RUNS, "linewidths": 0}
        ax.scatter(spent, run_inputs(post)[size], label="training runs", **runs)
    band = estimate_band(estimate, size, prob)
    labels = (r"$N_\mathrm{opt}$, median", f"{percent(prob)} band")
    draw_band(ax, budgets, band.median, (band.lower, band.upper), labels)
    if estimate.exact is not None:
        exact = estimate_band(estimate, size, prob, exact=True)
        for end, label in ((exact.lower, f"{percent(prob)}, {_EXACT}"), (exact.upper, None)):
            ax.plot(budgets, end, color=INK, linewidth=1, linestyle="--", label=label)
    if spent.max() < high:
        _mark_largest(ax, float(spent.max()))
    name = "Compute-optimal model size" if size == "params" else f"Compute-optimal {size}"
    ax.set(
        xlabel=label_of(post.runs, "compute"),
        ylabel=input_label(post, size),
        title=f"{escaped(name)}{said}",
    )
    number_axis(ax.xaxis, "flops")
    number_axis(ax.yaxis, "count")
    ax.legend(frameon=False, loc="upper left", fontsize="small")
    return finish(ax, estimate.verdict)


def _mark_largest(ax: Axes, compute: float) -> None:
    """Draw a line at the compute of the largest run."""
    ax.axvline(compute, color=RUNS, linewidth=1, linestyle=":")
    ax.annotate(
        "largest run",
        (compute, 0.03),
        xycoords=("data", "axes fraction"),
        xytext=(4, 0),
        textcoords="offset points",
        color="#666666",
        fontsize="small",
    )


def _subscript(name: str) -> str:
    return r"\mathrm{" + name.replace("_", r"\ ") + "}"
