"""Checks of the settings of an engine."""

from typing import Any

from scalingbayes._core.errors import InputError


def check_whole(engine: Any, **smallest: int) -> None:
    """Check that settings are whole numbers, each at least the given smallest value.

    Raises
    ------
    InputError
        If a setting is not.
    """
    for name, least in smallest.items():
        value = getattr(engine, name)
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise InputError(f"{name} must be a whole number of {least} or more; got {value!r}.")


def check_between(engine: Any, low: float, high: float, *names: str) -> None:
    """Check that settings are between two numbers, which are excluded.

    Raises
    ------
    InputError
        If a setting is not.
    """
    for name in names:
        value = getattr(engine, name)
        if not low < value < high:
            raise InputError(f"{name} must be between {low} and {high}; got {value}.")


def check_choice(engine: Any, **choices: tuple[str, ...]) -> None:
    """Check that each setting is one of its allowed words.

    Raises
    ------
    InputError
        If a setting is not.
    """
    for name, allowed in choices.items():
        if getattr(engine, name) not in allowed:
            words = " or ".join(map(repr, allowed))
            raise InputError(f"{name} must be {words}; got {getattr(engine, name)!r}.")
