"""Time new processes: imports, help, the first fit with and without stored programs.

    python benchmarks/first_answer.py
    python benchmarks/first_answer.py --crowd 100   # as many processes at once on an empty folder

Times are processor seconds of a whole process, and the seconds that a person waits. The first row
is what any program pays that imports JAX, numpyro, pandas and xarray. Python must be able to keep
its bytecode (PYTHONDONTWRITEBYTECODE unset): otherwise each process compiles every import.
"""

import json
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from common import console, machine, show

from scalingbayes._core.programs import Store

FIT = """
import time, hashlib, scalingbayes as sb
runs = sb.datasets.load("chinchilla")
fit = sb.fit
times = [time.process_time()]
for seed in (0, 1, 2):
    post = sb.fit(runs, seed=seed, exact={exact})
    times.append(time.process_time())
    if not seed:
        bits = hashlib.sha256(post.draws["A"].values.tobytes()).hexdigest()
print(bits, *times)
"""
ONE = """
import scalingbayes as sb
post = sb.fit(sb.datasets.load("chinchilla"), "power_law", engine=sb.PriorDraws(draws=100))
print(float(post.draws["E"].mean()))
"""
KILLED = 10  # one process in so many


def timed(arguments: Sequence[str], folder: str) -> tuple[float, float, str]:
    """Return processor seconds, elapsed seconds and the output of a new process."""
    environment = {**os.environ, "SCALINGBAYES_CACHE": folder}
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(
        [sys.executable, *arguments], env=environment, check=True, capture_output=True, text=True
    )
    elapsed, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return used, elapsed, done.stdout


def row(what: str, arguments: Sequence[str], folder: str, repeats: int = 3) -> dict[str, Any]:
    found = [timed(arguments, folder)[:2] for _ in range(repeats)]
    used, elapsed = np.median(found, axis=0)
    return {"process": what, "processor s": used, "waited s": elapsed}


def processes() -> list[dict[str, Any]]:
    """Time whole processes."""
    shell = ["-m", "scalingbayes"]
    libraries = "import jax, numpyro, pandas, xarray"
    with tempfile.TemporaryDirectory() as parent:
        folder = f"{parent}/programs"
        rows = [
            row("import of the libraries", ["-c", libraries], folder),
            row("import scalingbayes", ["-c", "import scalingbayes"], folder),
            row("import of what a fit needs", ["-c", "from scalingbayes import fit"], folder),
            row("scalingbayes --help", [*shell, "--help"], folder),
            row("scalingbayes fit --help", [*shell, "fit", "--help"], folder),
        ]
        fit = [*shell, "fit", "chinchilla"]
        rows.append(row("scalingbayes fit chinchilla, no programs", fit, folder, repeats=1))
        rows.append(row("scalingbayes fit chinchilla, programs stored", fit, folder))
    return rows


def fits() -> list[dict[str, Any]]:
    """Time fits in new processes, without imports; check that they draw the same bits."""
    rows = []
    for exact in (False, True):
        name = "exact" if exact else "default"
        with tempfile.TemporaryDirectory() as parent:
            drawn = set()
            for programs in ("no programs", "programs stored", "programs stored, again"):
                bits, *times = timed(["-c", FIT.format(exact=exact)], f"{parent}/x")[2].split()
                drawn.add(bits)
                first, second, third = np.diff(np.array(times, float))
                rows.append(
                    {
                        "fit": f"{name}, {programs}",
                        "first, processor s": first,
                        "later, processor s": min(second, third),
                        "same bits": "yes" if len(drawn) == 1 else "NO",
                    }
                )
    default, exactly = (each["later, processor s"] for each in (rows[2], rows[5]))
    rows.append({"fit": "default over exact", "later, processor s": default / exactly})
    return rows


def crowd(count: int) -> list[dict[str, Any]]:
    """Start many processes at once on an empty folder, and kill one in ten of them."""
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent) / "programs"
        environment = {**os.environ, "SCALINGBAYES_CACHE": str(folder), "OMP_NUM_THREADS": "1"}
        start = time.perf_counter()
        begun = [
            subprocess.Popen(
                [sys.executable, "-c", ONE], env=environment, stdout=subprocess.PIPE, text=True
            )
            for _ in range(count)
        ]
        killed = random.Random(0).sample(begun, count // KILLED)
        while not list(folder.glob("*.program")) and any(each.poll() is None for each in begun):
            time.sleep(0.05)
        for each in killed:  # while others write their programs
            each.send_signal(signal.SIGKILL)
            time.sleep(0.05)
        answers = [each.communicate()[0] for each in begun if each not in killed]
        elapsed, store = time.perf_counter() - start, Store(folder)
        sound = [store.read(path.stem) is not None for path in store.programs()]
        return [
            {
                "processes": count,
                "killed": len(killed),
                "answered": sum(bool(each) for each in answers),
                "different answers": len(set(answers)),
                "programs": len(sound),
                "of them sound": sum(sound),
                "waited s": elapsed,
            }
        ]


def main(
    crowd_of: Annotated[int, typer.Option("--crowd", help="Number of processes at once.")] = 0,
    json_file: Annotated[Path | None, typer.Option("--json")] = None,
) -> None:
    if os.environ.get("PYTHONDONTWRITEBYTECODE"):
        console.print("PYTHONDONTWRITEBYTECODE is set: imports take three times as long.")
    tables = (
        {"A crowd": crowd(crowd_of)} if crowd_of else {"Processes": processes(), "Fits": fits()}
    )
    for title, rows in tables.items():
        show(title, rows)
    if json_file is not None:
        json_file.write_text(json.dumps({"machine": machine(), **tables}, indent=1))


if __name__ == "__main__":
    typer.run(main)
