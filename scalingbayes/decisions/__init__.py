"""What to do with a budget: decisions made from a posterior's draws."""

from scalingbayes.decisions.exhaustion import Exhaustion, exhaustion
from scalingbayes.decisions.overtraining import critical_size, overtrain
from scalingbayes.decisions.plan import Plan, plan
from scalingbayes.decisions.reach import reach
from scalingbayes.decisions.standing import Standing, standing

__all__ = [
    "Exhaustion",
    "Plan",
    "Standing",
    "critical_size",
    "exhaustion",
    "overtrain",
    "plan",
    "reach",
    "standing",
]
