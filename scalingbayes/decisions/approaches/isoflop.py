"""Approach 2: the minimum of each IsoFLOP curve, and a power law fitted to the minima."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from scipy.interpolate import Akima1DInterpolator

from scalingbayes._core.arguments import Seed
from scalingbayes._core.checked import checked
from scalingbayes._core.errors import InputError
from scalingbayes.data.folds import levels
from scalingbayes.data.runs import Runs, Table, as_runs
from scalingbayes.decisions.approaches.frontier import (
    HOFFMANN_TAILS,
    PORIAN_TAILS,
    Frontier,
    draw_parts,
    make_frontier,
)
from scalingbayes.model.bound_model import geometric_mean

Curve = Literal["parabola", "akima"]

BUDGETS = "isoflop_budget"
"""Default name of the column with the IsoFLOP budget of each run."""

_FEWEST_SIZES = 3
_NOISE_DRAWS = 1000  # as Porian et al. 2024
_GRID = 25  # points of a spline per gap between two runs, as Porian et al. 2024
_LEAST_SD = 0.33  # of an optimum, in mean gaps between runs, as Porian et al. 2024
_DISTINCT = 1e-9  # log sizes that differ by more are of different models


@dataclass(frozen=True)
class _Budget:
    """The runs of one IsoFLOP budget."""

    compute: float
    rows: np.ndarray
    log_params: Float[np.ndarray, " runs"]
    log_tokens: Float[np.ndarray, " runs"]
    loss: Float[np.ndarray, " runs"]


@checked
def isoflop(
    runs: Table,
    curve: Curve = "parabola",
    *,
    budgets: str | None = None,
    tolerance: float = 0.05,
    weighted: bool = False,
    loss_sd: float = 1e-3,
    seed: Seed = 0,
) -> Frontier:
    """Estimate a and b from IsoFLOP curves (Hoffmann et al. 2022, section 3.2).

    Parameters
    ----------
    runs
        A table with params, tokens and loss.
    curve
        ``"parabola"``: for each budget, one parabola of the loss in log params and one in log
        tokens (Hoffmann et al. 2022). The interval is from the 10th to the 90th percentile of 100
        resamples of 80 % of the rows. The vertex is biased, because a law's curve is not a
        parabola; a wider range of sizes has a larger bias (:func:`isoflop_bias`).
        ``"akima"``: an Akima spline through the log of the least loss of each size (Porian et al.
        2024, arXiv:2406.19146, section 3.2). The interval contains 95 % of 1,000 simulations of
        noise in the losses.
    budgets
        The column whose labels identify budgets; numbers are budgets in FLOPs. By default
        ``isoflop_budget`` if the table has it; otherwise levels of nearly equal compute.
    tolerance
        Relative width of a level of compute, as for :func:`scalingbayes.folds.levels`.
    weighted
        For Akima splines: whether the power law weights each optimum by its inverse variance under
        the noise. The sd of an optimum is at least 0.33 times the mean gap between sizes.
    loss_sd
        For Akima splines: the sd of a loss between seeds, as a fraction of the loss. Reruns with
        another seed in Muennighoff et al. 2023 differ by 0.004 nats, about 0.001 of the loss.
    seed
        Seed of the resamples.

    Returns
    -------
    Frontier
        Power laws, and one optimum a budget; NaN if it is not within the budget's sizes.

    Raises
    ------
    InputError
        If the table lacks a column, fewer than two budgets have three sizes, or fewer than two
        bracket a minimum.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> values = {"E": 1.69, "A": 406.4, "B": 410.7, "alpha": 0.34, "beta": 0.28}
    >>> found = sb.isoflop(sb.isoflop_sweep(values))
    >>> round(found.exponents.a, 4), round(0.28 / (0.34 + 0.28), 4)
    (0.4516, 0.4516)
    """
    runs = as_runs(runs)
    if curve not in ("parabola", "akima"):
        raise InputError(f"curve must be 'parabola' or 'akima'; got {curve!r}.")
    if not np.isfinite(loss_sd) or loss_sd <= 0:
        raise InputError(f"loss_sd must be a positive fraction, such as 0.001; got {loss_sd!r}.")
    found = _split_by_budget(runs, budgets, tolerance)
    if curve == "parabola":
        if weighted:
            raise InputError(
                "weighted=True needs curve='akima', whose simulated noise gives the weights."
            )
        return _by_parabolas(found, len(runs), seed)
    return _by_splines(found, loss_sd, weighted, seed)


def _split_by_budget(runs: Runs, column: str | None, tolerance: float) -> list[_Budget]:
    """Return the budgets with at least three sizes, the smallest budget first."""
    params, tokens, loss, compute = (
        runs.column(name) for name in ("params", "tokens", "loss", "compute")
    )
    if column is None and BUDGETS in runs.frame:
        column = BUDGETS
    labels = levels(compute, tolerance) if column is None else runs.labels(column)
    given = column is not None and pd.api.types.is_numeric_dtype(runs.frame[column])
    if given:
        runs.column(str(column))  # checks that FLOPs are positive
    found = []
    for label in pd.unique(labels):
        rows = np.flatnonzero(labels == label)
        if len(np.unique(params[rows])) < _FEWEST_SIZES:
            continue
        rows = rows[np.argsort(params[rows], kind="stable")]
        middle = float(label) if given else geometric_mean(compute[rows])
        found.append(_Budget(middle, rows, np.log(params[rows]), np.log(tokens[rows]), loss[rows]))
    if len(found) < 2:
        raise InputError(
            f"needs two budgets or more with {_FEWEST_SIZES} model sizes each; there are "
            f"{len(found)} (set budgets= to the column of budgets, or increase "
            f"tolerance={tolerance:g})"
        )
    return sorted(found, key=lambda budget: budget.compute)


def _by_parabolas(budgets: list[_Budget], rows: int, seed: int) -> Frontier:
    weights = np.vstack([np.ones(rows), draw_parts(rows, seed)])

    def optima(name: str) -> np.ndarray:
        return np.transpose(
            [_vertices(getattr(each, name), each.loss, weights[:, each.rows]) for each in budgets]
        )

    log_params, log_tokens = optima("log_params"), optima("log_tokens")
    return make_frontier(
        np.array([each.compute for each in budgets]),
        log_params,
        log_tokens,
        HOFFMANN_TAILS,
        "10th to 90th percentile of 100 resamples of 80% of the rows",
        _used(budgets),
        _unbracketed(log_params[0]),
    )


def _vertices(
    x: Float[np.ndarray, " runs"],
    loss: Float[np.ndarray, " runs"],
    weights: Float[np.ndarray, "resamples runs"],
) -> Float[np.ndarray, " resamples"]:
    """Return the vertex of the parabola fitted to each resample; NaN if it is not bracketed.

    Weights are 0 and 1.
    """
    centre, scale = x.mean(), x.std()
    z = (x - centre) / scale
    design = weights[:, :, None] * np.stack([np.ones_like(z), z, z**2], axis=1)
    _, slope, bend = np.moveaxis(np.linalg.pinv(design) @ loss, -1, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        vertex = -slope / (2 * bend)
    lowest = np.where(weights > 0, z, np.inf).min(axis=1)
    highest = np.where(weights > 0, z, -np.inf).max(axis=1)
    enough = _count_sizes(z, weights) >= _FEWEST_SIZES
    bracketed = enough & (bend > 0) & (lowest < vertex) & (vertex < highest)
    return np.where(bracketed, centre + scale * vertex, np.nan)


def _count_sizes(x: np.ndarray, weights: Float[np.ndarray, "resamples runs"]) -> np.ndarray:
    """Count the distinct sizes of each resample."""
    order = np.argsort(x)
    number = np.concatenate([[0], np.cumsum(np.diff(x[order]) > _DISTINCT)])
    drawn = weights[:, order] > 0
    return np.sum([drawn[:, number == size].any(axis=1) for size in range(number[-1] + 1)], axis=0)


def _by_splines(budgets: list[_Budget], loss_sd: float, weighted: bool, seed: int) -> Frontier:
    random = np.random.default_rng(seed)
    optima: dict[str, list[np.ndarray]] = {"params": [], "tokens": []}
    weights: dict[str, list[float]] = {"params": [], "tokens": []}
    for each in budgets:
        for name, x in (("params", each.log_params), ("tokens", each.log_tokens)):
            x, log_loss = _least_of_each_size(x, np.log(each.loss))
            found = _spline_minima(x, log_loss, loss_sd, random)
            inside = np.isfinite(found[1:])
            if np.isnan(found[0]) or inside.mean() < 0.5:
                found = np.full_like(found, np.nan)
                sd = np.inf
            else:
                gap = (x[-1] - x[0]) / (len(x) - 1)
                sd = max(np.nanstd(found[1:]), _LEAST_SD * gap) / inside.mean()
            optima[name].append(found)
            weights[name].append(sd**-2)
    logs = {name: np.transpose(values) for name, values in optima.items()}
    by_name = {name: np.array(values) for name, values in weights.items()}
    return make_frontier(
        np.array([each.compute for each in budgets]),
        logs["params"],
        logs["tokens"],
        PORIAN_TAILS,
        f"95% of 1000 draws of noise in the losses, sd {loss_sd:.2g} of the loss",
        _used(budgets),
        _unbracketed(logs["params"][0]),
        by_name if weighted else None,
    )


def _least_of_each_size(x: np.ndarray, loss: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    least = pd.Series(loss).groupby(x).min()  # sorted by x
    keep = np.concatenate([[True], np.diff(least.index) > _DISTINCT])
    return least.index.to_numpy()[keep], least.to_numpy()[keep]


def _spline_minima(
    x: Float[np.ndarray, " sizes"],
    log_loss: Float[np.ndarray, " sizes"],
    loss_sd: float,
    random: np.random.Generator,
) -> Float[np.ndarray, " draws"]:
    """Return minima of splines through the losses and through noisy losses; NaN at the ends."""
    noise = loss_sd * random.standard_normal((_NOISE_DRAWS, len(x)))
    losses = log_loss + np.vstack([np.zeros(len(x)), noise])
    grid = np.linspace(x[0], x[-1], (len(x) - 1) * _GRID)
    place = Akima1DInterpolator(x, losses.T)(grid).argmin(axis=0)
    inside: Bool[np.ndarray, " draws"] = (place > 0) & (place < len(grid) - 1)
    return np.where(inside, grid[place], np.nan)


def _used(budgets: list[_Budget]) -> str:
    return f"{len(budgets)} budgets, {sum(len(each.rows) for each in budgets)} rows"


def _unbracketed(log_optima: Float[np.ndarray, " budgets"]) -> str:
    """Return a remark on the number of budgets without a bracketed minimum."""
    missing = int(np.isnan(log_optima).sum())
    if not missing:
        return ""
    return (
        f"left out: {missing} of {len(log_optima)} budgets, whose runs do not bracket the minimum"
    )
