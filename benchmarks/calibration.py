"""Calibrate every law with its default priors, and every noise model, by simulation.

    python benchmarks/calibration.py --only "chinchilla, normal(groups=run)" --tables 100
    python benchmarks/calibration.py --only chinchilla --tables 100 --part 50
    python benchmarks/calibration.py --processes 16 --json calibration.json   # all, 1,000 tables
    python benchmarks/calibration.py --only coupled --tables 80 --part 80 --engine laplace \
        --allowance --misfit 0.006

Tables of 64 runs are drawn from the priors at typical inputs of the law, and fitted with NUTS; the
law is taken as exact. Each process uses one core and takes one law at a time; each part of a law's
tables has its own seed. With ``--allowance`` tables are fitted as ``sb.fit`` does by default, and
those of params and tokens have 40 runs of five budgets.
"""

import json
import multiprocessing
import os
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import pandas as pd
import typer
import xarray as xr
from common import show
from jaxtyping import Float

if TYPE_CHECKING:
    from scalingbayes.evaluation.calibration import Simulation

ROWS, RUNS = 64, 8  # of a design; that many share errors, where runs do
BUDGETS, SIZES = 5, 8  # of the IsoFLOP design
WAVELENGTHS = (3.0, 9.0)  # nats
NOISES = {
    f"chinchilla, {noise}": ("chinchilla", noise)
    for noise in (
        "student_t",
        "normal",
        "laplace",
        "huber",
        "one_sided",
        "failures",
        "normal(groups=run)",
        "student_t(groups=run)",
        "normal(discrepancy=compute)",
        "student_t(discrepancy=compute)",
    )
}
"""Laws and noise models by the name of the row, in addition to each law with default noise."""


@dataclass(frozen=True)
class Job:
    """A law, its noise if not the default, and the seeds of the parts of its tables."""

    name: str
    seeds: range
    tables: int
    engine: str
    draws: int
    exact: bool
    misfit: float
    deadline: float


def begin(cache: str) -> None:
    """Set up a process, with a cache of compiled programs that all processes share."""
    import jax

    jax.config.update("jax_compilation_cache_dir", cache)


def isoflop_design() -> dict[str, Float[np.ndarray, " runs"]]:
    """Return params and tokens of budgets from 1e18 to 1e21 FLOPs, at 5 to 80 tokens a param."""
    budgets = np.repeat(np.geomspace(1e18, 1e21, BUDGETS), SIZES)
    ratios = np.tile(np.geomspace(5, 80, SIZES), BUDGETS)
    params = np.sqrt(budgets / 6 / ratios)
    return {"params": params, "tokens": ratios * params}


def with_misfit(simulation: "Simulation", amplitude: float, seed: int) -> "Simulation":
    """Return tables whose losses deviate from the law by a smooth wave in ln N and ln D.

    Parameters
    ----------
    simulation
        Tables that the law made. Their true parameters stay those of the law without the wave.
    amplitude
        The amplitude of the wave, in log loss. Each table has a wave of its own: its direction and
        phase are uniform, and its wavelength is log-uniform.
    seed
        Seed of the waves.
    """
    inputs = simulation.model.inputs
    logs = np.log(np.stack([inputs["params"], inputs["tokens"]]))
    random, count = np.random.default_rng([seed, 7]), len(simulation)
    angle, phase = random.uniform(0, 2 * np.pi, (2, count, 1))
    shortest, longest = np.log(WAVELENGTHS)
    length = np.exp(random.uniform(shortest, longest, (count, 1)))
    along = np.cos(angle) * logs[0] + np.sin(angle) * logs[1]
    wave = amplitude * np.sin(2 * np.pi * along / length + phase)
    return replace(simulation, observed=simulation.observed * np.exp(wave))


def one_law(job: Job) -> list[dict[str, Any]]:
    """Calibrate one part of the tables after the other until the deadline."""
    from scalingbayes import fit_many
    from scalingbayes.evaluation.calibration import simulate, typical_inputs
    from scalingbayes.evaluation.calibration.ranking import rank
    from scalingbayes.laws import get_law
    from scalingbayes.model.model import Model

    law, noise = NOISES.get(job.name, (job.name, None))
    inputs = get_law(law).inputs
    if not job.exact and set(inputs) == {"params", "tokens"}:
        design: dict[str, Any] = isoflop_design()
    else:
        design = typical_inputs(get_law(law), ROWS, np.random.default_rng(0))
    rows = len(next(iter(design.values())))
    design["run"] = np.array([f"run {row % RUNS}" for row in range(rows)])
    parts: list[dict[str, Any]] = []
    for seed in job.seeds:
        start = time.time()
        if start > job.deadline:
            break
        engine = f"{job.engine}(draws={job.draws})"
        model = Model(law, noise)
        simulation = simulate(design, model, count=job.tables, seed=seed)
        if job.misfit:
            simulation = with_misfit(simulation, job.misfit, seed)
        same = model.with_reference(simulation.model.reference)
        posts = fit_many(simulation.tables, same, engine=engine, exact=job.exact, seed=seed)
        found = rank(simulation, posts, job.engine, seed)
        parts.append(
            {
                "law": job.name,
                "seed": seed,
                "exact": found.exact,
                "ranks": {str(n): v.to_numpy().round(5).tolist() for n, v in found.ranks.items()},
                "shares": {str(n): v.to_numpy().round(5).tolist() for n, v in found.shares.items()},
                "poor": int((found.effective_draws < 100).sum()),
                "rejected": found.simulation.rejected,
                "seconds": time.time() - start,
            }
        )
        print(f"{job.name}, seed {seed}: {parts[-1]['seconds']:.1f} s", flush=True)
    return parts


