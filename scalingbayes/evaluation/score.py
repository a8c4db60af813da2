"""Score predictions of held-out runs against their losses."""

from typing import Any

import jax.numpy as jnp
import numpy as np
import pandas as pd
from jaxtyping import Float

from scalingbayes._core.arguments import Seed
from scalingbayes._core.checked import checked
from scalingbayes._core.precision import precision, to_device
from scalingbayes.data.runs import Table, as_runs
from scalingbayes.model.bound_model import known_errors
from scalingbayes.posterior.extrapolation import shared_error
from scalingbayes.posterior.posterior import Posterior
from scalingbayes.posterior.predictive_distribution import log_predictive, predict

_PROBS = (0.5, 0.9)


@checked
def score(post: Posterior, runs: Table, seed: Seed = 0) -> pd.DataFrame:
    """Score a posterior's predictions of runs.

    Scores are on the target's scale. For a loss this is the log loss, so a difference of 0.01 is
    one per cent. If the noise has known errors, the predictions use those of ``runs``.

    Parameters
    ----------
    post
        A posterior.
    runs
        Runs that the posterior was not fitted to.
    seed
        Seed of the noise of the predictions.

    Returns
    -------
    pandas.DataFrame
        One row a run, with these columns. ``error``: the predicted median less the observed value.
        ``in50`` and ``in90``: whether the equal-tailed intervals contain the observed value.
        ``width90``: the width of the 90 % interval. ``pit``: the predicted probability of a smaller
        value. ``crps``: the continuous ranked probability score (Gneiting & Raftery 2007).
        ``log_score``: the log predictive density.

    Raises
    ------
    InputError
        If ``runs`` lacks a column or has a value outside its domain, or ``seed`` is not a
        non-negative integer.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> runs = sb.datasets.load("chinchilla")
    >>> small = runs.frame["compute"] < 1e21
    >>> post = sb.fit(runs.filter(small), "chinchilla")  # doctest: +SKIP
    >>> list(sb.score(post, runs.filter(~small)).columns)
    ['error', 'in50', 'in90', 'width90', 'pit', 'crps', 'log_score']
    """
    runs = as_runs(runs)
    law, noise = post.law, post.noise
    scale = law.target.on_scale
    inputs = {name: runs.column(name, each.domain) for name, each in law.inputs.items()}
    target = runs.column(law.target.column, scale.domain)
    errors = known_errors(noise, runs, target)
    reference = post.record.reference
    with precision("float64"):
        arrays = to_device((post.values, inputs, reference, post.discrepancy_draws), "float64")
        shift = shared_error(post, inputs)
        known = to_device((errors, shift), "float64")
        draws = predict(law, noise, *arrays, (seed, 0), *known)["observed"]
        predicted = np.asarray(scale.link(draws)).reshape(-1, len(target))
        observed = np.asarray(scale.link(jnp.asarray(target)))
        slope = np.asarray(scale.slope(jnp.asarray(target)))
    density = log_predictive(
        law, noise, post.values, inputs, target, reference, errors, post.discrepancy_draws, shift
    )
    columns: dict[str, Any] = {"error": np.median(predicted, axis=0) - observed}
    for prob in _PROBS:
        low, high = np.quantile(predicted, [(1 - prob) / 2, (1 + prob) / 2], axis=0)
        columns[f"in{100 * prob:.0f}"] = (low <= observed) & (observed <= high)
    columns["width90"] = high - low  # of the last interval of the loop
    columns["pit"] = (predicted < observed).mean(0)
    columns["crps"] = crps(predicted, observed)
    columns["log_score"] = density - np.log(np.abs(slope))
    return pd.DataFrame(columns, index=runs.frame.index)


def crps(
    predicted: Float[np.ndarray, "draws runs"], observed: Float[np.ndarray, " runs"]
) -> Float[np.ndarray, " runs"]:
    """Compute the continuous ranked probability score from draws: E|X - y| - E|X - X'| / 2.

    Parameters
    ----------
    predicted
        Draws of each run.
    observed
        The observed value of each run.
    """
    count = len(predicted)
    ordered = np.sort(predicted, axis=0)
    ranks = (2 * np.arange(1, count + 1) - count - 1)[:, None]
    # The unbiased estimator, over pairs of different draws (Zamo & Naveau 2018, eq. 8).
    spread = 2 * (ranks * ordered).sum(0) / (count * (count - 1))
    return np.abs(predicted - observed).mean(0) - spread / 2
