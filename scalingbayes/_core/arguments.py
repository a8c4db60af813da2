"""Check numbers that a caller passes, and declare the domains of arguments in signatures.

A signature such as ``def plan(post: Posterior, compute: Positive)`` declares the domain of
``compute``. The decorator :func:`~scalingbayes._core.checked.checked` checks it.
"""

from collections.abc import Sequence
from numbers import Real
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from jaxtyping import Float

from scalingbayes._core.domains import (
    FRACTION,
    LARGEST,
    NONNEGATIVE,
    OPEN_FRACTION,
    POSITIVE,
    POSITIVE_OR_INFINITE,
    REAL,
    SMALLEST,
    Domain,
)
from scalingbayes._core.errors import InputError

if TYPE_CHECKING:
    from jaxtyping import ArrayLike

    Numbers = ArrayLike | Sequence[float]
    """A number, or an array or a list of numbers."""
else:
    Numbers = np.ndarray | Sequence[float]  # jaxtyping's ArrayLike imports JAX

LARGEST_SEED = 2**63 - 1  # of fits among many, which a fit of one table can repeat


def at_least(smallest: int) -> Domain:
    """Return the domain of whole numbers from a smallest one."""
    return Domain(f"of {smallest} or more", smallest, closed="lower")


Positive = Annotated[float, POSITIVE]
NonNegative = Annotated[float, NONNEGATIVE]
Fraction = Annotated[float, FRACTION]
OpenFraction = Annotated[float, OPEN_FRACTION]
Probability = Annotated[float, Domain("between 0 and 1, such as 0.9", 0.0, 1.0)]
PositiveNumbers = Annotated[Numbers, POSITIVE]
PositiveOrInfinite = Annotated[float, POSITIVE_OR_INFINITE]
PositiveOrInfiniteNumbers = Annotated[Numbers, POSITIVE_OR_INFINITE]
RealNumbers = Annotated[Numbers, REAL]
Count = Annotated[int, at_least(1)]
Seed = Annotated[int, Domain(f"from 0 to {LARGEST_SEED}", 0, LARGEST_SEED, closed="both")]
WEIGHT = Domain("from 0 to 1,000,000", 0.0, 1e6, closed="both")
Weights = Annotated[Float[np.ndarray, " runs"], WEIGHT]
"""How much each run counts: 0 holds the run out, and 1 is usual."""


def check_numbers(name: str, values: Any, domain: Domain = POSITIVE) -> Float[np.ndarray, "..."]:
    """Return a caller's numbers as an array with at least one axis.

    Parameters
    ----------
    name
        Name of the argument, for the message.
    values
        A number or an array of numbers.
    domain
        The numbers that are allowed.

    Raises
    ------
    InputError
        If there are no numbers, or one is not a finite number of the domain.

    Examples
    --------
    >>> check_numbers("compute", 1e21)
    array([1.e+21])
    """
    found = as_floats(values)
    if found is None:
        expected = _described(domain, each=True)
        raise InputError(f"{name} must be numbers{expected}; got {shown(values)}.")
    if found.size == 0 or np.any(np.isnan(found) | domain.excludes(found)):
        raise InputError(f"{name} must be finite numbers, each {domain.name}; got {shown(values)}.")
    _refuse_extremes(name, found, domain, values)
    return np.atleast_1d(found)


def check_number(name: str, value: Any, domain: Domain = POSITIVE) -> float:
    """Return a caller's number as a float; the arguments are those of :func:`check_numbers`.

    Raises
    ------
    InputError
        If it is not one finite number of the domain.
    """
    found = as_floats(value)
    if found is None or np.any(np.isnan(found) | (np.isinf(found) & domain.excludes(found))):
        raise InputError(f"{name} must be a finite number{_described(domain)}; got {shown(value)}.")
    if found.size != 1:
        raise InputError(f"{name} must be one number; got {shown(value)}.")
    if np.any(domain.excludes(found)):
        raise InputError(f"{name} must be {domain.name}; got {shown(value)}.")
    _refuse_extremes(name, found, domain, value)
    return float(found.item())


def _described(domain: Domain, each: bool = False) -> str:
    """Return the domain as the end of a sentence; nothing if it has all numbers."""
    if domain == REAL:
        return ""
    return f", each {domain.name}" if each else f", {domain.name}"


def _refuse_extremes(
    name: str, found: Float[np.ndarray, "..."], domain: Domain, value: Any
) -> None:
    if np.any(domain.too_extreme(found)):
        raise InputError(
            f"{name} must be at most {LARGEST:g} and at least {SMALLEST:g} in size; got "
            f"{shown(value)}."
        )


def check_whole(name: str, value: Any, domain: Domain) -> int:
    """Return a caller's whole number.

    Raises
    ------
    InputError
        If it is not one whole number of the domain.
    """
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not whole or not domain.lower <= value <= domain.upper:
        raise InputError(f"{name} must be a whole number {domain.name}; got {shown(value)}.")
    return int(value)


def as_floats(values: Any) -> Float[np.ndarray, "..."] | None:
    """Return numbers as an array of floats; None if one of them is no real number.

    Text, booleans, dates, complex numbers and masked entries are no numbers. A whole number that is
    too large for a float is infinite.
    """
    if _is_real(values):
        return np.asarray(_as_float(values))
    try:
        found = np.asarray(values)
    except (TypeError, ValueError):  # lists of lists of different lengths
        return None
    if np.any(np.ma.getmask(values)) or isinstance(values, (str, bytes)):
        return None
    bare = found.dtype.kind == "V" and found.dtype.names is None and hasattr(values, "dtype")
    if found.dtype.kind in "iuf" or bare or not found.size:  # bare: bfloat16 and the like
        return found.astype(float)
    if found.dtype.kind != "O" or not all(map(_is_real, found.flat)):
        return None
    return np.array([_as_float(each) for each in found.flat]).reshape(found.shape)


def _is_real(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, (bool, np.bool))


def _as_float(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:
        return float(np.copysign(np.inf, 1 if value > 0 else -1))


_MOST_SHOWN = 80  # characters of a value that a message shows
_MOST_DIGITS = 1000  # Python refuses to write whole numbers of more than 4,300 digits


def shown(value: Any) -> str:
    """Return a caller's value as text for a message: short, whatever the value is."""
    if isinstance(value, int) and value.bit_length() > 3 * _MOST_DIGITS:
        return f"a whole number of about {int(value.bit_length() * 0.30103):,} digits"
    if isinstance(value, (str, int, float, np.generic, type(None))):
        text = repr(value)
    else:
        try:
            text = " ".join(repr(value).split())
        except Exception:  # the message must not fail because of a value that cannot be written
            text = f"a {type(value).__name__}"
    return text if len(text) <= _MOST_SHOWN else f"{text[: _MOST_SHOWN - 3]}..."