def assess(parts: list[dict[str, Any]]) -> pd.DataFrame:
    """Return the test of each quantity over all parts of a law."""
    from scalingbayes.evaluation.calibration.ranking import summarize

    ranks, shares = (
        xr.Dataset(
            {
                n: ("table", np.concatenate([part[what][n] for part in parts]))
                for n in parts[0][what]
            }
        )
        for what in ("ranks", "shares")
    )
    return summarize(ranks, shares, exact=all(part["exact"] for part in parts))


def tabulate(parts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Combine the parts of each law and test them; return one row per law."""
    from scalingbayes.evaluation.calibration.ranking import EXPONENT

    rows = []
    for law in sorted({part["law"] for part in parts}):
        own = [part for part in parts if part["law"] == law]
        summary = assess(own)
        tables = sum(len(next(iter(part["ranks"].values()))) for part in own)
        worst = summary["p_bonferroni"].idxmin()
        wrong = summary[summary["finding"] != ""]
        row: dict[str, Any] = {
            "law": law,
            "tables": tables,
            "quantities": len(summary),
            "least p": f"{summary['p_bonferroni'].min():.2g} ({worst})",
            "least cover of 90 %": 100 * float(summary["coverage90"].min()),
            "mean": 100 * float(summary["coverage90"].mean()),
        }
        if EXPONENT in summary.index:
            row["a: 50 %"] = 100 * float(summary["coverage50"][EXPONENT])
            row["a: 90 %"] = 100 * float(summary["coverage90"][EXPONENT])
        row["ESS < 100"] = sum(part["poor"] for part in own)
        row["s a fit"] = sum(part["seconds"] for part in own) / tables
        row["verdict"] = "; ".join(f"{n} {f}" for n, f in wrong["finding"].items()) or "passed"
        rows.append(row)
    return rows


HEADER = """# Calibration of the laws

Written by `python benchmarks/calibration.py --processes 16 --write docs/calibration.md`. Tables of
64 runs are drawn from a law's default priors and fitted with NUTS. If the posteriors are right, the
true parameters rank uniformly among their draws. *p* is the smallest p-value of all quantities (the
parameters, the log density, N_opt for ten times the largest compute and, where it varies, the
exponent a) after Bonferroni's correction.
*Cover* is the coverage of 90 % intervals in per cent: of the worst quantity, the mean of all, and
of a. *Few draws* counts fits with fewer than 100 effective draws. Implausible tables, such as
tables whose losses span more than a factor of a million, are drawn again; most of the remaining
tables are still more extreme than real ones. *Tables* is the number that the time allowed. A law
has its default noise, or the noise that is named; *run* is a column with eight labels.

| law | tables | p | cover: least | mean | a | few draws | finding |
|---|---|---|---|---|---|---|---|
"""


def as_markdown(rows: list[dict[str, Any]]) -> str:
    lines = [
        f"| `{row['law']}` | {row['tables']:,} | {row['least p']} "
        f"| {row['least cover of 90 %']:.1f} | {row['mean']:.1f} "
        f"| {format(row['a: 90 %'], '.1f') if 'a: 90 %' in row else ''} "
        f"| {row['ESS < 100']} | {row['verdict']} |"
        for row in rows
    ]
    return HEADER + "\n".join(lines) + "\n"


def main(
    only: Annotated[list[str] | None, typer.Option(help="A row's name; may be repeated.")] = None,
    tables: Annotated[int, typer.Option(help="Tables of each law.")] = 1000,
    part: Annotated[int, typer.Option(help="Tables of a part.")] = 100,
    first_seed: Annotated[int, typer.Option(help="Seed of the first part.")] = 0,
    draws: Annotated[int, typer.Option(help="Draws of each of the four chains.")] = 300,
    engine: Annotated[str, typer.Option(help="nuts, laplace or grid.")] = "nuts",
    allowance: Annotated[bool, typer.Option(help="Allow for the law's error.")] = False,
    misfit: Annotated[float, typer.Option(help="Amplitude of a wave in log loss.")] = 0.0,
    processes: Annotated[int, typer.Option(help="How many, of one core each.")] = 1,
    seconds: Annotated[float, typer.Option(help="No part begins after so many.")] = inf,
    out: Annotated[Path | None, typer.Option("--json", help="Write parts and rows.")] = None,
    merge: Annotated[list[Path] | None, typer.Option(help="Take in earlier --json files.")] = None,
    write: Annotated[Path | None, typer.Option(help="Write the table as Markdown.")] = None,
) -> None:
    os.environ |= {
        "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false",
        "OMP_NUM_THREADS": "1",
        "JAX_PLATFORMS": "cpu",
    }
    sys.path.append(str(Path(__file__).parents[1] / "tests"))
    from registry import NAMES

    seeds = range(first_seed, first_seed + tables // part)
    deadline = time.time() + seconds
    jobs = [
        Job(name, seeds, part, engine, draws, not allowance, misfit, deadline)
        for name in only or [*NAMES, *NOISES]
    ]
    found = [part for path in merge or () for part in json.loads(path.read_text())["parts"]]
    context = multiprocessing.get_context("spawn")
    with (
        tempfile.TemporaryDirectory() as cache,
        context.Pool(processes, begin, (cache,)) as pool,
    ):
        for parts in pool.imap_unordered(one_law, jobs):
            found += parts
            if out is not None:
                out.write_text(json.dumps({"parts": found}))
    rows = tabulate(found)
    show(f"Simulation-based calibration, {engine}", rows)
    if allowance:
        for law in only or []:
            tests = assess([part for part in found if part["law"] == law])
            show(f"Coverage of {law}, misfit {misfit:g}", tests.reset_index().to_dict("records"))
    if out is not None:
        out.write_text(json.dumps({"rows": rows, "parts": found}))
    if write is not None:
        write.write_text(as_markdown(rows), encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
