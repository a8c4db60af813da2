"""The cost that a law states of itself."""

from dataclasses import dataclass

import jax

from scalingbayes._core.checked import checked
from scalingbayes.allocation.costs.active import Active
from scalingbayes.allocation.costs.base import Cost
from scalingbayes.allocation.costs.proportional import Proportional
from scalingbayes.laws.base.law import Budget


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class UnknownCost(Proportional):
    """A measure of runs whose FLOPs are not known: size times tokens.

    It tells how far runs lie beyond others. No budget can be divided with it.
    """


@checked
def own_cost(budget: Budget) -> Cost:
    """Return the cost of a law's budget."""
    if budget.unknown:
        return UnknownCost(budget.flops, size=budget.size)
    if budget.active is None and budget.total is None:
        return Proportional.of(budget)
    return Active(budget)
