"""Predict learning curves from their first halves, and compare with published predictions.

    python benchmarks/curves.py --data FOLDER
    python benchmarks/curves.py --data FOLDER --only broken --kind image

FOLDER holds revisiting_nsl_vision.csv and revisiting_nsl_language.csv: the curves of Alabdulmohsin
et al. 2022 (google-research/revisiting_neural_scaling_laws, as carried by DongWooLee-Eli/nslpfn),
without exact duplicates of rows, and with a column is_training: 1 for rows to fit, 0 for rows to
predict, which reach twice as far.

For each curve: rmsle, the root mean square of the log ratio of median prediction and observation;
score, the mean log predictive density of the observations on their own scale; and the coverage of
the central 50 % and 90 % intervals. The table shows means over curves, and the number of fits that
failed their checks. Fits run twice: `first` includes compilation, once per length of table.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import jax.numpy as jnp
import numpy as np
import pandas as pd
import typer
from common import console, machine, seconds, show

import scalingbayes as sb

X = "examples_seen"
TABLES = {
    "image": ("revisiting_nsl_vision.csv", ["task", "architecture"], "error"),
    "language": ("revisiting_nsl_language.csv", ["domain", "architecture", "task"], "loss"),
}
DISCREPANCY = {"noise": f"student_t(discrepancy={X})"}
NORMAL_DISCREPANCY = {"noise": f"normal(discrepancy={X})", "exact": True}
PLAIN = {"noise": "student_t", "exact": True}
FITS: list[tuple[str, dict[str, Any]]] = [  # laws, and how each is fitted
    (law, how)
    for how in (
        NORMAL_DISCREPANCY,
        PLAIN,
        {"noise": "student_t"},
        DISCREPANCY | {"exact": True},
        DISCREPANCY,
    )
    for law in ("power_law", "m4", "broken")
]
PUBLISHED = [  # means over the image curves (Lee et al. 2025, arXiv:2505.23032)
    {"fit": "point fit, m4", "rmsle": 0.0415, "s a curve": 15.65},
    {"fit": "point fit, broken", "rmsle": 0.0406, "s a curve": 98.79},
    {"fit": "MCMC, m4", "rmsle": 0.0422, "score": 3.024, "s a curve": 154.64},
    {"fit": "MCMC, broken", "rmsle": 0.0645, "score": 2.921, "s a curve": 280.55},
    {"fit": "transformer trained for it", "rmsle": 0.0280, "score": 3.330, "s a curve": 0.02},
]


@dataclass(frozen=True)
class Curve:
    """One curve: the rows to fit and the rows to predict."""

    fitted: sb.Runs
    ahead: pd.DataFrame


def read(folder: Path, kind: str) -> dict[str, Curve]:
    file, by, target = TABLES[kind]
    frame = pd.read_csv(folder / file)
    curves = {}
    for name, rows in frame.groupby(by):
        rows = rows[[X, target, "is_training"]].astype(float)
        fitted = rows["is_training"] == 1
        title = " ".join(map(str, name))
        curves[title] = Curve(sb.Runs(rows[fitted], name=title), rows[~fitted])
    return curves


def means(posts: sb.Posteriors, rows: Mapping[str, pd.DataFrame]) -> pd.Series:
    found = []
    for name, post in posts.items():
        scores = sb.score(post, rows[name])
        truth = rows[name][post.law.target.column].to_numpy()
        own_scale = scores["log_score"] + np.log(post.law.target.on_scale.slope(jnp.asarray(truth)))
        found.append(
            {
                "rmsle": np.sqrt((scores["error"] ** 2).mean()),
                "score": own_scale.mean(),
                "in 50 %": scores["in50"].mean(),
                "in 90 %": scores["in90"].mean(),
            }
        )
    return pd.DataFrame(found).mean()


def measure(curves: Mapping[str, Curve], kind: str, name: str, **how: Any) -> dict[str, Any]:
    law = sb.get_law(name, x=X, target=TABLES[kind][2])
    tables = {n: c.fitted for n, c in curves.items()}
    exact = how.get("exact", False)
    job = partial(sb.fit_many, tables, sb.Model(law, how["noise"]), exact=exact)
    first, _ = seconds(job)
    took, posts = seconds(job)
    return {
        "curves": kind,
        "fit": f"{name}, {how['noise']}, law {'exact' if exact else 'allowed an error'}",
        **means(posts, {n: c.ahead for n, c in curves.items()}),
        "s a curve": took / len(curves),
        "first": first / len(curves),
        "failed": sum(not each.passed for each in posts.verdicts.values()),
    }


def main(
    data: Annotated[Path, typer.Option(help="The folder that holds the curves.")],
    only: Annotated[
        str | None, typer.Option(help="Only fits whose law and noise hold this.")
    ] = None,
    kind: Annotated[str | None, typer.Option(help="Only image or language curves.")] = None,
    engine: Annotated[str, typer.Option(help="nuts or laplace.")] = "nuts",
    draws: Annotated[int, typer.Option(help="Draws of each of four chains, or of laplace.")] = 250,
) -> None:
    console.print(machine())
    rows: list[dict[str, Any]] = []
    for each in TABLES if kind is None else [kind]:
        curves = read(data, each)
        if each == "image":
            rows += [{"curves": "image", **row} for row in PUBLISHED]
        for law, how in FITS:
            if only is None or only in f"{law} {how['noise']}":
                settings = {**how, "engine": engine, "draws": draws}
                rows.append(measure(curves, each, law, **settings))
                show(f"{each} curves", rows[-1:])
    show("Curves foretold", rows)


if __name__ == "__main__":
    typer.run(main)
