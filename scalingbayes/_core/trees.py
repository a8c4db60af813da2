"""Operations on pytrees of arrays."""

from collections.abc import Sequence

import jax
import numpy as np


def stack[Tree](trees: Sequence[Tree]) -> Tree:
    """Stack pytrees of one structure along a new first axis; the leaves become NumPy arrays."""
    return jax.tree.map(lambda *leaves: np.stack(leaves), *trees)
