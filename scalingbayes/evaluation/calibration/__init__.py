"""Simulation-based calibration: simulate tables, fit them, and rank the true parameters."""

from scalingbayes.evaluation.calibration.design import typical_inputs
from scalingbayes.evaluation.calibration.ranking import Calibration, calibrate
from scalingbayes.evaluation.calibration.simulation import Simulation, simulate

__all__ = ["Calibration", "Simulation", "calibrate", "simulate", "typical_inputs"]
