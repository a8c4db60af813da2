"""Do intervals of the compute-equivalent gain hold on real runs?

    python benchmarks/compute_gain.py

Pairs of Porian et al.'s groups, which differ in one or more of warm-up, decay and tuning on one
corpus. The fits see budgets up to 1/8 of the largest. The gain at the largest budget is then
compared with the gain that the IsoFLOP curves there give without a law: the loss at the minimum of
the worse recipe's curve, and the compute at which the minima of the better one reach that loss.
"""

from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import typer
from common import show

import scalingbayes as sb

GROUPS = ("base/long/kaplan", "base/short/kaplan", "base/short/chinchilla", "tuned/short/const")
CORPORA = ("refinedweb", "openwebtext2")
HELD_OUT = 8.0  # the largest budget over the largest that is fitted
MEASURED = (0.5, 0.9)


def minima(frame: pd.DataFrame) -> pd.Series:
    """Return the least loss of each IsoFLOP budget, by a parabola through the five lowest runs."""
    found = {}
    for budget, runs in frame.groupby("isoflop_budget"):
        near = runs.nsmallest(5, "loss")
        x = np.log(near["params"].to_numpy())
        a, b, c = np.polyfit(x - x.mean(), near["loss"].to_numpy(), 2)
        inside = a > 0 and np.abs(-b / (2 * a)) < np.ptp(x)
        found[float(str(budget))] = c - b**2 / (4 * a) if inside else near["loss"].min()
    return pd.Series(found).sort_index()


def true_gain(worse: pd.Series, better: pd.Series) -> float:
    """Return the gain of the worse recipe over the better one at the largest shared budget."""
    top = min(worse.index.max(), better.index.max())
    falling = better[better.index <= top].sort_values()
    log_needed = np.interp(worse[top], falling.to_numpy(), np.log(falling.index.to_numpy()))
    return float(np.exp(log_needed) / top)


def main() -> None:
    frame = sb.datasets.load("porian").frame
    rows: list[dict[str, Any]] = []
    for corpus in CORPORA:
        tables = {g: frame[frame["group"] == f"{corpus}/{g}/standard/val"] for g in GROUPS}
        best = {group: minima(table) for group, table in tables.items()}
        small = {
            g: t[t["isoflop_budget"] <= t["isoflop_budget"].max() / HELD_OUT]
            for g, t in tables.items()
        }
        posts = sb.fit_many({g: sb.Runs(t, name=g) for g, t in small.items()})
        for pair in combinations(GROUPS, 2):
            top = min(best[g].index.max() for g in pair)
            worse, better = sorted(pair, key=lambda g: -best[g][top])
            truth = true_gain(best[worse], best[better])
            both = pd.concat([small[worse].assign(recipe=1.0), small[better].assign(recipe=0.0)])
            joint = sb.fit(sb.Runs(both, name="both"), "recipe")
            for how, (new, baseline) in (
                ("apart", (posts[worse], posts[better])),
                ("recipe", (joint, None)),
            ):
                found = sb.compute_gain(new, baseline, compute=top)
                for exact in (False, True):
                    draws = found.exact if exact and found.exact is not None else found.draws
                    gains = draws["gain"].to_numpy().ravel()
                    row: dict[str, Any] = {
                        "corpus": corpus,
                        "worse": worse,
                        "better": better,
                        "fit": how,
                    }
                    row |= {"fit": how, "exact": exact, "true": truth, "median": np.median(gains)}
                    for prob in MEASURED:
                        tails = [(1 - prob) / 2, (1 + prob) / 2]
                        low, high = np.quantile(gains, tails, method="nearest")
                        row[f"low{prob:g}"], row[f"high{prob:g}"] = low, high
                        row[f"in{prob:g}"] = low <= truth <= high
                    rows.append(row)
    show("The gain at the largest budget", rows)
    table = pd.DataFrame(rows)
    table["error of log gain"] = np.abs(np.log(table["median"] / table["true"]))
    columns = [*(f"in{prob:g}" for prob in MEASURED), "error of log gain"]
    held = table.groupby(["fit", "exact"])[columns].mean().reset_index()
    show(
        "Shares of intervals that hold",
        held.assign(exact=held["exact"].astype(str)).to_dict("records"),
    )


if __name__ == "__main__":
    typer.run(main)
