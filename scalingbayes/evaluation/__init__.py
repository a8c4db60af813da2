"""Evaluate fits: predictive checks, sensitivity, comparison, scores and calibration."""
