"""The cheapest run that reaches a loss or an accuracy."""

from scalingbayes.decisions.cheapest_run.cheapest_run import cheapest_run

__all__ = ["cheapest_run"]
