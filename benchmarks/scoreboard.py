"""Test whether intervals hold: fit public sweeps without their largest scales, and predict these.

    python benchmarks/scoreboard.py --data FOLDER                # the tables of docs/benchmarks.md
    python benchmarks/scoreboard.py --data FOLDER --only llama3  # some sweeps
    python benchmarks/scoreboard.py --data FOLDER --methods "default;separable" --json board.json

FOLDER holds the public tables as CSV files (chinchilla_epoch.csv, porian_isoflop.csv, ...). The
benchmark holds out the largest budget of each sweep, then the largest two (of model size, if there
are no budgets). Scores are of log loss. They are averaged twice: with equal weight for each sweep,
and with equal weight for each study. Nothing is tuned on held-out runs.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import typer
from common import console, machine, seconds, show

import scalingbayes as sb
from scalingbayes.data.folds import levels
from scalingbayes.inference import get_engine

BUDGETS_ALIKE = 0.1  # budgets, or sizes, within this fraction are one
MEASURES = ("in50", "in90", "crps", "log_score", "width90", "error", "bias")

SEPARABLE = sb.Model("chinchilla", "student_t")
VARYING = "student_t(varying=compute)"
METHODS: dict[str, dict[str, Any]] = {
    "default": {},
    "separable": {"model": SEPARABLE, "likelihood_power": 1},
    "separable, Huber": {"model": sb.Model("chinchilla", "huber"), "likelihood_power": 1},
    "separable, normal": {"model": sb.Model("chinchilla", "normal"), "likelihood_power": 1},
    "separable, auto power": {"model": SEPARABLE},
    "separable, varying": {"model": sb.Model("chinchilla", VARYING), "likelihood_power": 1},
    "separable, varying, auto power": {"model": sb.Model("chinchilla", VARYING)},
    "coupled": {"model": sb.Model("coupled", "student_t"), "likelihood_power": 1},
    "coupled, auto power": {"model": sb.Model("coupled", "student_t")},
    "coupled, varying": {"model": sb.Model("coupled", VARYING), "likelihood_power": 1},
    "kaplan, varying, auto power": {"model": sb.Model("kaplan", VARYING)},
}
"""The methods that are scored: arguments of sb.fit_many."""


@dataclass(frozen=True, eq=False)
class Sweep:
    """A sweep: study, name, rows, and the number of each row's scale, where 0 is the largest."""

    study: str
    name: str
    frame: pd.DataFrame
    level: np.ndarray


def sweeps(data: Path) -> list[Sweep]:
    """Return every public sweep with at least four budgets or sizes."""
    found = []

    def add(study: str, name: str, frame: pd.DataFrame, scale: str) -> None:
        frame = frame.reset_index(drop=True)
        level = levels(frame[scale].to_numpy(float), BUDGETS_ALIKE)
        found.append(Sweep(study, name, frame[["params", "tokens", "loss"]], level))

    def read(name: str) -> pd.DataFrame:
        return pd.read_csv(data / f"{name}.csv")

    octiles = read("chinchilla_epoch")
    octiles["scale"] = np.exp(pd.qcut(np.log(octiles["compute"]), 8, labels=False))
    add("chinchilla", "chinchilla, octiles of compute", octiles, "scale")
    add("chinchilla", "chinchilla, IsoFLOP", read("chinchilla_scalefit_isoflop"), "isoflop_budget")
    add("llama3", "llama3", read("llama3_isoflop"), "isoflop_budget")
    for name, part in read("porian_isoflop").groupby("group"):
        add("porian", f"porian {name}", part, "isoflop_budget")
    for name, part in read("gemstones").groupby("group"):
        add("gemstones", f"gemstones {name}", part, "params")
    add("misfitting", "misfitting", read("misfitting"), "params")
    for name, part in read("overtraining_gadre").groupby("dataset"):
        add("overtraining", f"overtraining {name}", part, "params")
    return found


def evaluate(
    board: list[Sweep], method: dict[str, Any], engine: str, draws: int
) -> tuple[pd.DataFrame, float]:
    """Return scores, one row per sweep and number of held-out scales, and the seconds per fit."""
    cases = [(sweep, scales) for sweep in board for scales in (1, 2)]
    held = [sweep.level < scales for sweep, scales in cases]
    tables = [sb.Runs(sweep.frame, name=sweep.name) for sweep, _ in cases]
    weights = [1.0 - mask for mask in held]
    how = {"engine": get_engine(engine, draws=draws), **method}
    took, posts = seconds(lambda: sb.fit_many(tables, weights=weights, **how))
    rows = []
    for place, (sweep, scales) in enumerate(cases):
        post = posts[place]
        scores = sb.score(post, tables[place].filter(held[place]))
        means = {**scores.mean(), "error": scores["error"].abs().mean()}
        rows.append(
            {
                "study": sweep.study,
                "sweep": sweep.name,
                "scales": scales,
                "passed": post.verdict.passed,
                "likelihood_power": post.likelihood_power,
                **{name: float(means[name]) for name in MEASURES[:-1]},
                "bias": float(scores["error"].mean()),
            }
        )
    return pd.DataFrame(rows), took / len(cases)


def pooled(scores: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """Return mean scores with equal weight for each sweep, and for each study."""
    sweep = scores.groupby(["study", "sweep"])[list(MEASURES)].mean()
    return sweep.mean(), sweep.groupby("study").mean().mean()


def main(
    data: Annotated[Path, typer.Option(help="Folder of the public tables.")],
    only: Annotated[str, typer.Option(help="Sweeps whose names hold this.")] = "",
    methods: Annotated[str, typer.Option(help="Some methods, with semicolons between.")] = "",
    engine: Annotated[str, typer.Option(help="nuts or laplace.")] = "nuts",
    draws: Annotated[int, typer.Option(help="Draws of a chain, or of laplace.")] = 500,
    out: Annotated[Path | None, typer.Option("--json", help="File for all scores.")] = None,
) -> None:
    """Print how well each method predicts the largest scales of public sweeps."""
    board = [sweep for sweep in sweeps(data) if only in sweep.name]
    chosen = [name.strip() for name in methods.split(";")] if methods else list(METHODS)
    studies = len({sweep.study for sweep in board})
    console.print(f"{len(board)} sweeps of {studies} studies, one and two scales held out of each")
    summary: dict[str, list[dict[Any, Any]]] = {"sweeps": [], "studies": []}
    record: dict[str, Any] = {"machine": machine(), "scores": {}}
    for name in chosen:
        scores, took = evaluate(board, METHODS[name], engine, draws)
        for kind, means in zip(summary, pooled(scores), strict=True):
            row = {"method": name} | means.to_dict() | {"passed": scores["passed"].mean()}
            summary[kind].append(row | {"seconds": took})
        record["scores"][name] = scores.to_dict("records")
        if name == chosen[0]:
            show(f"{name}, each sweep", scores.to_dict("records"))
    show("each sweep counts alike", summary["sweeps"])
    show("each study counts alike", summary["studies"])
    if out is not None:
        out.write_text(json.dumps(record | {"summary": summary}, indent=1))


if __name__ == "__main__":
    typer.run(main)
