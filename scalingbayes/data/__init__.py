"""Tables of training runs: reading, checks, folds, bundled data sets and published tables."""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
