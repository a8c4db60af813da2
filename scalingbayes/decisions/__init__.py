"""What to do with a budget: decisions made from a posterior's draws."""

from scalingbayes.decisions.overtraining import critical_size, overtrain
from scalingbayes.decisions.plan import Plan, plan
from scalingbayes.decisions.reach import reach

__all__ = ["Plan", "critical_size", "overtrain", "plan", "reach"]
