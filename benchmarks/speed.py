"""Time a fit: compiled, and as the table grows.

    python benchmarks/speed.py                 # a quarter of an hour
    python benchmarks/speed.py --only warm     # or growth
    python benchmarks/speed.py --json speed.json

Times depend on the machine and its load: compare ratios, which are measured side by side in one
process. Each table has the answer beside the time, because a fast wrong answer is useless.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import jax
import jax.numpy as jnp
import numpy as np
import typer
from common import EXACT, chinchilla_240, console, machine, seconds, show, simulated
from jax import lax
from numpyro import infer
from numpyro.diagnostics import effective_sample_size

import scalingbayes as sb
from scalingbayes._core.precision import precision

GROWTH = {240: 1000, 24_000: 1000, 2_400_000: 50}
"""Numbers of rows, and the draws per chain that are timed for each (warm-up is 300 or 50)."""


NUMBERS = 20_000_000
"""Numbers that a bare loop computes."""


def processor_seconds(function: Callable[[], Any], repeats: int) -> float:
    """Return the least processor time of several calls: a large array keeps all cores busy."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        jax.block_until_ready(function())
        times.append(time.process_time() - start)
    return min(times)


def gradient_seconds(
    model: sb.BoundModel, points: np.ndarray, steps: int = 2500, processor: bool = False
) -> float:
    """Return the seconds, or the processor time, per gradient in a bare compiled loop."""

    @jax.jit
    def loop(density: Any, points: jax.Array) -> jax.Array:
        def step(point: jax.Array, _: None) -> tuple[jax.Array, None]:
            # The next point depends on the gradient, so that none can be left out.
            return point + 1e-12 * jax.value_and_grad(density)(point)[1], None

        return lax.map(lambda point: lax.scan(step, point, None, length=steps)[0], points)

    with precision("float64"):
        density, start = model.density("float64"), jnp.asarray(points)
        seconds(lambda: loop(density, start))
        if processor:
            elapsed = processor_seconds(lambda: loop(density, start), repeats=3)
        else:
            elapsed, _ = seconds(lambda: loop(density, start), repeats=5)
    return elapsed / (steps * len(points))


def warm() -> list[dict[str, Any]]:
    """Time compiled fits of 240 rows, and numpyro's own sampler on the same model."""
    runs = chinchilla_240()
    model = sb.Model("chinchilla", "student_t").bind(runs)
    sb.fit(runs, **EXACT)
    ours, post = seconds(lambda: sb.fit(runs, seed=1, **EXACT), repeats=7)
    with precision("float64"):
        start = np.tile(np.asarray(model.density("float64").coordinates.center("float64")), (4, 1))
    gradients = post.record.facts["gradients"]
    bare = gradients * gradient_seconds(model, start)

    def numpyro_run() -> dict[str, jax.Array]:
        sampler = infer.MCMC(
            infer.NUTS(model.numpyro_model()),
            num_warmup=1000,
            num_samples=1000,
            num_chains=4,
            chain_method="vectorized",
            progress_bar=False,
        )
        sampler.run(jax.random.key(1))
        return sampler.get_samples(group_by_chain=True)

    with precision("float64"):  # each call compiles anew, so there is nothing to warm up
        theirs, samples = seconds(numpyro_run)
        samples = {name: np.asarray(values) for name, values in samples.items()}

    def row(job: str, elapsed: float, values: dict[str, np.ndarray] | None) -> dict[str, Any]:
        found = {"job": job, "seconds": elapsed, "over ours": elapsed / ours}
        if values is not None:
            a = values["beta"] / (values["alpha"] + values["beta"])
            ess = min(effective_sample_size(values[n]) for n in post.values)
            found |= {"a": a.mean(), "sd of a": a.std(), "least ESS": ess}
            found["ESS per s"] = ess / elapsed
        return found

    return [
        row("sb.fit, 4 x 1,000 draws", ours, post.values),
        row(f"its {gradients:,} gradients, bare", bare, None),
        row("numpyro MCMC.run, 4 x 1,000 draws", theirs, samples),
    ]


