"""Compare CPU, GPU and TPU: one table, many tables, dense grids, gradients.

    python benchmarks/platforms.py                                   # under 8 minutes
    python benchmarks/platforms.py --json platforms.json
    python benchmarks/platforms.py --quick                           # tiny jobs: does it run?

Each platform that JAX finds runs in its own process; absent platforms are named. Each job has its
answer beside its time. The shares are of what the device can do, measured in the same process:
exponentials and logarithms a second, and bytes a second of a copy. The operations of a job are
those that XLA counts in its gradients, on accelerators with the bytes between kernels, some of
which stay in a cache: a share of the bandwidth can exceed 100 %.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Annotated, Any

import jax
import jax.numpy as jnp
import numpy as np
import typer
from common import EXACT, chinchilla_240, console, machine, seconds, show, simulated, surface_axes

import scalingbayes as sb
from scalingbayes._core.devices import describe_devices, map_tasks, over_devices
from scalingbayes._core.precision import default_dtype, precision
from scalingbayes.model.stacking import stack_densities

PLATFORMS = ("cpu", "cuda", "rocm", "tpu")
BUDGET = 210.0  # seconds after which the process of a platform starts no further job
STEPS = 100
LAPLACE_PROPOSALS = 16_000  # densities that one fit by Laplace evaluates, besides its search
TRUE_A = 0.28 / (0.34 + 0.28)  # of the simulated tables

Row = dict[str, Any]


@dataclass(frozen=True)
class Size:
    """Sizes of the jobs. A CPU does a part of the tables; times are per table."""

    points: tuple[int, ...]
    grid: tuple[int, ...]
    laplace: int
    chains: int
    copied: int
    repeats: int


FULL = Size((256, 4096, 65_536), (16, 28), 10_000, 256, 1 << 26, 3)
QUICK = Size((16,), (4,), 4, 2, 1 << 18, 1)


def size_here(quick: bool) -> Size:
    if quick:
        return QUICK
    on_cpu = jax.default_backend() == "cpu"
    return Size(FULL.points[:2], FULL.grid[:1], 150, 16, 1 << 24, 3) if on_cpu else FULL


@cache
def limits(dtype: str, copied: int) -> Row:
    """Measure exponentials and logarithms per second, and bytes per second of a copy."""
    on_cpu, devices = jax.default_backend() == "cpu", len(jax.devices())
    # Values stay in a cache on a CPU, and in the registers of a fused kernel on an accelerator.
    count, unrolled = (1 << 14, 1) if on_cpu else (1 << 22, 32)
    steps = 640 // unrolled

    def least(function: Callable[[jax.Array], jax.Array], values: jax.Array) -> float:
        compiled = jax.jit(lambda x: over_devices(lambda _, part: function(part), None, x))
        return min(seconds(lambda: compiled(values))[0] for _ in range(11))

    def repeated(function: Callable[[jax.Array], jax.Array]) -> Callable[[jax.Array], jax.Array]:
        def step(_: Any, x: jax.Array) -> jax.Array:
            for _ in range(unrolled):
                x = function(x)
            return x

        return lambda x: jax.lax.fori_loop(0, steps, step, x)

    with precision(dtype):
        values = jnp.linspace(0.1, 1.0, devices * count, dtype=dtype).reshape(devices, count)
        computed = unrolled * steps * values.size
        many = jnp.zeros((devices, copied // devices), dtype)
        return {
            "exp": computed / least(repeated(lambda x: jnp.exp(-x)), values),
            "log": computed / least(repeated(lambda x: jnp.log(x) + 1.5), values),
            "bytes": 2 * many.nbytes / least(lambda x: x + 1, many),
        }


@cache
def cost_of_gradient(dtype: str) -> Row:
    """Return what XLA counts in one gradient of the 240 rows' log density."""
    with precision(dtype):
        density = sb.Model("chinchilla", "student_t").bind(chinchilla_240()).density(dtype)
        points = jnp.tile(jnp.asarray(density.coordinates.center(jnp.dtype(dtype))), (256, 1))
        compiled = jax.jit(jax.vmap(jax.grad(density))).lower(points).compile()
        counted = compiled.cost_analysis() or {}
    return {name: counted.get(name, np.nan) / 256 for name in ("transcendentals", "bytes accessed")}


def shares(gradients: float, dtype: str, size: Size) -> Row:
    """Return the shares of the device's limits that gradients of 240 rows per second reach."""
    most, cost = limits(dtype, size.copied), cost_of_gradient(dtype)
    exponentials = 2 * 240  # the law's two powers; the other operations count as logarithms
    least = exponentials / most["exp"] + (cost["transcendentals"] - exponentials) / most["log"]
    found = {"% of exp, log": 100 * gradients * least}
    if jax.default_backend() != "cpu":  # the arrays of a core stay in its cache
        found["% of copy"] = 100 * gradients * cost["bytes accessed"] / most["bytes"]
    return found


