"""Compare engines and batches with other software for the same job on the same data.

    python benchmarks/suite.py                          # half an hour with all peers installed
    python benchmarks/suite.py --only starts            # bootstrap, cells, dense, many or agreement
    python benchmarks/suite.py --json suite.json --figure suite.png
    python benchmarks/suite.py --quick                  # only see that it runs

Peers are optional: pip install ".[benchmarks]". Each peer runs in its own process. A peer that
takes minutes does a part of the job; the table names the part, and the seconds are scaled to the
whole job. Times depend on the machine and its load: compare ratios. Each row has the answer beside
the time, because a fast wrong answer is useless. `first` includes tracing and compilation.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
import peers
import typer
from common import EXACT, chinchilla_240, console, machine, seconds, show, simulated, surface_axes
from jax import lax

import scalingbayes as sb
from scalingbayes._core.devices import over_devices

Row = dict[str, Any]


@dataclass(frozen=True)
class Size:
    """The size of each job."""

    starts: int | Literal["hoffmann"] = "hoffmann"
    scipy_starts: int = 450
    chinchilla_starts: int = 32
    bootstraps: int = 4000
    peer_bootstraps: int = 200
    cells: int = 1000
    posteriors: int = 1000
    draws: int = 500
    dense: int = 24
    repeats: int = 3


QUICK = Size(256, 4, 32, 64, 3, 50, 3, 50, 6, 1)


def arrays(runs: sb.Runs) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    columns = ("params", "tokens", "loss")
    return tuple(runs.frame[column].to_numpy() for column in columns)  # type: ignore[return-value]


def exponent(values: Any) -> np.ndarray:
    return values["beta"] / (values["alpha"] + values["beta"])


def ours(job: Callable[[], Any], repeats: int) -> tuple[dict[str, float], Any]:
    first, _ = seconds(job)
    again, result = seconds(job, repeats)
    return {"seconds": again, "first": first}, result


def peer(name: str, *arguments: int | str) -> Row | None:
    """Run one function of `theirs` in a new process."""
    command = [sys.executable, __file__, "--peer", name, *map(str, arguments)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode == 0:
        return json.loads(ran.stdout.splitlines()[-1])
    reason = ran.stderr.strip().splitlines()[-1] if ran.stderr.strip() else "no reason given"
    console.print(f"{name} left out: {reason}")
    return None


def theirs(name: str, *arguments: str) -> Row:
    """Run a peer; return the seconds for the whole job and the answer."""
    table = arrays(chinchilla_240())
    if name == "scipy":
        count = int(arguments[0])
        grid = peers.hoffmann_starts()
        chosen = grid[np.random.default_rng(0).choice(len(grid), count, replace=False)]
        took, found = seconds(lambda: peers.scipy_starts(*table, chosen))
        return {"seconds": took * len(grid) / count, "part": f"{count}", **point(found)}
    if name == "chinchilla":
        small = {**peers.HOFFMANN_GRID, "a": [5.0, 10.0], "b": [5.0, 10.0], "e": [0.0, 1.0]}
        small |= {"alpha": [0.5, 1.0], "beta": [0.5, 1.0]}
        took, found = seconds(lambda: peers.chinchilla_package(*table, small))
        return {
            "seconds": took * 4500 / found.starts,
            "part": f"{found.starts}",
            **point(found),
        }
    if name == "simple-scaling-laws":
        peers.simple_scaling_laws_package(*table)
        took, found = seconds(lambda: peers.simple_scaling_laws_package(*table))
        return {"seconds": took, "part": "its own starts", **point(found)}
    if name == "bfgs-bootstrap":
        count, whole = map(int, arguments)
        took, found = seconds(lambda: peers.bfgs_bootstrap(*table, count, 0))
        values = dict(zip(peers.NAMES, found.T, strict=True))
        return {"seconds": took * whole / count, "part": f"{count}", **spreads(values)}
    runs = simulated(100)
    draws = int(arguments[0])
    if name == "numpyro":
        took, found = seconds(lambda: peers.numpyro_one_by_one(*arrays(runs), 4, draws, draws))
    else:
        sampler: Literal["nutpie", "pymc"] = "nutpie" if name == "nutpie" else "pymc"
        took, found = seconds(lambda: peers.pymc_nuts(*arrays(runs), sampler, 4, draws, draws))
    a = exponent(found)
    return {"seconds": took, "part": "1", "a": float(a.mean()), "sd of a": float(a.std())}


def point(found: peers.PointFit) -> Row:
    return {"sum of Huber": found.objective, **{n: found.values[n] for n in peers.NAMES}}


def spreads(values: Any) -> Row:
    found = {f"sd {name}": float(np.std(values[name])) for name in peers.NAMES}
    return found | {"sd a": float(np.std(exponent(values)))}


def with_ratios(rows: list[Row | None]) -> list[Row]:
    """Add to each row the ratio of its time to the first row's time."""
    there = [row for row in rows if row is not None]
    return [
        {
            "who": row["who"],
            "seconds": row["seconds"],
            "over ours": row["seconds"] / there[0]["seconds"],
            **{key: value for key, value in row.items() if key not in ("who", "seconds")},
        }
        for row in there
    ]


