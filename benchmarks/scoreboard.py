"""Score methods on public sweeps: losses of larger runs, optima, clean tables, far extrapolation.

    python benchmarks/scoreboard.py --data FOLDER                # the tables of docs/benchmarks.md
    python benchmarks/scoreboard.py --data FOLDER --only llama3 --parts losses,optima
    python benchmarks/scoreboard.py --data FOLDER --methods "default;approach 2" --json board.json

FOLDER holds the public tables as CSV files (chinchilla_epoch.csv, porian_isoflop.csv, ...). The
parts:

losses  The largest budget of each sweep is held out, then the largest two (of model size, if there
        are no budgets). Scores are of log loss.
optima  N_opt at the largest two budgets, predicted from the smaller ones, is compared with the
        vertex of each budget's own runs, whose standard error widens the predicted intervals.
clean   Tables of the exact law `coupled` on designs of the sweeps, with log-normal scatter: the sds
        of a and of log N_opt at 1e23 FLOPs over the least possible, and whether intervals hold.
beyond  The largest decade of compute is held out, then the largest two. Runs at least one decade
        beyond the fitted runs are predicted.
seconds Tables are fitted one at a time, compiled: seconds, and processor seconds of all cores.

Means are with equal weight for each sweep and for each study; +- is a standard error over studies.
benchmarks/methods.py says how to enter a method. Nothing is tuned on held-out runs.
"""

import json
import time
import zlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import typer
from common import console, machine, seconds, show
from methods import METHODS, Forecast, Method, Settings
from peers import Absent
from sweeps import public_sweeps
from trials import PARTS, Row, Trial

from scalingbayes.posterior.extrapolation import ERROR_PER_DECADE

LOSSES = ("in50", "in90", "crps", "log_score", "width90", "error", "bias")
OPTIMA = ("in50", "in90", "error", "sd", "bias")
TIMED = 6
"""Tables that are fitted one by one to be timed."""

RATES = (0.0, 0.002, 0.004, 0.006, 0.01, 0.02)
"""Sds of the shared error beyond the data, in log loss a decade, whose likelihoods are compared."""

Scores = dict[str, list[Row]]


def evaluate(method: Method, trials: Sequence[Trial], settings: Settings) -> Scores:
    """Return rows of scores by part; each table is fitted once."""
    cases = {trial.key: trial.case for trial in trials}
    took, forecasts = seconds(lambda: method.fit_many(list(cases.values()), settings))
    by_key: dict[Any, Forecast | None] = dict(zip(cases, forecasts, strict=True))
    answered = [each for each in forecasts if each is not None]
    scores: Scores = {"fits": [{"fits": len(answered), "seconds": took / len(cases)}]}
    for trial in trials:
        forecast = by_key[trial.key]
        rows = [] if forecast is None else trial.score(forecast)
        if forecast is not None and rows:
            passed = {"passed": forecast.passed}
            scores.setdefault(trial.part, []).extend({**row, **passed} for row in rows)
    scores["fits"][0]["passed"] = float(np.mean([each.passed for each in answered]))
    return scores


def time_one(method: Method, trials: Sequence[Trial], settings: Settings) -> list[Row]:
    """Fit some tables twice, one at a time, and return the seconds of the second fits."""
    cases = {trial.key: trial.case for trial in trials}
    ordered = sorted(cases.values(), key=lambda case: zlib.crc32(case.name.encode()))
    rows = []
    for case in ordered[:TIMED]:
        fit = partial(method.fit_many, [case], settings)
        fit()  # compiles
        start = time.process_time()
        took, forecasts = seconds(fit)
        processor = time.process_time() - start
        if forecasts[0] is not None:
            row = {"table": case.name, "rows": len(case.frame)}
            rows.append(row | {"seconds": took, "processor": processor})
    return rows


def means(
    rows: Sequence[Row], measures: Sequence[str], unit: Sequence[str] = ("study", "sweep")
) -> dict[str, Row]:
    """Return means of scores and their standard errors over studies.

    Parameters
    ----------
    rows
        Rows of scores.
    measures
        Columns to average.
    unit
        Columns of what counts alike in the first mean; the second counts studies alike.
    """
    of_unit = pd.DataFrame(rows).groupby(list(unit), sort=False)[list(measures)].mean()
    by_study = of_unit.groupby(level="study", sort=False)
    return {
        "each": weighted(by_study.mean(), by_study.size().to_numpy(float)),
        "study": weighted(by_study.mean(), np.ones(by_study.ngroups)),
    }


