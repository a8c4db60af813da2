"""Figures of Hoffmann's approaches: their exponents, and their optima with the power laws."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from scalingbayes._core.checked import checked
from scalingbayes._core.numbers import write, write_with_interval
from scalingbayes.plots.labels import escaped, number_axis
from scalingbayes.plots.rows import HEIGHT
from scalingbayes.plots.style import (
    ACCENT,
    BAND,
    INK,
    RUNS,
    WARNING,
    Style,
    draws_result,
    finish,
    new_axes,
    set_long_title,
)

if TYPE_CHECKING:
    from scalingbayes.decisions.approaches import ApproachComparison, Frontier
    from scalingbayes.decisions.approaches.frontier import Exponents

_FEW = 100  # optima that are drawn with large markers


@checked
@draws_result("ApproachComparison", "sb.compare_approaches")
def plot_approaches(comparison: "ApproachComparison", ax: Axes | None = None) -> Axes:
    """Plot the exponent a of each method with its interval. The intervals differ in kind.

    Parameters
    ----------
    comparison
        The result of :func:`scalingbayes.compare_approaches`.
    ax
        Where to draw; new axes by default.

    Returns
    -------
    Axes
        The axes.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> values = {"E": 1.69, "A": 406.4, "B": 410.7, "alpha": 0.34, "beta": 0.28}
    >>> found = sb.compare_approaches(sb.isoflop_sweep(values))
    >>> sb.plots.plot_approaches(found).get_title()
    'noise-free runs on L = E + A/N^alpha + B/D^beta'
    """
    table = comparison.summary()
    ax = new_axes(ax, figsize=(9, 1.2 + 0.45 * len(table)))
    heights = np.arange(len(table))[::-1]
    middle, lower, upper = (table[column].to_numpy(float) for column in ("a", "a_lower", "a_upper"))
    ax.hlines(heights, lower, upper, color=BAND, linewidth=4)
    ax.scatter(middle, heights, s=30, color=INK, zorder=3)
    ax.axvline(0.5, color=RUNS, linewidth=1, linestyle=":")
    for height, value, end, used in zip(heights, middle, upper, table["used"], strict=True):
        if np.isnan(value):
            why = "not stated" if used == "published" else "not used"
            ax.annotate(why, (0.5, height), color=WARNING, va="center", ha="center")
        else:
            place = (float(np.nanmax([value, end])), height)
            ax.annotate(f"  {write(value, place=-3)}", place, va="center", fontsize="small")
    ax.set(
        yticks=heights,
        yticklabels=table.index,
        ylim=(-0.6, len(table) - 0.4),
        xlabel=r"exponent $a$ of $N_\mathrm{opt} \propto C^{\,a}$",
        title=escaped(comparison.runs_name),
    )
    ax.margins(x=0.1)
    failed = [name for name, post in comparison.posteriors.items() if not post.verdict]
    for row in map(table.index.get_loc, failed):
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


@checked
@draws_result("Exponents", "sb.isoflop(runs).exponents")
def plot_exponents(exponents: "Exponents", ax: Axes | None = None) -> Axes:
    """Plot the exponents a and b of one approach, with the intervals that its authors report.

    Parameters
    ----------
    exponents
        The exponents of an approach, such as ``sb.parametric(runs).exponents``.
    ax
        Where to draw; new axes by default.

    Returns
    -------
    Axes
        The axes.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> values = {"E": 1.69, "A": 406.4, "B": 410.7, "alpha": 0.34, "beta": 0.28}
    >>> found = sb.isoflop(sb.isoflop_sweep(values))
    >>> sb.plots.plot_exponents(found.exponents).get_xlabel()
    'exponent'
    """
    table = exponents.summary()
    heights = np.arange(len(table))[::-1]
    ax = new_axes(ax, figsize=(6.5, 1.6 + 1.5 * HEIGHT * len(table)))
    ax.hlines(heights, table["lower"], table["upper"], color=BAND, linewidth=4)
    ax.plot(table["exponent"], heights, "o", color=INK)
    laws = (r"$N_\mathrm{opt} \propto C^{\,a}$", r"$D_\mathrm{opt} \propto C^{\,b}$")
    rows = [f"{law}\n{_written(table, row)}" for row, law in enumerate(laws)]
    ax.set(
        yticks=heights,
        yticklabels=rows,
        ylim=(-0.6, len(table) - 0.4),
        xlabel="exponent",
    )
    set_long_title(ax, f"Interval: {escaped(exponents.interval)}")
    ax.margins(x=0.1)
    return finish(ax)


@checked
@draws_result("Frontier", "sb.isoflop or sb.envelope")
def plot_optima(frontier: "Frontier", ax: Axes | None = None) -> Axes:
    """Plot the optima of an approach against compute, with the power laws through them.

    Parameters
    ----------
    frontier
        The result of :func:`scalingbayes.isoflop` or :func:`scalingbayes.envelope`.
    ax
        Where to draw; new axes by default.

    Returns
    -------
    Axes
        The axes.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> values = {"E": 1.69, "A": 406.4, "B": 410.7, "alpha": 0.34, "beta": 0.28}
    >>> sb.plots.plot_optima(sb.isoflop(sb.isoflop_sweep(values))).get_xlabel()
    'training compute $C$ (FLOPs)'
    """
    optima, exponents = frontier.optima, frontier.exponents
    compute = optima["compute"].to_numpy(float)
    grid = np.geomspace(compute.min(), compute.max(), 2)
    lines = frontier.allocate(grid)
    ax = new_axes(ax)
    table, size = exponents.summary(), 5 if len(compute) <= _FEW else 2
    for row, (name, color, marker, dashes) in enumerate(
        (("params", INK, "o", "-"), ("tokens", ACCENT, "s", "--"))
    ):
        exponent, symbol = "ab"[row], "ND"[row]
        law = rf"${symbol}_\mathrm{{opt}} \propto C^{{\,{exponent}}}$"
        style: Style = {"color": color, "linestyle": dashes, "marker": marker, "markevery": []}
        ax.plot(compute, optima[name], marker, color=color, markersize=size)
        ax.plot(grid, lines[name], label=f"{law}, {exponent} = {_written(table, row)}", **style)
    ax.set(
        xlabel="training compute $C$ (FLOPs)",
        ylabel="parameters, tokens",
    )
    title = f"Optima of {len(optima)} budgets; interval: {escaped(exponents.interval)}"
    set_long_title(ax, title)
    number_axis(ax.xaxis, "flops")
    number_axis(ax.yaxis, "count")
    ax.legend(frameon=False, fontsize="small", loc="upper left")
    return finish(ax)


def _written(table: pd.DataFrame, row: int) -> str:
    """Return the exponent of a row of a summary with its interval."""
    middle, lower, upper = (float(table[name].iloc[row]) for name in ("exponent", "lower", "upper"))
    return " ".join(write_with_interval(middle, lower, upper, "exponent"))