def gradients(size: Size) -> Iterator[Row]:
    """Gradients of the 240 rows' log density at points side by side; answer: log density."""
    model = sb.Model("chinchilla", "student_t").bind(chinchilla_240())

    def run(densities: Any, points: jax.Array) -> jax.Array:
        def walk(density: Any, point: jax.Array) -> jax.Array:
            def step(_: Any, point: jax.Array) -> jax.Array:
                return point + 1e-7 * jax.grad(density)(point)

            return density(jax.lax.fori_loop(0, STEPS, step, point))

        return map_tasks(walk, densities, jnp.zeros(len(points), int), points)

    compiled = jax.jit(run)
    for dtype in dtypes():
        with precision(dtype):
            densities = stack_densities([model], dtype)
            center = np.asarray(model.density(dtype).coordinates.center(jnp.dtype(dtype)))
            for points in size.points:
                job = partial(compiled, densities, np.tile(center, (points, 1)))
                seconds(job)
                took, found = seconds(job, size.repeats)
                rate = points * STEPS / took
                yield {
                    "case": f"{points:,} points",
                    "dtype": dtype,
                    "a second": rate,
                    "answer": f"{float(found[-1]):.3f}",
                    **shares(rate, dtype, size),
                }


def grid(size: Size) -> Iterator[Row]:
    """Cells of a dense grid in five parameters; answer: largest log likelihood."""
    for dtype in dtypes():
        for points in size.grid:
            axes = surface_axes(points)
            how: Row = {"fixed": {"sigma": 0.004, "nu": 2.7}, "dtype": dtype}
            job = partial(sb.evaluate_grid, chinchilla_240(), axes, **how)
            seconds(job)
            took, found = seconds(job, size.repeats)
            rate = points**5 / took
            most = limits(dtype, size.copied)
            yield {
                "case": f"{points}^5 cells",
                "dtype": dtype,
                "a second": rate,
                "answer": f"{float(np.max(np.asarray(found))):.3f}",
                # A cell and row need two logarithms: of the law, and of Student's t.
                "% of exp, log": 100 * rate * 240 * 2 / most["log"],
            }


def one_table(size: Size) -> Iterator[Row]:
    """One fit of the 240 Chinchilla rows, compiled; answer: exponent a, mean ± sd."""
    runs = chinchilla_240()
    quick = size is QUICK
    engines: dict[str, sb.NUTS | sb.HMC | sb.Laplace] = {
        "NUTS": sb.NUTS(draws=100) if quick else sb.NUTS(),
        "HMC, 1,024 x 4": sb.HMC(),
        "Laplace": sb.Laplace(),
    }
    dtype = default_dtype(len(runs))
    for name, engine in engines.items():
        how: Row = {**EXACT, "engine": engine, "dtype": dtype}
        first, _ = seconds(partial(sb.fit, runs, **how))
        took, post = seconds(partial(sb.fit, runs, seed=1, **how), size.repeats)
        a = post.exponents().draws["a"]
        facts = post.record.facts
        row: Row = {"case": name, "dtype": dtype, "a second": 1 / took, "first, s": first}
        row |= {"answer": f"{float(a.mean()):.4f} ± {float(a.std()):.4f}"}
        row["checks"] = post.verdict.word
        row["least ESS"] = effective(post)
        if "gradients" in facts:
            row |= shares(facts["gradients"] / took, dtype, size)
        yield row


def effective(post: sb.Posterior) -> float:
    """Return the least effective sample size of a parameter."""
    if "effective_draws" in post.record.facts:
        return float(post.record.facts["effective_draws"])
    return float(post.summary()["ess_bulk"].min())


