from . import datasets, folds, published

__all__ = ["datasets", "folds", "published"]
