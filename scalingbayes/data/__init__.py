"""Tables of training runs: reading, checks, folds, bundled data sets and published tables."""

from scalingbayes.data import datasets, folds, published

__all__ = ["datasets", "folds", "published"]
