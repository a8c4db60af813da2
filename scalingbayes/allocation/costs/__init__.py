"""The FLOPs that a model costs in training and serving, and their price in money and GPU hours."""

from scalingbayes.allocation.costs.active import Active
from scalingbayes.allocation.costs.base import Cost
from scalingbayes.allocation.costs.hardware import Hardware
from scalingbayes.allocation.costs.modalities import LateFusion, TwoTower
from scalingbayes.allocation.costs.own import UnknownCost, own_cost
from scalingbayes.allocation.costs.proportional import Proportional
from scalingbayes.allocation.costs.transformer import Transformer

__all__ = [
    "Active",
    "Cost",
    "Hardware",
    "LateFusion",
    "Proportional",
    "Transformer",
    "TwoTower",
    "UnknownCost",
    "own_cost",
]
