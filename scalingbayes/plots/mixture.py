"""The figure of the best training mixture."""

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from scalingbayes._core.arguments import Probability
from scalingbayes._core.checked import checked
from scalingbayes.plots.curves import draws_band
from scalingbayes.plots.labels import escaped
from scalingbayes.plots.style import (
    BAND,
    COLORS,
    INK,
    MARKERS,
    RUNS,
    add_legend_below,
    draws_result,
    finish,
    new_axes,
    percent,
    set_long_title,
)

if TYPE_CHECKING:
    from scalingbayes.decisions import BestMixture

_HEIGHT = 0.32  # of a row, in inches
_OF_CASE = 0.08  # for each further case
_LEGEND = 0.2  # of a line of the legend
_ROOM = 0.7  # of a row's height, for its cases


@checked
@draws_result("BestMixture", "sb.best_mixture")
def plot_best_mixture(best: "BestMixture", prob: Probability = 0.9, ax: Axes | None = None) -> Axes:
    """Plot the best share of each domain, with the interval of each draw's own best share.

    Grey bars are the shares of the runs, crosses the baseline. Several cases have colours.

    Parameters
    ----------
    best
        The result of :func:`scalingbayes.best_mixture`.
    prob
        Posterior probability of the equal-tailed intervals.
    ax
        Where to draw; new axes by default.

    Returns
    -------
    Axes
        The axes.

    Examples
    --------
    >>> post = sb.fit(runs, "scaled_mixture(domains=(web, code))")  # doctest: +SKIP
    >>> found = sb.best_mixture(post, params=7e9, tokens=1e12)  # doctest: +SKIP
    >>> sb.plots.plot_best_mixture(found).get_xlabel()  # doctest: +SKIP
    'share of the training tokens'
    """
    domains = list(map(str, best.mixture.columns))
    own = ax is None
    cases = best.mixture.to_numpy()
    single = len(cases) == 1
    height = (_HEIGHT + _OF_CASE * (len(cases) - 1)) * len(domains) + _LEGEND * (len(cases) + 3)
    ax = new_axes(ax, figsize=(6.4, 1.0 + height))
    rows = np.arange(len(domains))[::-1].astype(float)
    ax.barh(
        rows,
        best.seen["largest"] - best.seen["least"],
        left=best.seen["least"],
        height=0.8,
        color=RUNS,
        alpha=0.25,
        linewidth=0,
        label="shares of the runs",
    )
    offsets = np.linspace(_ROOM / 2, -_ROOM / 2, len(cases)) if not single else np.zeros(1)
    for place, (shares, offset) in enumerate(zip(cases, offsets, strict=True)):
        shares_of_draws = best.draws[domains].to_array("domain")
        band = draws_band(shares_of_draws if single else shares_of_draws.isel(case=place), prob)
        color = INK if single else COLORS[place % len(COLORS)]
        label = "best mixture" if single else escaped(str(best.draws["case"].to_numpy()[place]))
        band_label = f"best of each draw, {percent(prob)} interval" if not place else ""
        ax.hlines(
            rows + offset, band.lower, band.upper, color=BAND if single else color,
            alpha=1 if single else 0.5, linewidth=5 if single else 3, label=band_label,
        )  # fmt: skip
        marker = MARKERS[place % len(MARKERS)]
        ax.plot(shares, rows + offset, marker, color=color, markersize=5, label=label)
    ax.plot(best.baseline, rows, "x", color="black", markersize=6, label="baseline")
    ax.set(
        yticks=rows,
        yticklabels=[escaped(name) for name in domains],
        ylim=(-0.6, len(domains) - 0.4),
        xlim=(-0.01, None),
        xlabel="share of the training tokens",
    )
    ax.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    set_long_title(ax, best.title)
    add_legend_below(ax, own)
    return finish(ax, best.verdict)
