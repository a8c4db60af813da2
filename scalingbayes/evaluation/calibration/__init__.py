"""Whether posteriors are right: tables drawn from the priors, fitted, compared with the truth."""

from scalingbayes.evaluation.calibration.design import typical_inputs
from scalingbayes.evaluation.calibration.ranking import Calibration, calibrate
from scalingbayes.evaluation.calibration.simulation import Simulation, simulate

__all__ = ["Calibration", "Simulation", "calibrate", "simulate", "typical_inputs"]
