"""``scalingbayes frontier-gap``."""

from pathlib import Path
from typing import Annotated

import typer

from scalingbayes.cli.options import Prob
from scalingbayes.cli.printing import (
    console,
    print_grid,
    say_fit,
)
from scalingbayes.cli.saved import Out, Saved, check_out, finish, read_posterior
from scalingbayes.data.readers import read_runs
from scalingbayes.decisions import frontier_gap
from scalingbayes.results import check_interval


def frontier_gap_command(
    posterior: Saved,
    models: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A CSV or Parquet file with the columns model, params and tokens, in place of "
            "the published models.",
        ),
    ] = None,
    prob: Prob = 0.9,
    out: Out = None,
) -> None:
    """Say how far published models, or your own, are from the compute-optimal frontier of a fit.

    Exit status: 0; 2 if the input cannot be used; 3 if the fit failed its own checks.
    """
    check_interval(prob, "eti")
    check_out(out)
    post = read_posterior(posterior)
    found = frontier_gap(post, None if models is None else read_runs(models).frame)
    overview = found.by_model(prob)
    console.print(f"{found.title}\n{say_fit(post)}")
    print_grid(
        ("model", *map(str, overview)), ((str(row[0]), *row[1:]) for row in overview.itertuples())
    )
    console.print(
        f"Medians, and in brackets {100 * prob:g}% credible intervals. Losses are by the law, not "
        f"published ones.\n"
        f"decades: of compute C = 6 N D, past the largest run fitted.\n"
        f"loss left: what the same compute could have bought.\n"
        f"compute wasted: the share not needed for the model's loss. Serving is not counted: a "
        f"small\n  model may be meant."
    )
    finish(found.verdict, out, found.summary(prob))
