"""Functions that all benchmarks share: timing, printed tables, runs, the machine."""

import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np
from rich.console import Console
from rich.table import Table

import scalingbayes as sb

console = Console(width=130)

EXACT: dict[str, Any] = {
    "model": sb.Model("chinchilla", "student_t", default_priors="weak"),
    "exact": True,
}
"""The model that other software fits: an exact law and independent runs."""


def seconds(function: Callable[[], Any], repeats: int = 1) -> tuple[float, Any]:
    """Return the median time of several calls, results ready, and the last result."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = jax.block_until_ready(function())
        times.append(time.perf_counter() - start)
    return float(np.median(times)), result


def chinchilla_240() -> sb.Runs:
    runs = sb.datasets.load("chinchilla")
    loss = runs.frame["loss"]
    return runs.filter(loss < loss.nlargest(5).min())


def simulated(rows: int, seed: int = 0) -> sb.Runs:
    """Draw runs on Hoffmann's surface with heavy-tailed noise."""
    random = np.random.default_rng(seed)
    params, tokens = 10 ** random.uniform(7, 10, rows), 10 ** random.uniform(9, 12, rows)
    loss = 1.69 + 406.4 / params**0.34 + 410.7 / tokens**0.28
    loss *= np.exp(0.005 * random.standard_t(4, rows))
    return sb.Runs({"params": params, "tokens": tokens, "loss": loss})


def surface_axes(points: int) -> dict[str, np.ndarray]:
    """Return the axes of a grid around the fit of the Chinchilla rows."""
    ranges = {"E": (1.6, 2.0), "A": (300, 700), "B": (1000, 4000)}
    ranges |= {"alpha": (0.3, 0.4), "beta": (0.3, 0.4)}
    return {name: np.linspace(*ends, points) for name, ends in ranges.items()}


def show(title: str, rows: Sequence[Mapping[Any, Any]]) -> None:
    """Print rows as a table with the headings of all rows."""
    table = Table(title=title, title_justify="left")
    headings = list(dict.fromkeys(heading for row in rows for heading in row))
    for heading in headings:
        text = any(isinstance(row.get(heading), str) for row in rows)
        table.add_column(heading, justify="left" if text else "right")
    for row in rows:
        cells = (row.get(heading, "") for heading in headings)
        table.add_row(*(c if isinstance(c, str) else f"{c:,.4g}" for c in cells))
    console.print(table)


def machine() -> dict[str, Any]:
    return {
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "devices": f"{len(jax.devices())} x {jax.devices()[0].device_kind}",
        "python": platform.python_version(),
        "jax": jax.__version__,
    }
