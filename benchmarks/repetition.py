"""Repeated data: the bounded law beside Muennighoff's, by runs that neither has seen.

    python benchmarks/repetition.py          # several minutes

The runs of datablations (Muennighoff et al. 2023) have up to 1,500 epochs. All runs of one number
of distinct tokens are held out together and predicted from all others; laws that differ in how they
describe repetition and overfitting then differ most. Scores are of the log loss.
"""

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

import scalingbayes as sb

console = Console(width=120)

LAWS = ("data_constrained", "bounded", "chinchilla")
SMALLEST = 5  # runs of a fold


def main(
    epochs: Annotated[float, typer.Option(help="Runs of at most so many.")] = 60.0,
    exact: Annotated[bool, typer.Option(help="Take the law as exact.")] = True,
    noise: Annotated[str, typer.Option(help="The noise model.")] = "student_t",
    engine: Annotated[str, typer.Option(help="nuts or laplace.")] = "nuts",
) -> None:
    whole = sb.datasets.load("datablations")
    runs = whole.filter(whole.column("epochs") <= epochs)
    distinct = runs.column("unique_tokens")
    folds = {
        f"{each:.3g}": distinct == each
        for each in sorted(set(distinct))
        if (distinct == each).sum() >= SMALLEST
    }
    table = Table(title=f"{len(folds)} held-out numbers of distinct tokens, {len(runs)} runs")
    for name in ("law", "log score", "CRPS", "in 90 %", "checks"):
        table.add_column(name)
    for law in LAWS:
        found = sb.backtest(runs, sb.Model(law, noise), by=folds, engine=engine, exact=exact)
        console.print(law, found.summary().to_string())
        mean = found.summary().loc["all"]
        scores = [f"{mean[each]:.3g}" for each in ("log_score", "crps")]
        table.add_row(law, *scores, f"{100 * mean['in90']:.0f}", found.verdict.word)
    console.print(table)


if __name__ == "__main__":
    typer.run(main)
