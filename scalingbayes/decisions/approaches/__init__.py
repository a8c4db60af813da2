"""The three approaches of Hoffmann et al. 2022 to the exponents of compute-optimal training."""

from scalingbayes.decisions.approaches.bias import isoflop_bias, isoflop_sweep
from scalingbayes.decisions.approaches.compare_exponents import compare_exponents
from scalingbayes.decisions.approaches.envelope import envelope
from scalingbayes.decisions.approaches.frontier import Exponents, Frontier
from scalingbayes.decisions.approaches.isoflop import isoflop
from scalingbayes.decisions.approaches.parametric import Parametric, parametric
from scalingbayes.decisions.approaches.table import ApproachComparison, compare_approaches

__all__ = [
    "ApproachComparison",
    "Exponents",
    "Frontier",
    "Parametric",
    "compare_approaches",
    "compare_exponents",
    "envelope",
    "isoflop",
    "isoflop_bias",
    "isoflop_sweep",
    "parametric",
]