def weighted(studies: pd.DataFrame, weights: np.ndarray) -> Row:
    """Return weighted means over studies, and their standard errors, which count studies."""
    weights = weights / weights.sum()
    mean = weights @ studies.to_numpy()
    count = len(studies)
    errors = weights[:, None] * (studies.to_numpy() - mean)
    with np.errstate(divide="ignore", invalid="ignore"):
        sd = np.sqrt(np.sum(errors**2, axis=0) * count / (count - 1.0))
    found: Row = dict(zip(studies.columns, mean.tolist(), strict=True))
    return found | {f"{name} +-": each for name, each in zip(studies.columns, sd, strict=True)}


def clean_cells(rows: Sequence[Row]) -> list[Row]:
    """Return ratios and coverage of clean tables, for each number of rows and scatter."""
    found = []
    for (scatter, count), cell in pd.DataFrame(rows).groupby(["scatter", "rows"]):
        row: Row = {"scatter": scatter, "rows": count, "tables": len(cell)}
        for name in ("a", "N"):
            ratio = cell[f"ratio {name}"]
            row[f"ratio {name}, median"] = ratio.median()
            row[f"ratio {name}, 90th"] = ratio.quantile(0.9)
            row[f"in90 {name}"] = cell[f"in90 {name}"].mean()
        found.append(row)
    return found


def far_summary(rows: Sequence[Row]) -> Row:
    """Return coverage beyond the data, with each run, each budget and each sweep counted alike."""
    frame = pd.DataFrame(rows)
    runs = frame["runs"]
    row: Row = {"runs": int(runs.sum()), "in90": float((frame["in90"] * runs).sum() / runs.sum())}
    row |= {"budgets": len(frame), "in90, budgets": float(frame["in90"].mean())}
    both = means(rows, ("in50", "in90", "crps"))
    wanted = [("each", "sweeps", name) for name in ("in90", "in50", "crps")]
    for kind, label, name in [*wanted, ("study", "studies", "in90")]:
        row[f"{name}, {label}"] = both[kind][name]
        row[f"{name}, {label} +-"] = both[kind][f"{name} +-"]
    return row


def rate_rows(rows: Sequence[Row]) -> list[Row]:
    """Return how likely mean errors beyond the data are, for rates of the error that runs share.

    The package adds such an error with the rate ``ERROR_PER_DECADE``, which is taken out first. A
    sweep counts alike whatever its budgets; a study counts as the root of its number of sweeps.
    """
    frame = pd.DataFrame(rows)
    distance, error = frame["distance"].to_numpy(), frame["bias"].to_numpy()
    sd = frame["width90"].to_numpy() / (2 * 1.645)
    own = np.maximum(sd**2 - (ERROR_PER_DECADE * distance) ** 2, 1e-10)
    sweeps = frame.groupby("study")["sweep"].transform("nunique")
    weight = 1 / (frame.groupby("sweep")["sweep"].transform("count") * np.sqrt(sweeps))
    found = []
    for rate in RATES:
        variance = own + (rate * distance) ** 2
        log_density = -(np.log(2 * np.pi * variance) + error**2 / variance) / 2
        mean = float((weight * log_density).sum() / weight.sum())
        found.append({"sd per decade": rate, "mean log density": mean})
    return found


def summarise(name: str, scores: Scores) -> dict[str, list[Row]]:
    """Return the rows of a method for the summary tables."""
    found: dict[str, list[Row]] = {}

    def add(title: str, row: Row) -> None:
        found.setdefault(title, []).append({"method": name} | row)

    if rows := scores.get("losses"):
        both = means(rows, LOSSES)
        add("losses, each sweep counts alike", both["each"])
        add("losses, each study counts alike", both["study"])
    if rows := scores.get("optima"):
        both = means(rows, OPTIMA, ("study", "sweep", "budget"))
        add("optima, each optimum counts alike", {"optima": len(rows)} | both["each"])
        add("optima, each study counts alike", both["study"])
    for row in clean_cells(scores["clean"]) if scores.get("clean") else ():
        add("clean tables, sd over the least possible", row)
    if rows := scores.get("beyond"):
        add("1 to 2 decades beyond the data", far_summary(rows))
        for row in rate_rows(rows) if name == "default" else ():
            add("errors beyond the data, by the sd that is added per decade", row)
    fits = dict(scores["fits"][0])
    for clock in ("seconds", "processor") if scores.get("seconds") else ():
        taken = [each[clock] for each in scores["seconds"]]
        fits[f"{clock}, one compiled fit"] = float(np.median(taken))
    add("fits", fits)
    return found


