"""Choose weights of laws on smaller runs, average the laws, and predict the largest runs.

    python benchmarks/weights.py --data FOLDER
    python benchmarks/weights.py --data FOLDER --only llama3 --laws chinchilla,coupled

FOLDER and the sweeps are those of scoreboard.py. Each law is fitted to the runs below each level.
The largest level, then the largest two, are predicted by the average of the laws. Its weights are
chosen by how well each law predicted the next smaller levels, each from all runs below it. Scores
are of log loss: of each sweep, then averaged with equal weight for each sweep and each study.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import typer
from common import console, machine, show
from scipy.special import logsumexp, softmax
from sweeps import Sweep, public_sweeps

import scalingbayes as sb
from scalingbayes.combine.average import apportion
from scalingbayes.evaluation.score import crps
from scalingbayes.evaluation.stacking import stacking_weights
from scalingbayes.inference import get_engine

LEVELS = 5  # fits of a law to a sweep: without its largest level, its largest two, ...
FITTED_FRACTION = 0.25  # smallest fraction of the runs that is fitted

Densities = list[np.ndarray]
"""Log density of runs (rows) under laws (columns), of each level; the largest level first."""


def means(levels: Densities) -> np.ndarray:
    return np.array([level.mean(0) for level in levels])


def stack(
    levels: Densities, runs_of_a_unit: float = 4, prior_runs: float = 1, most: int = LEVELS
) -> np.ndarray:
    """Return the weights of stacking, from the largest levels, at most ``most`` of them."""
    chosen = levels[:most]
    units = np.repeat(np.arange(len(chosen)), [len(level) for level in chosen])
    return stacking_weights(np.concatenate(chosen), units, runs_of_a_unit, prior_runs)


def bootstrapped(levels: Densities) -> np.ndarray:
    """Return the weights of pseudo-BMA+ (Yao et al. 2018, section 3.4), with levels as units."""
    parts = np.random.default_rng(0).dirichlet(np.ones(len(levels)), 2000)
    return softmax(len(levels) * parts @ means(levels), axis=1).mean(0)


def best(levels: Densities) -> np.ndarray:
    scores = means(levels).sum(0)
    return np.eye(len(scores))[scores.argmax()]


METHODS: dict[str, Callable[[Densities], np.ndarray]] = {
    "equal": lambda levels: np.full(levels[0].shape[1], 1 / levels[0].shape[1]),
    "runs of one level, no prior": partial(stack, runs_of_a_unit=np.inf, prior_runs=0, most=1),
    "runs of all levels, no prior": partial(stack, runs_of_a_unit=np.inf, prior_runs=0),
    **{f"one level as {n} runs": partial(stack, runs_of_a_unit=n, most=1) for n in (1, 2, 4, 8)},
    **{f"all levels as {n} runs each": partial(stack, runs_of_a_unit=n) for n in (1, 4)},
    "pseudo-BMA+ of levels": bootstrapped,
    "best mean over levels": best,
}
"""Weights of laws, from the levels that they predicted."""


@dataclass(frozen=True, eq=False)
class Predictions:
    """What laws, fitted to the runs of a sweep below a level, predict for its other runs.

    ``log_density`` has a column for each law; ``draws`` are of log loss, in one array for each law.
    """

    level: np.ndarray
    observed: np.ndarray
    log_density: np.ndarray
    draws: list[np.ndarray]


def predict(
    board: list[Sweep], laws: list[str], engine: str, draws: int
) -> dict[tuple[str, int], Predictions]:
    """Fit each law below each level of each sweep, and return the predictions of larger runs."""
    cases = []
    for sweep in board:
        for below in range(1, LEVELS + 1):
            if (sweep.level >= below).mean() >= FITTED_FRACTION:
                cases.append((sweep, below))
    tables = [sb.Runs(sweep.frame) for sweep, _ in cases]
    weights = [1.0 * (sweep.level >= below) for sweep, below in cases]
    how: dict[str, Any] = {"engine": get_engine(engine, draws=draws), "weights": weights}
    found: dict[tuple[str, int], Predictions] = {}
    for law in laws:
        posts = sb.fit_many(tables, law, **how)
        for place, (sweep, below) in enumerate(cases):
            larger, table = sweep.level < below, tables[place]
            # All runs are predicted, so that the fits to a sweep share compiled programs.
            scores = sb.score(posts[place], table)["log_score"].to_numpy()[larger]
            asked: dict[str, Any] = {name: table.column(name) for name in posts[place].law.inputs}
            drawn = posts[place].predict(**asked).draws["observed"].to_numpy()
            drawn = np.log(drawn.reshape(-1, len(larger))[:, larger])
            observed = np.log(table.column("loss")[larger])
            empty = Predictions(sweep.level[larger], observed, np.empty((larger.sum(), 0)), [])
            last = found.get((sweep.name, below), empty)
            density = np.column_stack([last.log_density, scores])
            found[sweep.name, below] = Predictions(
                last.level, observed, density, [*last.draws, drawn]
            )
    return found


def evaluate(
    board: list[Sweep], laws: list[str], found: dict[tuple[str, int], Predictions], folds: int
) -> pd.DataFrame:
    """Return a row of scores for each sweep, number of held-out levels, and method."""
    alone = {f"{law} alone": np.eye(len(laws))[place] for place, law in enumerate(laws)}
    rows = []
    for sweep in board:
        fitted = sorted(below for name, below in found if name == sweep.name)
        for scales in (1, 2):
            below = [each for each in fitted if each > scales][:folds]
            if not below:
                continue
            past = [found[sweep.name, each] for each in below]
            levels = [
                each.log_density[each.level == number - 1]
                for number, each in zip(below, past, strict=True)
            ]
            weights = {name: method(levels) for name, method in METHODS.items()} | alone
            target = found[sweep.name, scales]
            for name, each in weights.items():
                row = {"study": sweep.study, "sweep": sweep.name, "scales": scales, "method": name}
                rows.append(row | score_average(target, each) | dict(zip(laws, each, strict=True)))
    return pd.DataFrame(rows)


def score_average(target: Predictions, weights: np.ndarray) -> dict[str, float]:
    """Return the mean scores of the average of laws with these weights."""
    log_score = logsumexp(target.log_density, axis=1, b=weights)
    counts = apportion(weights, min(map(len, target.draws)))
    random = np.random.default_rng(0)
    parts = [
        draws[random.permutation(len(draws))[:count]]
        for draws, count in zip(target.draws, counts, strict=True)
    ]
    crps_of_runs = crps(np.concatenate(parts), target.observed)
    return {
        "log_score": float(log_score.mean()),
        "crps": float(crps_of_runs.mean()),
        "largest weight": float(weights.max()),
    }


def summarize(scores: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the mean scores of each method over sweeps and over studies."""
    measures = ["log_score", "crps", "largest weight"]
    sweep = scores.groupby(["method", "study", "sweep"], sort=False)[measures].mean()
    study = sweep.groupby(["method", "study"], sort=False).mean()
    score = study.reset_index().pivot_table("log_score", "method", "study")
    score = score.sub(score.loc["equal"])
    case = scores.pivot_table(index=["sweep", "scales"], columns="method", values="log_score")
    worst = case.sub(case["equal"], axis=0).min()
    return [
        {
            "method": method,
            "log score, sweeps": sweep.loc[method, "log_score"].mean(),
            "CRPS, sweeps": sweep.loc[method, "crps"].mean(),
            "largest weight": sweep.loc[method, "largest weight"].mean(),
            "log score, studies": study.loc[method, "log_score"].mean(),
            "CRPS, studies": study.loc[method, "crps"].mean(),
            "over equal": score.loc[method].mean(),
            "its se": score.loc[method].std() / np.sqrt(score.shape[1]),
            "worst case": worst[method],
        }
        for method in scores["method"].unique()
    ]


