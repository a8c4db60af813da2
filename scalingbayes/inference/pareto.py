"""Pareto smoothed importance sampling, without SciPy's statistics, which take long to import."""

import numpy as np
from jaxtyping import Float

_PRIOR_DRAWS = 10.0  # draws that the prior of k, with mean 1/2, counts as


def pareto_smooth(
    log_weights: Float[np.ndarray, " draws"], least: int = 0
) -> tuple[Float[np.ndarray, " draws"], float]:
    """Return Pareto smoothed weights, which sum to 1, and the Pareto k of their tail.

    The largest weights are replaced by quantiles of a generalised Pareto distribution that is
    fitted to them (PSIS, Vehtari et al. 2024, JMLR 25, section 2.4).

    Parameters
    ----------
    log_weights
        The logarithms of the weights; -inf for a weight of 0.
    least
        k is infinite unless more than this number of weights are above 0.
    """
    possible = np.isfinite(log_weights)
    smoothed = log_weights.copy() if possible.any() else np.zeros(len(log_weights))
    k = np.inf
    if possible.sum() > least:
        smoothed[possible], k = _smooth(log_weights[possible])
    weights = np.exp(smoothed - smoothed.max())
    return weights / weights.sum(), k


def _smooth(
    log_weights: Float[np.ndarray, " draws"],
) -> tuple[Float[np.ndarray, " draws"], float]:
    count = len(log_weights)
    tail = int(min(0.2 * count, 3 * np.sqrt(count)))
    log_weights = log_weights - log_weights.max()
    order = np.argsort(log_weights)
    if tail <= 5:
        return log_weights, np.inf
    if log_weights[order[-tail]] == log_weights[order[-1]]:  # bounded weights
        return log_weights, 0.0
    largest = order[-tail:]
    cutoff = np.exp(log_weights[order[-tail - 1]])
    k, scale = fit_pareto(np.exp(log_weights[largest]) - cutoff)
    if np.isfinite(k):
        quantiles = cutoff + _pareto_quantiles((np.arange(tail) + 0.5) / tail, k, scale)
        log_weights[largest] = np.minimum(np.log(quantiles), 0.0)
    return log_weights, k


def fit_pareto(excess: Float[np.ndarray, " tail"]) -> tuple[float, float]:
    """Return shape k and scale of the generalised Pareto distribution of excesses.

    Parameters
    ----------
    excess
        Values above a cutoff, less the cutoff, in rising order. Zhang & Stephens 2009
        (Technometrics 51, 316) give the estimate. k is then shrunk towards 1/2.
    """
    count = len(excess)
    grid = 30 + int(np.sqrt(count))
    quartile = excess[int(count / 4 + 0.5) - 1]
    steps = 1 - np.sqrt(grid / (np.arange(grid) + 0.5))
    if quartile <= 0:  # the largest few weights are all that counts
        return np.inf, np.inf
    candidates = steps / (3 * quartile) + 1 / excess[-1]
    shapes = np.log1p(-candidates[:, None] * excess).mean(1)
    log_profile = count * (np.log(-candidates / shapes) - shapes - 1)
    weights = np.exp(log_profile - log_profile.max())
    rate = weights @ candidates / weights.sum()
    k = np.log1p(-rate * excess).mean()
    scale = -k / rate
    return float((count * k + _PRIOR_DRAWS / 2) / (count + _PRIOR_DRAWS)), float(scale)


def _pareto_quantiles(
    probabilities: Float[np.ndarray, " tail"], k: float, scale: float
) -> Float[np.ndarray, " tail"]:
    survival = -np.log1p(-probabilities)
    return scale * (survival if abs(k) < 1e-10 else np.expm1(k * survival) / k)
