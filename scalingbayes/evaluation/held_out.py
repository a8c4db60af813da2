"""Log predictive densities of held-out runs: by importance sampling, or by refits."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from scalingbayes._core.errors import InputError
from scalingbayes._core.progress import Report
from scalingbayes.data.folds import Fold
from scalingbayes.fitting.batch import refit
from scalingbayes.model.bound_model import BoundModel
from scalingbayes.posterior.extrapolation import shared_error
from scalingbayes.posterior.posterior import Posterior
from scalingbayes.posterior.predictive_distribution import DiscrepancyDraws, log_predictive
from scalingbayes.results import SAMPLE_DIMS, Check

_MAX_LISTED = 10  # failed refits that a message names


@dataclass(frozen=True, eq=False)
class HeldOutScores:
    """Log predictive density of each run under one law.

    Parameters
    ----------
    elpd
        Log predictive density of each run when it was held out; NaN if it never was.
    effective_parameters
        How much higher the log density is when the run is part of the fit.
    checks
        Whether the refits passed their checks.
    """

    elpd: Float[np.ndarray, " runs"]
    effective_parameters: Float[np.ndarray, " runs"]
    checks: tuple[Check, ...]


def leave_one_out(name: str, post: Posterior, seed: int, report: Report) -> HeldOutScores:
    """Score each run by importance sampling (PSIS), and by a refit where that is unreliable.

    Parameters
    ----------
    name
        Name of the posterior, for messages.
    post
        A posterior.
    seed
        Seed of the refits.
    report
        Where the progress of the refits is reported.

    Raises
    ------
    InputError
        If the log likelihoods were not kept, or runs have weights other than 0 and 1.
    """
    import arviz_stats

    if "log_likelihood" not in post.tree:
        raise InputError(
            f"The log likelihoods of {name!r} were not kept: draws x runs is too large. Keep "
            f"fewer draws, or hold out many runs together, such as by='compute'."
        )
    if not np.allclose(post.weights, 1):
        raise InputError(
            f"{name!r} was fitted with weights other than 0 and 1, so runs cannot be left out one "
            f"by one. Hold out many runs together, such as by='compute'."
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # runs with a large Pareto k are refitted
        loo = arviz_stats.loo(post.tree, pointwise=True)
    elpd = loo.elpd_i.to_numpy().copy()
    log_likelihood = post.tree["log_likelihood"][post.law.target.column]
    flat = log_likelihood.transpose(*SAMPLE_DIMS, "run").to_numpy().reshape(-1, len(elpd))
    in_sample = np.logaddexp.reduce(flat) - np.log(len(flat))
    reliable = loo.pareto_k.to_numpy() <= loo.good_k  # False if Pareto k is NaN
    if reliable.all():
        return HeldOutScores(elpd, in_sample - elpd, ())
    rows = np.arange(len(elpd))
    folds = {int(run): Fold(rows == run, rows != run) for run in np.flatnonzero(~reliable)}
    exact = hold_out(name, post, folds, seed, report.part(0.0, 1.0, "refits without one run"))
    elpd = np.where(reliable, elpd, exact.elpd)
    return HeldOutScores(elpd, in_sample - elpd, exact.checks)


def hold_out(
    name: str, post: Posterior, folds: Mapping[Any, Fold], seed: int, report: Report
) -> HeldOutScores:
    """Score the runs that each fold holds out by a refit to the runs that the fold fits.

    Parameters
    ----------
    name
        Name of the posterior, for messages.
    post
        A posterior.
    folds
        For each fold, which runs are held out, and which runs are fitted.
    seed
        Seed of the refits.
    report
        Where the progress of the refits is reported.
    """
    runs, law = post.runs, post.law
    inputs = {column: runs.column(column, each.domain) for column, each in law.inputs.items()}
    observed = runs.column(law.target.column, law.target.on_scale.domain)

    def score(
        values: Mapping[str, Float[np.ndarray, "chains draws"]],
        mask: Bool[np.ndarray, " runs"],
        model: BoundModel,
        discrepancy_draws: DiscrepancyDraws | None,
        shift: Float[np.ndarray, "chains draws held_out"] | None = None,
    ) -> Float[np.ndarray, " held_out"]:
        return log_predictive(
            law,
            post.noise,
            dict(values),
            {column: x[mask] for column, x in inputs.items()},
            observed[mask],
            model.reference,
            None if model.errors is None else model.errors[mask],
            discrepancy_draws,
            shift,
        )

    weights = {label: fold.fitted * post.weights for label, fold in folds.items()}
    refits = refit(post, weights, seed=seed, progress=report)
    elpd, in_sample = np.full(len(runs), np.nan), np.full(len(runs), np.nan)
    has_discrepancy = bool(post.noise.discrepancy)
    for place, (label, (mask, _)) in enumerate(folds.items()):
        model = refits.models[label]
        values = {str(n): x.to_numpy() for n, x in refits.draws.isel(fit=place).items()}
        discrepancy_draws = refits[label].discrepancy_draws if has_discrepancy else None
        shift = shared_error(refits[label], {name: x[mask] for name, x in inputs.items()})
        elpd[mask] = score(values, mask, model, discrepancy_draws, shift)
        full_model = model.with_weights(post.weights)
        in_sample[mask] = score(post.values, mask, full_model, post.discrepancy_draws)
    failed = [str(label) for label, each in refits.verdicts.items() if not each.passed]
    check = Check(
        not failed,
        f"{len(folds) - len(failed)} of {len(folds)} refits of {name} passed their checks",
        f"{_remedy(post)}; these refits failed: {', '.join(failed[:_MAX_LISTED])}",
    )
    return HeldOutScores(elpd, in_sample - elpd, (check,))


def _remedy(post: Posterior) -> str:
    """Return what to do if refits fail, given the engine that they use."""
    options = post.record.options
    if "warmup" not in options:  # draws that are not from chains
        return "fit it with engine 'nuts'"
    more = ", ".join(f"{name}={2 * options[name]}" for name in ("draws", "warmup"))
    return f"fit it with engine '{post.record.engine}({more})'"
