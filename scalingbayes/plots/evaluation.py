"""Figures of checks: ranks of simulated truths, and residuals."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scalingbayes.plots.style import BAND, INK, RUNS, WARNING, finish, is_wide, panels

if TYPE_CHECKING:
    from scalingbayes.evaluation.calibration import Calibration
    from scalingbayes.evaluation.predictive_checks import PredictiveChecks


def plot_calibration(
    calibration: "Calibration", prob: float = 0.99, axes: Iterable[Axes] | None = None
) -> Figure:
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
    axes
        One axes a quantity; new ones by default.
    """
    names = [str(name) for name in calibration.ranks]
    rows = -(-len(names) // 4)
    columns = -(-len(names) // rows)
    size = (2.6 * columns, 2.2 * rows + 0.5)
    drawn = panels(axes, len(names), columns, figsize=size, sharex=True, sharey=True)
    at, lower, upper = calibration.band(prob)
    summary = None if calibration.exact else calibration.summary()
    for name, ax in zip(names, drawn, strict=True):
        ranks = np.sort(calibration.ranks[name].to_numpy())
        found = np.searchsorted(ranks, at, side="right") / len(ranks)
        outside = ((found < lower) | (found > upper)).any()
        wrong = outside if summary is None else bool(summary["finding"][name])
        ax.fill_between(at, lower - at, upper - at, color=BAND, alpha=0.5, linewidth=0)
        ax.axhline(0, color=RUNS, linewidth=0.8)
        ax.plot(at, found - at, color=WARNING if wrong else INK, linewidth=1.2)
        ax.set_title(name, fontsize="medium")
        finish(ax)
    for ax in drawn[-columns:]:
        ax.tick_params(labelbottom=True)
    figure = drawn[0].figure
    assert isinstance(figure, Figure)
    if axes is None:
        simulation = calibration.simulation
        law, count = simulation.model.law.name, len(simulation)
        figure.suptitle(f"Ranks of {count} truths, {law}: {100 * prob:g}% bands")
        figure.supxlabel("rank of the truth in its posterior, from 0 to 1", fontsize="medium")
        figure.supylabel("share of ranks below, less uniform", fontsize="medium")
    return figure


def plot_residuals(checks: "PredictiveChecks", axes: Iterable[Axes] | None = None) -> Figure:
    """Plot residuals against each input and against the expected target, in units of sigma.

    Each point is a run at its posterior median, and its bar the 90 % interval over draws of the
    law. If the noise model is right, 90 % of the runs lie between the dotted lines.

    Parameters
    ----------
    checks
        The result of :func:`scalingbayes.check`.
    axes
        One axes for each input of the law, and one more; new ones by default.
    """
    residuals = checks.residuals
    middle, low, high = np.quantile(residuals.values, [0.5, 0.05, 0.95], axis=0)
    covariates = dict(residuals.inputs)
    covariates[f"expected {residuals.target}"] = np.median(residuals.expected, axis=0)
    count = len(covariates)
    drawn = panels(axes, count, count, figsize=(3.6 * count, 3.2), sharey=True)
    for (name, x), ax in zip(covariates.items(), drawn, strict=True):
        ax.errorbar(
            x,
            middle,
            [middle - low, high - middle],
            fmt="o",
            markersize=2.5,
            color=INK,
            ecolor=BAND,
            elinewidth=0.8,
            alpha=0.8,
        )
        ax.axhline(0, color=RUNS, linewidth=0.8)
        for end in (-residuals.band, residuals.band):
            ax.axhline(end, color=RUNS, linewidth=0.8, linestyle=":")
        ax.set(xlabel=name, xscale="log" if is_wide(x) else "linear")
        # Under heavy tails a few far runs would press all others into a line.
        if max(high.max(), -low.min()) > 3 * residuals.band:
            ax.set_yscale("symlog", linthresh=3 * residuals.band)
        finish(ax)
    drawn[0].set_ylabel("residual, in sigma")
    figure = drawn[0].figure
    assert isinstance(figure, Figure)
    if axes is None:
        figure.suptitle(checks.title, fontsize="medium")
    return figure
