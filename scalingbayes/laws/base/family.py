"""Families of laws: functions of options that return a law."""

import ast
import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, wraps
from typing import Any

import numpy as np

from scalingbayes._core.errors import InputError, unknown
from scalingbayes.laws.base.law import Law

_LONGEST_CALL = 20_000  # characters of a law's name with its options
_LONGEST_NAME = 100  # characters of a column's name
_MOST_NAMES = 200
_SHOWN = 100  # characters of a wrong value in a message


@dataclass(frozen=True)
class Between:
    """The range of a number, in the annotation of an option: ``Annotated[int, Between(1, 20)]``."""

    low: float
    high: float


_ANY_NUMBER = Between(-1e15, 1e15)


def family(make: Callable[..., Law]) -> Callable[..., Law]:
    """Return a family of laws, given a function of options that returns a law.

    Every option needs a default, and may declare the range of a number with :class:`Between`. A law
    is named after the function and the options that are not the default, such as
    ``power_law(x='tokens')``. Each law is made once, so that programs compiled for it are reused.

    Raises
    ------
    TypeError
        If an option of the function has no default.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> @sb.family
    ... def my_power(x="params"):
    ...     return sb.get_law("power_law", x=x)
    >>> my_power(x="tokens").name
    "my_power(x='tokens')"
    """
    name = make.__name__
    options = inspect.signature(make).parameters
    defaults = {option: each.default for option, each in options.items()}
    ranges = {option: _range(each.annotation) for option, each in options.items()}
    if bare := [option for option, value in defaults.items() if value is inspect.Parameter.empty]:
        raise TypeError(f"law {name!r}: the options {bare} have no default. Give them defaults.")

    @cache
    def made(*values: Any) -> Law:
        chosen = dict(zip(options, values, strict=True))
        changed = [f"{o}={v!r}" for o, v in chosen.items() if v != defaults[o]]
        called = f"{name}({', '.join(changed)})" if changed else name
        try:
            return replace(make(**chosen), name=called)
        except InputError:
            raise
        except (TypeError, ValueError) as error:
            raise InputError(
                f"There is no law {called}: {error}. Columns that a law reads or predicts need "
                f"different names made of letters, digits and _: rename them in the table."
            ) from error

    @wraps(make)
    def member(**given: Any) -> Law:
        for option in given:
            if option not in options:
                raise unknown("option", option, options, of=f"law {name!r}")
        chosen = {o: _checked(name, o, x, defaults[o], ranges[o]) for o, x in given.items()}
        return made(*{**defaults, **chosen}.values())

    member.is_family = True  # type: ignore[attr-defined]
    return member


def is_family(value: object) -> bool:
    """Return whether a value was made by :func:`family`."""
    return getattr(value, "is_family", False)


def _range(annotation: Any) -> Between:
    """Return the range that an option's annotation declares."""
    declared = [each for each in getattr(annotation, "__metadata__", ()) if type(each) is Between]
    return declared[0] if declared else _ANY_NUMBER


def _checked(law: str, option: str, value: Any, default: Any, within: Between) -> Any:
    """Return an option's value with the type of the default, or raise InputError."""
    value = value.tolist() if isinstance(value, np.generic | np.ndarray) else value
    if isinstance(default, tuple):
        several = [value] if isinstance(value, str) else value
        named = isinstance(several, list | tuple) and all(isinstance(x, str) for x in several)
        if named and len(several) <= _MOST_NAMES:
            return tuple(_name(law, option, each) for each in several)
        expected = f"names of at most {_MOST_NAMES} columns"
    elif isinstance(default, bool | str):
        if isinstance(value, type(default)):
            return _name(law, option, value) if isinstance(value, str) else value
        expected = "True or False" if isinstance(default, bool) else "a name"
    else:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        # nan is in no range; a whole number may be too large to be compared as a float.
        if number and within.low <= value <= within.high and type(default)(value) == value:
            return type(default)(value)
        kind = "a whole number" if isinstance(default, int) else "a number"
        declared = within is not _ANY_NUMBER
        of = f"from {within.low:g} to {within.high:g}" if declared else "of at most 1e15 in size"
        expected = f"{kind} {of}"
    raise InputError(f"{option} of law {law!r} must be {expected}; got {_shown(value)}.")


def _shown(value: Any) -> str:
    """Return a wrong value for a message, cut if it is long."""
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _name(law: str, option: str, value: str) -> str:
    if not (value.isidentifier() and len(value) <= _LONGEST_NAME):
        raise InputError(
            f"{option} of law {law!r} must be a name made of letters, digits and _, at most "
            f"{_LONGEST_NAME}; got {_shown(value)}. If that is a column, rename the column in the "
            f"table."
        )
    return value


def read_call(text: str) -> tuple[str, dict[str, Any]]:
    """Return the name and the options of ``name(option=value, ...)``.

    Values are numbers, words or tuples of them.

    Raises
    ------
    InputError
        If the text does not have this form.

    Examples
    --------
    >>> read_call("power_law(x=tokens, floor=false)")
    ('power_law', {'x': 'tokens', 'floor': False})
    """
    if len(text) > _LONGEST_CALL:
        raise InputError(
            f"A name with options has at most {_LONGEST_CALL:,} characters; got {len(text):,}: "
            f"{_shown(text)}."
        )
    try:
        call = ast.parse(text.strip(), mode="eval").body
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
            return text, {}
        if call.args:
            raise ValueError("an option has no name")
        return call.func.id, {str(each.arg): _literal(each.value) for each in call.keywords}
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        if "(" not in text:
            return text, {}
        raise InputError(
            f"{_shown(text)} cannot be read as a law with options: write it as power_law(x=tokens)."
        ) from error


def _literal(node: ast.expr) -> Any:
    if isinstance(node, ast.Name):
        return {"true": True, "false": False}.get(node.id, node.id)
    if isinstance(node, ast.Tuple | ast.List):
        return tuple(_literal(each) for each in node.elts)
    return ast.literal_eval(node)
