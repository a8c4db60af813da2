"""The order in which draws of one posterior are paired with those of another."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int


def independent_order(
    draws: int, wanted: int, seed: int | Sequence[int]
) -> Int[np.ndarray, " wanted"]:
    """Return which draws of a posterior to pair with those of another, in order.

    Two posteriors of one seed have correlated draws. Shuffling makes them independent. If more
    draws are wanted than there are, they are used again.

    Parameters
    ----------
    draws, wanted
        The number of draws that there are, and of those that are needed.
    seed
        Seed of the order.
    """
    order: np.ndarray = np.random.default_rng(seed).permutation(draws)
    return order[np.arange(wanted) % draws]
