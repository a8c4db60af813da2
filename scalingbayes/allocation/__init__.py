"""Compute-optimal allocation: a budget divided between a model's size and tokens.

Pure functions of a law's parameters, one value per posterior draw.
"""

from scalingbayes.allocation.compute_to_reach import (
    ANY_BUDGET,
    cheapest_run_to_reach,
    compute_to_reach,
)
from scalingbayes.allocation.costs import (
    Active,
    Cost,
    Hardware,
    Proportional,
    Transformer,
    UnknownCost,
)
from scalingbayes.allocation.limits import Limits
from scalingbayes.allocation.optimum import (
    cost_of,
    counts_of_run,
    exponents,
    optimum,
    require_allocation,
)
from scalingbayes.allocation.table_cost import FittedCost, table_cost

__all__ = [
    "ANY_BUDGET",
    "Active",
    "Cost",
    "FittedCost",
    "Hardware",
    "Limits",
    "Proportional",
    "Transformer",
    "UnknownCost",
    "cheapest_run_to_reach",
    "compute_to_reach",
    "cost_of",
    "counts_of_run",
    "exponents",
    "optimum",
    "require_allocation",
    "table_cost",
]
