"""Figures of results. Each function draws into the axes that the caller gives, or into new ones.

``result.plot()`` calls the function for its kind of result.
"""

from scalingbayes.plots.approaches import plot_approaches
from scalingbayes.plots.decisions import plot_data_exhaustion, plot_overtraining
from scalingbayes.plots.draws import plot_draws
from scalingbayes.plots.evaluation import plot_calibration, plot_residuals
from scalingbayes.plots.posterior import overview, plot_exponent, plot_frontier

__all__ = [
    "overview",
    "plot_approaches",
    "plot_calibration",
    "plot_data_exhaustion",
    "plot_draws",
    "plot_exponent",
    "plot_frontier",
    "plot_overtraining",
    "plot_residuals",
]
