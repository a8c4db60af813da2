"""Laws that come in several forms: a function of options, each with a default."""

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
    """Turn a function of options into a family of laws.

    Each of its laws is called by the function's name and the options that are not the default,
    such as ``power_law(x='tokens')``, and is made once, so that programs compiled for it are
    found again.

    Raises
    ------
    InputError
        When it is called with an option that there is not, or a value that cannot be used.
    """
    name = make.__name__
    options = inspect.signature(make).parameters
    defaults = {option: each.default for option, each in options.items()}
    if bare := [option for option, value in defaults.items() if value is inspect.Parameter.empty]:
        raise TypeError(f"law {name!r}: give the options {bare} defaults.")

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
                f"different names, of letters, digits and _: rename them in the table."
            ) from error

    @wraps(make)
    def member(**given: Any) -> Law:
        for option in given:
            if option not in options:
                raise unknown(f"option of law {name!r}", option, options)
        chosen = {o: _checked(name, o, value, defaults[o]) for o, value in given.items()}
        return made(*{**defaults, **chosen}.values())

    member.is_family = True  # type: ignore[attr-defined]
    return member


def is_family(value: object) -> bool:
    """Whether a value was made by :func:`family`."""
    return getattr(value, "is_family", False)


def _checked(law: str, option: str, value: Any, default: Any) -> Any:
    """Take an option's value as the type of its default, or refuse it."""
    value = value.tolist() if isinstance(value, np.generic | np.ndarray) else value
    if isinstance(default, tuple):
        several = [value] if isinstance(value, str) else value
        if isinstance(several, list | tuple) and all(isinstance(each, str) for each in several):
            return tuple(several)
        expected = "names of columns"
    elif isinstance(default, bool | str):
        if isinstance(value, type(default)):
            return value
        expected = "True or False" if isinstance(default, bool) else "a name"
    else:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if number and type(default)(value) == value:
            return type(default)(value)
        expected = "a whole number" if isinstance(default, int) else "a number"
    raise InputError(f"{option} of law {law!r} must be {expected}; got {value!r}.")


def read_call(text: str) -> tuple[str, dict[str, Any]]:
    """Take ``name(option=value, ...)`` apart; values are numbers, words or tuples of them.

    Raises
    ------
    InputError
        If the text is not of this form.
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
