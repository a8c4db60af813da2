"""What decisions take from a posterior: its draws on a device, and estimates made of results."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Array, Float

from scalingbayes.allocation import require_allocation
from scalingbayes.errors import InputError
from scalingbayes.given import beside_budget
from scalingbayes.laws import Law
from scalingbayes.posterior import Posterior
from scalingbayes.precision import to_device


@dataclass(frozen=True, eq=False)
class Draws:
    """A law's parameters, draw by draw, and its other inputs, as device arrays."""

    law: Law
    values: dict[str, Float[Array, "chains draws"]]
    fixed: dict[str, Float[Array, ""]]


def require_posterior(post: Any) -> None:
    """Check that what is asked is a posterior of one law.

    Raises
    ------
    InputError
        If it is not.
    """
    if not isinstance(post, Posterior):
        raise InputError(
            f"Give a posterior, what fit returns; got {type(post).__name__}. Of an average, ask "
            f"each of its posteriors."
        )
    require_allocation(post.law)


def draws_of(post: Posterior, inputs: Mapping[str, float]) -> Draws:
    """Take a posterior's draws; call it inside of :func:`precision`.

    Raises
    ------
    InputError
        If inputs are missing or too many.
    """
    fixed = to_device(beside_budget(post.law, inputs), "float64")
    return Draws(post.law, to_device(post.values, "float64"), fixed)


def require_params_and_tokens(law: Law) -> None:
    """Check that a law predicts loss from a model's params and tokens, and from nothing else.

    Raises
    ------
    InputError
        If it does not.
    """
    if set(law.inputs) != {"params", "tokens"} or law.target.column != "loss":
        raise InputError(
            f"This needs a law that predicts loss from params and tokens alone, such as "
            f"'chinchilla'; {law.name!r} predicts {law.target.column} from "
            f"{' and '.join(law.inputs)}."
        )


def dataset(
    post: Posterior,
    arrays: Mapping[str, Any],
    dim: str,
    labels: Float[np.ndarray, " cases"],
) -> xr.Dataset:
    """Name the axes of results of shape (chains, draws, cases)."""
    return post.named(arrays, dim).assign_coords({dim: labels})


def share_that(fails: Float[np.ndarray, "..."] | Any) -> str:
    """Write the largest share of draws in which something fails, over cases."""
    share = float(np.asarray(fails).mean((0, 1)).max())
    return f"{share:.0%}" if share >= 0.01 else "less than 1%"
