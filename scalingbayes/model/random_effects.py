"""Random effects: errors that several rows share.

Each row's location on the target's scale moves by a linear function of the effects. Group effects
and discrepancy effects differ only in that function, which is a ``Design``.
"""

from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Shaped

from scalingbayes._core.precision import to_device

_ROUNDING = 1e-12  # relative to the largest information


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class GroupDesign:
    """Effects of groups: each row has the effect of its own group.

    Stored as one index a row; a matrix of rows times groups would not fit in memory for millions
    of rows.

    Parameters
    ----------
    index
        The group of each row.
    count
        The number of groups.
    """

    index: Int[Any, "*fits rows"]
    count: int = field(metadata={"static": True})

    def apply(self, effects: Float[Any, "*batch effects"]) -> Float[Any, "*batch rows"]:
        """Return the effect of each row's group."""
        return effects[..., self.index]

    def project(self, rows: Float[Any, " rows"]) -> Float[Array, " effects"]:
        """Return the sum of the rows of each group."""
        return jax.ops.segment_sum(rows, self.index, self.count)

    def padded(self, rows: int, count: int) -> "GroupDesign":
        """Return the design with more rows, which belong to the first group, and more groups."""
        return GroupDesign(np.pad(self.index, (0, rows - len(self.index))), count)

    def rows(self, keep: Bool[np.ndarray, " rows"]) -> "GroupDesign":
        """Return the design of some of the rows."""
        return GroupDesign(self.index[keep], self.count)


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class DenseDesign:
    """Effects that each move many rows, such as the steps of a discrepancy.

    Parameters
    ----------
    matrix
        How far a unit of each effect moves each row.
    """

    matrix: Float[Any, "*fits rows effects"]

    @property
    def count(self) -> int:
        """The number of effects."""
        return self.matrix.shape[-1]

    def apply(self, effects: Float[Any, "*batch effects"]) -> Float[Any, "*batch rows"]:
        """Return the sum of the effects of each row."""
        return effects @ self.matrix.T

    def project(self, rows: Float[Any, " rows"]) -> Float[Array, " effects"]:
        """Return the transpose of :meth:`apply`, applied to values of the rows."""
        return rows @ self.matrix

    def padded(self, rows: int, count: int) -> "DenseDesign":
        """Return the design with more rows, which nothing moves, and more effects."""
        more = rows - self.matrix.shape[0], count - self.matrix.shape[1]
        return DenseDesign(np.pad(self.matrix, [(0, each) for each in more]))

    def rows(self, keep: Bool[np.ndarray, " rows"]) -> "DenseDesign":
        """Return the design of some of the rows."""
        return DenseDesign(self.matrix[keep])


Design = GroupDesign | DenseDesign
"""The linear map from effects to the rows that they move."""


def design_of_groups(
    labels: Shaped[np.ndarray, " rows"],
) -> tuple[Shaped[np.ndarray, " groups"], GroupDesign]:
    """Return the sorted labels of the groups, and the design of their effects."""
    groups, index = np.unique(labels.astype(str), return_inverse=True)
    return groups, GroupDesign(index.astype(np.int32), len(groups))


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class EffectsDesign:
    """A design, and a rotation that diagonalises the information matrix of the effects.

    The information matrix of the effects, ``design.T @ diag(weights) @ design``, is diagonal after
    the rotation. That of groups is diagonal as it stands, since groups have no row in common.

    Parameters
    ----------
    design
        The map from effects to rows.
    rotated_design
        The map from rotated effects to rows.
    information
        Effective number of rows that inform each rotated effect: the diagonal of the matrix.
    rotation
        The matrix from rotated effects to effects; None for groups, whose effects are not rotated.
    """

    design: Design
    rotated_design: Design
    information: Float[Any, "*fits effects"]
    rotation: Float[Any, "*fits effects effects"] | None

    @staticmethod
    def of(design: Design, weights: Float[np.ndarray, " rows"], dtype: str) -> "EffectsDesign":
        """Return the random effects of a design for rows of these weights, on the device."""
        if isinstance(design, GroupDesign):
            information = np.bincount(design.index, weights, design.count)
            on_device = GroupDesign(jnp.asarray(design.index), design.count)
            return EffectsDesign(on_device, on_device, to_device(information, dtype), None)
        matrix = design.matrix
        information, rotation = np.linalg.eigh(matrix.T @ (weights[:, None] * matrix))
        # Eigenvalues that are rounding errors are set to 0: divided by a small sigma^2 they would
        # look informative.
        information = np.where(information > _ROUNDING * information.max(), information, 0.0)
        rotated = np.where(information > 0, matrix @ rotation, 0.0)
        effects = EffectsDesign(design, DenseDesign(rotated), information, rotation)
        return to_device(effects, dtype)

    @property
    def count(self) -> int:
        """The number of effects."""
        return self.information.shape[-1]

    def unrotated(self, rotated: Float[Array, " effects"]) -> Float[Array, " effects"]:
        """Return effects, given the rotated ones."""
        return rotated if self.rotation is None else self.rotation @ rotated

    def log_volume(self, log_ratio: Float[Array, ""]) -> Float[Array, ""]:
        """Return -1/2 log det(I + (unit/sigma)^2 information).

        This is the log of the factor from integrating out the effects under normal noise.

        Parameters
        ----------
        log_ratio
            Log of the effects' unit over sigma.
        """
        return -jnp.log1p(jnp.exp(2 * log_ratio) * self.information).sum() / 2
