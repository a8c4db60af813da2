"""Figures of results. Each function draws into the axes that the caller gives, or into new ones.

``result.plot()`` calls the function for its kind of result. A figure of one panel returns its Axes,
and a figure of several panels the Figure; both may be changed afterwards.
"""

from collections.abc import Callable
from typing import Any

from scalingbayes.plots.approaches import plot_approaches
from scalingbayes.plots.decisions import plot_data_exhaustion, plot_overtraining
from scalingbayes.plots.draws import plot_draws
from scalingbayes.plots.evaluation import plot_calibration, plot_residuals
from scalingbayes.plots.fit import plot_fit
from scalingbayes.plots.isoflop import plot_isoflop
from scalingbayes.plots.posterior import overview, plot_exponent, plot_frontier
from scalingbayes.plots.predicted import plot_backtest, plot_predicted
from scalingbayes.plots.surface import plot_surface

__all__ = [
    "KINDS",
    "overview",
    "plot_approaches",
    "plot_backtest",
    "plot_calibration",
    "plot_data_exhaustion",
    "plot_draws",
    "plot_exponent",
    "plot_fit",
    "plot_frontier",
    "plot_isoflop",
    "plot_overtraining",
    "plot_predicted",
    "plot_residuals",
    "plot_surface",
]

KINDS: dict[str, Callable[[Any], Any]] = {
    "overview": overview,
    "exponent": plot_exponent,
    "frontier": plot_frontier,
    "parameters": plot_draws,
}
"""The figures of a posterior, by the names that `scalingbayes plot` takes."""
