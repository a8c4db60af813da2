"""Figures of any draws: a panel a quantity."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scalingbayes.plots.style import (
    BAND,
    INK,
    draw_band,
    finish,
    is_wide,
    median_and_bounds,
    panels,
)

if TYPE_CHECKING:
    from scalingbayes.results import DrawsResult

_SAMPLE_DIMS = ("chain", "draw")
_MOST_LABELS = 40


def plot_draws(
    result: "DrawsResult", prob: float = 0.9, axes: Iterable[Axes] | None = None
) -> Figure:
    """Plot the draws of a result, a panel a quantity.

    A number is drawn as its density with its credible interval, a curve (over budgets, say) as its
    median with a band, and anything else as medians with intervals, a row a case.

    Parameters
    ----------
    result
        A result with draws.
    prob
        Posterior probability of the equal-tailed intervals.
    axes
        One axes a quantity; new ones by default.

    Raises
    ------
    InputError
        If ``axes`` has another number of axes.
    """
    names = list(result)
    columns = min(len(names), 4)
    rows = -(-len(names) // columns)
    cases = min(max(result[name].isel(chain=0, draw=0).size for name in names), _MOST_LABELS)
    height = max(2.6, 0.16 * cases)
    drawn = panels(axes, len(names), columns, figsize=(3.2 * columns, height * rows + 0.4))
    for name, ax in zip(names, drawn, strict=True):
        plot_quantity(result[name], prob, ax)
        finish(ax, result.verdict)
    figure = drawn[0].figure
    assert isinstance(figure, Figure)
    if axes is None:
        figure.suptitle(result.title.splitlines()[0], fontsize="medium")
    return figure


def plot_quantity(draws: xr.DataArray, prob: float, ax: Axes) -> None:
    """Plot one quantity with the dims ``chain`` and ``draw``, and at most any one other."""
    draws = draws.squeeze([d for d in draws.dims if draws.sizes[d] == 1 and d not in _SAMPLE_DIMS])
    others = [dim for dim in draws.dims if dim not in _SAMPLE_DIMS]
    if not others:
        plot_density(draws.to_numpy().ravel(), prob, ax)
        ax.set_title(str(draws.name), fontsize="medium")
        return
    flat = draws.stack(case=others) if len(others) > 1 else draws.rename({others[0]: "case"})  # noqa: PD013
    values = flat.transpose("case", ...).to_numpy().reshape(flat.sizes["case"], -1)
    middle, lower, upper = median_and_bounds(values, prob)
    index = flat.indexes.get("case", pd.RangeIndex(len(values)))
    if len(others) == 1 and not isinstance(index, pd.MultiIndex) and index.dtype.kind in "iuf":
        at = index.to_numpy(float)
        draw_band(ax, at, middle, (lower, upper), ("median", f"{100 * prob:g}% band"))
        ax.set(xlabel=str(others[0]), xscale="log" if is_wide(at) else "linear")
        ax.set(yscale="log" if is_wide(middle) else "linear")
    else:
        heights = np.arange(len(values))[::-1]
        ax.hlines(heights, lower, upper, color=BAND, linewidth=3)
        ax.plot(middle, heights, "o", color=INK, markersize=3)
        labelled = len(values) <= _MOST_LABELS
        ax.set(yticks=heights if labelled else [], xscale="log" if is_wide(middle) else "linear")
        if labelled:
            ax.set_yticklabels([_label(each) for each in index], fontsize="small")
    ax.set_title(str(draws.name), fontsize="medium")


def plot_density(values: Float[np.ndarray, " draws"], prob: float, ax: Axes) -> tuple[float, float]:
    """Plot the density, the median and the equal-tailed interval; returns the interval."""
    import arviz_stats

    finite = values[np.isfinite(values)]
    middle, lower, upper = median_and_bounds(values, prob)
    if len(finite) > 1 and np.ptp(finite) > 0:
        grid, density, _ = arviz_stats.base.array_stats.kde(finite)
        inside = (grid >= lower) & (grid <= upper)
        ax.plot(grid, density, color=INK)
        ax.fill_between(grid[inside], density[inside], color=BAND, alpha=0.5, linewidth=0)
    if np.isfinite(middle):
        ax.axvline(middle, color=INK, linewidth=1)
    ax.set(yticks=[], ylim=(0, None))
    return float(lower), float(upper)


def _label(case: object) -> str:
    parts = case if isinstance(case, tuple) else (case,)
    return ", ".join(f"{x:.3g}" if isinstance(x, float) else str(x) for x in parts)
