"""The trials of the scoreboard: which tables are fitted, and how a forecast is scored."""

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from clean import SPREAD, choose_rows, fit_truth, simulate
from jaxtyping import Bool, Float
from methods import Case, Forecast
from sweeps import Sweep, budgets_of, find_vertex

from scalingbayes.data.folds import levels
from scalingbayes.evaluation.score import crps

ROWS = (12, 20, 36, 64)
SCATTERS = (0.003, 0.001)
FAR = 1e23  # FLOPs at which N_opt of clean tables is asked

_DESIGNS = 3  # clean designs of each study: the sweeps that the law fits best
_PRIOR_FREE = 0.8  # least ratio of the least sds with and without a prior
_DECADES = (1.0, 2.0)  # held out at the top of a sweep
_FEWEST_ROWS = 12
_LEAST_FINITE = 0.95  # share of draws
_FEWEST_LEVELS = 4  # of compute, below the held-out runs
_BIN = 0.25  # decades of held-out runs that count as one budget

Row = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Trial:
    """A table to fit, and the function that scores its forecast.

    Parameters
    ----------
    part
        ``"losses"``, ``"optima"``, ``"clean"`` or ``"beyond"``.
    key
        What identifies the table: trials of one key share a fit.
    case
        The table.
    score
        A function of the forecast that returns rows of scores.
    """

    part: str
    key: tuple[Any, ...]
    case: Case
    score: Callable[[Forecast], list[Row]]


def losses(board: Sequence[Sweep]) -> list[Trial]:
    """Hold out the largest budget, then the largest two (sizes, if a sweep has no budgets)."""
    found = []
    for sweep in board:
        for scales in (1, 2):
            held = sweep.level < scales

            def score(forecast: Forecast, sweep: Sweep = sweep, scales: int = scales) -> list[Row]:
                if forecast.log_loss is None:
                    return []
                scores = score_losses(forecast, sweep.frame[sweep.level < scales])
                return [{**of(sweep), "scales": scales, **mean_of(scores)}]

            found.append(hold_out("losses", sweep, held, score))
    return found


def optima(board: Sequence[Sweep]) -> list[Trial]:
    """Hold out the largest two budgets, and compare N_opt there with the budgets' own vertices."""
    found = []
    for sweep in board:
        if not sweep.has_budgets:
            continue
        held = sweep.level < 2
        vertices = {}
        for budget, rows in budgets_of(sweep.frame[held]).items():
            own = np.log(sweep.frame[held][rows][["params", "loss"]].to_numpy())
            if (vertex := find_vertex(own[:, 0], own[:, 1])) is not None:
                vertices[budget] = vertex

        def score(
            forecast: Forecast, sweep: Sweep = sweep, vertices: dict[float, Any] = vertices
        ) -> list[Row]:
            budgets = np.array(list(vertices))
            draws = forecast.log_params_opt(budgets)
            noise = np.random.default_rng(0).standard_normal(draws.shape)
            rows = []
            for place, (budget, vertex) in enumerate(vertices.items()):
                own = finite(draws[:, place])
                noisy = own + vertex.sd * noise[: len(own), place]
                scores = in_intervals(noisy, vertex.log_params)
                error = float(np.median(own) - vertex.log_params)
                measures = {"error": abs(error), "sd": float(np.std(own)), "bias": error}
                row = {"budget": budget, "vertex": vertex.log_params, "vertex sd": vertex.sd}
                rows.append({**of(sweep), **row, **scores, **measures})
            return rows

        if vertices:
            found.append(hold_out("optima", sweep, held, score))
    return found


def clean(board: Sequence[Sweep]) -> list[Trial]:
    """Simulate tables of an exact law on designs of the sweeps that the law fits best.

    A design is left out of a cell if a usual law's prior would lower its least sd of a by more than
    a fifth: its runs alone do not determine the law.
    """
    found = []
    for sweep in _designs(board):
        law = fit_truth(sweep)
        truth = law.a, law.log_params_opt(FAR)
        for rows in (each for each in ROWS if each <= len(sweep.frame)):
            seed = zlib.crc32(f"{sweep.name} {rows}".encode())
            design = sweep.frame.iloc[choose_rows(sweep, rows, seed)].reset_index(drop=True)
            inputs = np.log(design["params"].to_numpy()), np.log(design["tokens"].to_numpy())
            for scatter in SCATTERS:
                least = law.least_sds(*inputs, scatter, FAR)
                if law.least_sds(*inputs, scatter, FAR, SPREAD)[0] < _PRIOR_FREE * least[0]:
                    continue
                about = {**of(sweep), "rows": rows, "scatter": scatter}

                def score(
                    forecast: Forecast,
                    about: Row = about,
                    truth: tuple[float, float] = truth,
                    least: tuple[float, float] = least,
                ) -> list[Row]:
                    draws = forecast.exponent, forecast.log_params_opt(np.array([FAR]))[:, 0]
                    row = dict(about)
                    for name, each, true, sd in zip(("a", "N"), draws, truth, least, strict=True):
                        own = finite(each)
                        row[f"ratio {name}"] = float(np.std(own)) / sd
                        row[f"in90 {name}"] = in_intervals(own, true)["in90"]
                        row[f"z {name}"] = float(np.median(own) - true) / sd
                    return [row]

                name = f"{sweep.name}, {rows} clean rows, scatter {scatter:g}"
                case = Case(sweep.study, name, simulate(law, design, scatter, seed))
                found.append(Trial("clean", (name,), case, score))
    return found


