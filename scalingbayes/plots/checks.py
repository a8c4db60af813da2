"""Figures of what a fit depends on: priors and single runs."""

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes

from scalingbayes._core.checked import checked
from scalingbayes.plots.labels import escaped
from scalingbayes.plots.rows import HEIGHT
from scalingbayes.plots.style import (
    ACCENT,
    COLORS,
    INK,
    MARKERS,
    RUNS,
    Style,
    draws_result,
    finish,
    new_axes,
    set_long_title,
)

if TYPE_CHECKING:
    from scalingbayes.evaluation.influence import Influence
    from scalingbayes.evaluation.sensitivity import Sensitivity

_MOST_RUNS = 20
_RELIABLE = 0.7  # largest Pareto k of a reliable shift


@checked
@draws_result("Sensitivity", "sb.sensitivity")
def plot_sensitivity(sensitivity: "Sensitivity", ax: Axes | None = None) -> Axes:
    """Plot how far each parameter moves if the priors, or the runs, count slightly more.

    Parameters
    ----------
    sensitivity
        The result of :func:`scalingbayes.sensitivity`.
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
    >>> sb.plots.plot_sensitivity(sb.sensitivity(post)).get_xlabel()
    'sensitivity by power-scaling'
    """
    table = sensitivity.parameters
    heights = np.arange(len(table))[::-1]
    ax = new_axes(ax, figsize=(8, 1.6 + HEIGHT * len(table)))
    for column, color, marker, label in (
        ("prior", ACCENT, "D", "to the priors"),
        ("likelihood", INK, "o", "to the runs"),
    ):
        ax.plot(table[column], heights, marker, color=color, markersize=5, label=label)
    ax.hlines(heights, 0, table[["prior", "likelihood"]].max(axis=1), color=RUNS, linewidth=0.6)
    rows = []
    for name, diagnosis in table["diagnosis"].items():
        rows.append(escaped(str(name)) + (f": {diagnosis}" if len(str(diagnosis)) > 1 else ""))
    ax.set(
        yticks=heights,
        yticklabels=rows,
        xlabel="sensitivity by power-scaling",
        xlim=(0, None),
    )
    set_long_title(ax, escaped(sensitivity.title))
    ax.legend(frameon=False, fontsize="small", loc="lower right")
    return finish(ax, sensitivity.verdict)


@checked
@draws_result("Influence", "sb.influence")
def plot_influence(influence: "Influence", ax: Axes | None = None) -> Axes:
    """Plot how far the decision moves without each of the runs that pull hardest.

    Parameters
    ----------
    influence
        The result of :func:`scalingbayes.influence`.
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
    >>> sb.plots.plot_influence(sb.influence(post, rows=3)).get_ylabel()
    'row of the table'
    """
    table = influence.runs.head(_MOST_RUNS)
    heights = np.arange(len(table))[::-1]
    ax = new_axes(ax, figsize=(6.5, 1.4 + 0.7 * HEIGHT * len(table)))
    columns = [name for name in table if str(name).endswith("_shift_in_sd")]
    for place, column in enumerate(columns):
        name = escaped(str(column).removesuffix("_shift_in_sd").replace("_", " "))
        how: Style = {"color": COLORS[place], "markersize": 5, "label": f"shift of {name}"}
        ax.plot(table[column], heights, MARKERS[place], **how)
    unreliable = table["pareto_k"].to_numpy() > _RELIABLE
    shifts = table[columns].to_numpy()
    largest = shifts[np.arange(len(shifts)), np.abs(shifts).argmax(axis=1)]
    ax.hlines(heights, 0, largest, color=RUNS, linewidth=0.5)
    if unreliable.any():
        ax.plot(
            largest[unreliable],
            heights[unreliable],
            "o",
            markersize=11,
            markerfacecolor="none",
            color="black",
            label=f"rough: Pareto k above {_RELIABLE:g}",
        )
    ax.axvline(0, color=RUNS, linewidth=1)
    ax.set(
        yticks=heights,
        yticklabels=[str(row) for row in table.index],
        ylabel="row of the table",
        xlabel="shift without the run (posterior sds)",
    )
    set_long_title(ax, escaped(influence.title))
    ax.legend(frameon=False, fontsize="small", loc="best")
    return finish(ax)
