"""Check numbers and seeds that a caller passes."""

from typing import Any

import numpy as np
from jaxtyping import Float

from scalingbayes._core.domains import POSITIVE, Domain
from scalingbayes._core.errors import InputError


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
    try:
        found = np.atleast_1d(np.asarray(values, float))
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} must be numbers, each {domain.name}; got {values!r}.") from error
    if found.size == 0 or not np.all(np.isfinite(found)) or np.any(domain.excludes(found)):
        raise InputError(f"{name} must be finite numbers, each {domain.name}; got {values!r}.")
    return found


def check_number(name: str, value: Any, domain: Domain = POSITIVE) -> float:
    """Return a caller's number as a float; the arguments are those of :func:`check_numbers`.

    Raises
    ------
    InputError
        If it is not one finite number of the domain.
    """
    found = check_numbers(name, value, domain)
    if found.size != 1:
        raise InputError(f"{name} must be one number; got {value!r}.")
    return float(found.item())


def check_seed(seed: Any) -> None:
    """Check that a seed is a non-negative integer.

    Raises
    ------
    InputError
        If it is not.
    """
    if not isinstance(seed, (int, np.integer)) or seed < 0:
        raise InputError(f"seed must be a non-negative integer; got {seed!r}.")
