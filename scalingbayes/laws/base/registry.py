"""The registry of laws: get a law by name, list all laws, register a new one."""

import copyreg
from collections.abc import Callable
from functools import partial
from inspect import signature
from typing import Any

import pandas as pd

from scalingbayes._core.checked import checked
from scalingbayes._core.errors import InputError, unknown
from scalingbayes.laws.base.family import family, is_family, read_call
from scalingbayes.laws.base.law import Law

LAWS: dict[str, Callable[..., Law]] = {}
"""Registered laws by name: functions of the law's options that return the law."""

PACKAGE_LAWS: set[str] = set()
"""Names of the laws of this package, which no other law may have: saved posteriors name them."""


def register(law: Law | Callable[..., Law]) -> Law | Callable[..., Law]:
    """Register a law or a family of laws under its name, and return it.

    An earlier law of the same name is replaced. A function of options becomes a family.

    Raises
    ------
    InputError
        If a law of this package has the name.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> law = sb.Law("my_law", ...)  # doctest: +SKIP
    >>> sb.register(law)  # now sb.fit(runs, "my_law")  # doctest: +SKIP
    """
    _check_name(law.name if isinstance(law, Law) else law.__name__)
    if isinstance(law, Law):
        LAWS[law.name] = partial(_itself, law)
    else:
        law = law if is_family(law) else family(law)
        LAWS[law.__name__] = law
    return law


@checked
def get_law(law: str | Law, **options: Any) -> Law:
    """Return the law of a name; a law is returned unchanged.

    Parameters
    ----------
    law
        A name, such as ``"chinchilla"``. It may hold options: ``"power_law(x=tokens)"``.
    **options
        Options of the law that are not in its name.

    Raises
    ------
    InputError
        If no law has the name, the law has no such option, or a law of this package has the name
        of another law.

    Examples
    --------
    >>> get_law("power_law(x=tokens)").equation
    'L = E + A/x^alpha, x = tokens'
    """
    if isinstance(law, Law):
        name = law.name.partition("(")[0]
        if name in PACKAGE_LAWS and get_law(law.name) is not law:
            _check_name(name)
        return _itself(law, **options)
    name, given = (law, {}) if law in LAWS else read_call(law)
    if name not in LAWS:
        raise unknown(
            "law",
            name,
            LAWS,
            "Pass a law of your own as an object, or register it with sb.register.",
        )
    return LAWS[name](**{**given, **options})


def list_laws() -> pd.DataFrame:
    """Return a table of all laws: equation, target, inputs, options with defaults, and source.

    Examples
    --------
    >>> "chinchilla" in list_laws().index
    True
    """
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


def _check_name(name: str) -> None:
    if name in PACKAGE_LAWS:
        raise InputError(
            f"There is a law {name!r} in this package: give your law another name, such as "
            f"'my_{name}'."
        )


def _itself(law: Law, **options: Any) -> Law:
    for option in options:
        raise unknown("option", option, (), "Name the law without options.", of=f"law {law.name!r}")
    return law


def _reduce_law(law: Law) -> tuple[Any, ...]:
    """Pickle a registered law by its name, since its functions may be nested."""
    try:
        registered = get_law(law.name) is law
    except InputError:
        registered = False
    return (get_law, (law.name,)) if registered else object.__reduce_ex__(law, 2)  # type: ignore[return-value]


copyreg.pickle(Law, _reduce_law)
