"""Figures of checks: ranks of simulated truths, and residuals."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator

from scalingbayes._core.arguments import Probability
from scalingbayes._core.checked import checked
from scalingbayes._core.numbers import kind_of
from scalingbayes.plots.labels import escaped, in_user_unit, label_of, number_axis
from scalingbayes.plots.style import (
    BAND,
    INK,
    RUNS,
    WARNING,
    add_legend_below,
    draws_result,
    figure_of,
    finish,
    is_wide,
    panels,
)

if TYPE_CHECKING:
    from scalingbayes.evaluation.calibration import Calibration
    from scalingbayes.evaluation.predictive_checks import PredictiveChecks

_FAR = 20.0  # residuals over the linear part of an axis, above which ticks are powers of ten


@checked
@draws_result("Calibration", "sb.calibrate")
def plot_calibration(
    calibration: "Calibration", prob: Probability = 0.99, ax: Axes | Iterable[Axes] | None = None
) -> np.ndarray:
    """Plot the distribution of ranks of simulated truths, less the uniform one.

    There is a panel a quantity. If the posteriors are right, a curve stays inside its band
    everywhere with the stated probability. A curve that first rises and later falls below the band
    means that posteriors are too narrow. A curve above the band throughout means that posteriors
    are too high. Posteriors that allow for the law's error are wide on purpose: their curves fall
    first, and only those of quantities that fail the test of coverage are marked.

    Parameters
    ----------
    calibration
        The result of :func:`scalingbayes.calibrate`.
    prob
        Probability of each band, simultaneous over its panel (Säilynoja et al. 2022).
    ax
        One axes a quantity; new ones by default.

    Returns
    -------
    numpy.ndarray
        The axes, one a panel.
    """
    names = [str(name) for name in calibration.ranks]
    rows = -(-len(names) // 4)
    columns = -(-len(names) // rows)
    size = (2.6 * columns, 2.2 * rows + 0.5)
    drawn = panels(ax, len(names), columns, figsize=size, sharex=True, sharey=True)
    at, lower, upper = calibration.band(prob)
    summary = None if calibration.exact else calibration.summary()
    for name, panel in zip(names, drawn, strict=True):
        ranks = np.sort(calibration.ranks[name].to_numpy())
        found = np.searchsorted(ranks, at, side="right") / len(ranks)
        outside = ((found < lower) | (found > upper)).any()
        wrong = outside if summary is None else bool(summary["finding"][name])
        panel.fill_between(at, lower - at, upper - at, color=BAND, alpha=0.5, linewidth=0)
        panel.axhline(0, color=RUNS, linewidth=0.8)
        panel.plot(at, found - at, color=WARNING if wrong else INK, linewidth=1.2)
        panel.set_title(name, fontsize="medium")
        finish(panel)
    for panel in drawn[-columns:]:
        panel.tick_params(labelbottom=True)
    if ax is None:
        figure, simulation = figure_of(drawn), calibration.simulation
        law, count = simulation.model.law.name, len(simulation)
        figure.suptitle(f"Ranks of {count} truths, {law}: {100 * prob:g}% bands")
        figure.supxlabel("rank of the truth in its posterior, from 0 to 1", fontsize="medium")
        figure.supylabel("share of ranks below, less uniform", fontsize="medium")
    return drawn


@checked
@draws_result("PredictiveChecks", "sb.check")
def plot_residuals(
    checks: "PredictiveChecks", ax: Axes | Iterable[Axes] | None = None
) -> np.ndarray:
    """Plot residuals against each input and against the expected target, in units of sigma.

    Each point is a run at its posterior median, and its bar the 90 % interval over draws of the
    law. If the noise model is right, 90 % of the runs lie between the dotted lines.

    Parameters
    ----------
    checks
        The result of :func:`scalingbayes.check`.
    ax
        One axes for each input of the law, and one more; new ones by default.

    Returns
    -------
    numpy.ndarray
        The axes, one a panel.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> post = sb.fit(sb.datasets.load("chinchilla"), "chinchilla")  # doctest: +SKIP
    >>> len(sb.plots.plot_residuals(sb.check(post)))
    3
    """
    residuals, runs = checks.residuals, checks.residuals.runs
    middle, low, high = np.quantile(residuals.values, [0.5, 0.05, 0.95], axis=0)
    target = label_of(runs, residuals.target)
    expected = np.median(residuals.expected, axis=0)
    covariates = [
        (label_of(runs, name, residuals.descriptions[name]), kind_of(name), name, x)
        for name, x in residuals.inputs.items()
    ]
    covariates.append((f"expected {target}", "loss", residuals.target, expected))
    count, linear = len(covariates), 3 * residuals.band
    band = f"90% of replicated runs: ±{residuals.band:.2g}"
    heavy = max(high.max(), -low.min()) > linear
    drawn = panels(ax, count, count, figsize=(3.6 * count, 3.4), sharey=True)
    for place, panel in enumerate(drawn):
        label, kind, column, values = covariates[place]
        x = in_user_unit(runs, column, values)
        panel.errorbar(
            x,
            middle,
            [middle - low, high - middle],
            fmt="o",
            markersize=2.5,
            color=INK,
            ecolor=BAND,
            elinewidth=0.8,
            alpha=0.8,
            label=None if place else "run, with the 90% interval of the law",
        )
        panel.axhline(0, color=RUNS, linewidth=0.8)
        for end, name in ((-residuals.band, None), (residuals.band, band)):
            legend = None if place else name
            panel.axhline(end, color="#555555", linewidth=0.9, linestyle=":", label=legend)
        panel.set(xlabel=label)
        number_axis(panel.xaxis, kind, log=is_wide(x))
        # Under heavy tails a few far runs would press all others into a line.
        if heavy:
            panel.set_yscale("symlog", linthresh=linear)
            panel.set_yticks(_symlog_ticks(linear, max(high.max(), -low.min())))
            panel.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:g}"))
            panel.yaxis.set_minor_locator(NullLocator())
        finish(panel)
    drawn[0].set_ylabel("residual (sigma of the noise)")
    add_legend_below(drawn[0], ax is None)
    if ax is None:
        title = "" if checks.verdict else "; it failed its checks"
        figure_of(drawn).suptitle(f"{escaped(checks.title)}{title}", fontsize="medium")
    return drawn


def _symlog_ticks(linear: float, furthest: float) -> list[float]:
    """Return ticks of a symlog axis: even in its linear part, and far apart beyond."""
    inner = np.asarray(MaxNLocator(5, steps=(1, 2, 5, 10)).tick_values(-linear, linear))
    decades = 10.0 ** np.arange(0, np.ceil(np.log10(furthest)) + 1)
    steps = (1, 2, 5) if furthest < _FAR * linear else (1,)
    outer = np.array([step * decade for decade in decades for step in steps])
    outer = outer[(outer > 1.4 * linear) & (outer <= furthest)]
    return sorted({*map(float, inner[np.abs(inner) <= linear]), *outer, *-outer})
