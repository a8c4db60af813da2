"""The training mixture of least expected loss."""

from scalingbayes.decisions.best_mixture.best_mixture import BestMixture, best_mixture

__all__ = ["BestMixture", "best_mixture"]
