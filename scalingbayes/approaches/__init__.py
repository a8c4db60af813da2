"""Hoffmann et al. 2022's three approaches to the exponents of compute-optimal training."""

from scalingbayes.approaches.bias import isoflop_bias, isoflop_sweep
from scalingbayes.approaches.envelope import envelope
from scalingbayes.approaches.frontier import Exponents, Frontier
from scalingbayes.approaches.isoflop import isoflop
from scalingbayes.approaches.parametric import Parametric, parametric
from scalingbayes.approaches.table import Approaches, approaches

__all__ = [
    "Approaches",
    "Exponents",
    "Frontier",
    "Parametric",
    "approaches",
    "envelope",
    "isoflop",
    "isoflop_bias",
    "isoflop_sweep",
    "parametric",
]