def named(who: str, row: Row | None) -> Row | None:
    return None if row is None else {"who": who, **row}


def starts(size: Size) -> list[Row]:
    """Minimise Hoffmann's objective from 4,500 starts."""
    runs = chinchilla_240()
    took, best = ours(
        lambda: sb.fit(
            runs, sb.Model("chinchilla", "huber"), engine=sb.Optimize(starts=size.starts)
        ),
        size.repeats,
    )
    huber = peers.huber_objective(best.values, *arrays(runs))
    mine = {"who": "sb.fit, engine optimize", **took, "part": f"{len(best.searches)}"}
    mine |= {"sum of Huber": huber, **{name: best.values[name] for name in peers.NAMES}}
    return with_ratios(
        [
            mine,
            named("scipy BFGS, numerical gradients", peer("scipy", size.scipy_starts)),
            named("chinchilla (package)", peer("chinchilla")),
            named("simple-scaling-laws (least squares)", peer("simple-scaling-laws")),
        ]
    )


def bootstrap(size: Size) -> list[Row]:
    """Bootstrap the standard errors of that fit."""
    runs = chinchilla_240()
    took, post = ours(
        lambda: sb.fit(
            runs, sb.Model("chinchilla", "huber"), engine=sb.Bootstrap(resamples=size.bootstraps)
        ),
        size.repeats,
    )
    values = {name: draws.ravel() for name, draws in post.values.items()}
    mine = {"who": "sb.fit, engine bootstrap", **took, "part": f"{size.bootstraps}"}
    published = {"sd E": 0.0257, "sd A": 124.5, "sd B": 1293.0}
    published |= {"sd alpha": 0.0154, "sd beta": 0.0206, "sd a": 0.020}
    theirs = peer("bfgs-bootstrap", size.peer_bootstraps, size.bootstraps)
    rows = with_ratios([mine | spreads(values), named("scipy BFGS, autograd's gradients", theirs)])
    return [*rows, {"who": "published, Besiroglu et al. 2024", **published}]


def cells(size: Size) -> list[Row]:
    """Solve least squares at every cell of a grid of alpha and beta."""
    runs = chinchilla_240()
    axis = np.linspace(0.05, 2.0, size.cells)
    axes = {"alpha": axis, "beta": axis}
    took, grid = ours(lambda: sb.profile_grid(runs, axes), size.repeats)
    params, tokens, loss = arrays(runs)
    random = np.random.default_rng(0)
    places = random.integers(size.cells, size=(2000, 2))

    def direct() -> np.ndarray:
        found = []
        for i, j in places:
            columns = [np.ones_like(loss), params ** -axis[i], tokens ** -axis[j]]
            design = np.stack(columns, axis=1) / loss[:, None]
            design /= np.linalg.norm(design, axis=0)
            beyond = np.ones_like(loss) - design @ np.linalg.lstsq(design, loss / loss)[0]
            found.append(beyond @ beyond)
        return np.array(found)

    one_by_one, sse = seconds(direct)
    error = np.abs(grid["sse"].values[tuple(places.T)] / sse - 1).max()
    mine = {"who": "sb.profile_grid", **took, "cells": size.cells**2, "worst error": error}
    numpy_row = {"who": "numpy lstsq, cell by cell", "part": f"{len(places)}"}
    return with_ratios([mine, numpy_row | {"seconds": one_by_one * size.cells**2 / len(places)}])


