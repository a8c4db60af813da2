"""Figures of results. Each function draws into the axes that the caller gives, or into new ones.

``result.plot()`` calls the function for its kind of result. A figure of one panel returns its Axes,
and a figure of several panels a NumPy array of Axes, as ``matplotlib.pyplot.subplots`` does.
"""

from scalingbayes.plots.approaches import plot_approaches, plot_exponents, plot_optima
from scalingbayes.plots.checks import plot_influence, plot_sensitivity
from scalingbayes.plots.compute_gain import plot_compute_gain
from scalingbayes.plots.critical_training import plot_critical_training
from scalingbayes.plots.decisions import (
    plot_data_exhaustion,
    plot_frontier_gap,
    plot_overtraining,
    plot_plan,
)
from scalingbayes.plots.draws import plot_draws
from scalingbayes.plots.evaluation import plot_calibration, plot_residuals
from scalingbayes.plots.fit import plot_fit
from scalingbayes.plots.forecast import plot_forecast
from scalingbayes.plots.isoflop import plot_isoflop
from scalingbayes.plots.kinds import KINDS
from scalingbayes.plots.mixture import plot_best_mixture
from scalingbayes.plots.posterior import overview, plot_exponent, plot_frontier
from scalingbayes.plots.predicted import plot_backtest, plot_point_estimate, plot_predicted
from scalingbayes.plots.runs import plot_runs
from scalingbayes.plots.side_by_side import plot_comparison, plot_laws, plot_posteriors
from scalingbayes.plots.surface import plot_surface

__all__ = [
    "KINDS",
    "overview",
    "plot_approaches",
    "plot_backtest",
    "plot_best_mixture",
    "plot_calibration",
    "plot_comparison",
    "plot_compute_gain",
    "plot_critical_training",
    "plot_data_exhaustion",
    "plot_draws",
    "plot_exponent",
    "plot_exponents",
    "plot_fit",
    "plot_forecast",
    "plot_frontier",
    "plot_frontier_gap",
    "plot_influence",
    "plot_isoflop",
    "plot_laws",
    "plot_optima",
    "plot_overtraining",
    "plot_plan",
    "plot_point_estimate",
    "plot_posteriors",
    "plot_predicted",
    "plot_residuals",
    "plot_runs",
    "plot_sensitivity",
    "plot_surface",
]
