"""Weights of laws by stacking: the mixture of laws that predicts held-out runs best."""

import numpy as np
from jaxtyping import Float, Int

_MOST_STEPS = 10_000
_TOLERANCE = 1e-6


def stacking_weights(
    log_density: Float[np.ndarray, "runs laws"],
    units: Int[np.ndarray, " runs"],
    prior_units: float = 1.0,
) -> Float[np.ndarray, " laws"]:
    """Compute the weights of laws whose mixture predicts held-out runs best; the sum is 1.

    Stacking (Yao et al. 2018, doi:10.1214/17-BA1091) maximizes the log predictive density of the
    mixture. Runs of one unit, such as a level of compute, share the law's error, so a unit counts
    as one observation: its score is the mean over its runs. The weights have a uniform prior on
    the simplex, and are the mode of their posterior in log ratios (Yao et al. 2022,
    doi:10.1214/21-BA1287, put priors on stacking weights). Each law starts, in effect, with one
    unit that it alone predicts: one unit gives a law of two a weight of at most 2/3, and n units
    (n + 1)/(n + 2).

    Parameters
    ----------
    log_density
        Log predictive density of each held-out run under each law.
    units
        The number of each run's unit, from 0.
    prior_units
        How many units each law starts with; 0 is stacking without a prior.

    Examples
    --------
    >>> import numpy as np
    >>> one_unit = np.array([[0.0, -50.0], [0.0, -80.0]])
    >>> stacking_weights(one_unit, np.array([0, 0])).round(3)
    array([0.667, 0.333])
    """
    laws = log_density.shape[1]
    density = np.exp(log_density - log_density.max(axis=1, keepdims=True))
    count = units.max() + 1
    share = 1 / np.bincount(units)[units]  # of a run in its unit
    weights = np.full(laws, 1 / laws)
    for _ in range(_MOST_STEPS):  # expectation maximization
        credit = density * weights
        new = share @ (credit / credit.sum(axis=1, keepdims=True)) + prior_units
        new /= count + prior_units * laws
        converged = np.abs(new - weights).max() < _TOLERANCE / count
        weights = new
        if converged:
            break
    return weights
