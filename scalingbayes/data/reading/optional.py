"""Packages that only some formats need."""

import importlib
from typing import Any

from scalingbayes._core.errors import InputError


def optional_import(module: str, install: str, what: str) -> Any:
    """Return a module that is not installed with the package.

    Parameters
    ----------
    module
        The module.
    install
        What pip must install: ``"scalingbayes[excel]"``.
    what
        What needs the module; the subject of the message.

    Raises
    ------
    InputError
        If the module is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise needs(what, install) from error


def needs(what: str, install: str) -> InputError:
    """Return the error for a package that is not installed."""
    quoted = f'"{install}"' if "[" in install else install
    return InputError(f"{what} needs a package that is not installed: pip install {quoted}")
