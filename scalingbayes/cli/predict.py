"""``scalingbayes predict``."""

from typing import Annotated, Any

import numpy as np
import pandas as pd
import typer

from scalingbayes._core.errors import InputError
from scalingbayes.cli.options import Prob, Seed
from scalingbayes.cli.printing import (
    console,
    print_grid,
    print_notes,
    say_fit,
    say_interval,
    write_interval,
)
from scalingbayes.cli.saved import (
    OtherInputs,
    Out,
    Saved,
    check_out,
    finish,
    read_inputs,
    read_posterior,
)
from scalingbayes.results import check_interval


def predict_command(
    posterior: Saved,
    params: Annotated[
        list[float] | None,
        typer.Option(help="Parameters, such as 7e10; may be repeated, runs side by side."),
    ] = None,
    tokens: Annotated[
        list[float] | None, typer.Option(help="Training tokens, such as 1.4e12; may be repeated.")
    ] = None,
    other: OtherInputs = None,
    prob: Prob = 0.9,
    seed: Seed = 0,
    out: Out = None,
) -> None:
    """Say what runs will reach, with credible intervals.

    Exit status: 0; 2 if the input cannot be used; 3 if the fit failed its own checks.
    """
    check_interval(prob, "eti")
    check_out(out)
    post = read_posterior(posterior)
    inputs = read_inputs({"params": params, "tokens": tokens}, other)
    _check_counts(inputs)
    found = post.predict(seed=seed, **inputs)
    table = found.summary(prob)
    console.print(f"{found.title}\n{say_fit(post)}")
    _print_runs(table, list(inputs), prob)
    console.print(
        f"Expected: what the law says; observed: what one such run would reach, noise included.\n"
        f"{say_interval(post, prob)}"
    )
    print_notes(found.notes)
    finish(found.verdict, out, table)


def _check_counts(inputs: dict[str, Any]) -> None:
    """Check that inputs are one for all runs, or as many as runs."""
    counts = {name: np.size(values) for name, values in inputs.items()}
    if len(set(counts.values()) - {1}) > 1:
        said = " and ".join(f"{count} {name}" for name, count in counts.items())
        raise InputError(f"Give each input once, or once for each run; got {said}.")


def _print_runs(table: pd.DataFrame, inputs: list[str], prob: float) -> None:
    """Print a row a run: what it is, and each quantity with its interval."""
    quantities = list(table.index.unique("quantity"))
    headings = [*inputs, *(each for q in quantities for each in (q, f"{100 * prob:g}% CI"))]
    count = len(quantities)
    rows = []
    for start in range(0, len(table), count):
        run = table.iloc[start : start + count]
        cells = [f"{run.index.get_level_values(name)[0]:.4g}" for name in inputs]
        for _, row in run.iterrows():
            cells += [f"{row['median']:.4g}", write_interval(row, prob)]
        rows.append(cells)
    print_grid(headings, rows)
