"""Hamiltonian Monte Carlo with many short chains in lockstep, for accelerators.

``hmc`` holds the engine and its warm-up, and ``lockstep`` the compiled block of transitions.
"""

from scalingbayes.inference.hmc.hmc import HMC

__all__ = ["HMC"]
