"""The main job: from a table of runs to a posterior."""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, Literal, overload

import numpy as np
from jaxtyping import Float
from numpyro.distributions import Distribution

from scalingbayes.devices import describe_devices
from scalingbayes.errors import InputError, unknown
from scalingbayes.given import check_seed
from scalingbayes.inference import ENGINES, Draws, Engine, Optimize, Progress, silent
from scalingbayes.laws import Law
from scalingbayes.model import DEFAULT_LAW, Model, build_model
from scalingbayes.noise import Noise
from scalingbayes.point import PointEstimate
from scalingbayes.posterior import Posterior
from scalingbayes.precision import default_dtype
from scalingbayes.runs import Table, as_runs
from scalingbayes.temperature import choose_temperatures

Temper = float | Literal["auto"]


@overload
def fit(
    runs: Table, law: str | Law = ..., *, engine: Literal["optimize"], **how: Any
) -> PointEstimate: ...


@overload
def fit(runs: Table, law: str | Law = ..., *, engine: str = ..., **how: Any) -> Posterior: ...


def fit(
    runs: Table,
    law: str | Law = DEFAULT_LAW,
    *,
    noise: str | Noise | None = None,
    priors: Mapping[str, Distribution] | None = None,
    weights: Float[np.ndarray, " runs"] | None = None,
    groups: str | None = None,
    temperature: Temper = "auto",
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
        How losses scatter about it, by name or as an object. By default Student's t, its spread
        falling with compute where the law divides compute; see
        :func:`~scalingbayes.noise.get_noise`.
    priors
        Priors in place of the defaults, in the units of the table:
        ``{"alpha": numpyro.distributions.LogNormal(-1, 0.2)}``.
    weights
        How much each run counts: 0 holds it out, a fraction discounts it.
    groups
        A column whose labels say which runs share an error, such as the id of a training curve,
        or the IsoFLOP budget: each label has an error of its own, normal with an inferred sd tau.
    temperature
        The power of the likelihood: 1 for a law that is exact and runs that err independently, less
        to discount all runs alike for what they have in common. ``"auto"`` chooses it by how well
        the table's larger runs are predicted from its smaller ones; see
        :func:`~scalingbayes.temperature.choose_temperatures`. Engines that do not sample a
        posterior have none.
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
    check_temperature(temperature, engine)
    dtype = dtype or default_dtype(len(runs))
    model = build_model(runs, law, noise, priors, weights, groups, reference)
    check_groups(model, engine)
    report = progress or silent
    if isinstance(runner, Optimize):
        optimum = runner.run_point(model, int(seed), dtype, report)
        return PointEstimate.from_optimum(model, optimum, runner.objective)
    (draws,) = run(runner, [model], [int(seed)], dtype, temperature, report)
    record = describe_run(engine, runner, seed, dtype)
    return Posterior.from_draws(model.tempered(draws.facts["temperature"]), draws, record)


def run(
    runner: Engine,
    models: Sequence[Model],
    seeds: Sequence[int],
    dtype: str,
    temperature: Temper,
    progress: Progress,
) -> list[Draws]:
    """Choose temperatures, and fit; each fit's draws come with the fact of its ``temperature``."""
    if not runner.tempered:
        values = [1.0] * len(models)
    elif temperature == "auto":
        values = [each.value for each in choose_temperatures(models, seeds, dtype)]
    else:
        values = [float(temperature)] * len(models)
    tempered = [model.tempered(value) for model, value in zip(models, values, strict=True)]
    return [
        replace(draws, facts={**draws.facts, "temperature": value})
        for draws, value in zip(runner.run(tempered, seeds, dtype, progress), values, strict=True)
    ]


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


def check_temperature(temperature: Any, engine: str) -> None:
    """Check that a temperature is one, and that the engine has one.

    Raises
    ------
    InputError
        If it is neither ``"auto"`` nor a positive number, or is given to an engine without.
    """
    if temperature == "auto":
        return
    if not isinstance(temperature, (int, float, np.number)) or not 0 < temperature < np.inf:
        raise InputError(f"temperature must be 'auto' or a positive number; got {temperature!r}.")
    if temperature != 1 and not getattr(ENGINES[engine], "tempered", False):
        raise InputError(
            f"Engine {engine!r} samples no posterior that a temperature of {temperature:g} could "
            f"widen: leave it out, or use engine 'nuts'."
        )


def check_groups(model: Model, engine: str) -> None:
    """Check that the engine can fit runs that share errors, if they do.

    Raises
    ------
    InputError
        If it cannot.
    """
    if model.noise.shares and not getattr(ENGINES[engine], "shares", False):
        raise InputError(
            f"Engine {engine!r} cannot fit errors that runs share: use 'nuts' or 'laplace'; the "
            f"bootstrap draws whole groups with by=..., such as by='run_id'."
        )


def describe_run(engine: str, runner: Any, seed: int, dtype: str) -> dict[str, Any]:
    """Say what was run, for the record."""
    return {
        "engine": engine,
        "options": asdict(runner),
        "seed": int(seed),
        "dtype": dtype,
        "device": describe_devices(),
    }