def many(size: Size) -> list[Row]:
    """Sample posteriors of tables of 100 rows, 4 chains each; seconds are per table."""
    tables = [simulated(100, seed) for seed in range(size.posteriors)]

    def run() -> sb.Posteriors:
        return sb.fit_many(tables, engine=sb.NUTS(draws=size.draws), **EXACT)

    chunk = [simulated(100, seed) for seed in range(min(16, size.posteriors))]
    first, _ = seconds(lambda: sb.fit_many(chunk, engine=sb.NUTS(draws=size.draws), **EXACT))
    took, posts = seconds(run)
    a = exponent({name: x.to_numpy() for name, x in posts.draws.items()})
    truth = 0.28 / (0.34 + 0.28)
    ends = np.quantile(a.reshape(len(a), -1), [0.05, 0.95], axis=1)
    held = np.mean((ends[0] < truth) & (truth < ends[1]))
    mine = {"who": "sb.fit_many", "seconds": took / len(tables), "first": first}
    mine |= {"part": f"{len(tables)}", "a": a[0].mean(), "sd of a": a[0].std()}
    mine["90% intervals that hold"] = held
    light, posts = seconds(
        lambda: sb.fit_many(tables, engine=sb.Laplace(draws=4 * size.draws), **EXACT)
    )
    b = exponent({name: x.to_numpy() for name, x in posts.draws.isel(fit=0).items()})
    weighed = {"who": "sb.fit_many, engine laplace", "seconds": light / len(tables)}
    weighed |= {"part": f"{len(tables)}", "a": b.mean(), "sd of a": b.std()}
    return with_ratios(
        [
            mine,
            weighed,
            named("numpyro MCMC.run", peer("numpyro", size.draws)),
            named("PyMC", peer("pymc", size.draws)),
            named("PyMC with nutpie", peer("nutpie", size.draws)),
        ]
    )


def dense(size: Size) -> list[Row]:
    """Evaluate the log likelihood on a dense grid of E, A, B, alpha and beta."""
    runs = chinchilla_240()
    axes = surface_axes(size.dense)
    found = []
    for dtype in ("float32", "float64"):
        limit = logarithms_per_second(dtype)
        for noise, fixed, needed in (
            ("huber", {"sigma": 0.005}, 1),
            ("student_t", {"sigma": 0.004, "nu": 2.7}, 2),
        ):
            model = sb.Model("chinchilla", noise)
            cells = partial(sb.evaluate_grid, runs, axes, model, fixed=fixed, dtype=dtype)
            took, grid = ours(cells, size.repeats)
            rate = grid.size * len(runs) / took["seconds"]
            found.append(
                {
                    "grid": f"{noise}, {dtype}",
                    **took,
                    "cells": grid.size,
                    "1e6 cells/s": grid.size / took["seconds"] / 1e6,
                    "logs a cell and row": needed,
                    "of the machine's logs": rate * needed / limit,
                }
            )
    return found


def logarithms_per_second(dtype: str) -> float:
    """Measure the logarithms per second of all devices, for arrays that stay in cache."""
    with jax.enable_x64(dtype == "float64"):
        count, steps = 1 << 14, 2000
        random = np.random.default_rng(0)
        values = jnp.asarray(random.uniform(1, 2, (len(jax.devices()), count)), dtype)

        def loop(_: None, values: jax.Array) -> jax.Array:
            return lax.fori_loop(0, steps, lambda _, x: jnp.log(x) + 1.5, values)

        run = jax.jit(lambda values: over_devices(loop, None, values))
        seconds(lambda: run(values))
        took, _ = seconds(lambda: run(values), 5)
    return steps * values.size / took


