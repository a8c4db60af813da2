"""Errors that rows share: which row has how much of which."""

from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jaxtyping import Float, Shaped

from scalingbayes._core.precision import to_device

_ROUNDING = 1e-12  # of the most that is told of an error


def design_of_groups(
    labels: Shaped[np.ndarray, " rows"],
) -> tuple[Shaped[np.ndarray, " groups"], Float[np.ndarray, "rows groups"]]:
    """Give the groups that labels name, and which rows are of each."""
    groups, numbers = np.unique(labels.astype(str), return_inverse=True)
    return groups, np.eye(len(groups))[numbers]


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class RandomEffects:
    """How much each row has of each shared error, and what rows tell of them.

    Parameters
    ----------
    design
        How much each row has of each: of groups 1 of its own and 0 of others'.
    turn
        From a basis, in which rows tell of each error apart from the others, to the errors.
    turned
        How much each row has of each error of that basis.
    told
        How many rows' worth is told of each of these.
    """

    design: Float[Any, "*fits rows effects"]
    turn: Float[Any, "*fits effects effects"]
    turned: Float[Any, "*fits rows effects"]
    told: Float[Any, "*fits effects"]

    @staticmethod
    def of(
        design: Float[np.ndarray, "rows effects"], weights: Float[np.ndarray, " rows"], dtype: str
    ) -> "RandomEffects":
        """Find that basis, for rows that count by their weights."""
        told, turn = np.linalg.eigh(design.T @ (weights[:, None] * design))
        # Of some nothing is told; what rounding leaves there would count where sigma is small.
        told = np.where(told > _ROUNDING * told.max(), told, 0.0)
        turned = np.where(told > 0, design @ turn, 0.0)
        return to_device(RandomEffects(design, turn, turned, told), dtype)
