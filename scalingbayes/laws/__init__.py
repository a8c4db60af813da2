"""Scaling laws, one a file. Each module here that defines a :class:`Law` is in the registry."""

from importlib import import_module
from pkgutil import iter_modules

from scalingbayes.errors import unknown
from scalingbayes.laws.law import Law, power

__all__ = ["LAWS", "Law", "get_law", "power", "register"]

LAWS: dict[str, Law] = {}
"""The laws there are, by name."""


def register(law: Law) -> Law:
    """Make a law known by its name, in place of one that had the name before; returns it."""
    LAWS[law.name] = law
    return law


def get_law(law: str | Law) -> Law:
    """Look a law up by its name; a law is returned as it is.

    Raises
    ------
    InputError
        If no law has the name.
    """
    if isinstance(law, Law):
        return law
    if law not in LAWS:
        raise unknown(
            "law",
            law,
            LAWS,
            "Give your own as an object, law=..., or register it with sb.register.",
        )
    return LAWS[law]


for _module in iter_modules(__path__):
    for _value in vars(import_module(f"{__name__}.{_module.name}")).values():
        if isinstance(_value, Law):
            register(_value)
