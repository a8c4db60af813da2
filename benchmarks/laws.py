"""Compare the posterior of every law with the numbers of its paper, and measure its cost.

    python benchmarks/laws.py                     # a quarter of an hour
    python benchmarks/laws.py --only coupled      # the cases of one law
    python benchmarks/laws.py --write docs/laws.md

A law is fitted to the public runs of its paper if they may be shipped. Otherwise it is fitted to
runs that are simulated from the constants that the paper prints. ``cost`` is the time of a compiled
fit divided by the time of its gradients in a bare compiled loop.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from common import seconds
from law_cases import CASES, Case, runs_of
from rich.console import Console
from speed import gradient_seconds

import scalingbayes as sb
from scalingbayes._core.precision import precision

console = Console(width=150)


def estimates(post: sb.Posterior, names: Mapping[str, float]) -> dict[str, np.ndarray]:
    """Return draws of the published quantities."""
    draws = dict(post.values)
    if "a" in names and "a" not in draws:
        draws["a"] = post.exponents().draws["a"].to_numpy()
    for size, params in {"85M": 85e6, "1.2B": 1.2e9}.items():
        if f"CBS at {size}" in names:
            critical = draws["B_crit"] * params ** draws["c"]
            draws[f"CBS at {size}"] = 1.2 * 256 + 0.2 * critical
    return {name: draws[name] for name in names or post.law.parameters}


def measure(case: Case) -> list[dict[str, Any]]:
    runs = runs_of(case)
    model = sb.Model(case.law, "student_t", priors=case.priors)
    sb.fit(runs, model, exact=True)
    warm, post = seconds(lambda: sb.fit(runs, model, seed=1, exact=True), repeats=3)
    bound = model.bind(runs)
    with precision("float64"):
        start = np.tile(np.asarray(bound.density("float64").coordinates.center("float64")), (4, 1))
    bare = post.record.facts["gradients"] * gradient_seconds(bound, start)
    summary = post.summary()
    shared = {
        "law": case.law.split("(domains")[0],
        "runs": f"{len(runs)} {case.data}",
        "ess": int(summary["ess_bulk"].min()),
        "divergences": int(post.tree["sample_stats"]["diverging"].sum()),
        "seconds": warm,
        "cost": warm / bare,
        "note": case.note,
    }
    rows = []
    for name, draws in estimates(post, case.published).items():
        low, median, high = np.quantile(draws, [0.05, 0.5, 0.95])
        there = case.published.get(name)
        rows.append(
            {
                **shared,
                "quantity": name,
                "published": there,
                "median": median,
                "low": low,
                "high": high,
                "sds": None if there is None else (there - draws.mean()) / draws.std(),
            }
        )
    return rows


GOPHER = 5.76e23  # FLOPs; 280 billion params on 300 billion tokens
EXPONENTS = {
    "Kaplan et al. 2020": 0.73,
    "Hoffmann et al. 2022, approach 1": 0.50,
    "Hoffmann et al. 2022, approach 2": 0.49,
    "Hoffmann et al. 2022, approach 3": 0.46,
    "DeepSeek-AI 2024": 0.5243,
    "Grattafiori et al. 2024, Llama 3": 0.463,
}
"""Published values of a in N_opt ∝ C^a; b = 1 - a."""


def seed_table() -> str:
    """Return what ten times the compute buys by each study and by the posterior, as Markdown."""
    lines = [
        "",
        "## Ten times the compute",
        "",
        "N_opt grows by 10^a and D_opt by 10^(1 - a). The last rows are posteriors of the 245",
        "Chinchilla runs (medians, 90 % intervals), with the model for Gopher's 5.76e23 FLOPs: it",
        "had 280 billion params on 300 billion tokens.",
        "",
        "| study | a | params | tokens | for Gopher's budget |",
        "|---|---|---|---|---|",
    ]
    for study, a in EXPONENTS.items():
        lines.append(f"| {study} | {a:.3g} | x {10**a:.1f} | x {10 ** (1 - a):.1f} | |")
    for name in ("chinchilla", "coupled"):
        model = sb.Model(name, "student_t")
        post = sb.fit(sb.datasets.load("chinchilla"), model, exact=True)
        ends = np.quantile(post.exponents().draws["a"], [0.5, 0.05, 0.95])
        best = post.allocate(GOPHER).draws
        grown = "{:.1f} ({:.1f} to {:.1f})".format(*10**ends)
        more = "{:.1f} ({:.1f} to {:.1f})".format(*10 ** (1 - ends[[0, 2, 1]]))
        size, tokens = (
            "{:.3g} ({:.3g} to {:.3g})".format(*np.quantile(best[each], [0.5, 0.05, 0.95]) / scale)
            for each, scale in [("params", 1e9), ("tokens", 1e12)]
        )
        found = "{:.3f} ({:.3f} to {:.3f})".format(*ends)
        best_run = f"{size} billion params on {tokens} trillion tokens"
        lines.append(f"| posterior of `{name}` | {found} | x {grown} | x {more} | {best_run} |")
    return "\n".join(lines) + "\n"


HEADINGS = ("law", "runs", "quantity", "published", "posterior", "sds", "least ESS",
            "divergences", "s", "cost")  # fmt: skip


def as_markdown(rows: list[dict[str, Any]]) -> str:
    lines = [
        "# Laws against their papers",
        "",
        "Written by `python benchmarks/laws.py --write docs/laws.md`. Intervals are 90 %, with",
        "equal tails. *sds* is the distance of the published number from the posterior mean, in",
        "posterior standard deviations. *cost* is the time of a compiled fit divided by that of",
        "its gradients in a bare compiled loop. Where a paper's runs are not public or may not be",
        "shipped, runs are simulated from the constants that the paper prints. The simulated",
        "runs of one law share one draw of noise, so their sds are correlated.",
        "",
        f"| {' | '.join(HEADINGS)} |",
        "|---" * len(HEADINGS) + "|",
    ]  # fmt: skip
    notes: list[str] = []
    last = None
    for row in rows:
        key = (row["law"], row["runs"], row["note"])
        first = key != last
        last = key
        mark = ""
        if first and row["note"]:
            notes.append(row["note"])
            mark = f" [{len(notes)}]"
        head = [f"`{row['law']}`{mark}", row["runs"]] if first else ["", ""]
        published = "" if row["published"] is None else f"{row['published']:.4g}"
        sds = "" if row["sds"] is None else f"{row['sds']:+.1f}"
        found = f"{row['median']:.4g} ({row['low']:.4g} to {row['high']:.4g})"
        tail = (
            [f"{row['ess']:,}", str(row["divergences"]), f"{row['seconds']:.2f}",
             f"{row['cost']:.1f}"] if first else [""] * 4
        )  # fmt: skip
        lines.append(
            "| " + " | ".join([*head, row["quantity"], published, found, sds, *tail]) + " |"
        )
    lines += ["", *(f"[{i}] {note}\n" for i, note in enumerate(notes, start=1))]
    return "\n".join(lines).rstrip() + "\n"


def main(
    only: Annotated[str | None, typer.Option(help="Only laws whose name begins so.")] = None,
    write: Annotated[Path | None, typer.Option(help="Write the table as Markdown.")] = None,
) -> None:
    rows = []
    for case in CASES:
        if only is None or case.law.startswith(only):
            rows += measure(case)
            last = rows[-1]
            console.print(
                f"{last['law']:36} {last['runs']:22} ESS {last['ess']:6,} div "
                f"{last['divergences']:3} {last['seconds']:6.2f} s cost {last['cost']:.2f}"
            )
            for row in rows:
                if row["law"] == last["law"] and row["runs"] == last["runs"] and row["sds"]:
                    console.print(
                        f"    {row['quantity']:12} published {row['published']:.4g}, "
                        f"{row['median']:.4g} ({row['low']:.4g} to {row['high']:.4g})"
                    )
    if write is not None:
        write.write_text(as_markdown(rows) + seed_table(), encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
