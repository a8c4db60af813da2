"""Fit a model to one table of training runs."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any, Literal, overload

import numpy as np
from jaxtyping import Float

from scalingbayes._core.arguments import Seed, Weights
from scalingbayes._core.checked import checked
from scalingbayes._core.devices import describe_devices
from scalingbayes._core.errors import InputError
from scalingbayes._core.precision import default_dtype
from scalingbayes._core.progress import Progress, Report, report_progress
from scalingbayes.data.runs import Table, as_runs
from scalingbayes.fitting.duration import announce_duration
from scalingbayes.fitting.size import check_fit_size
from scalingbayes.inference import (
    Draws,
    Engine,
    Optimize,
    engine_name,
    get_engine,
)
from scalingbayes.inference.allowance import choose_allowances
from scalingbayes.model.bound_model import BoundModel
from scalingbayes.model.model import DEFAULT_LAW, ModelLike, as_model
from scalingbayes.posterior.point_estimate import PointEstimate
from scalingbayes.posterior.posterior import Posterior

_CHOICE = 0.5  # share of a fit's time that the choice of the allowance takes
_SAMPLING = "sampling"


@overload
def fit(  # type: ignore[overload-overlap]
    runs: Table,
    model: ModelLike = ...,
    *,
    engine: Optimize | Literal["optimize"],
    weights: Float[np.ndarray, " runs"] | None = ...,
    exact: bool = ...,
    seed: int = ...,
    dtype: str | None = ...,
    progress: Progress = ...,
) -> PointEstimate: ...


@overload
def fit(
    runs: Table,
    model: ModelLike = ...,
    *,
    engine: Engine | str = ...,
    weights: Float[np.ndarray, " runs"] | None = ...,
    exact: bool = ...,
    seed: int = ...,
    dtype: str | None = ...,
    progress: Progress = ...,
) -> Posterior: ...


@checked
def fit(
    runs: Table,
    model: ModelLike = DEFAULT_LAW,
    *,
    engine: Engine | Optimize | str = "nuts",
    weights: Weights | None = None,
    exact: bool = False,
    seed: Seed = 0,
    dtype: str | None = None,
    progress: Progress = None,
) -> Posterior | PointEstimate:
    """Fit a scaling law to a table of training runs.

    Parameters
    ----------
    runs
        The table: a :class:`~scalingbayes.Runs`, a DataFrame, or a dict of columns.
    model
        A law, by name or as an object, or a :class:`~scalingbayes.Model` with noise, priors and
        groups of your own.
    engine
        How to fit, by name or as an object with options, such as ``NUTS(draws=500)``. ``"nuts"``
        samples the posterior; ``"hmc"`` samples it with many short chains, for accelerators;
        ``"laplace"`` and ``"grid"`` compute the same posterior in independent ways;
        ``"bootstrap"`` refits resampled tables; ``"optimize"`` returns the best fit alone;
        ``"prior"`` draws from the priors.
    weights
        How much each run counts: 0 holds it out, a fraction discounts it; 1 by default.
    exact
        Whether to take the law as exact, and runs as independent. By default the posterior allows
        for an error of the law that runs have in common. Only the engines ``"nuts"``, ``"hmc"`` and
        ``"laplace"`` make this allowance, and only for noise models without errors that runs share.
    seed
        Seed of the random numbers. The same seed gives the same draws on the same device with the
        same versions.
    dtype
        ``"float64"`` or ``"float32"``; by default float64 on a CPU and float32 elsewhere.
    progress
        None shows a progress bar if a person watches, in a notebook or a terminal, and the work
        takes longer than two seconds. False shows none. A function is called with the fraction that
        is done, and a text that says what is being done.

    Returns
    -------
    Posterior
        The posterior, even if the fit fails its checks: see ``Posterior.verdict``. The engine
        ``"optimize"`` returns a :class:`~scalingbayes.PointEstimate`.

    Raises
    ------
    InputError
        If the table, the model or a setting cannot be used.

    Warns
    -----
    InputWarning
        If the fit of more than 100,000 runs will take more than a minute: how long it will take.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> runs = sb.datasets.load("chinchilla")
    >>> post = sb.fit(runs, "chinchilla")  # doctest: +SKIP
    >>> "alpha" in post.summary().index
    True
    """
    runs = as_runs(runs)
    engine = get_engine(engine)
    dtype = dtype or default_dtype(len(runs))
    bound = as_model(model).bind(runs, weights)
    check_random_effects(bound, engine)
    check_fit_size(engine, [bound])
    if isinstance(engine, Optimize):
        with report_progress(progress, "searching for the best fit") as report:
            optimum = engine.run_point(bound, int(seed), dtype, report)
        return PointEstimate.from_optimum(bound, optimum, engine.objective)
    announce_duration(bound, engine, dtype, allowance=not exact and engine.supports_allowance)
    with report_progress(progress) as report:
        (draws,) = run_engine(engine, [bound], [int(seed)], dtype, exact=exact, report=report)
    return Posterior.from_draws(bound, draws, describe_run(engine, seed, dtype))


def run_engine(
    engine: Engine,
    models: Sequence[BoundModel],
    seeds: Sequence[int],
    dtype: str,
    *,
    exact: bool,
    report: Report,
) -> list[Draws]:
    """Fit models, with an allowance for the law's error unless the law is taken as exact.

    Parameters
    ----------
    engine
        An engine that draws.
    models, seeds
        Models of one law and noise, and the seed of each fit.
    dtype
        ``"float64"`` or ``"float32"``.
    exact
        Whether to take the law as exact.
    report
        Where progress is reported.
    """
    if exact or not engine.supports_allowance or models[0].noise.has_random_effects:
        return engine.run(models, seeds, dtype, report.part(0.0, 1.0, _SAMPLING))
    choice = report.part(0.0, _CHOICE, "choosing the allowance for the law's error")
    allowed = choose_allowances(models, seeds, dtype, choice)
    pairs = zip(models, allowed, strict=True)
    mixtures = [replace(model, allowance=each.allowance) for model, each in pairs]
    found = engine.run(mixtures, seeds, dtype, report.part(_CHOICE, 1.0, _SAMPLING))
    return [
        replace(
            draws,
            points=each.with_noise(draws.points, np.random.default_rng(seed)),
            facts={name: x for name, x in draws.facts.items() if name != "log_evidence"},
            allowance=each.allowance,
            exact=each.exact,
        )
        for draws, each, seed in zip(found, allowed, seeds, strict=True)
    ]


def check_random_effects(model: BoundModel, engine: Engine | Optimize) -> None:
    """Check that the engine can fit errors that runs share, if the model has them.

    Raises
    ------
    InputError
        If the engine cannot.
    """
    if model.noise.has_random_effects and not getattr(engine, "supports_random_effects", False):
        raise InputError(
            f"Engine {engine_name(engine)!r} cannot fit errors that runs share: use 'nuts' or "
            f"'laplace', or a bootstrap of whole groups such as Bootstrap(by='run_id')."
        )


def describe_run(engine: Engine, seed: int, dtype: str) -> dict[str, Any]:
    """Return the engine, its options, the seed, the precision and the device, for the record."""
    return {
        "engine": engine_name(engine),
        "options": asdict(engine),  # type: ignore[call-overload]
        "seed": int(seed),
        "dtype": dtype,
        "device": describe_devices(),
    }
