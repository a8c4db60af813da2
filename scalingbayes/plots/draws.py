"""Figures of any draws: a panel a quantity."""

from collections.abc import Hashable, Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Float
from matplotlib.axes import Axes

from scalingbayes._core.arguments import Probability
from scalingbayes._core.checked import checked
from scalingbayes._core.errors import InputError
from scalingbayes._core.numbers import kind_of, write, write_with_interval
from scalingbayes.plots.labels import escaped, number_axis
from scalingbayes.plots.style import (
    BAND,
    INK,
    Style,
    draw_band,
    figure_of,
    finish,
    is_wide,
    median_and_bounds,
    panels,
    percent,
)

if TYPE_CHECKING:
    from scalingbayes.results import DrawsResult

_SAMPLE_DIMS = ("chain", "draw")
_MOST_LABELS = 40
_CENTRAL = [0.025, 0.975]  # quantiles; a log axis has draws whose ratio of these is above ten


@checked
def plot_draws(
    result: "DrawsResult",
    prob: Probability = 0.9,
    ax: Axes | Iterable[Axes] | None = None,
    *,
    names: Iterable[str] | None = None,
) -> np.ndarray:
    """Plot the draws of a result, a panel a quantity.

    A number is drawn as its density with its credible interval, a curve (over budgets, say) as its
    median with a band, and anything else as medians with intervals, a row a case.

    Parameters
    ----------
    result
        A result with draws.
    prob
        Posterior probability of the equal-tailed intervals.
    ax
        One axes a quantity; new ones by default.
    names
        The quantities, such as ``["params"]``; all by default.

    Returns
    -------
    numpy.ndarray
        The axes, one a panel.

    Raises
    ------
    InputError
        If the result lacks a quantity, or ``ax`` has another number of axes.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> post = sb.fit(sb.datasets.load("chinchilla"), "chinchilla")  # doctest: +SKIP
    >>> len(sb.plots.plot_draws(post.exponents()))
    2
    """
    chosen = {name: result[name] for name in (result if names is None else names)}
    if not chosen:
        raise InputError(f"names must have at least one of {', '.join(result)}; it has none.")
    columns = min(len(chosen), 4)
    rows = -(-len(chosen) // columns)
    cases = min(max(draws.isel(chain=0, draw=0).size for draws in chosen.values()), _MOST_LABELS)
    height = max(2.6, 0.16 * cases)
    drawn = panels(ax, len(chosen), columns, figsize=(3.4 * columns, height * rows + 0.4))
    for draws, panel in zip(chosen.values(), drawn, strict=True):
        plot_quantity(draws, prob, panel)
        finish(panel, result.verdict)
    if ax is None:
        title = f"{escaped(result.title.splitlines()[0])}: medians, {percent(prob)} intervals"
        figure_of(drawn).suptitle(title, fontsize="medium")
    return drawn


def plot_quantity(draws: xr.DataArray, prob: float, ax: Axes) -> None:
    """Plot one quantity with the dims ``chain`` and ``draw``, and any others."""
    draws = draws.squeeze([d for d in draws.dims if draws.sizes[d] == 1 and d not in _SAMPLE_DIMS])
    others = [dim for dim in draws.dims if dim not in _SAMPLE_DIMS]
    name, kind = escaped(str(draws.name)), kind_of(str(draws.name))
    if not others:
        values = draws.to_numpy().ravel()
        log = is_wide(np.quantile(values, _CENTRAL))
        bounds = plot_density(values, prob, ax, log=log)
        number_axis(ax.xaxis, kind, log)
        written = write_with_interval(float(np.median(values)), *bounds, kind)
        ax.set_title(f"{name} = {' '.join(written)}", fontsize="medium")
        return
    flat = draws.stack(case=others) if len(others) > 1 else draws.rename({others[0]: "case"})  # noqa: PD013
    cases: np.ndarray = flat.transpose("case", ...).to_numpy().reshape(flat.sizes["case"], -1)
    middle, lower, upper = median_and_bounds(cases, prob)
    index = flat.indexes.get("case", pd.RangeIndex(len(cases)))
    log = is_wide(middle) or (kind == "count" and bool((middle > 0).all()))
    if len(others) == 1 and not isinstance(index, pd.MultiIndex) and index.dtype.kind in "iuf":
        at: np.ndarray = index.to_numpy(float)
        draw_band(ax, at, middle, (lower, upper), ("median", f"{percent(prob)} band"))
        along = kind_of(str(others[0]))
        unit = " (FLOPs)" if along == "flops" else ""
        ax.set(xlabel=escaped(str(others[0])).replace("_", " ") + unit)
        number_axis(ax.xaxis, along, is_wide(at))
        number_axis(ax.yaxis, kind, log)
    else:
        heights = np.arange(len(cases))[::-1]
        ax.hlines(heights, lower, upper, color=BAND, linewidth=3)
        ax.plot(middle, heights, "o", color=INK, markersize=3)
        number_axis(ax.xaxis, kind, log)
        labelled = len(cases) <= _MOST_LABELS
        ax.set(yticks=heights if labelled else [], ylim=(-0.6, len(cases) - 0.4))
        if labelled:
            labels = [_label(each, index.names) for each in index]
            ax.set_yticklabels(labels, fontsize="small")
            ax.set_ylabel(", ".join(escaped(str(name)) for name in index.names))
    ax.set_title(name, fontsize="medium")


def plot_density(
    values: Float[np.ndarray, " draws"], prob: float, ax: Axes, *, log: bool = False
) -> tuple[float, float]:
    """Plot the density, the median and the equal-tailed interval; returns the interval.

    Parameters
    ----------
    values
        The draws.
    prob
        Posterior probability of the interval.
    ax
        The axes.
    log
        Whether to plot the density of the logarithm, for an axis on a log scale.
    """
    import arviz_stats

    finite = values[np.isfinite(values)]
    middle, lower, upper = median_and_bounds(values, prob)
    if len(finite) > 1 and np.ptp(finite) > 0:
        grid, density, _ = arviz_stats.base.array_stats.kde(np.log(finite) if log else finite)
        grid = np.exp(grid) if log else grid
        inside = (grid >= lower) & (grid <= upper)
        ax.plot(grid, density, color=INK)
        label = f"{percent(prob)} interval"
        shade: Style = {"color": BAND, "alpha": 0.5, "linewidth": 0, "label": label}
        ax.fill_between(grid[inside], density[inside], **shade)
        height = np.interp(middle, grid, density)
        ax.vlines(middle, 0, height, color=INK, linewidth=1, label="median")
    elif np.isfinite(middle):
        ax.axvline(middle, color=INK, linewidth=1, label="median")
    ax.set(yticks=[], ylim=(0, None))
    return float(lower), float(upper)


def _label(case: object, names: Sequence[Hashable]) -> str:
    """Return the label of a row: counts as 33.9B, other numbers with three digits."""
    parts = case if isinstance(case, tuple) else (case,)
    return ", ".join(
        write(float(x), kind_of(str(name))) if isinstance(x, float) else escaped(str(x))
        for x, name in zip(parts, names, strict=True)
    )
