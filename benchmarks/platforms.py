"""Compare CPU, GPU and TPU as the batch grows.

    python benchmarks/platforms.py
    python benchmarks/platforms.py --json platforms.json --figure platforms.png
    python benchmarks/platforms.py --quick

The benchmark measures gradients, grid cells and posteriors per second, in float32 and float64, on
every platform that JAX finds. Each platform runs in its own process; absent platforms are named.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import jax
import jax.numpy as jnp
import numpy as np
import typer
from common import EXACT, chinchilla_240, console, machine, seconds, show, simulated, surface_axes

import scalingbayes as sb
from scalingbayes._core.devices import describe_devices, map_tasks
from scalingbayes._core.precision import precision
from scalingbayes.model.stacking import stack_densities

PLATFORMS = ("cpu", "cuda", "rocm", "tpu")
BATCHES = {"gradients": (1, 16, 256, 4096, 65_536), "posteriors": (1, 16, 256), "grid": (8, 16, 28)}
QUICK = {"gradients": (16,), "posteriors": (2,), "grid": (4,)}
STEPS = 100


def gradients(batch: int, dtype: str) -> float:
    """Return gradients per second of the 240 rows' log density, for a batch of points in a loop."""
    model = sb.Model("chinchilla", "student_t").bind(chinchilla_240())
    with precision(dtype):
        densities = stack_densities([model], dtype)
        center = np.asarray(model.density(dtype).coordinates.center(jnp.dtype(dtype)))

        @jax.jit
        def run(densities: Any, points: jax.Array) -> jax.Array:
            def walk(density: Any, point: jax.Array) -> jax.Array:
                def step(_: Any, point: jax.Array) -> jax.Array:
                    return point + 1e-7 * jax.grad(density)(point)

                return jax.lax.fori_loop(0, STEPS, step, point)

            return map_tasks(walk, densities, jnp.zeros(batch, int), points)

        points = np.tile(center, (batch, 1))
        seconds(lambda: run(densities, points))
        took, _ = seconds(lambda: run(densities, points), 3)
    return batch * STEPS / took


def grid(points: int, dtype: str) -> float:
    """Return cells per second of a dense grid with ``points`` values on each of five axes."""
    axes = surface_axes(points)
    how: dict[str, Any] = {"fixed": {"sigma": 0.004, "nu": 2.7}, "dtype": dtype}
    seconds(lambda: sb.evaluate_grid(chinchilla_240(), axes, **how))
    took, _ = seconds(lambda: sb.evaluate_grid(chinchilla_240(), axes, **how), 3)
    return points**5 / took


def posteriors(batch: int, dtype: str) -> float:
    """Return posteriors per second: a batch of tables of 100 rows, 4 chains of 500 draws each."""
    tables = [simulated(100, seed) for seed in range(batch)]
    how: dict[str, Any] = {**EXACT, "engine": sb.NUTS(draws=500), "dtype": dtype}
    seconds(lambda: sb.fit_many(tables, **how))
    took, _ = seconds(lambda: sb.fit_many(tables, seed=1, **how))
    return batch / took


JOBS = {"gradients": gradients, "grid": grid, "posteriors": posteriors}


def measure(quick: bool) -> Iterator[dict[str, Any]]:
    """Measure the platform that this process runs on."""
    for name, job in JOBS.items():
        for dtype in ("float32",) if quick else ("float32", "float64"):
            if dtype == "float64" and jax.default_backend() == "tpu":
                continue  # a TPU has none
            for batch in (QUICK if quick else BATCHES)[name]:
                about = {"job": name, "device": describe_devices(), "dtype": dtype, "batch": batch}
                yield about | {"per second": job(batch, dtype)}


def found_on(platform: str, quick: bool) -> list[dict[str, Any]] | None:
    """Measure a platform in a new process; return None if the platform is absent."""
    environment = {**os.environ, "JAX_PLATFORMS": platform}
    if platform == "cpu":
        environment["JAX_NUM_CPU_DEVICES"] = str(os.cpu_count())
    probe = [sys.executable, "-c", "import jax; jax.devices()"]
    if subprocess.run(probe, env=environment, capture_output=True, check=False).returncode:
        return None
    command = [sys.executable, __file__, "--here", *(["--quick"] if quick else [])]
    rows = []
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout or ():
            rows.append(json.loads(line))
            console.print(", ".join(map(str, rows[-1].values())), style="dim")
    if process.returncode:
        raise SystemExit(f"Measuring {platform} failed.")
    return rows


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(1, len(JOBS), figsize=(12, 3.8), layout="constrained")
    titles = ("gradients per second", "grid cells per second", "posteriors per second")
    batches = ("points at once", "points on each of 5 axes", "tables at once")
    for axes, job, title, batch in zip(panels, JOBS, titles, batches, strict=True):
        kinds = dict.fromkeys((r["device"], r["dtype"]) for r in rows if r["job"] == job)
        for device, dtype in kinds:
            own = [r for r in rows if (r["job"], r["device"], r["dtype"]) == (job, device, dtype)]
            x, y = zip(*((r["batch"], r["per second"]) for r in own), strict=True)
            axes.plot(x, y, "o-" if dtype == "float32" else "s--", label=f"{device}, {dtype}")
        axes.set(xscale="log", yscale="log", title=title, xlabel=batch)
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].legend(frameon=False, fontsize=8)
    figure.savefig(path, dpi=150)


def main(
    here: Annotated[bool, typer.Option("--here", hidden=True)] = False,
    quick: Annotated[bool, typer.Option(help="Tiny jobs: does it run?")] = False,
    json_path: Annotated[Path | None, typer.Option("--json", help="Write results here.")] = None,
    figure: Annotated[Path | None, typer.Option(help="Draw the curves here.")] = None,
) -> None:
    """Print a table for each job, with one row per platform, precision and batch."""
    if here:
        for row in measure(quick):
            print(json.dumps(row), flush=True)
        return
    # Accelerators are for the processes that measure them: whoever looks at one holds its memory.
    jax.config.update("jax_platforms", "cpu")
    about = {name: value for name, value in machine().items() if name != "devices"}
    console.print(", ".join(f"{name} {value}" for name, value in about.items()))
    rows: list[dict[str, Any]] = []
    absent = []
    for platform in PLATFORMS:
        found = found_on(platform, quick)
        rows += found or []
        absent += [platform] if found is None else []
    for name, job in JOBS.items():
        show(str(job.__doc__), [row for row in rows if row["job"] == name])
    console.print(f"Not measured, since JAX finds none here: {', '.join(absent) or 'none'}.")
    if json_path is not None:
        json_path.write_text(json.dumps({"machine": about, "rows": rows, "absent": absent}))
    if figure is not None:
        draw(rows, figure)


if __name__ == "__main__":
    typer.run(main)
