"""The main job: from a table of runs to a posterior."""

import inspect
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import jax
import numpy as np
import pandas as pd
from jaxtyping import Float
from numpyro.distributions import Distribution

from scalingbayes.errors import InputError, unknown
from scalingbayes.inference import ENGINES, Progress
from scalingbayes.laws import Law
from scalingbayes.model import build_model
from scalingbayes.noise import Noise
from scalingbayes.posterior import Posterior
from scalingbayes.precision import default_dtype
from scalingbayes.runs import Runs


def fit(
    runs: Runs | pd.DataFrame | Mapping[str, Any],
    law: str | Law = "chinchilla",
    *,
    noise: str | Noise = "student_t",
    priors: Mapping[str, Distribution] | None = None,
    weights: Float[np.ndarray, " runs"] | None = None,
    engine: str = "nuts",
    seed: int = 0,
    dtype: str | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> Posterior:
    """Fit a scaling law to a table of training runs.

    Parameters
    ----------
    runs
        The table; what is not yet a :class:`~scalingbayes.Runs` is made into one.
    law
        The law, by name or as an object.
    noise
        How losses scatter about it, by name or as an object.
    priors
        Priors in place of the defaults, in the units of the table:
        ``{"alpha": numpyro.distributions.LogNormal(-1, 0.2)}``.
    weights
        How much each run counts: 0 holds it out, a fraction discounts it.
    engine
        ``"nuts"``.
    seed
        Seed of all that is random: the same seed gives the same draws on the same device and
        versions.
    dtype
        ``"float64"`` or ``"float32"``; by default float64 on a CPU and float32 elsewhere.
    progress
        Called with the draws done and their total after each block of draws.
    **options
        Settings of the engine; for NUTS ``chains``, ``draws``, ``warmup``, ``target_accept`` and
        ``max_tree_depth`` (see :class:`scalingbayes.inference.NUTS`).

    Returns
    -------
    Posterior
        It is returned also where the fit fails its checks: see ``Posterior.verdict``.

    Raises
    ------
    InputError
        If the table, the law, a prior or a setting cannot be used.
    """
    if not isinstance(runs, Runs):
        runs = Runs(runs)
    if engine not in ENGINES:
        raise unknown("engine", engine, ENGINES)
    settings = inspect.signature(ENGINES[engine]).parameters
    for option in options:
        if option not in settings:
            raise unknown(f"option of engine {engine!r}", option, settings)
    if not isinstance(seed, (int, np.integer)) or seed < 0:
        raise InputError(f"seed must be a whole number of 0 or more; got {seed!r}.")
    dtype = dtype or default_dtype(len(runs))
    model = build_model(runs, law, noise, priors, weights)
    runner = ENGINES[engine](**options)
    draws = runner.run(model, seed, dtype, progress)
    record = {
        "engine": engine,
        "options": asdict(runner),
        "seed": int(seed),
        "dtype": dtype,
        "device": jax.devices()[0].device_kind,
        "gradients": draws.gradients,
    }
    return Posterior.from_draws(model, draws, record)
