"""Learning curves, foretold from their beginnings, beside what others published of the same curves.

    python benchmarks/curves.py --data FOLDER
    python benchmarks/curves.py --data FOLDER --only broken --kind image

FOLDER holds revisiting_nsl_vision.csv and revisiting_nsl_language.csv: the curves of Alabdulmohsin
et al. 2022 (google-research/revisiting_neural_scaling_laws, as carried by DongWooLee-Eli/nslpfn),
without exact duplicates of rows, and with a column is_training: 1 for rows to fit, 0 for those to
foretell, which reach twice as far.

Of each curve: rmsle, the root mean square of log median prediction over truth; score, the mean log
predictive density of the truth on its own scale, the noise's density mixed over the draws; and how
much of the truth lies in the central 50 % and 90 %. Means over curves are shown, and how many fits
failed their own checks. Seconds hold compiling, which is paid once for each length of table.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import typer
from common import console, machine, show
from jax.scipy.special import logsumexp

import scalingbayes as sb
from scalingbayes.precision import precision

X = "examples_seen"
TABLES = {
    "image": ("revisiting_nsl_vision.csv", ["task", "architecture"], "error"),
    "language": ("revisiting_nsl_language.csv", ["domain", "architecture", "task"], "loss"),
}
FITS: list[tuple[str, dict[str, str]]] = [  # laws with their options
    ("power_law", {}),
    ("m4", {}),
    ("broken", {}),
    ("m4", {"scale": "logit"}),
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
    """One curve: what is fitted and what is foretold."""

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


@partial(jax.jit, static_argnums=(0, 1))
def foretell(law: Any, noise: Any, values: Any, x: Any, truth: Any) -> tuple[Any, Any, Any]:
    """Give the median of the law, the log predictive density of the truth, and its rank."""
    values = jax.tree.map(lambda draws: draws.reshape(-1, 1), values)
    expected = law({X: x}, values)
    about = noise(expected, values)
    log_density = logsumexp(about.log_prob(truth), axis=0) - jnp.log(len(expected))
    rank = (about.sample(jax.random.key(0)) < truth).mean(axis=0)
    return jnp.median(expected, axis=0), log_density, rank


def judge(model: Any, values: Any, rows: pd.DataFrame) -> dict[str, float]:
    """Score one posterior's predictions of rows."""
    count = len(rows)
    # Rows are padded so that few lengths are compiled.
    padded = rows.iloc[np.minimum(np.arange(-(-count // 128) * 128), count - 1)]
    x, truth = (padded[name].to_numpy() for name in (X, model.law.target.column))
    with precision("float64"):
        found = foretell(model.law, model.noise, values, x, truth)
        median, log_density, rank = (np.asarray(each)[:count] for each in found)
    return {
        "rmsle": float(np.sqrt(np.mean(np.log(median / truth[:count]) ** 2))),
        "score": float(log_density.mean()),
        "in 50 %": float((np.abs(rank - 0.5) < 0.25).mean()),
        "in 90 %": float((np.abs(rank - 0.5) < 0.45).mean()),
    }


def means(posts: sb.Posteriors, rows: Mapping[str, pd.DataFrame]) -> pd.Series:
    found = []
    for place, name in enumerate(posts):
        draws = posts.draws.isel(fit=place)
        values = {str(parameter): draws[parameter].to_numpy() for parameter in draws}
        found.append(judge(posts.models[name], values, rows[name]))
    return pd.DataFrame(found).mean()


def measure(
    curves: Mapping[str, Curve], kind: str, name: str, options: Mapping[str, str], **settings: Any
) -> dict[str, Any]:
    law = sb.law(name, x=X, target=TABLES[kind][2], **options)
    start = time.perf_counter()
    posts = sb.fit_many({n: c.fitted for n, c in curves.items()}, law, **settings)
    took = time.perf_counter() - start
    return {
        "curves": kind,
        "fit": ", ".join([name, *options.values()]),
        **means(posts, {n: c.ahead for n, c in curves.items()}),
        "s a curve": took / len(curves),
        "failed": sum(not each.passed for each in posts.verdicts.values()),
    }


def main(
    data: Annotated[Path, typer.Option(help="The folder that holds the curves.")],
    only: Annotated[str | None, typer.Option(help="Only laws whose name begins so.")] = None,
    kind: Annotated[str | None, typer.Option(help="Only image or language curves.")] = None,
    draws: Annotated[int, typer.Option(help="Draws of each of four chains.")] = 250,
    warmup: Annotated[int, typer.Option(help="Draws of each spent on adaptation.")] = 150,
) -> None:
    console.print(machine())
    rows: list[dict[str, Any]] = []
    for each in TABLES if kind is None else [kind]:
        curves = read(data, each)
        if each == "image":
            rows += [{"curves": "image", **row} for row in PUBLISHED]
        for law, options in FITS:
            if only is None or law.startswith(only):
                rows.append(measure(curves, each, law, options, draws=draws, warmup=warmup))
                show(f"{each} curves", rows[-1:])
    show("Curves foretold", rows)


if __name__ == "__main__":
    typer.run(main)
