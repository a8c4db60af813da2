"""The compute-equivalent gain of one recipe over another."""

from scalingbayes.decisions.compute_gain.compute_gain import ComputeGain, compute_gain

__all__ = ["ComputeGain", "compute_gain"]
