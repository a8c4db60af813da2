"""The cost that a law states of itself."""

from scalingbayes.allocation.costs.active import Active
from scalingbayes.allocation.costs.base import Cost
from scalingbayes.allocation.costs.proportional import Proportional
from scalingbayes.laws.base.law import Budget


def own_cost(budget: Budget) -> Cost:
    """Return the cost of a law's budget."""
    if budget.active is None and budget.total is None:
        return Proportional.of(budget)
    return Active(budget)
