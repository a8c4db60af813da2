"""Solver for small positive definite systems, written out in scalar operations.

For a few unknowns, calling LAPACK costs more than the arithmetic, for one system or for a batch.
XLA fuses scalar operations with the surrounding program.
"""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array


def solve_positive(
    matrix: Array | Sequence[Sequence[Any]], right: Array | Sequence[Any]
) -> tuple[list[Any], Any]:
    """Return the solution of a positive definite system, by a Cholesky factorisation.

    Parameters
    ----------
    matrix
        The rows of the lower triangle. The entries are arrays that broadcast with each other.
    right
        The right-hand side.

    Returns
    -------
    solution, log_det
        The unknowns, and the log determinant of the matrix.
    """
    rows = range(len(right))
    root: dict[tuple[int, int], Any] = {}
    middle: dict[int, Any] = {}
    solution: dict[int, Any] = {}
    for i in rows:
        for j in range(i + 1):
            rest = matrix[i][j] - sum(root[i, k] * root[j, k] for k in range(j))
            root[i, j] = jnp.sqrt(rest) if i == j else rest / root[j, j]
        middle[i] = (right[i] - sum(root[i, k] * middle[k] for k in range(i))) / root[i, i]
    for i in reversed(rows):
        above = sum(root[k, i] * solution[k] for k in rows[i + 1 :])
        solution[i] = (middle[i] - above) / root[i, i]
    log_det = sum(2 * jnp.log(root[i, i]) for i in rows)
    return [solution[i] for i in rows], log_det