def compare_times(rows: Sequence[Row]) -> None:
    """Add to each method its processor seconds over those of the exact law, if both were timed."""
    column = "processor, one compiled fit"
    exact = [row[column] for row in rows if row["method"] == "exact" and column in row]
    for row in rows:
        if exact and column in row:
            row["over exact"] = row[column] / exact[0]


def print_each(name: str, scores: Scores) -> None:
    """Print the scores of one method for each sweep."""
    if rows := scores.get("losses"):
        frame = pd.DataFrame(rows)
        kept = ["study", "sweep", "scales", *LOSSES, "passed"]
        show(f"{name}, losses of each sweep", frame[kept].to_dict("records"))
    if rows := scores.get("optima"):
        show(f"{name}, each optimum", rows)
    if rows := scores.get("beyond"):
        by_sweep = pd.DataFrame(rows).groupby(["study", "sweep", "reach"], sort=False)
        frame = by_sweep[["in50", "in90", "crps", "bias"]].mean().reset_index()
        frame["runs"] = by_sweep["runs"].sum().to_numpy()
        show(f"{name}, beyond the data", frame.to_dict("records"))


def main(
    data: Annotated[Path, typer.Option(help="Folder of the public tables.")],
    only: Annotated[str, typer.Option(help="Sweeps whose names hold this.")] = "",
    methods: Annotated[str, typer.Option(help="Some methods, with semicolons between.")] = "",
    parts: Annotated[str, typer.Option(help="Some parts, with commas between.")] = "",
    engine: Annotated[str, typer.Option(help="nuts or laplace.")] = "nuts",
    draws: Annotated[int, typer.Option(help="Draws of a chain, or of laplace.")] = 500,
    out: Annotated[Path | None, typer.Option("--json", help="File for all scores.")] = None,
) -> None:
    """Print how well each method predicts losses and optima."""
    chosen = [name.strip() for name in methods.split(";")] if methods else list(METHODS)
    asked = parts.split(",") if parts else [*PARTS, "seconds"]
    board = [sweep for sweep in public_sweeps(data) if only in sweep.name]
    studies = len({sweep.study for sweep in board})
    console.print(f"{len(board)} sweeps of {studies} studies")
    trials = [trial for part in asked if part in PARTS for trial in PARTS[part](board)]
    if not trials:
        raise typer.BadParameter(f"name at least one of {', '.join(PARTS)}", param_hint="--parts")
    settings = Settings(engine, draws)
    summary: dict[str, list[Row]] = {}
    record: dict[str, Any] = {"machine": machine(), "draws": draws, "engine": engine, "scores": {}}
    for name in chosen:
        try:
            scores = evaluate(METHODS[name], trials, settings)
        except Absent as absent:
            console.print(f"{name} is left out: {absent}")
            continue
        if "seconds" in asked:
            scores["seconds"] = time_one(METHODS[name], trials, settings)
        if name == chosen[0]:
            print_each(name, scores)
        for title, rows in summarise(name, scores).items():
            summary.setdefault(title, []).extend(rows)
        record["scores"][name] = scores
        write(out, record, summary)
    compare_times(summary.get("fits", []))
    for title, rows in summary.items():
        show_with_errors(title, rows)
    write(out, record, summary)


def write(out: Path | None, record: Row, summary: dict[str, list[Row]]) -> None:
    """Write all scores, if there is a file for them; after each method, since one may take long."""
    if out is not None:
        out.write_text(json.dumps(record | {"summary": summary}, indent=1, default=float))


def show_with_errors(title: str, rows: Sequence[Row]) -> None:
    """Print rows; a score and its standard error share a cell."""
    shown = []
    for row in rows:
        cells = {name: value for name, value in row.items() if not name.endswith(" +-")}
        for name in cells:
            if (error := row.get(f"{name} +-")) is not None:
                cells[name] = f"{cells[name]:.3g} ± {error:.1g}"
        shown.append(cells)
    show(title, shown)


if __name__ == "__main__":
    typer.run(main)
