"""Approach 1: the lower envelope of training curves."""

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from scalingbayes._core.arguments import Seed
from scalingbayes._core.checked import checked
from scalingbayes._core.errors import InputError
from scalingbayes.data.folds import levels
from scalingbayes.data.runs import Runs, Table, as_runs
from scalingbayes.decisions.approaches.frontier import (
    HOFFMANN_TAILS,
    Frontier,
    draw_parts,
    make_frontier,
)
from scalingbayes.model.curves import find_curves

CURVES = "run_id"
"""Default name of the column that identifies the training curve of each row."""

_BUDGETS = 1500  # as Hoffmann et al. 2022
_FEWEST_CURVES = 3
_SAME_SIZE = 0.01  # relative: digitised sizes that differ by less are of one model


@checked
def envelope(runs: Table, *, curves: str | None = None, seed: Seed = 0) -> Frontier:
    """Estimate a and b from the envelope of training curves (Hoffmann et al. 2022, section 3.1).

    Log loss and log tokens of each curve are interpolated linearly in log compute at 1,500 budgets.
    For each budget, the curve of least loss gives N_opt and D_opt. A budget is left out if that
    curve is of the smallest or the largest model: it does not bracket a minimum.

    The interval is from the 10th to the 90th percentile of 100 resamples of 80 % of the curves.

    Parameters
    ----------
    runs
        A table of checkpoints with params, tokens and loss. Losses should be smoothed: the envelope
        of noisy curves is biased downwards.
    curves
        The column whose labels identify training curves. By default ``run_id`` if the table has
        it; otherwise the column that looks like names of curves.
        ``"params"`` takes the rows of one size as one curve, whatever they are.
    seed
        Seed of the resamples.

    Raises
    ------
    InputError
        If the table lacks a column, shows no sign of curves, has fewer than three, or they bracket
        fewer than two minima.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> found = sb.envelope(sb.datasets.load("chinchilla"), curves="params")
    >>> round(found.exponents.a, 1)
    0.5
    """
    runs = as_runs(runs)
    compute, tokens, loss, labels, note = _read(runs, curves)
    budgets = np.geomspace(compute.min(), compute.max(), _BUDGETS)
    sizes, losses, seen = [], [], []
    rows = 0
    for label in np.unique(labels):
        own = np.flatnonzero(labels == label)
        own = own[np.argsort(compute[own], kind="stable")]
        if len(np.unique(compute[own])) < 2:
            continue
        rows += len(own)
        # A curve is not extrapolated beyond its ends.
        ends = {"left": np.nan, "right": np.nan}
        at = np.log(budgets)
        losses.append(np.interp(at, np.log(compute[own]), np.log(loss[own]), **ends))
        seen.append(np.interp(at, np.log(compute[own]), np.log(tokens[own]), **ends))
        sizes.append(np.log(runs.column("params")[own]).mean())
    if len(sizes) < _FEWEST_CURVES:
        raise InputError(
            f"needs at least {_FEWEST_CURVES} training curves with several rows a run: there are "
            f"{len(sizes)} (set curves= to the column that identifies runs)"
        )
    log_params, log_losses, log_tokens = map(np.array, (sizes, losses, seen))
    keep = np.vstack([np.ones(len(sizes)), draw_parts(len(sizes), seed)])
    best = np.array([_best(log_losses, log_params, kept > 0) for kept in keep])
    found = best >= 0
    return make_frontier(
        budgets,
        np.where(found, log_params[best], np.nan),
        np.where(found, log_tokens[best, np.arange(_BUDGETS)], np.nan),
        HOFFMANN_TAILS,
        "10th to 90th percentile of 100 resamples of 80% of the curves",
        f"{len(sizes)} curves, {rows} rows",
        note,
    )


def _read(
    runs: Runs, curves: str | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, str]:
    params, tokens, loss, compute = (
        runs.column(name) for name in ("params", "tokens", "loss", "compute")
    )
    if curves is None and CURVES in runs.frame:
        curves = CURVES
    note = ""
    if curves is None:
        found = find_curves(runs.frame)
        if found is None:
            raise InputError(
                "the table shows no sign of training curves, so that each row is a run of its own. "
                "If a column names curves, give its name (curves='NAME', or --curves NAME in the "
                "shell); 'params' takes the rows of one size as a curve"
            )
        curves, note = found.column, f"column {found.column!r} names curves: {found.evidence}"
    if curves == "params":
        return compute, tokens, loss, levels(params, _SAME_SIZE), "rows of equal params as a curve"
    return compute, tokens, loss, pd.factorize(runs.labels(curves))[0], note


def _best(
    log_losses: Float[np.ndarray, "curves budgets"],
    log_params: Float[np.ndarray, " curves"],
    kept: Bool[np.ndarray, " curves"],
) -> Int[np.ndarray, " budgets"]:
    """Return the curve of least loss for each budget; -1 if it does not bracket a minimum."""
    known = kept[:, None] & np.isfinite(log_losses)
    best = np.where(known, log_losses, np.inf).argmin(axis=0)
    sizes = np.where(known, log_params[:, None], np.nan)
    smaller = (sizes < log_params[best]).any(axis=0)
    larger = (sizes > log_params[best]).any(axis=0)
    return np.where(smaller & larger, best, -1)
