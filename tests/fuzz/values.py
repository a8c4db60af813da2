"""Values for arguments: usual ones, by name and annotation, and odd ones for any argument."""

import inspect
import math
import numbers
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import numpy as np
import pandas as pd

import scalingbayes as sb
from scalingbayes._core.domains import Domain

USUAL: dict[str, Any] = {
    "compute": 1e21,
    "budget": 1e21,
    "law": "chinchilla",
    "model": "chinchilla",
    "engine": "laplace",
    "exact": True,
    "loss": 2.5,
    "count": 2,
    "draws": 100,
    "chains": 4,
    "seed": 1,
    "name": "chinchilla",
    "params": 1e9,
    "tokens": 2e10,
    "size": 1e9,
    "n_layer": 24.0,
    "d_model": 2048.0,
    "flops": 1e21,
    "dollars": 1e6,
    "progress": False,
    "backtest": False,
}
"""Values by the name of an argument. An argument of another name gets a value of its domain."""

ODD: tuple[Callable[[], Any], ...] = (
    lambda: None,
    lambda: True,
    lambda: "",
    lambda: "abc",
    lambda: "1e21",
    lambda: "\x1b[31m<b>\0",
    lambda: "a" * 9_999,
    lambda: b"x",
    lambda: -1,
    lambda: -1.0,
    lambda: 0,
    lambda: 0.5,
    lambda: 1.5,
    lambda: math.nan,
    lambda: math.inf,
    lambda: -math.inf,
    lambda: 1e-308,
    lambda: 1e-99,
    lambda: 1e99,
    lambda: 1e36,
    lambda: 1e300,
    lambda: 10**30,
    lambda: 10**400,
    lambda: -(10**5_000),
    lambda: 1j,
    lambda: [],
    lambda: [1, "a"],
    lambda: [[1, 2], [3]],
    lambda: [1e20, math.nan],
    lambda: ["abc", None],
    lambda: {},
    lambda: {"a": None},
    lambda: {1: 1},
    lambda: object(),
    lambda: np.ma.masked,
    lambda: np.ma.array([1.0, 2.0], mask=[False, True]),
    lambda: np.array([object()]),
    lambda: np.array(["1"]),
    lambda: np.zeros((0, 3)),
    lambda: np.datetime64("2020"),
    lambda: pd.NaT,
    lambda: pd.Series([1.0, None]),
    lambda: pd.DataFrame(),
    lambda: Path("/"),
    lambda: lambda x: x,
    lambda: int,
)


def is_wrong(hint: Any, value: Any) -> bool:
    """Return whether a value is surely outside an annotation. False where that is not known."""
    origin, parts = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return all(is_wrong(each, value) for each in parts)
    if origin is Annotated:
        domain = next((each for each in parts[1:] if isinstance(each, Domain)), None)
        return is_wrong(parts[0], value) if domain is None else _is_outside(domain, parts[0], value)
    if origin is Literal:
        return not isinstance(value, str) or value not in parts
    if hint in SIMPLE:
        return not SIMPLE[hint](value)
    package = isinstance(hint, type) and hint.__module__.startswith("scalingbayes")
    return package and not isinstance(value, hint)


def _is_outside(domain: Domain, kind: Any, value: Any) -> bool:
    if not _is_real(value):
        return value is None or isinstance(value, (str, bytes, dict, complex, bool))
    whole = kind is not int or SIMPLE[int](value)
    return not (whole and domain.lower <= value <= domain.upper and abs(value) < math.inf)


SIMPLE: dict[Any, Callable[[Any], bool]] = {
    NoneType: lambda value: value is None,
    float: lambda value: _is_real(value) and abs(value) < math.inf,
    int: lambda value: _is_real(value) and isinstance(value, (int, np.integer)),
    bool: lambda value: isinstance(value, (bool, np.bool)),
    str: lambda value: isinstance(value, str),
}


def _is_real(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, (bool, np.bool))


class Objects:
    """Objects that were made: arguments of their class take them, and their methods are called."""

    def __init__(self, *made: Any) -> None:
        self.made: dict[type, Any] = {}
        for each in made:
            self.add(each)

    def add(self, value: Any) -> None:
        if type(value).__module__.startswith("scalingbayes"):
            self.made.setdefault(type(value), value)

    def of(self, kind: type) -> Any:
        return next((x for own, x in self.made.items() if issubclass(own, kind)), None)


def usual(name: str, hint: Any, objects: Objects, random: Random) -> Any:
    """Return a value that an argument may have; None if none is known."""
    origin, parts = get_origin(hint), get_args(hint)
    simple = {float: 1.0, int: 2, bool: True, str: "chinchilla", Any: objects.of(sb.Runs)}
    found = USUAL.get(name, simple.get(hint))
    if found is not None:
        return found
    if origin in (Union, UnionType):
        each = (usual(name, part, objects, random) for part in parts)
        return next((value for value in each if value is not None), None)
    if origin is Annotated:
        return _of_domain(parts[1], parts[0], random)
    if origin is Literal:
        return random.choice(parts)
    if origin is Mapping and len(parts) == 2:
        one = usual("", parts[1], objects, random)
        return None if one is None else {"a": one, "b": one}
    return objects.of(hint) if inspect.isclass(hint) else None


def _of_domain(domain: Any, kind: Any, random: Random) -> Any:
    if not isinstance(domain, Domain):
        return None
    low = max(domain.lower, 1e-30) if domain.lower >= 0 else -1.0
    value = min(low + random.random() * min(10.0, domain.upper - low), domain.upper)
    return math.ceil(value) if kind is int else value
