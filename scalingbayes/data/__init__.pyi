from . import datasets, folds

__all__ = ["datasets", "folds"]
