"""Weights of laws by stacking: the mixture of laws that predicts held-out runs best."""

import numpy as np
from jaxtyping import Float, Int

RUNS_OF_A_UNIT = 4.0
"""How many independent runs a unit counts as, such as a level of compute. ``benchmarks/weights.py``
predicts the largest levels of public sweeps best with 2 to 8."""

_MOST_STEPS = 10_000
_TOLERANCE = 1e-6


def stacking_weights(
    log_density: Float[np.ndarray, "runs laws"],
    units: Int[np.ndarray, " runs"],
    runs_of_a_unit: float = RUNS_OF_A_UNIT,
    prior_runs: float = 1.0,
) -> Float[np.ndarray, " laws"]:
    """Compute the weights of laws whose mixture predicts held-out runs best; the sum is 1.

    Stacking (Yao et al. 2018, doi:10.1214/17-BA1091) maximizes the log predictive density of the
    mixture. Runs of one unit, such as a level of compute, share the law's error, so that thirty of
    them say little more than a few independent runs. The prior of the weights is a symmetric
    Dirichlet of total 1, as for the proportions of a multinomial (Perks 1947; Berger et al. 2015,
    doi:10.1214/14-BA915): it counts as one run that all laws predict alike. The weights are the
    mode of their posterior in log ratios. One unit, counted as 4 runs, gives a law of two a weight
    of at most 4.5/5. Yao et al. 2022, doi:10.1214/21-BA1287, discuss priors of stacking weights.

    Parameters
    ----------
    log_density
        Log predictive density of each held-out run under each law.
    units
        The number of each run's unit, from 0.
    runs_of_a_unit
        How many independent runs a unit counts as, if it has more.
    prior_runs
        How many runs the prior counts as; 0 is stacking without a prior.

    Examples
    --------
    >>> import numpy as np
    >>> one_unit = np.repeat([[0.0, -50.0]], 30, axis=0)
    >>> stacking_weights(one_unit, np.zeros(30, int)).round(3)
    array([0.9, 0.1])
    """
    laws = log_density.shape[1]
    density = np.exp(log_density - log_density.max(axis=1, keepdims=True))
    size = np.bincount(units)[units]
    counted = np.minimum(1, runs_of_a_unit / size)  # as how many independent runs a run counts
    weights = np.full(laws, 1 / laws)
    for _ in range(_MOST_STEPS):  # expectation maximization
        credit = density * weights
        new = counted @ (credit / credit.sum(axis=1, keepdims=True)) + prior_runs / laws
        new /= counted.sum() + prior_runs
        converged = np.abs(new - weights).max() < _TOLERANCE / counted.sum()
        weights = new
        if converged:
            break
    return weights
