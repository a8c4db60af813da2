"""Numbers that a caller gives, for a law's inputs or as a seed, checked."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import ArrayLike, Float

from scalingbayes.domains import POSITIVE, Domain
from scalingbayes.errors import InputError
from scalingbayes.laws import Law


def numbers(
    name: str, values: ArrayLike | Sequence[float], domain: Domain = POSITIVE
) -> Float[np.ndarray, "..."]:
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


def check_inputs(law: Law, given: Mapping[str, Any]) -> None:
    """Check that the inputs given are those that a law predicts from.

    Raises
    ------
    InputError
        If they are not.
    """
    if set(given) != set(law.inputs):
        raise InputError(
            f"Law {law.name!r} predicts from {' and '.join(law.inputs)}; "
            f"got {', '.join(given) or 'nothing'}."
        )


def side_by_side(
    arrays: Mapping[str, Float[np.ndarray, "..."]],
) -> dict[str, Float[np.ndarray, " runs"]]:
    """Line inputs up, one run after the other.

    Raises
    ------
    InputError
        If their shapes do not broadcast.
    """
    try:
        together = np.broadcast_arrays(*arrays.values())
    except ValueError as error:
        listed = ", ".join(f"{name} {x.shape}" for name, x in arrays.items())
        raise InputError(f"Inputs must have shapes that broadcast; got {listed}.") from error
    return dict(zip(arrays, map(np.ravel, together), strict=True))


def beside_budget(law: Law, given: Mapping[str, Any]) -> dict[str, Float[np.ndarray, ""]]:
    """Read the inputs that a law has beside the model's size and tokens, each one number.

    Raises
    ------
    InputError
        If one is missing, is not the law's, or is not one number.
    """
    others = {n: x for n, x in law.inputs.items() if n not in (law.budget.size, "tokens")}
    if set(given) != set(others):
        raise InputError(
            f"Law {law.name!r} also reads {', '.join(others) or 'nothing'}: give "
            f"{', '.join(f'{name}=...' for name in others) or 'compute only'}; "
            f"got {', '.join(given) or 'none'}."
        )
    return {
        name: np.array(one_number(name, given[name], each.domain)) for name, each in others.items()
    }


def check_seed(seed: Any) -> None:
    """Check that a seed is one.

    Raises
    ------
    InputError
        If it is not.
    """
    if not isinstance(seed, (int, np.integer)) or seed < 0:
        raise InputError(f"seed must be a whole number of 0 or more; got {seed!r}.")
