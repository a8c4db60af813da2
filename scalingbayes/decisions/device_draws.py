"""What decisions take from a posterior: its draws on a device, and estimates made of results."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Array, Float

from scalingbayes._core.errors import InputError
from scalingbayes._core.precision import to_device
from scalingbayes.allocation import require_allocation
from scalingbayes.combine.average import Average
from scalingbayes.laws import Law
from scalingbayes.laws.base.inputs import beside_budget
from scalingbayes.posterior.posterior import Posterior
from scalingbayes.results import Estimate


@dataclass(frozen=True, eq=False)
class Draws:
    """A law's parameters, draw by draw, and its other inputs, as device arrays."""

    law: Law
    values: dict[str, Float[Array, "chains draws"]]
    fixed: dict[str, Float[Array, ""]]


def inputs_of_each(
    post: Posterior | Average, inputs: Mapping[str, float]
) -> dict[Posterior, dict[str, float]]:
    """Give each law that is asked those of some inputs that it reads: one law, or an average's.

    Raises
    ------
    InputError
        If it is neither a posterior nor an average, a law has no compute-optimal allocation, or an
        average's laws cannot be asked together.
    """
    if isinstance(post, Average):
        return post.inputs_of_each(inputs)
    if not isinstance(post, Posterior):
        raise InputError(
            f"Give a posterior, what fit returns, or an average; got {type(post).__name__}."
        )
    require_allocation(post.law)
    return {post: dict(inputs)}


def weights_of(post: Posterior | Average) -> list[float]:
    """Say how much each law that is asked counts."""
    if not isinstance(post, Average):
        return [1.0]
    weights = np.array([post.weights[name] for name in post.posteriors])
    return (weights / weights.sum()).tolist()


def mix(post: Posterior | Average, estimates: Iterable[Estimate]) -> Estimate:
    """Make one of the estimates of the laws that were asked."""
    if isinstance(post, Average):
        return post.mix(estimates)
    (alone,) = estimates
    return alone


def draws_of(post: Posterior, inputs: Mapping[str, float]) -> Draws:
    """Take a posterior's draws; call it inside of :func:`precision`.

    Raises
    ------
    InputError
        If inputs are missing or too many.
    """
    fixed = to_device(beside_budget(post.law, inputs), "float64")
    return Draws(post.law, to_device(post.values, "float64"), fixed)


def require_params_and_tokens(post: Any) -> None:
    """Check that one law is asked, which predicts loss from params and tokens, and nothing else.

    Raises
    ------
    InputError
        If it is not so.
    """
    if not hasattr(post, "law"):
        each = " Of an average, ask each of its posteriors." if isinstance(post, Average) else ""
        raise InputError(f"Give a posterior, what fit returns; got {type(post).__name__}.{each}")
    law = post.law
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
