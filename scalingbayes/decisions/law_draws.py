"""What all decisions share: the laws of a posterior or an average, their draws, mixed estimates."""

from collections.abc import Callable, Mapping
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
from scalingbayes.posterior.point_estimate import PointEstimate
from scalingbayes.posterior.posterior import Posterior
from scalingbayes.results import Estimate


@dataclass(frozen=True, eq=False)
class LawDraws:
    """Posterior draws of a law's parameters, and its other inputs, as device arrays."""

    law: Law
    values: dict[str, Float[Array, "chains draws"]]
    fixed: dict[str, Float[Array, ""]]

    @property
    def numbers(self) -> dict[str, Float[np.ndarray, ""]]:
        """The law's other inputs, as NumPy arrays."""
        return {name: np.asarray(x) for name, x in self.fixed.items()}


def draws_on_device(post: Posterior, inputs: Mapping[str, float]) -> LawDraws:
    """Copy a posterior's draws to the device in float64; call it inside of :func:`precision`.

    Raises
    ------
    InputError
        If an input of the law is missing, or there are too many.
    """
    fixed = to_device(beside_budget(post.law, inputs), "float64")
    return LawDraws(post.law, to_device(post.values, "float64"), fixed)


def as_posterior(post: Posterior | Average | PointEstimate) -> Posterior | Average:
    """Return what decisions are made from: a posterior, an average, or a point's posterior.

    Raises
    ------
    InputError
        If ``post`` is none of these.
    """
    if isinstance(post, PointEstimate):
        return post.posterior
    if not isinstance(post, Posterior | Average):
        raise InputError(
            f"post must be a posterior, as sb.fit returns, or an average; got "
            f"{type(post).__name__}."
        )
    return post


def inputs_by_posterior(
    post: Posterior | Average, inputs: Mapping[str, float]
) -> dict[Posterior, dict[str, float]]:
    """Return each posterior with the inputs that its law reads.

    Raises
    ------
    InputError
        If a law has no compute-optimal allocation, or an average's laws do not divide the same
        budget.
    """
    if isinstance(post, Average):
        return post.inputs_of_each(inputs)
    require_allocation(post.law)
    if several := [name for name, x in inputs.items() if np.size(x) > 1]:
        raise InputError(
            f"{several[0]} must be one number here; got {inputs[several[0]]!r}. "
            f"post.allocate(compute, {several[0]}=[...]) chooses the best of several: ask it "
            f"first, then give its choice."
        )
    return {post: dict(inputs)}


def weights_of(post: Posterior | Average) -> list[float]:
    """Return the weight of each posterior of :func:`inputs_by_posterior`; they sum to 1."""
    if not isinstance(post, Average):
        return [1.0]
    weights = np.array([post.weights[name] for name in post.posteriors])
    return (weights / weights.sum()).tolist()


def estimate(
    post: Posterior | Average,
    asked: Mapping[Posterior, Mapping[str, float]],
    ask: Callable[[Posterior, Mapping[str, float]], Estimate],
) -> Estimate:
    """Return a posterior's estimate beside the one that takes the law as exact, or a mixture.

    Parameters
    ----------
    post
        A posterior, or an average: then the estimates of its posteriors are mixed by their weights.
    asked
        The inputs of each posterior, from :func:`inputs_by_posterior`.
    ask
        A function that estimates something from a posterior and its inputs.
    """
    if isinstance(post, Average):
        return post.mix(ask(*each) for each in asked.items())
    (inputs,) = asked.values()
    return post.with_exact(lambda each: ask(each, inputs))


def require_params_and_tokens(post: Any) -> Posterior:
    """Return a posterior, or that of a point, whose law predicts loss from params and tokens alone.

    Raises
    ------
    InputError
        If ``post`` is not a posterior, or its law has other inputs or another target.
    """
    if isinstance(post, PointEstimate):
        post = post.posterior
    if not hasattr(post, "law"):
        hint = " Pass one of the average's posteriors." if isinstance(post, Average) else ""
        raise InputError(
            f"post must be a posterior, as sb.fit returns; got {type(post).__name__}.{hint}"
        )
    law = post.law
    if set(law.inputs) != {"params", "tokens"} or law.target.column != "loss":
        raise InputError(
            f"The law must be one that predicts loss from params and tokens alone, such as "
            f"'chinchilla'; {law.name!r} predicts {law.target.column} from "
            f"{' and '.join(law.inputs)}."
        )
    return post


def require_tokens(post: Posterior, other: str, remedy: str) -> None:
    """Check that the fit's table counts data in tokens.

    Parameters
    ----------
    post
        A fit.
    other
        What counts tokens.
    remedy
        What to do, as a sentence.

    Raises
    ------
    InputError
        If the table counts something else, such as samples.
    """
    if (unit := post.record.data.units.tokens) != "tokens":
        raise InputError(
            f"D counts {unit} in the table {post.record.data.name!r}, but {other} count tokens. "
            f"{remedy}"
        )


def dataset(
    post: Posterior,
    arrays: Mapping[str, Any],
    dim: str,
    labels: Float[np.ndarray, " cases"],
) -> xr.Dataset:
    """Return arrays of shape (chains, draws, cases) as a dataset with the posterior's labels."""
    return post.named(arrays, dim).assign_coords({dim: labels})


def largest_share(fails: Any) -> str:
    """Format the largest share of draws in which a case fails.

    Parameters
    ----------
    fails
        Boolean array of shape (chains, draws, cases).
    """
    share = float(np.asarray(fails).mean((0, 1)).max())
    return f"{share:.0%}" if share >= 0.01 else "less than 1%"
