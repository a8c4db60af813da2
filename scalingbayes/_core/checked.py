"""Check the arguments of a call against the annotations of a function or a class."""

import inspect
import sys
import types
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import wraps
from os import PathLike
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Literal, TypeAliasType, TypeVar, Union, get_args, get_origin

import numpy as np

from scalingbayes._core.arguments import as_floats, check_number, check_numbers, check_whole, shown
from scalingbayes._core.domains import REAL, Domain
from scalingbayes._core.errors import InputError
from scalingbayes._core.memory import check_size

_WHOLE = Domain("of at most 19 digits", -(2**63), 2**63 - 1, closed="both")
_FEW = 100  # cases that any posterior can answer at once
_BYTES_OF_ANSWER = 200  # measured for predictions, the largest answers; copies count
_ELEMENTS = 100  # elements of a list that are checked one by one
_UNIONS = (Union, types.UnionType)


def checked[Target: Callable[..., Any]](target: Target) -> Target:
    """Check the arguments of a function, or of a class and its public methods, at every call.

    A number must be in the domain that ``Annotated`` declares, such as
    :data:`~scalingbayes._core.arguments.Positive`; a plain ``float`` is any finite number. Texts,
    choices, mappings and objects must be of the annotated kinds. Annotations that cannot be
    checked, such as ``Any`` and shapes of arrays, are passed over. Annotations are read when the
    function is first called.

    Raises
    ------
    InputError
        When called: if an argument does not match. The message names the argument.

    Examples
    --------
    >>> from scalingbayes._core.arguments import Positive
    >>> @checked
    ... def double(budget: Positive) -> float:
    ...     return 2 * budget
    >>> double(-1.0)
    Traceback (most recent call last):
        ...
    scalingbayes._core.errors.InputError: budget must be positive; got -1.0.
    """
    if isinstance(target, type):
        target.__init__ = _checked_function(target.__init__)  # type: ignore[misc]
        check_methods(target)
        return target
    return _checked_function(target)  # type: ignore[return-value]


def check_methods(owner: type) -> None:
    """Check the arguments of the public methods that a class defines, as :func:`checked` does."""
    for name, method in list(vars(owner).items()):
        if inspect.isfunction(method) and not name.startswith("_"):
            setattr(owner, name, _checked_function(method))


def _checked_function(function: Callable[..., Any]) -> Callable[..., Any]:
    if getattr(function, "is_checked", False):
        return function
    signature = inspect.signature(function)
    parameters = signature.parameters
    hints: dict[str, Any] = {}
    built = function.__name__ == "__init__"  # also by JAX

    @wraps(function)
    def call(*arguments: Any, **named: Any) -> Any:
        if not hints:
            hints.update({name: annotation(function, name) for name in parameters})
        try:
            bound = signature.bind(*arguments, **named)
        except TypeError:
            return function(*arguments, **named)  # raises Python's own error
        doubts = []
        for name, value in bound.arguments.items():
            for each, given in _named(parameters[name], value):
                if given is not parameters[name].default and not (built and _is_bare(given)):
                    try:
                        check(each, given, hints[name])
                    except _KindError as error:
                        doubts.append((given, error))
        _check_cases(bound.arguments, parameters)
        with _refusing(doubts):
            return function(*arguments, **named)

    call.is_checked = True  # type: ignore[attr-defined]
    return call


class _KindError(InputError):
    """An object of another kind than the annotation names."""


@contextmanager
def _refusing(doubts: Sequence[tuple[Any, _KindError]]) -> Iterator[None]:
    """Refuse objects of a wrong kind, unless the function does so itself, with a remedy.

    An object that only works like the annotated one is accepted.
    """
    try:
        yield
    except InputError:
        raise
    except Exception as other:
        if doubts:
            raise InputError(str(doubts[0][1])) from other
        raise
    for value, error in doubts:
        if type(value).__module__ in ("builtins", "numpy"):
            raise InputError(str(error))


def _named(parameter: inspect.Parameter, value: Any) -> Iterable[tuple[str, Any]]:
    """Return the values of an argument, each with the name that the caller knows."""
    if parameter.kind is parameter.VAR_KEYWORD:
        return value.items()
    several = value if parameter.kind is parameter.VAR_POSITIONAL else (value,)
    return [(parameter.name, each) for each in several]


