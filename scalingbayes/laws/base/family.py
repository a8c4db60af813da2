"""Families of laws: functions of options that return a law."""

import ast
import inspect
from collections.abc import Callable
from dataclasses import replace
from functools import cache, wraps
from typing import Any

import numpy as np

from scalingbayes._core.errors import InputError, unknown
from scalingbayes.laws.base.law import Law


def family(make: Callable[..., Law]) -> Callable[..., Law]:
    """Return a family of laws, given a function of options that returns a law.

    Every option needs a default. A law is named after the function and the options that are not
    the default, such as ``power_law(x='tokens')``. Each law is made once, so that programs compiled
    for it are reused.

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
        chosen = {o: _checked(name, o, value, defaults[o]) for o, value in given.items()}
        return made(*{**defaults, **chosen}.values())

    member.is_family = True  # type: ignore[attr-defined]
    return member


def is_family(value: object) -> bool:
    """Return whether a value was made by :func:`family`."""
    return getattr(value, "is_family", False)


def _checked(law: str, option: str, value: Any, default: Any) -> Any:
    """Return an option's value with the type of the default, or raise InputError."""
    value = value.tolist() if isinstance(value, np.generic | np.ndarray) else value
    if isinstance(default, tuple):
        several = [value] if isinstance(value, str) else value
        if isinstance(several, list | tuple) and all(isinstance(each, str) for each in several):
            return tuple(_name(law, option, each) for each in several)
        expected = "names of columns"
    elif isinstance(default, bool | str):
        if isinstance(value, type(default)):
            return _name(law, option, value) if isinstance(value, str) else value
        expected = "True or False" if isinstance(default, bool) else "a name"
    else:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if number and type(default)(value) == value:
            return type(default)(value)
        expected = "a whole number" if isinstance(default, int) else "a number"
    raise InputError(f"{option} of law {law!r} must be {expected}; got {value!r}.")


def _name(law: str, option: str, value: str) -> str:
    if not value.isidentifier():
        raise InputError(
            f"{option} of law {law!r} must be a name made of letters, digits and _; got {value!r}. "
            f"If {value!r} is a column, rename the column in the table."
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
    try:
        call = ast.parse(text.strip(), mode="eval").body
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
            return text, {}
        if call.args:
            raise ValueError("an option has no name")
        return call.func.id, {str(each.arg): _literal(each.value) for each in call.keywords}
    except (SyntaxError, ValueError) as error:
        if "(" not in text:
            return text, {}
        raise InputError(
            f"{text!r} cannot be read as a law with options: write it as power_law(x=tokens)."
        ) from error


def _literal(node: ast.expr) -> Any:
    if isinstance(node, ast.Name):
        return {"true": True, "false": False}.get(node.id, node.id)
    if isinstance(node, ast.Tuple | ast.List):
        return tuple(_literal(each) for each in node.elts)
    return ast.literal_eval(node)