def beyond(board: Sequence[Sweep]) -> list[Trial]:
    """Hold out the largest decade, then two, and predict runs at least a decade beyond the rest."""
    found = []
    for sweep in board:
        decades = np.log10(sweep.compute / sweep.compute.max())
        for reach in _DECADES:
            # Budgets are met approximately: ten times is ten times within 5 %.
            held = decades > -reach + 0.02
            kept = sweep.compute[~held]
            if len(kept) < _FEWEST_ROWS or levels(kept, 0.1).max() + 1 < _FEWEST_LEVELS:
                continue
            distance = np.log10(sweep.compute / kept.max())
            far = (distance > 1 - 0.02) & held

            def score(
                forecast: Forecast,
                sweep: Sweep = sweep,
                reach: float = reach,
                far: np.ndarray = far,
                distance: np.ndarray = distance,
            ) -> list[Row]:
                if forecast.log_loss is None:
                    return []
                scores = score_losses(forecast, sweep.frame[far])
                scores["distance"] = distance[far]
                scores["budget"] = np.floor(distance[far] / _BIN + 0.1) * _BIN
                about = {**of(sweep), "reach": reach}
                return [
                    {**about, "budget": budget, "runs": len(own), **mean_of(own)}
                    for budget, own in scores.groupby("budget")
                ]

            if far.any():
                found.append(hold_out("beyond", sweep, held, score))
    return found


PARTS: dict[str, Callable[[Sequence[Sweep]], list[Trial]]] = {
    "losses": losses,
    "optima": optima,
    "clean": clean,
    "beyond": beyond,
}
"""The parts of the scoreboard."""


def hold_out(
    part: str,
    sweep: Sweep,
    held: Bool[np.ndarray, " runs"],
    score: Callable[[Forecast], list[Row]],
) -> Trial:
    """Return a trial whose table is a sweep without some runs."""
    frame = sweep.frame[~held].reset_index(drop=True)
    case = Case(sweep.study, f"{sweep.name}, {len(frame)} of {len(held)} runs", frame)
    return Trial(part, (sweep.name, held.tobytes()), case, score)


def score_losses(forecast: Forecast, runs: pd.DataFrame) -> pd.DataFrame:
    """Score the predicted log losses of runs; one row a run."""
    assert forecast.log_loss is not None
    observed = np.log(runs["loss"].to_numpy())
    draws = forecast.log_loss(runs["params"].to_numpy(), runs["tokens"].to_numpy())
    low, high = np.quantile(draws, [0.05, 0.95], axis=0)
    bias = np.median(draws, axis=0) - observed
    return pd.DataFrame(
        {
            **in_intervals(draws, observed),
            "crps": crps(draws, observed),
            "log_score": np.nan if forecast.log_score is None else forecast.log_score(runs),
            "width90": high - low,
            "error": np.abs(bias),
            "bias": bias,
        }
    )


def finite(draws: Float[np.ndarray, " draws"]) -> Float[np.ndarray, " draws"]:
    """Return the finite draws; all draws if more than 5 % are not, so that their scores are bad."""
    kept = np.isfinite(draws)
    return draws[kept] if kept.mean() >= _LEAST_FINITE else draws


def in_intervals(draws: np.ndarray, truth: Any) -> dict[str, Any]:
    """Return whether equal-tailed 50 % and 90 % intervals of draws hold the truth, 1 or 0."""
    found = {}
    for name, prob in (("in50", 0.5), ("in90", 0.9)):
        low, high = np.quantile(draws, [(1 - prob) / 2, (1 + prob) / 2], axis=0)
        held = (low <= truth) & (truth <= high)
        found[name] = np.asarray(held, float) if np.ndim(held) else float(held)
    return found


def mean_of(scores: pd.DataFrame) -> Row:
    return {str(name): float(value) for name, value in scores.mean().items()}


def of(sweep: Sweep) -> Row:
    return {"study": sweep.study, "sweep": sweep.name}


def _designs(board: Sequence[Sweep]) -> list[Sweep]:
    """Return the sweeps of each study that the law `coupled` fits best, three at most."""
    by_study: dict[str, list[tuple[float, int, Sweep]]] = {}
    for place, sweep in enumerate(board):
        law = fit_truth(sweep)
        params, tokens, loss = (np.log(sweep.frame[n].to_numpy()) for n in sweep.frame.columns[:3])
        misfit = float(np.median(np.abs(loss - law.log_loss_at(params, tokens))))
        by_study.setdefault(sweep.study, []).append((misfit, place, sweep))
    return [each[2] for own in by_study.values() for each in sorted(own)[:_DESIGNS]]
