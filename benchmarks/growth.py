"""Does the posterior of a narrow as a table grows?

    python benchmarks/growth.py --data FOLDER
    python benchmarks/growth.py --data FOLDER --only llama3 --seeds 1

FOLDER and the sweeps are those of scoreboard.py. Nested random subsets of each sweep of 100 runs or
more are fitted as ``sb.fit`` does by default, by the Laplace engine, with priors learned without
the sweep's study. The table has the sd of a by the number of runs, a mean over seeds.
"""

import json
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import typer
from common import show
from sweeps import Sweep, public_sweeps

import scalingbayes as sb

ROWS = (30, 60, 120)
FEWEST = 100  # runs of a sweep
LEAST_GROWTH = 1.1  # of the number of runs, from the last subset to the whole sweep


def nested(sweep: Sweep, seeds: int) -> dict[tuple[str, int, int], pd.DataFrame]:
    """Return nested subsets by the sweep's name, the seed and the number of runs."""
    total = len(sweep.frame)
    found = {}
    for seed in range(seeds):
        order = np.random.default_rng(seed).permutation(total)
        for rows in (each for each in ROWS if LEAST_GROWTH * each < total):
            found[sweep.name, seed, rows] = sweep.frame.iloc[np.sort(order[:rows])]
    found[sweep.name, 0, total] = sweep.frame
    return {key: frame.reset_index(drop=True) for key, frame in found.items()}


def fit_study(study: str, sweeps: list[Sweep], seeds: int) -> list[dict[str, Any]]:
    """Return the sd of a, with the allowance and with the law taken as exact, of each subset."""
    model = sb.Model("coupled", default_priors=sb.learned_priors("coupled", without=study))
    tables = {key: x for sweep in sweeps for key, x in nested(sweep, seeds).items()}
    posts = sb.fit_many(tables, model, engine="laplace")
    exponents = posts.exponents()
    assert exponents.exact is not None
    sds = exponents.draws["a"].std(("chain", "draw")).to_numpy()
    exact = exponents.exact["a"].std(("chain", "draw")).to_numpy()
    rows = []
    for (key, post), sd, sd_exact in zip(posts.items(), sds, exact, strict=True):
        assert post.allowance is not None
        row = dict(zip(("sweep", "seed", "runs"), key, strict=True))
        row |= {"sd": sd, "sd, law exact": sd_exact, "exactness": post.allowance.exactness}
        rows.append({**row, "likelihood power": post.allowance.likelihood_power})
    return rows


def growth(found: pd.DataFrame) -> list[dict[str, Any]]:
    """Return one row per sweep: the sd of a by the number of runs, and steps in which it grows."""
    rows = []
    for name, own in found.groupby("sweep"):
        whole = own[own["runs"] == own["runs"].max()]
        row: dict[str, Any] = {"sweep": name, "all runs": int(whole["runs"].iloc[0])}
        ratios: list[float] = []
        for _, chain in own.drop(whole.index).groupby("seed"):
            sds = np.append(chain.sort_values("runs")["sd"], whole["sd"])
            ratios += list(sds[1:] / sds[:-1])
        means = own.drop(whole.index).groupby("runs")["sd"].mean()
        row |= {f"sd, {count}": means.get(count, np.nan) for count in ROWS}
        row |= {"sd, all": float(whole["sd"].iloc[0]), "exact": whole["sd, law exact"].iloc[0]}
        row |= {"grows": f"{sum(x > 1 for x in ratios)}/{len(ratios)}", "most": max(ratios)}
        rows.append(row)
    return rows


def main(
    data: Annotated[Path, typer.Option(help="Folder with the public tables.")],
    only: Annotated[str, typer.Option(help="Sweeps whose name contains this.")] = "",
    seeds: Annotated[int, typer.Option(help="Chains of nested subsets of each sweep.")] = 3,
    out: Annotated[Path | None, typer.Option("--json", help="Write the fits.")] = None,
) -> None:
    sweeps = [x for x in public_sweeps(data) if only in x.name and len(x.frame) >= FEWEST]
    found: list[dict[str, Any]] = []
    for study in dict.fromkeys(sweep.study for sweep in sweeps):
        found += fit_study(study, [sweep for sweep in sweeps if sweep.study == study], seeds)
    show("sd of a by the number of runs", growth(pd.DataFrame(found)))
    if out is not None:
        out.write_text(json.dumps(found))


if __name__ == "__main__":
    typer.run(main)
