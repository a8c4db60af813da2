"""Bayesian neural scaling laws on JAX.

>>> import scalingbayes as sb
>>> runs = sb.datasets.load("chinchilla")
>>> post = sb.fit(runs, "chinchilla")  # doctest: +SKIP
>>> post.verdict.passed
True
"""

from threading import RLock

from lazy_loader import attach_stub

_importing = RLock()
_import, __dir__, __all__ = attach_stub(__name__, __file__)


def __getattr__(name: str) -> object:
    """Import a public name of ``__init__.pyi``, or read the version, when it is first used."""
    if name == "__version__":
        from importlib.metadata import version

        return version(__name__)
    with _importing:  # Python fails if several threads import modules that import one another
        return _import(name)
