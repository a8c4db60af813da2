"""Decisions about training runs, made from posterior draws."""

from scalingbayes.decisions.best_mixture import BestMixture, best_mixture
from scalingbayes.decisions.cheapest_run import cheapest_run
from scalingbayes.decisions.competition_barrier import competition_barrier
from scalingbayes.decisions.compute_gain import ComputeGain, compute_gain
from scalingbayes.decisions.critical_training import CriticalTraining, critical_training
from scalingbayes.decisions.data_exhaustion import DataExhaustion, data_exhaustion
from scalingbayes.decisions.derived_quantities import derived_quantities
from scalingbayes.decisions.forecast import Forecast, forecast
from scalingbayes.decisions.frontier_gap import FrontierGap, frontier_gap
from scalingbayes.decisions.optimal_precision import optimal_precision
from scalingbayes.decisions.overtraining import (
    Overtraining,
    overtrain,
    size_for_overhead,
    smallest_size,
)
from scalingbayes.decisions.plan import Plan, plan

__all__ = [
    "BestMixture",
    "ComputeGain",
    "CriticalTraining",
    "DataExhaustion",
    "Forecast",
    "FrontierGap",
    "Overtraining",
    "Plan",
    "best_mixture",
    "cheapest_run",
    "competition_barrier",
    "compute_gain",
    "critical_training",
    "data_exhaustion",
    "derived_quantities",
    "forecast",
    "frontier_gap",
    "optimal_precision",
    "overtrain",
    "plan",
    "size_for_overhead",
    "smallest_size",
]
