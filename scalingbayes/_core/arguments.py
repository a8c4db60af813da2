"""Check numbers and seeds that a caller passes."""

from typing import Any

import numpy as np
from jaxtyping import Float

from scalingbayes._core.domains import POSITIVE, Domain
from scalingbayes._core.errors import InputError


def numbers(name: str, values: Any, domain: Domain = POSITIVE) -> Float[np.ndarray, "..."]:
    """Read numbers of a domain, as an array of at least one axis.

    Raises
    ------
    InputError
        If they are not finite numbers of the domain, or there are none.
    """
    try:
        found = np.atleast_1d(np.asarray(values, float))
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} must be numbers, each {domain.name}; got {values!r}.") from error
    if found.size == 0 or not np.all(np.isfinite(found)) or np.any(domain.excludes(found)):
        raise InputError(f"{name} must be finite numbers, each {domain.name}; got {values!r}.")
    return found


def one_number(name: str, value: Any, domain: Domain = POSITIVE) -> float:
    """Read one number of a domain.

    Raises
    ------
    InputError
        If it is not one.
    """
    found = numbers(name, value, domain)
    if found.size != 1:
        raise InputError(f"{name} must be one number; got {value!r}.")
    return float(found.item())


def check_seed(seed: Any) -> None:
    """Check that a seed is one.

    Raises
    ------
    InputError
        If it is not.
    """
    if not isinstance(seed, (int, np.integer)) or seed < 0:
        raise InputError(f"seed must be a whole number of 0 or more; got {seed!r}.")
