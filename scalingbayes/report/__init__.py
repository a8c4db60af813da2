"""The report of a fit: one HTML file with the decision, its checks and a planner."""

from scalingbayes.report.write import write_report

__all__ = ["write_report"]
