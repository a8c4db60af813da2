"""Bayesian neural scaling laws on JAX.

>>> import scalingbayes as sb
>>> runs = sb.datasets.load("chinchilla")
>>> post = sb.fit(runs, "chinchilla", engine="laplace")
>>> post.verdict.passed
True
"""

from lazy_loader import attach_stub

_import, __dir__, __all__ = attach_stub(__name__, __file__)


def __getattr__(name: str) -> object:
    """Import a public name of ``__init__.pyi``, or read the version, when it is first used."""
    if name == "__version__":
        from importlib.metadata import version

        return version(__name__)
    return _import(name)
