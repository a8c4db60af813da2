"""``scalingbayes predict``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

import scalingbayes as sb
from scalingbayes.cli.options import Prob, Seed
from scalingbayes.cli.printing import describe_fit, print_view
from scalingbayes.cli.saved import (
    OtherInputs,
    Out,
    SavedPosterior,
    check_out,
    finish,
    parse_inputs,
    read_posterior,
)

if TYPE_CHECKING:
    import pandas as pd


def predict_command(
    posterior: SavedPosterior,
    params: Annotated[
        list[float] | None,
        typer.Option(
            help="Parameters, such as 7e10. Repeat the option for several runs; an input that is "
            "given once holds for all of them."
        ),
    ] = None,
    tokens: Annotated[
        list[float] | None, typer.Option(help="Training tokens, such as 1.4e12. May be repeated.")
    ] = None,
    other: OtherInputs = None,
    prob: Prob = 0.9,
    seed: Seed = 0,
    out: Out = None,
) -> None:
    """Predict the losses of new runs, with credible intervals.

    Exit status: 0 if the fit passed its checks, 3 if it failed them, 2 if the input cannot be
    used.
    """
    from scalingbayes.results import View

    check_out(out)
    post = read_posterior(posterior)
    inputs = parse_inputs({"params": params, "tokens": tokens}, other)
    _check_counts(inputs)
    found = post.predict(seed=seed, **inputs)
    table = found.summary(prob)
    lines = (
        "expected: what the law predicts. observed: what a single run would reach, with noise.",
        f"{100 * prob:g}% CI: equal-tailed credible interval.",
        *found.notes,
    )
    title = f"{found.title}\n{describe_fit(post)}"
    print_view(View(title, _one_row_a_run(table, list(inputs), prob), lines))
    finish(found.verdict, out, table)


def _check_counts(inputs: dict[str, Any]) -> None:
    """Check that each input was given once, or once for each run."""
    counts = {
        name: len(values) if isinstance(values, list) else 1 for name, values in inputs.items()
    }
    if len(set(counts.values()) - {1}) > 1:
        said = " and ".join(f"{count} {name}" for name, count in counts.items())
        raise sb.InputError(f"Give each input once, or once for each run; got {said}.")


def _one_row_a_run(table: pd.DataFrame, inputs: list[str], prob: float) -> pd.DataFrame:
    """Return the table with the inputs and all quantities of a run in one row, as text."""
    import pandas as pd

    from scalingbayes.results import format_number, interval_columns

    lower, upper = interval_columns(prob)
    names = list(map(str, table.index.unique("quantity")))
    rows = []
    for start in range(0, len(table), len(names)):
        run = table.iloc[start : start + len(names)]
        cells = {name: format_number(run.index.get_level_values(name)[0]) for name in inputs}
        for name, (_, row) in zip(names, run.iterrows(), strict=True):
            cells[name] = format_number(row["median"])
            interval = f"{format_number(row[lower])} to {format_number(row[upper])}"
            cells[f"{name}, {100 * prob:g}% CI"] = interval
        rows.append(cells)
    return pd.DataFrame(rows).set_index(inputs[0])
