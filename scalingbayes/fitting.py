"""The main job: from a table of runs to a posterior."""

import inspect
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Literal, overload

import numpy as np
from jaxtyping import Float
from numpyro.distributions import Distribution

from scalingbayes.devices import describe_devices
from scalingbayes.errors import InputError, unknown
from scalingbayes.inference import ENGINES, Optimize, Progress, silent
from scalingbayes.laws import Law
from scalingbayes.model import build_model
from scalingbayes.noise import Noise
from scalingbayes.point import PointEstimate
from scalingbayes.posterior import Posterior
from scalingbayes.precision import default_dtype
from scalingbayes.runs import Table, as_runs


@overload
def fit(
    runs: Table, law: str | Law = ..., *, engine: Literal["optimize"], **how: Any
) -> PointEstimate: ...


@overload
def fit(runs: Table, law: str | Law = ..., *, engine: str = ..., **how: Any) -> Posterior: ...


def fit(
    runs: Table,
    law: str | Law = "chinchilla",
    *,
    noise: str | Noise = "student_t",
    priors: Mapping[str, Distribution] | None = None,
    weights: Float[np.ndarray, " runs"] | None = None,
    reference: Mapping[str, float] | None = None,
    engine: str = "nuts",
    seed: int = 0,
    dtype: str | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> Posterior | PointEstimate:
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
    reference
        Where default priors are stated, in place of the table's own point: another fit's
        ``post.record["reference"]`` gives this one the same priors.
    engine
        ``"nuts"``, the posterior; ``"laplace"`` and ``"grid"``, the same by independent ways, each
        with a check of itself; ``"bootstrap"``, how the best fit scatters when the table is drawn
        again; ``"optimize"``, the best fit alone; ``"prior"``, what the priors alone say.
    seed
        Seed of all that is random: the same seed gives the same draws on the same device and
        versions.
    dtype
        ``"float64"`` or ``"float32"``; by default float64 on a CPU and float32 elsewhere.
    progress
        Called now and then with the part that is done, up to 1.
    **options
        Settings of the engine, such as ``chains`` and ``draws`` of NUTS: see
        :mod:`scalingbayes.inference`.

    Returns
    -------
    Posterior
        It is returned also where the fit fails its checks: see ``Posterior.verdict``. The engine
        ``"optimize"`` returns a :class:`~scalingbayes.PointEstimate`.

    Raises
    ------
    InputError
        If the table, the law, a prior or a setting cannot be used.
    """
    runs = as_runs(runs)
    runner = build_engine(engine, options)
    check_seed(seed)
    dtype = dtype or default_dtype(len(runs))
    model = build_model(runs, law, noise, priors, weights, reference)
    report = progress or silent
    if isinstance(runner, Optimize):
        optimum = runner.run_point(model, int(seed), dtype, report)
        return PointEstimate.from_optimum(model, optimum, runner.objective)
    (draws,) = runner.run([model], [int(seed)], dtype, report)
    return Posterior.from_draws(model, draws, describe_run(engine, runner, seed, dtype))


def build_engine(name: str, options: Mapping[str, Any]) -> Any:
    """Set up an engine.

    Raises
    ------
    InputError
        If there is no such engine, or it has no such option.
    """
    if name not in ENGINES:
        raise unknown("engine", name, ENGINES)
    settings = inspect.signature(ENGINES[name]).parameters
    for option in options:
        if option not in settings:
            raise unknown(f"option of engine {name!r}", option, settings)
    return ENGINES[name](**options)


def check_seed(seed: Any) -> None:
    """Check that a seed is one.

    Raises
    ------
    InputError
        If it is not.
    """
    if not isinstance(seed, (int, np.integer)) or seed < 0:
        raise InputError(f"seed must be a whole number of 0 or more; got {seed!r}.")


def describe_run(engine: str, runner: Any, seed: int, dtype: str) -> dict[str, Any]:
    """Say what was run, for the record."""
    return {
        "engine": engine,
        "options": asdict(runner),
        "seed": int(seed),
        "dtype": dtype,
        "device": describe_devices(),
    }
