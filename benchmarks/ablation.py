"""Compare the sampler with and without each of its parts, for every law.

    python benchmarks/ablation.py --only chinchilla             # one law
    python benchmarks/ablation.py --seeds 3 --write docs/sampler.md
    python benchmarks/ablation.py --simulated 20                # tables drawn from the priors too

Each law of the registry is fitted to the tables of ``benchmarks/law_cases.py``, and optionally to
tables that are simulated from its priors, by the complete sampler and by the sampler without one of
its parts. A variant pays if more fits pass their checks, or if it gives more effective draws per
second without changing the posterior medians.
"""

import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import typer
from law_cases import CASES, Case, runs_of
from rich.console import Console

import scalingbayes as sb
from scalingbayes.inference.nuts.constants import Constants

console = Console(width=150)


class NoExtraStages(sb.NUTS):
    """NUTS whose warm-up always ends with the last planned stage."""

    constants = replace(Constants(), extra_stages=0)


class BestModeOnly(sb.NUTS):
    """NUTS whose chains and jumps all start at the mode of highest density."""

    constants = replace(Constants(), mode_nats=0.0)


class Plain(sb.NUTS):
    """NUTS without extra stages, from the mode of highest density."""

    constants = replace(Constants(), extra_stages=0, mode_nats=0.0)


VARIANTS: dict[str, sb.NUTS] = {
    "complete": sb.NUTS(),
    "no jumps": sb.NUTS(jumps=False),
    "no thinning": sb.NUTS(max_thinning=1),
    "no extra stages": NoExtraStages(),
    "best mode only": BestModeOnly(),
    "none of them": Plain(jumps=False, max_thinning=1),
}
"""The engines that are compared. They share their compiled programs."""

LARGE_SHIFT = 0.3  # of a median, in half widths; independent runs of one engine differ by less


@dataclass(frozen=True)
class Table:
    """One table of runs and the model that is fitted to it."""

    law: str
    kind: str
    runs: sb.Runs
    model: sb.Model


@dataclass(frozen=True)
class Fit:
    """One fit.

    Parameters
    ----------
    passed
        Whether the verdict passed.
    ess
        Smallest bulk or tail effective sample size of a parameter.
    seconds
        Wall-clock time of the fit, with everything compiled.
    medians, widths
        Posterior median of each parameter, and half the width of its 68 % interval.
    """

    passed: bool
    ess: float
    seconds: float
    medians: pd.Series
    widths: pd.Series


def tables_of(case: Case, simulated: int) -> list[Table]:
    """Return the table of a case, and tables simulated from the priors of its law."""
    runs = runs_of(case)
    model = sb.Model(case.law, "student_t", priors=case.priors)
    law = case.law.split("(domains")[0]
    tables = [Table(law, case.data, runs, model)]
    if simulated:
        simulation = sb.simulate(runs, model, count=simulated, seed=1)
        fixed = sb.Model(
            case.law, "student_t", priors=case.priors, reference=simulation.model.reference
        )
        tables += [Table(law, "from priors", each, fixed) for each in simulation.tables]
    return tables


def measure(table: Table, engine: sb.NUTS, seed: int) -> Fit:
    """Fit once; time the fit."""
    start = time.perf_counter()
    post = sb.fit(table.runs, table.model, engine=engine, seed=seed, exact=True)
    seconds = time.perf_counter() - start
    summary = post.summary()
    draws = pd.DataFrame({name: values.ravel() for name, values in post.values.items()})
    ess = np.nan_to_num(summary[["ess_bulk", "ess_tail"]].to_numpy(float)).min()
    low, medians, high = (draws.quantile(q) for q in (0.16, 0.5, 0.84))
    return Fit(bool(post.verdict), float(ess), seconds, medians, (high - low) / 2)


def summarise(variant: str, fits: Sequence[Fit], complete: Sequence[Fit]) -> dict[str, object]:
    """Return one row of the table: medians over fits, and the largest shift of a median."""
    shifts = [
        float(((own.medians - other.medians) / other.widths).abs().max())
        for own, other in zip(fits, complete, strict=True)
    ]
    return {
        "variant": variant,
        "passed": f"{sum(fit.passed for fit in fits)} of {len(fits)}",
        "ESS/s": f"{np.median([fit.ess / fit.seconds for fit in fits]):.0f}",
        "seconds": f"{np.median([fit.seconds for fit in fits]):.2f}",
        "shift": f"{max(shifts):.2f}",
    }


def compare(tables: Sequence[Table], seeds: int) -> list[dict[str, object]]:
    """Fit tables of one law and kind by every variant; return a row for each variant."""
    measure(tables[0], VARIANTS["complete"], 0)  # compiles
    fits = {
        variant: [measure(table, engine, seed) for table in tables for seed in range(seeds)]
        for variant, engine in VARIANTS.items()
    }
    head = {"law": f"`{tables[0].law}`", "runs": f"{len(tables[0].runs)} {tables[0].kind}"}
    return [head | summarise(name, own, fits["complete"]) for name, own in fits.items()]


def as_markdown(rows: Sequence[dict[str, object]]) -> str:
    """Return a page of the documentation: a row for each law and kind of table."""
    by_table: dict[tuple[object, object], dict[object, str]] = {}
    for row in rows:
        cell = f"{row['ESS/s']}"
        passed, fits = str(row["passed"]).split(" of ")
        if passed != fits:
            cell += f", {passed}/{fits} pass"
        if float(str(row["shift"])) > LARGE_SHIFT:
            cell += f", shift {float(str(row['shift'])):.1f}"
        by_table.setdefault((row["law"], row["runs"]), {})[row["variant"]] = cell
    lines = [
        "# Parts of the sampler, with and without",
        "",
        "Written by `python benchmarks/ablation.py --write docs/sampler.md`. Each cell is the",
        "smallest effective sample size of a parameter per second, with everything compiled. It",
        "names the fits that pass their checks where some do not, and the largest shift of a",
        "posterior median from the complete sampler, in half widths of the 68 % interval, where",
        f"the shift is above {LARGE_SHIFT}.",
        "",
        f"| law | runs | {' | '.join(VARIANTS)} |",
        "|---" * (2 + len(VARIANTS)) + "|",
    ]
    for (law, runs), cells in by_table.items():
        lines.append(f"| {law} | {runs} | {' | '.join(cells[name] for name in VARIANTS)} |")
    return "\n".join(lines) + "\n"


def main(
    only: Annotated[str | None, typer.Option(help="Only laws whose name starts with this.")] = None,
    seeds: Annotated[int, typer.Option(help="Fits of each table by each variant.")] = 1,
    simulated: Annotated[int, typer.Option(help="Tables per law drawn from its priors.")] = 0,
    write: Annotated[Path | None, typer.Option(help="Write the table as Markdown.")] = None,
) -> None:
    """Compare the variants on every law."""
    warnings.simplefilter("ignore", sb.InputWarning)
    rows: list[dict[str, object]] = []
    for case in CASES:
        if only is not None and not case.law.startswith(only):
            continue
        tables = tables_of(case, simulated)
        for group in (tables[:1], tables[1:]):
            if group:
                found = compare(group, seeds)
                rows += found
                for row in found:
                    console.print(" ".join(f"{value!s:>16}" for value in row.values()))
                if write is not None:  # after each law, so that an interrupted run is not lost
                    write.write_text(as_markdown(rows), encoding="utf-8")
    console.print(as_markdown(rows))


if __name__ == "__main__":
    typer.run(main)