def tables(size: Size) -> Iterator[Row]:
    """Tables of 100 rows fitted at once; answer: share of 90 % intervals that hold the true a."""
    engines: dict[str, tuple[sb.NUTS | sb.HMC | sb.Laplace, int]] = {
        "Laplace": (sb.Laplace(), size.laplace),
        "NUTS, 4 x 500 draws": (sb.NUTS(draws=500), size.chains),
        "HMC, 256 x 16 draws": (sb.HMC(chains=256, draws=16), size.chains),
    }
    dtype = default_dtype(100)
    for name, (engine, count) in engines.items():
        given = [simulated(100, seed) for seed in range(count)]
        how: Row = {**EXACT, "engine": engine, "dtype": dtype}
        seconds(partial(sb.fit_many, given, **how))
        took, posts = seconds(partial(sb.fit_many, given, seed=1, **how))
        low, high = np.quantile(
            posts.exponents().draws["a"].stack(all=("chain", "draw")), (0.05, 0.95), axis=-1
        )
        held = np.mean((low <= TRUE_A) & (high >= TRUE_A))
        row = {"case": name, "dtype": dtype, "a second": count / took, "tables": count}
        row["seconds for 10,000"] = 10_000 * took / count
        row["answer"] = f"{100 * held:.0f} %"
        facts = [posts[table].record.facts for table in posts]
        # A density costs about a third of a gradient.
        needed = sum(each.get("gradients", LAPLACE_PROPOSALS / 3) for each in facts)
        yield row | shares(needed * 100 / 240 / took, dtype, size)


JOBS: dict[str, Callable[[Size], Iterator[Row]]] = {
    "gradients": gradients,
    "grid": grid,
    "one table": one_table,
    "tables": tables,
}


def dtypes() -> tuple[str, ...]:
    """Return the precisions of this platform; a TPU has no float64."""
    return ("float32",) if jax.default_backend() == "tpu" else ("float32", "float64")


def measure(quick: bool) -> Iterator[Row]:
    """Measure the platform that this process runs on."""
    began, size = time.monotonic(), size_here(quick)
    device = describe_devices()
    for dtype in dtypes():
        found = limits(dtype, size.copied)
        row = {"job": "limits", "case": "the device itself", "device": device, "dtype": dtype}
        row |= {f"1e9 {name} a second": found[name] / 1e9 for name in ("exp", "log")}
        yield row | {"copy, GB a second": found["bytes"] / 1e9}
    for name, job in JOBS.items():
        for row in job(size):
            yield {"job": name, "device": device, **row}
            if not quick and time.monotonic() - began > BUDGET:
                yield {"job": name, "device": device, "case": "the rest was left out: no time"}
                return


def found_on(platform: str, quick: bool) -> list[Row] | None:
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
            rows.append(json.loads(line) | {"platform": platform})
            console.print(", ".join(map(str, rows[-1].values())), style="dim")
    if process.returncode:
        raise SystemExit(f"Measuring {platform} failed.")
    return rows


def beside_cpu(rows: list[Row]) -> list[Row]:
    """Return the rows in the order of their cases, with the speed over that of the CPU.

    Engines run in the default precision of each platform: float64 on a CPU, float32 elsewhere.
    """

    def case(row: Row) -> tuple[str, ...]:
        return (row["case"], row["dtype"] if row["job"] in ("gradients", "grid") else "")

    on_cpu = {case(row): row for row in rows if row["platform"] == "cpu"}
    found = []
    for row in rows:
        cpu = on_cpu.get(case(row), {}).get("a second")
        ratio = {"over CPU": row["a second"] / cpu} if cpu and "a second" in row else {}
        hidden = ("job", "platform")
        found.append({n: x for n, x in row.items() if n not in hidden} | ratio)
    order = list(dict.fromkeys(map(case, rows)))
    return [
        x for _, x in sorted(zip(rows, found, strict=True), key=lambda p: order.index(case(p[0])))
    ]


def main(
    here: Annotated[bool, typer.Option("--here", hidden=True)] = False,
    quick: Annotated[bool, typer.Option(help="Tiny jobs: does it run?")] = False,
    json_path: Annotated[Path | None, typer.Option("--json", help="Write results here.")] = None,
) -> None:
    """Print a table for each job, with one row per platform, precision and case."""
    if here:
        for row in measure(quick):
            print(json.dumps(row), flush=True)
        return
    # Accelerators are for the processes that measure them: whoever looks at one holds its memory.
    jax.config.update("jax_platforms", "cpu")
    about = {name: value for name, value in machine().items() if name != "devices"}
    about["scalingbayes"] = sb.__version__
    console.print(", ".join(f"{name} {value}" for name, value in about.items()))
    rows: list[Row] = []
    absent = []
    for platform in PLATFORMS:
        found = found_on(platform, quick)
        rows += found or []
        absent += [platform] if found is None else []
    titles = {"limits": "What each device can do.", **{n: str(j.__doc__) for n, j in JOBS.items()}}
    for name, title in titles.items():
        show(title, beside_cpu([row for row in rows if row["job"] == name]))
    console.print(f"Not measured, since JAX finds none here: {', '.join(absent) or 'none'}.")
    if json_path is not None:
        json_path.write_text(json.dumps({"machine": about, "rows": rows, "absent": absent}))


if __name__ == "__main__":
    typer.run(main)
