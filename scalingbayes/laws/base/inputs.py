"""Check the inputs of a law that a caller passes."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float

from scalingbayes._core.arguments import check_number
from scalingbayes._core.errors import InputError
from scalingbayes.laws.base.law import Law


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
    others = {name: law.inputs[name] for name in law.beside_budget}
    if set(given) != set(others):
        limits = [name for name in given if name.startswith(("max_", "min_"))]
        hint = f" Limits are given as limits=sb.Limits({limits[0]}=...)." if limits else ""
        raise InputError(
            f"Law {law.name!r} also reads {', '.join(others) or 'nothing'}: give "
            f"{', '.join(f'{name}=...' for name in others) or 'compute only'}; "
            f"got {', '.join(given) or 'none'}.{hint}"
        )
    return {
        name: np.array(check_number(name, given[name], each.domain))
        for name, each in others.items()
    }