def limit(rows: int) -> dict[str, float]:
    """Return the nanoseconds of processor time that a row needs at least, from bare loops.

    A gradient of Chinchilla's law with Student's t needs two exponentials and two logarithms, and
    reads four numbers of 8 bytes: the logarithms of N, D and the loss, and the weight.
    """

    def nanoseconds(function: Callable[[jax.Array], jax.Array]) -> float:
        steps = max(2, NUMBERS // rows)

        @jax.jit
        def loop(x: jax.Array) -> jax.Array:
            # The next numbers depend on the last, and stay near 1.
            return lax.fori_loop(0, steps, lambda _, x: 0.4 * x + 0.3 * function(x) + 0.3, x)

        start = jnp.linspace(0.5, 1.5, rows)
        seconds(lambda: loop(start))
        return 1e9 * processor_seconds(lambda: loop(start), repeats=3) / steps / rows

    with precision("float64"):
        functions = (lambda x: x, lambda x: jnp.exp(-x), lambda x: jnp.log(1 + x))
        copy, exp, log = map(nanoseconds, functions)
    # A loop reads and writes a number: a gradient's four reads cost as much as two loops of copies.
    return {"exp": exp - copy, "log": log - copy, "row": 2 * (exp + log - 2 * copy) + 2 * copy}


def growth(rows: int, draws: int) -> dict[str, Any]:
    """Fit simulated rows; runs in a new process, to measure peak memory."""
    import resource

    runs = simulated(rows)
    engine = sb.NUTS(draws=draws, warmup=300 if draws >= 300 else 50)
    if rows < 1_000_000:
        sb.fit(runs, engine=engine, **EXACT)
    elapsed, post = seconds(lambda: sb.fit(runs, engine=engine, seed=1, **EXACT))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    a = post.exponents().draws["a"]
    model = sb.Model("chinchilla", "student_t").bind(runs)
    with precision("float64"):
        start = np.asarray(model.density("float64").coordinates.center("float64"))[None]
    steps = max(5, NUMBERS // rows)
    bare = 1e9 * gradient_seconds(model, start, steps, processor=True) / rows
    least = limit(rows)
    of_fit = 1e9 * elapsed / post.record.facts["gradients"] / rows
    return {
        "rows": rows,
        "draws": 4 * draws,
        "seconds": elapsed,
        "gradients": post.record.facts["gradients"],
        "ns per row and gradient": of_fit,
        "in a bare loop, processor": bare,
        "ns of exp": least["exp"],
        "ns of log": least["log"],
        "its 2 exp, 2 log, reads": least["row"],
        "bare over these": bare / least["row"],
        "peak GiB": peak,
        "a (truth 0.4516)": float(a.mean()),
        "sd of a": float(a.std()),
    }


def grow() -> list[dict[str, Any]]:
    return [
        json.loads(
            subprocess.run(
                [sys.executable, __file__, "--growth", str(rows), str(draws)],
                check=True,
                capture_output=True,
                text=True,
            ).stdout.splitlines()[-1]
        )
        for rows, draws in GROWTH.items()
    ]


def main(
    growth_of: Annotated[tuple[int, int], typer.Option("--growth", hidden=True)] = (0, 0),
    only: Annotated[str | None, typer.Option(help="warm or growth; both by default.")] = None,
    json_path: Annotated[Path | None, typer.Option("--json", help="Write results here.")] = None,
) -> None:
    """Print two tables: warm, growth."""
    if growth_of[0]:
        print(json.dumps(growth(*growth_of)))
        return
    about = machine()
    console.print(", ".join(f"{name} {value}" for name, value in about.items()))
    results: dict[str, Any] = {"machine": about}
    jobs = {
        "warm": ("240 Chinchilla rows, everything compiled", warm),
        "growth": ("Rows of a simulated table, second fit", grow),
    }
    for name, (title, job) in jobs.items():
        if only not in (None, name):
            continue
        results[name] = job()
        show(title, results[name])
    if json_path is not None:
        json_path.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    typer.run(main)
