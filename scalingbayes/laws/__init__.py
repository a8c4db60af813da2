"""Scaling laws, one module per law.

Every :class:`Law` and every :func:`family` of laws that a module of this package defines is
registered under its name. ``scalingbayes.laws.base`` has the classes of which laws are made.
"""

from importlib import import_module
from pkgutil import iter_modules

from scalingbayes.laws.base.derived import Derived
from scalingbayes.laws.base.family import family, is_family
from scalingbayes.laws.base.law import COMMON_INPUTS, Budget, Input, Law, Sum, power
from scalingbayes.laws.base.registry import LAWS, PACKAGE_LAWS, get_law, list_laws, register

__all__ = [
    "COMMON_INPUTS",
    "LAWS",
    "Budget",
    "Derived",
    "Input",
    "Law",
    "Sum",
    "family",
    "get_law",
    "list_laws",
    "power",
    "register",
]


def _register_modules() -> None:
    for module in iter_modules(__path__):
        if not module.ispkg:
            names = vars(import_module(f"{__name__}.{module.name}"))
            for value in list(names.values()):
                if isinstance(value, Law) or is_family(value):
                    register(value)


_register_modules()
PACKAGE_LAWS.update(LAWS)