def _check_cases(arguments: Mapping[str, Any], parameters: Mapping[str, inspect.Parameter]) -> None:
    """Check that an answer for each draw of a posterior and each case asked fits into memory."""
    values = [each for name in arguments for _, each in _named(parameters[name], arguments[name])]
    several = [as_floats(each) for each in values if isinstance(each, (np.ndarray, list, tuple))]
    arrays = [each.shape for each in several if each is not None]
    if not any(np.prod(shape, dtype=float) > _FEW for shape in arrays):
        return
    try:
        cases = float(np.prod(np.broadcast_shapes(*arrays), dtype=float))
    except ValueError:  # of different lengths: the function refuses them, or asks one at a time
        cases = max(float(np.prod(shape, dtype=float)) for shape in arrays)
    draws = max((_count_draws(each) for each in values), default=0)
    check_size(
        f"An answer for each of {cases:,.0f} cases and {draws:,} draws",
        cases * draws,
        _BYTES_OF_ANSWER,
        "Ask for fewer cases at a time, or thin the draws, such as post.thin(1000)",
    )


def _count_draws(value: Any) -> int:
    """Return how many draws a posterior has, or an average's largest; 0 for other values."""
    sizes = getattr(getattr(value, "draws", None), "sizes", {})
    if not sizes and isinstance(several := getattr(value, "posteriors", None), Mapping):
        return max(map(_count_draws, several.values()), default=0)
    return int(sizes.get("chain", 0) * sizes.get("draw", 0))


def annotation(function: Callable[..., Any], name: str) -> Any:
    """Return the annotation of a parameter; ``Any`` if it has none that can be read."""
    found = function.__annotations__.get(name, Any)
    if not isinstance(found, str):
        return found
    try:
        return eval(found, {}, _Names(getattr(inspect.unwrap(function), "__globals__", {})))
    except (NameError, TypeError):  # a name that is imported for the type checker alone
        return Any


class _Names(dict[str, Any]):
    """The names of a module, then the public names of the package and of its results."""

    def __missing__(self, name: str) -> Any:
        for module in ("scalingbayes", "scalingbayes.results"):
            if hasattr(sys.modules.get(module), name):
                return getattr(sys.modules[module], name)
        raise KeyError(name)


def check(name: str, value: Any, hint: Any) -> None:
    """Check a value against an annotation.

    Parameters
    ----------
    name
        Name of the argument, for the message.
    value
        The value.
    hint
        The annotation.

    Raises
    ------
    InputError
        If the value does not match.
    """
    hint = _resolved(hint)
    if hint is Any or _is_tracer(value):
        return
    if get_origin(hint) in _UNIONS:
        _check_union(name, value, hint)
    elif (domain := _domain(hint)) is not None:
        _check_domain(name, value, get_args(hint)[0], domain)
    elif hint is float:
        check_number(name, value, REAL)
    elif hint is int:
        check_whole(name, value, _WHOLE)
    elif not _is_kind(value, hint):
        error = InputError if is_simple(hint) else _KindError
        raise error(f"{name} must be {_describe(hint)}; got {shown(value)}.")
    else:
        _check_elements(name, value, hint)


def _check_union(name: str, value: Any, hint: Any) -> None:
    alternatives = [_resolved(each) for each in get_args(hint)]
    if value is None and NoneType in alternatives:
        return
    if np.ndarray in alternatives:  # numbers of any domain: the function checks them
        return
    others = [each for each in alternatives if each is not NoneType]
    if len(others) == 1:
        return check(name, value, others[0])
    errors = []
    for each in others:
        try:
            return check(name, value, each)
        except InputError as error:
            errors.append((each, error))
    fitting = [error for each, error in errors if _is_of_kind(value, each)]
    if fitting:  # of the right kind, but out of its domain, or with a wrong element
        raise fitting[0]
    expected = " or ".join(dict.fromkeys(_describe(each) for each in alternatives))
    kind = InputError if all(map(is_simple, alternatives)) else _KindError
    raise kind(f"{name} must be {expected}; got {shown(value)}.")


def _check_domain(name: str, value: Any, kind: Any, domain: Domain) -> None:
    if kind is int:
        check_whole(name, value, domain)
    elif kind is float or (kind is Any and not getattr(value, "ndim", 0)):  # JAX makes batches
        check_number(name, value, domain)
    else:
        check_numbers(name, value, domain)


