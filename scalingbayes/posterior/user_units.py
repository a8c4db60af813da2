"""Answers in the units of the user's table: perplexities, and what N and D count."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from jaxtyping import Float

from scalingbayes._core.errors import InputError
from scalingbayes.data.units import PERPLEXITY

if TYPE_CHECKING:
    from scalingbayes.posterior.posterior import Posterior


def predicts_perplexity(post: "Posterior") -> bool:
    """Return whether the law predicts a loss that the user's table gives as a perplexity."""
    return post.law.target.column == "loss" and post.record.data.units.is_perplexity


def target_name(post: "Posterior") -> str:
    """Return the name of the target in answers."""
    return post.record.data.units.name_of(post.law.target.column)


def to_user_unit(post: "Posterior", draws: xr.Dataset, *names: str) -> xr.Dataset:
    """Return draws in which the named losses are perplexities, if the user's losses are.

    A variable ``loss`` becomes ``perplexity``.
    """
    if not predicts_perplexity(post):
        return draws
    with np.errstate(over="ignore"):  # draws from priors may be huge
        draws = draws.assign({name: np.exp(draws[name].variable) for name in names})
    draws = draws.rename({"loss": PERPLEXITY}) if "loss" in names else draws
    return draws.assign_attrs(unit=PERPLEXITY)


def inputs_in_nats(post: "Posterior", inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return inputs of the law in which a loss that the user gives as a perplexity is in nats.

    Raises
    ------
    InputError
        If a perplexity is not above 1.
    """
    if "loss" not in inputs or not post.record.data.units.is_perplexity:
        return dict(inputs)
    loss = np.asarray(inputs["loss"])
    if (loss <= 1).any():
        raise InputError(
            f"loss is a perplexity, as in the table, and must be above 1; got {loss.min():.4g}."
        )
    return {**inputs, "loss": np.log(loss)}


def in_user_units(post: "Posterior", inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return inputs in which a loss in nats is a perplexity, if the user's losses are."""
    if "loss" not in inputs or not post.record.data.units.is_perplexity:
        return dict(inputs)
    return {**inputs, "loss": np.exp(inputs["loss"])}


def from_user_unit(
    post: "Posterior", target: Float[np.ndarray, " values"]
) -> Float[np.ndarray, " values"]:
    """Return targets in the unit of the law: ln(perplexity) for perplexities."""
    return np.log(target) if predicts_perplexity(post) else target


def with_units(post: "Posterior", title: str) -> str:
    """Return a title that says what N and D count and the loss's unit, as far as it is known."""
    units = post.record.data.units.describe()
    return f"{title}; {units}" if units else title