def agreement(size: Size) -> list[Row]:
    """Compute the exponent a with every engine, on the 240 Chinchilla rows and on 30 of them."""
    runs = chinchilla_240()
    few = runs.filter(np.arange(len(runs)) % 8 == 0)
    found = []
    for table in (runs, few):
        for noise in ("student_t", "huber"):
            for engine in ("nuts", "laplace", "grid", "bootstrap"):
                model = sb.Model("chinchilla", noise)
                fit = partial(sb.fit, table, model, engine=engine, exact=True)
                took, post = ours(fit, size.repeats)
                a = post.exponents().draws["a"]
                lower, upper = np.quantile(a, [0.05, 0.95])
                row = {"rows": len(table), "noise": noise, "engine": engine, **took}
                row |= {"a": float(a.median()), "sd": float(a.std())}
                row |= {"5%": lower, "95%": upper, "checks": post.verdict.word}
                if "log_evidence" in post.record.facts:
                    row["log evidence"] = post.record.facts["log_evidence"]
                found.append(row)
    return found


JOBS = {
    "starts": starts,
    "bootstrap": bootstrap,
    "cells": cells,
    "dense": dense,
    "many": many,
    "agreement": agreement,
}


def draw(results: dict[str, list[Row]], path: Path) -> None:
    """Plot the ratio of each peer's time to ours."""
    import matplotlib.pyplot as plt

    bars = [
        (f"{row['who']}\n{JOBS[job].__doc__}", row["over ours"])
        for job, rows in results.items()
        for row in rows[1:]
        if row.get("over ours", 0) > 1
    ]
    if not bars:
        console.print("No rivals to draw.")
        return
    labels, ratios = zip(*reversed(bars), strict=True)
    figure, axes = plt.subplots(figsize=(9, 0.55 * len(bars) + 1.2), layout="constrained")
    axes.barh(range(len(bars)), ratios, color="#4c72b0", height=0.55)
    axes.set(xscale="log", yticks=range(len(bars)), xlim=(1, max(ratios) * 3))
    axes.set_yticklabels(labels, fontsize=8)
    axes.set_xlabel("seconds over those of scalingbayes on the same machine")
    axes.spines[["top", "right"]].set_visible(False)
    for place, ratio in enumerate(ratios):
        axes.annotate(f" {ratio:,.0f} x", (ratio, place), va="center", fontsize=8)
    figure.savefig(path, dpi=150)


def main(
    arguments: Annotated[list[str] | None, typer.Argument(hidden=True)] = None,
    peer_name: Annotated[str | None, typer.Option("--peer", hidden=True)] = None,
    only: Annotated[str | None, typer.Option(help=f"One of {', '.join(JOBS)}.")] = None,
    quick: Annotated[bool, typer.Option(help="Tiny jobs: does it run?")] = False,
    json_path: Annotated[Path | None, typer.Option("--json", help="Write results here.")] = None,
    figure: Annotated[Path | None, typer.Option(help="Draw the ratios here.")] = None,
) -> None:
    """Print a table for each job."""
    jax.config.update("jax_num_cpu_devices", os.cpu_count())
    if peer_name is not None:
        print(json.dumps(theirs(peer_name, *(arguments or []))))
        return
    about = machine()
    console.print(", ".join(f"{name} {value}" for name, value in about.items()))
    results: dict[str, list[Row]] = {}
    for name, job in JOBS.items():
        if only in (None, name):
            results[name] = job(QUICK if quick else Size())
            show(str(job.__doc__), results[name])
    if json_path is not None:
        json_path.write_text(json.dumps({"machine": about, **results}, indent=1, default=float))
    if figure is not None:
        draw(results, figure)


if __name__ == "__main__":
    typer.run(main)
