"""Whether posteriors are right: tables drawn from the priors, fitted, compared with the truth."""

from scalingbayes.calibration.design import typical_inputs
from scalingbayes.calibration.ranking import Calibration, calibrate
from scalingbayes.calibration.simulation import Simulation, simulate

__all__ = ["Calibration", "Simulation", "calibrate", "simulate", "typical_inputs"]
