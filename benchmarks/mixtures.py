"""Predict larger models on unseen mixtures, and find the best mixture, as Shukor et al. 2025 do.

    python benchmarks/mixtures.py --data FOLDER                # a quarter of an hour
    python benchmarks/mixtures.py --data FOLDER --only c4

FOLDER holds data_mixture_slimpajama.csv and data_mixture_slimpajama_weights.csv, the language
models of arXiv:2507.09404 as carried by meiqwq/Explaining-Data-Mixing-Scaling-Laws; their licence
is not stated, so that they are not part of the package. As in table 1 there, the laws are fitted to
the four sizes of 310M to 1.2B params (without embeddings; the paper counts them: 412M to 1.4B), and
predict the model of 2.7B (3B there) on four mixtures.
"""

from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import typer
from rich.console import Console
from rich.table import Table

import scalingbayes as sb

console = Console(width=150)

LEAST_TOKENS = {310e6: 4e9, 680e6: 7e9, 937e6: 7e9, 1235e6: 13e9, 2718e6: 20e9}
LARGEST = 2718e6
PAPER = {  # MRE in % on larger models, additive and joint law (table 2)
    "arxiv": (2.09, 1.62),
    "book": (0.80, 1.19),
    "c4": (0.31, 0.34),
    "github": (1.17, 2.51),
    "commoncrawl": (0.58, 0.90),
    "stackexchange": (0.36, 0.47),
    "wikipedia": (4.45, 2.09),
}
DOMAINS = tuple(PAPER)


def runs_of(data: Path, target: str) -> tuple[sb.Runs, sb.Runs]:
    """Return the runs that laws are fitted to, and the larger ones."""
    frame = pd.read_csv(data / "data_mixture_slimpajama.csv")
    shares = pd.read_csv(data / "data_mixture_slimpajama_weights.csv")
    frame = frame.merge(shares.rename(columns=lambda name: name.removeprefix("weight_")))
    least = frame["params"].map(LEAST_TOKENS)
    frame = frame[(frame["tokens"] >= least) & frame[f"loss_{target}"].notna()]
    # Checkpoints of one run depend on each other: every third is kept, from the last.
    from_last = frame.groupby(["mixture", "params"]).cumcount(ascending=False)
    frame = frame[from_last % 3 == 0]
    kept = ["params", "tokens", "mixture", *DOMAINS, f"loss_{target}"]
    small = frame["params"] < LARGEST
    fitted, larger = (
        sb.Runs(frame.loc[rows, kept].reset_index(drop=True), name=target, loss=f"loss_{target}")
        for rows in (small, ~small)
    )
    return fitted, larger


def main(
    data: Annotated[Path, typer.Option(help="Folder of the two tables.")],
    only: Annotated[list[str] | None, typer.Option(help="A target; may be repeated.")] = None,
    joint: Annotated[bool, typer.Option(help="Fit the joint law too.")] = False,
    exact: Annotated[bool, typer.Option(help="Take the law as exact.")] = False,
) -> None:
    table = Table(title="Larger models, predicted from smaller ones")
    for name in ("target", "law", "runs", "MRE %", "paper's MRE %", "in 90 %", "CRPS", "checks"):
        table.add_column(name)
    posts = {}
    for target in only or DOMAINS:
        small, large = runs_of(data, target)
        for is_joint in (False, True) if joint else (False,):
            law = sb.get_law("scaled_mixture", domains=DOMAINS, joint=is_joint)
            post = sb.fit(small, sb.Model(law, "student_t"), exact=exact)
            scores = sb.score(post, large)
            table.add_row(
                target,
                "joint" if is_joint else "additive",
                f"{len(small)}, {len(large)}",
                f"{100 * np.expm1(scores['error']).abs().mean():.2f}",
                f"{PAPER[target][is_joint]:.2f}",
                f"{100 * scores['in90'].mean():.0f}",
                f"{scores['crps'].mean():.4f}",
                post.verdict.word,
            )
            posts[target, is_joint] = post
            console.print(table)
    for is_joint in (False, True) if joint else (False,):
        chosen = {name: post for (name, kind), post in posts.items() if kind == is_joint}
        found = sb.best_mixture(chosen, params=[LARGEST, 7e9], tokens=[1e11, 1.5e11])
        console.print("joint" if is_joint else "additive", found.summary().to_string())


if __name__ == "__main__":
    typer.run(main)