def _check_elements(name: str, value: Any, hint: Any) -> None:
    """Check the values of a mapping, or the elements of a short list."""
    inner = get_args(hint)
    if isinstance(value, Mapping) and len(inner) == 2:
        for key, each in value.items():
            check(f"a name in {name}", key, inner[0])
            check(f"{name}[{shown(key)}]", each, inner[1])
    elif isinstance(value, (list, tuple)) and inner and len(value) <= _ELEMENTS:
        fixed = get_origin(hint) is tuple and inner[-1] is not Ellipsis
        if fixed and len(value) != len(inner):
            raise _KindError(f"{name} must have {len(inner)} values; got {shown(value)}.")
        for i, each in enumerate(value):
            check(f"{name}[{i}]", each, inner[i] if fixed else inner[0])


def _resolved(hint: Any) -> Any:
    """Return an annotation without the names that ``type`` statements give, and type variables."""
    while isinstance(hint, TypeAliasType):
        hint = hint.__value__
    return Any if isinstance(hint, (TypeVar, str)) else hint


def _domain(hint: Any) -> Domain | None:
    if get_origin(hint) is not Annotated:
        return None
    return next((each for each in get_args(hint)[1:] if isinstance(each, Domain)), None)


def _is_tracer(value: Any) -> bool:
    """Return whether a value stands for a number that a compiled program will compute."""
    jax = sys.modules.get("jax")
    return jax is not None and isinstance(value, jax.core.Tracer)


def _is_bare(value: Any) -> bool:
    """Return whether a value is a bare object, of which JAX makes pytrees to compare structures."""
    return type(value) is object


def _is_of_kind(value: Any, hint: Any) -> bool:
    """Return whether a value is of the kind of an annotation, whatever its domain."""
    if _domain(hint) is not None or hint in (float, int):
        return isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    if get_origin(hint) is Literal:
        return isinstance(value, str)
    return _is_kind(value, hint)


_KINDS: dict[Any, tuple[Callable[[Any], bool], str]] = {
    str: (lambda value: isinstance(value, str), "a text"),
    bool: (lambda value: isinstance(value, (bool, np.bool)), "True or False"),
    Path: (lambda value: isinstance(value, (str, PathLike)), "a path"),
    tuple: (lambda value: isinstance(value, (tuple, list)), "a tuple"),
    Sequence: (lambda value: _is_list(value), "a list"),
    Iterable: (lambda value: _is_list(value) or isinstance(value, Mapping), "a list"),
    Callable: (callable, "a function"),
    Mapping: (lambda value: isinstance(value, Mapping), "a mapping"),
    NoneType: (lambda value: value is None, "None"),
}
"""For kinds of values: whether a value is of the kind, and what messages call the kind."""


def _is_list(value: Any) -> bool:
    return isinstance(value, Iterable) and not isinstance(value, (str, bytes, Mapping))


def is_simple(hint: Any) -> bool:
    """Return whether an annotation names numbers, texts or choices, and not objects."""
    simple = (float, int, str, bool, NoneType, Path)
    return _domain(hint) is not None or hint in simple or get_origin(hint) is Literal


def _is_kind(value: Any, hint: Any) -> bool:
    """Return whether a value is of the kind that an annotation names; True if that is unknown."""
    kind = get_origin(hint) or hint
    if kind is Literal:
        return any(type(value) is type(each) and value == each for each in get_args(hint))
    if kind in _KINDS:
        return _KINDS[kind][0](value)
    known = isinstance(kind, type) and not getattr(kind, "_is_protocol", False)
    return not known or kind.__module__.startswith("jaxtyping") or isinstance(value, kind)


def _describe(hint: Any) -> str:
    """Return what an annotation allows, for messages."""
    if (domain := _domain(hint)) is not None:
        if get_args(hint)[0] is int:
            return f"a whole number {domain.name}"
        single = get_args(hint)[0] is float
        return f"a number, {domain.name}" if single else f"numbers, each {domain.name}"
    kind = get_origin(hint) or hint
    if kind is Literal:
        return " or ".join(map(repr, get_args(hint)))
    return _KINDS[kind][1] if kind in _KINDS else f"a {getattr(kind, '__name__', kind)}"
