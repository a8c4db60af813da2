"""The registry of laws: find a law by its name, list all laws, register a new one."""

from collections.abc import Callable
from functools import partial
from inspect import signature
from typing import Any

import pandas as pd

from scalingbayes._core.errors import unknown
from scalingbayes.laws.base.family import family, is_family, read_call
from scalingbayes.laws.base.law import Law

LAWS: dict[str, Callable[..., Law]] = {}
"""The laws there are, by name: functions of their options, if they have any."""


def register(law: Law | Callable[..., Law]) -> Law | Callable[..., Law]:
    """Make a law, or a family of laws, known by its name; returns it.

    It takes the place of one that had the name before.
    """
    if isinstance(law, Law):
        LAWS[law.name] = partial(_itself, law)
    else:
        law = law if is_family(law) else family(law)
        LAWS[law.__name__] = law
    return law


def get_law(law: str | Law, **options: Any) -> Law:
    """Look a law up by its name; a law is returned as it is.

    Parameters
    ----------
    law
        A name, ``"chinchilla"``, with options in it if there are any: ``"power_law(x=tokens)"``.
    **options
        Options of the law, beside those in its name.

    Raises
    ------
    InputError
        If no law has the name, or it has no such option.
    """
    if isinstance(law, Law):
        return _itself(law, **options)
    name, given = (law, {}) if law in LAWS else read_call(law)
    if name not in LAWS:
        raise unknown(
            "law",
            name,
            LAWS,
            "Give your own as an object, law=..., or register it with sb.register.",
        )
    return LAWS[name](**{**given, **options})


def list_laws() -> pd.DataFrame:
    """List the laws there are: equation, inputs, options with their defaults, source."""
    rows = {}
    for name, make in LAWS.items():
        law = make()
        options = signature(make).parameters.values() if is_family(make) else ()
        rows[name] = {
            "equation": law.equation,
            "predicts": law.target.column,
            "inputs": ", ".join(law.inputs),
            "options": ", ".join(f"{each.name}={each.default!r}" for each in options),
            "source": law.source,
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("law")


def _itself(law: Law, **options: Any) -> Law:
    for option in options:
        raise unknown(f"option of law {law.name!r}", option, (), "Give it without options.")
    return law
