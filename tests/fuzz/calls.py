"""Calls of every public function, class and method."""

import inspect
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from types import UnionType
from typing import Any, Union, get_args, get_origin

import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import TypeCheckError

import scalingbayes as sb
from fuzz.values import ODD, Objects, is_wrong, usual
from scalingbayes._core.checked import annotation, is_simple

OUTSIDE = {"register", "family", "read_wandb"}  # they change the registry, or need a network
PARTS = {"named", "forward_flops"}  # methods for other modules of the package
WRITES = {"path", "out"}  # arguments that name a file to write, or a folder
EXPENSIVE = ("runs", "tables", "posteriors", "engine", "curves")  # arguments of calls that fit


@dataclass(frozen=True)
class Target:
    """A public function, or a public method of an object."""

    name: str
    function: Callable[..., Any]

    @property
    def parameters(self) -> dict[str, inspect.Parameter]:
        found = inspect.signature(self.function).parameters
        return {name: each for name, each in found.items() if name != "self"}

    @property
    def is_cheap(self) -> bool:
        return not {*self.parameters} & {*EXPENSIVE}

    def hint(self, name: str) -> Any:
        bare = getattr(self.function, "__func__", self.function)
        return annotation(bare.__init__ if inspect.isclass(bare) else bare, name)


def targets(objects: Objects) -> Iterator[Target]:
    """Yield everything public that can be called: functions, constructors, methods of objects."""
    for name in sb.__all__:
        value = getattr(sb, name)
        if name in OUTSIDE:
            continue
        if inspect.ismodule(value):
            for each in getattr(value, "__all__", ()):
                if callable(inner := getattr(value, each)):
                    yield from _of_callable(f"{name}.{each}", inner)
        else:
            yield from _of_callable(name, value)
    for kind, made in list(objects.made.items()):
        for name, _ in inspect.getmembers(kind, inspect.isfunction):
            if not name.startswith("_") and name not in PARTS:
                yield from _of_callable(f"{kind.__name__}.{name}", getattr(made, name))


def _of_callable(name: str, value: Any) -> Iterator[Target]:
    target = Target(name, value)
    if inspect.isclass(value):
        if getattr(value.__init__, "is_checked", False) and not inspect.isabstract(value):
            yield target
    elif not any(_is_array(target.hint(each)) for each in target.parameters):
        yield target


def _is_array(hint: Any) -> bool:
    """Return whether an argument is an array of a compiled program, and not of a user."""
    return getattr(hint, "__module__", "").startswith("jaxtyping")


@dataclass(frozen=True)
class Case:
    """A call, of which at most one argument is odd."""

    target: Target
    arguments: dict[str, Any]
    odd: str | None
    complete: bool

    def __str__(self) -> str:
        return (
            f"{self.target.name}({', '.join(f'{n}={_text(x)}' for n, x in self.arguments.items())})"
        )

    @property
    def is_plain(self) -> bool:
        """Whether the odd argument is a number, a text or a choice: then it is checked first."""
        hint = Any if self.odd is None else self.target.hint(self.odd)
        parts = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
        return all(is_simple(each) for each in parts)

    @property
    def must_fail(self) -> bool:
        return self.odd is not None and is_wrong(
            self.target.hint(self.odd), self.arguments[self.odd]
        )


def _text(value: Any) -> str:
    try:
        return " ".join(repr(value).split())[:60]
    except Exception:
        return f"<{type(value).__name__}>"


def make_case(target: Target, objects: Objects, random: Random, folder: str, odd: bool) -> Case:
    """Return a call with usual values for what must be given, and an odd one for one argument."""
    arguments: dict[str, Any] = {}
    parameters = target.parameters
    for name, each in parameters.items():
        if each.kind in (each.VAR_KEYWORD, each.VAR_POSITIONAL):
            continue
        wanted = each.default is each.empty or name in ("engine", "exact", "count", "progress")
        if wanted or random.random() < 0.2:
            found = usual(name, target.hint(name), objects, random)
            if found is not None or each.default is each.empty:
                arguments[name] = found
    if target.name.endswith((".predict", ".expected")):
        arguments |= {"params": 1e9, "tokens": 2e10}
    for name in WRITES & {*arguments}:
        arguments[name] = f"{folder}/written-{random.randrange(10)}.nc"
    complete = all(not is_wrong(target.hint(n), x) for n, x in arguments.items())
    chosen = None
    choices = [n for n, p in parameters.items() if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    choices += [name for name in arguments if name not in parameters]
    if odd and choices:
        chosen = random.choice(choices)
        value = random.choice(ODD)()
        if not (chosen in WRITES and isinstance(value, str | bytes)):  # no file outside the folder
            arguments[chosen] = value
    return Case(target, arguments, chosen, complete)


def run_case(case: Case, objects: Objects) -> str | None:
    """Make the call, and return what is wrong with how it ended; None if nothing is."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            result = case.target.function(**case.arguments)
        except sb.InputError as error:
            return _problem_of_message(case, str(error))
        except OSError:  # the system refuses a path
            return None
        except TypeCheckError:  # the tests' own check of engines comes first
            return None
    if case.must_fail:
        return f"took {case.odd}"
    objects.add(result)
    return _problem_of_result(result)


def _problem_of_message(case: Case, message: str) -> str | None:
    if len(message) > 3000 or "\x1b" in message:
        return f"message is too long, or has control characters: {message[:100]!r}"
    named = case.odd is None or case.odd.split("_")[0] in message
    if case.must_fail and case.complete and case.is_plain and not named:
        return f"message does not name {case.odd}: {message[:200]}"
    return None


def _problem_of_result(result: Any) -> str | None:
    if isinstance(result, float):
        return "NaN" if np.isnan(result) else None
    if isinstance(result, np.ndarray):
        return "NaN" if result.dtype.kind == "f" and np.isnan(result).any() else None
    draws = getattr(result, "draws", result)
    if isinstance(draws, xr.Dataset):
        lost = [n for n, x in draws.items() if x.dtype.kind == "f" and bool(np.isnan(x).any())]
        return f"NaN in {', '.join(map(str, lost))}" if lost else None
    if isinstance(result, pd.DataFrame):
        return None  # empty cells of published tables
    return None
