"""``scalingbayes frontier-gap``."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

import scalingbayes as sb
from scalingbayes.cli.options import Prob
from scalingbayes.cli.printing import describe_fit, print_result
from scalingbayes.cli.saved import Out, PosteriorOrTable, check_out, finish, read_posterior


def frontier_gap_command(
    posterior: PosteriorOrTable,
    models: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A CSV or Parquet file of your models, with the columns model, params and tokens. "
            "Default: published models.",
        ),
    ] = None,
    prob: Prob = 0.9,
    out: Out = None,
) -> None:
    """Estimate how far models are from the compute-optimal frontier of a fit.

    Exit status: 0 if the fit passed its checks, 3 if it failed them, 2 if the input cannot be
    used.
    """
    check_out(out)
    post = read_posterior(posterior)
    found = sb.frontier_gap(post, None if models is None else sb.read_runs(models).frame)
    title = f"{found.title}\n{describe_fit(post)}"
    table = found.summary(prob)
    print_result("frontier-gap", replace(found.view(prob), title=title), table)
    finish(found.verdict, out, table)
