"""Predict held-out compute budgets of CLIP and MaMMUT: laws of two towers beside compute alone.

    python benchmarks/modalities.py --data FOLDER              # half an hour
    python benchmarks/modalities.py --data FOLDER --only caption

FOLDER holds openclip_mammut_datacomp.csv: 1,431 runs of LAION-AI/scaling-laws-for-comparison
(arXiv:2506.04598), whose licence is not stated, so that they are not part of the package. The runs
are sorted by compute as measured and cut into 25 budgets; each of five folds holds out every fifth
budget and predicts it from the others. Runs differ in learning rate and warm-up: the best run of
each model, samples seen and batch size is kept. Scores are of the log loss.
"""

from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import pandas as pd
import typer
from rich.console import Console
from rich.table import Table

import scalingbayes as sb

console = Console(width=130)

FOLDS = 5
BUDGETS = 25
PIXELS = 224  # width and height of an image
WALK = "student_t(discrepancy=tokens)"
"""The law's own error is a walk in log samples: learning rates were tuned for each number of
samples, so that runs of one number share an error."""


class Case(NamedTuple):
    """A loss of a family of models, and the columns of which the best run is kept."""

    family: str
    loss: str
    keys: tuple[str, ...]
    law: str


CASES = {
    "CLIP, contrastive": Case(
        "clip",
        "loss_contrastive",
        ("model", "samples_seen", "batch_size"),
        "contrastive(image_tokens=True)",
    ),
    "MaMMUT, contrastive": Case(
        "mammut",
        "loss_contrastive",
        ("model", "samples_seen", "batch_size"),
        "contrastive(image_tokens=True)",
    ),
    "MaMMUT, caption": Case(
        "mammut", "loss_caption", ("model", "samples_seen"), "two_tower(image_tokens=True)"
    ),
}


def runs_of(data: Path, case: Case) -> sb.Runs:
    """Return the best run of each cell."""
    frame = pd.read_csv(data / "openclip_mammut_datacomp.csv")
    frame = frame[frame["family"] == case.family]
    best = frame.loc[frame.groupby(list(case.keys))[case.loss].idxmin()].reset_index(drop=True)
    patch = best["model"].str.extract(r"-(\d+)(?:-text-plus)?$")[0].astype(float)
    best["image_tokens"] = (PIXELS / patch) ** 2
    best = best.drop(columns="params")  # the size is that of each tower
    return sb.Runs(best, name=case.family, loss=case.loss, tokens="samples_seen")


def by_budget(runs: sb.Runs) -> dict[str, np.ndarray]:
    """Return five folds of compute budgets: which runs each holds out.

    The runs are sorted by compute and cut into 25 budgets of as many runs; a fold holds out every
    fifth budget.
    """
    compute = runs.column("compute")
    budget = np.empty(len(compute), int)
    order = np.argsort(compute, kind="stable")
    budget[order] = np.arange(len(compute)) * BUDGETS // len(compute)
    return {f"fold {each + 1}": budget % FOLDS == each for each in range(FOLDS)}


def measure(runs: sb.Runs, law: str, noise: str, exact: bool) -> tuple[pd.DataFrame, str]:
    """Return the scores of the folds, and whether all fits passed their checks."""
    model = sb.Model(law, noise)
    found = sb.backtest(runs, model, by=by_budget(runs), exact=exact)
    return found.summary(), found.verdict.word


def show(rows: list[dict[str, Any]]) -> None:
    """Print the rows as a table."""
    table = Table(title=f"{FOLDS} held-out compute budgets")
    for name in rows[0]:
        table.add_column(name, justify="left" if isinstance(rows[0][name], str) else "right")
    for row in rows:
        table.add_row(*(x if isinstance(x, str) else f"{x:.3g}" for x in row.values()))
    console.print(table)


def main(
    data: Annotated[Path, typer.Option(help="Folder of openclip_mammut_datacomp.csv.")],
    only: Annotated[str, typer.Option(help="Cases whose name contains this.")] = "",
    allowance: Annotated[bool, typer.Option(help="Allow for the law's error.")] = False,
) -> None:
    rows = []
    for name, case in CASES.items():
        if only not in name:
            continue
        runs = runs_of(data, case)
        for law, noise in (
            (case.law, WALK),
            (case.law, "student_t"),
            ("power_law(x='compute')", "student_t"),
        ):
            scores, verdict = measure(runs, law, noise, not allowance)
            mean = scores.loc["all"]
            rows.append(
                {
                    "loss": f"{name}, {len(runs)} runs",
                    "law": law.split("(")[0],
                    "noise": noise,
                    "in 90 %": 100 * mean["in90"],
                    "in 50 %": 100 * mean["in50"],
                    "CRPS": mean["crps"],
                    "log score": mean["log_score"],
                    "folds, least in 90 %": 100 * scores.iloc[:FOLDS]["in90"].min(),
                    "checks": verdict,
                }
            )
            show(rows[-1:])
    show(rows)


if __name__ == "__main__":
    typer.run(main)