def main(
    data: Annotated[Path, typer.Option(help="Folder of the public tables.")],
    only: Annotated[str, typer.Option(help="Sweeps whose names hold this.")] = "",
    laws: Annotated[str, typer.Option(help="Laws, separated by commas.")] = (
        "chinchilla,coupled,kaplan"
    ),
    folds: Annotated[int, typer.Option(help="The most levels that choose the weights.")] = 4,
    engine: Annotated[str, typer.Option(help="nuts or laplace.")] = "laplace",
    draws: Annotated[int, typer.Option(help="Draws of a chain, or of laplace.")] = 500,
    out: Annotated[Path | None, typer.Option("--json", help="File for all scores.")] = None,
) -> None:
    """Print how well averages of laws predict the largest runs, by how their weights are chosen."""
    board = [sweep for sweep in public_sweeps(data) if only in sweep.name]
    names = laws.split(",")
    scores = evaluate(board, names, predict(board, names, engine, draws), folds)
    summary = summarize(scores)
    cases = len(scores.groupby(["sweep", "scales"]))
    console.print(f"{cases} predictions: {len(board)} sweeps, one and two levels held out of each")
    show("averages of laws", summary)
    if out is not None:
        record = {"machine": machine(), "scores": scores.to_dict("records"), "summary": summary}
        out.write_text(json.dumps(record, indent=1))


if __name__ == "__main__":
    typer.run(main)
