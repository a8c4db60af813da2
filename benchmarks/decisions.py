"""Time decisions from 4,000 draws, and compare published numbers with ours.

    python benchmarks/decisions.py                # times; approach 2's bias; Porian's exponents
    python benchmarks/decisions.py --data FOLDER  # also Hoffmann's and Llama 3's IsoFLOP points

FOLDER holds the public tables as CSV files (chinchilla_scalefit_isoflop.csv, llama3_isoflop.csv).
Times are of the second call, without compilation. "in JAX" is the frontier alone with draws on the
device; "in all" is the function that a user calls.
"""

import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import jax.numpy as jnp
import numpy as np
import typer
from common import console, machine, seconds, show

import scalingbayes as sb
from scalingbayes import allocation
from scalingbayes._core.precision import precision, to_device

HOFFMANN = {"E": 1.69, "A": 406.4, "B": 410.7, "alpha": 0.34, "beta": 0.28}
BUDGETS = np.geomspace(1e19, 1e25, 200)
COSTS: dict[str, sb.costs.Cost] = {
    "6 N D": sb.costs.Proportional(),
    "6 N D + 2 N D_inf": sb.costs.Proportional().serve(1e12),
    "transformer": sb.costs.Transformer(context=4096, vocab=128_000),
    "transformer, serving": sb.costs.Transformer(context=4096, vocab=128_000).serve(1e12),
}
PORIAN = {  # exponent of N, printed in the paper (arXiv:2406.19146)
    "refinedweb/base/long/kaplan/kaplan": 0.834,
    "refinedweb/base/long/kaplan/standard": 0.701,
    "refinedweb/base/short/kaplan/standard": 0.604,
    "refinedweb/base/short/chinchilla/standard": 0.571,
    "refinedweb/tuned/short/const/standard": 0.497,
    "refinedweb/tuned/long/const/kaplan": 0.708,
    "openwebtext2/base/long/kaplan/kaplan": 0.870,
    "openwebtext2/base/long/kaplan/standard": 0.700,
    "openwebtext2/base/short/kaplan/standard": 0.602,
    "openwebtext2/base/short/chinchilla/standard": 0.569,
    "openwebtext2/tuned/short/const/standard": 0.518,
}


def times(law: str) -> list[dict[str, Any]]:
    post = sb.fit(sb.datasets.load("chinchilla"), law, engine=sb.Laplace(draws=4000))
    rows = []
    for name, cost in COSTS.items():
        with precision("float64"):
            values, budgets = to_device(post.values, "float64"), jnp.asarray(BUDGETS)

            def frontier(values: Any = values, budgets: Any = budgets, cost: Any = cost) -> Any:
                return allocation.optimum(post.law, values, budgets, {}, cost)

            frontier()
            core, _ = seconds(frontier, repeats=7)
        post.allocate(BUDGETS, cost)
        whole, _ = seconds(partial(post.allocate, BUDGETS, cost), repeats=7)
        row = {"law": law, "4,000 draws x 200 budgets": name, "in JAX, s": core, "in all, s": whole}
        rows.append(row)
    calls: dict[str, Callable[[], Any]] = {
        "plan, one budget": lambda: sb.plan(post, 1e24),
        "reach, 10 losses": lambda: sb.cheapest_run(post, np.linspace(2.0, 2.5, 10)),
        "overtrain, 19 sizes": lambda: sb.overtrain(post),
        "standing, 22 models": lambda: sb.frontier_gap(post),
        "exhaustion": lambda: sb.data_exhaustion(post),
    }
    for name, call in calls.items():
        call()
        took, _ = seconds(call, repeats=3)
        rows.append({"law": law, "4,000 draws x 200 budgets": name, "in all, s": took})
    return rows


def porian() -> list[dict[str, Any]]:
    runs = sb.datasets.load("porian")
    rows = []
    for group, published in PORIAN.items():
        part = runs.filter(runs.frame["group"].str.startswith(group))
        found = sb.isoflop(part, "akima").exponents.a
        row = {"Porian et al., approach 2": group, "a, printed": published, "a, here": found}
        rows.append(row | {"difference": found - published})
    return rows


def main(
    data: Annotated[Path | None, typer.Option(help="Folder of the public tables.")] = None,
) -> None:
    """Print times, and published numbers next to ours."""
    warnings.simplefilter("ignore", sb.InputWarning)
    console.print(machine())
    show("Times, compiled", [row for law in ("chinchilla", "coupled") for row in times(law)])
    bias = sb.isoflop_bias(HOFFMANN).reset_index()
    show("Approach 2 on noise-free runs, at 1e24 FLOPs", bias.to_dict("records"))
    show("Exponents of N", porian())
    if data is not None:
        rows = []
        for name in ("chinchilla_scalefit_isoflop", "llama3_isoflop"):
            found = sb.isoflop(sb.read_runs(data / f"{name}.csv"), budgets="isoflop_budget")
            k = np.exp(found.log_coefficients["tokens"])
            a, b = found.exponents.a, found.exponents.b
            rows.append({"table": name, "a": a, "b": b, "k in D* = k C^b": k})
        show("Approach 2 on IsoFLOP points", rows)


if __name__ == "__main__":
    typer.run(main)
