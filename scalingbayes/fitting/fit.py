"""The main job: from a table of runs to a posterior."""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, Literal, overload

import numpy as np
from jaxtyping import Float
from numpyro.distributions import Distribution

from scalingbayes._core.arguments import check_seed
from scalingbayes._core.devices import describe_devices
from scalingbayes._core.errors import InputError, unknown
from scalingbayes._core.precision import default_dtype
from scalingbayes.data.runs import Table, as_runs
from scalingbayes.inference import ENGINES, Draws, Engine, Optimize, Progress, silent
from scalingbayes.inference.likelihood_power import choose_likelihood_powers
from scalingbayes.laws import Law
from scalingbayes.model.bound_model import DEFAULT_LAW, BoundModel, build_model
from scalingbayes.model.noise import Noise
from scalingbayes.posterior.point_estimate import PointEstimate
from scalingbayes.posterior.posterior import Posterior

PowerChoice = float | Literal["auto"]


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
    likelihood_power: PowerChoice = "auto",
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
        :func:`~scalingbayes.model.noise.get_noise`.
    priors
        Priors in place of the defaults, in the units of the table:
        ``{"alpha": numpyro.distributions.LogNormal(-1, 0.2)}``.
    weights
        How much each run counts: 0 holds it out, a fraction discounts it.
    groups
        A column whose labels say which runs share an error, such as the id of a training curve,
        or the IsoFLOP budget: each label has an error of its own, normal with an inferred sd tau.
    likelihood_power
        The power of the likelihood: 1 for a law that is exact and runs that err independently, less
        to discount all runs alike for what they have in common. ``"auto"`` chooses it by how well
        the table's larger runs are predicted from its smaller ones; see
        :func:`~scalingbayes.inference.likelihood_power.choose_likelihood_powers`. Engines that do
        not sample a posterior do not use it.
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
    check_likelihood_power(likelihood_power, engine)
    dtype = dtype or default_dtype(len(runs))
    model = build_model(runs, law, noise, priors, weights, groups, reference)
    check_groups(model, engine)
    report = progress or silent
    if isinstance(runner, Optimize):
        optimum = runner.run_point(model, int(seed), dtype, report)
        return PointEstimate.from_optimum(model, optimum, runner.objective)
    (draws,) = run(runner, [model], [int(seed)], dtype, likelihood_power, report)
    record = describe_run(engine, runner, seed, dtype)
    return Posterior.from_draws(
        model.with_likelihood_power(draws.facts["likelihood_power"]), draws, record
    )


def run(
    runner: Engine,
    models: Sequence[BoundModel],
    seeds: Sequence[int],
    dtype: str,
    likelihood_power: PowerChoice,
    progress: Progress,
) -> list[Draws]:
    """Choose likelihood powers and fit; each power is in ``facts["likelihood_power"]``."""
    if not runner.uses_likelihood_power:
        values = [1.0] * len(models)
    elif likelihood_power == "auto":
        values = [each.value for each in choose_likelihood_powers(models, seeds, dtype)]
    else:
        values = [float(likelihood_power)] * len(models)
    tempered = [
        model.with_likelihood_power(value) for model, value in zip(models, values, strict=True)
    ]
    return [
        replace(draws, facts={**draws.facts, "likelihood_power": value})
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


def check_likelihood_power(likelihood_power: Any, engine: str) -> None:
    """Check that a likelihood_power is one, and that the engine has one.

    Raises
    ------
    InputError
        If it is neither ``"auto"`` nor a positive number, or is given to an engine without.
    """
    if likelihood_power == "auto":
        return
    if (
        not isinstance(likelihood_power, (int, float, np.number))
        or not 0 < likelihood_power < np.inf
    ):
        raise InputError(
            f"likelihood_power must be 'auto' or a positive number; got {likelihood_power!r}."
        )
    if likelihood_power != 1 and not getattr(ENGINES[engine], "uses_likelihood_power", False):
        raise InputError(
            f"Engine {engine!r} samples no posterior, so a likelihood_power of "
            f"{likelihood_power:g} has no effect: "
            f"leave it out, or use engine 'nuts'."
        )


def check_groups(model: BoundModel, engine: str) -> None:
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
