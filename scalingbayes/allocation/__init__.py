"""How a budget is best divided between a model's size and tokens: pure functions of draws.

>>> from scalingbayes.allocation import optimum, exponents
"""

from scalingbayes.allocation.costs import Cost, Hardware, Proportional, Transformer
from scalingbayes.allocation.frontier import compute_to_reach
from scalingbayes.allocation.limits import Limits
from scalingbayes.allocation.optimum import (
    budget_amid,
    cost_of,
    exponents,
    optimum,
    require_allocation,
)

__all__ = [
    "Cost",
    "Hardware",
    "Limits",
    "Proportional",
    "Transformer",
    "budget_amid",
    "compute_to_reach",
    "cost_of",
    "exponents",
    "optimum",
    "require_allocation",
]
