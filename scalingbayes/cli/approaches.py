"""``scalingbayes approaches``."""

from typing import Annotated

import typer

from scalingbayes.cli.options import Column, Prob, Seed, Source, read_table
from scalingbayes.cli.printing import console, exit_if_failed
from scalingbayes.cli.saved import Out, check_out, write_out
from scalingbayes.decisions.approaches import compare_approaches


def approaches_command(
    source: Source,
    params: Column = None,
    tokens: Column = None,
    compute: Column = None,
    loss: Column = None,
    budgets: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="Column of the IsoFLOP budgets; near compute without."),
    ] = None,
    curves: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="Column that names the training curve of a row."),
    ] = None,
    prob: Prob = 0.9,
    out: Out = None,
    seed: Seed = 0,
) -> None:
    """Estimate a and b by Hoffmann's three approaches, beside the posterior.

    Exit status: 0; 2 if the input cannot be used; 3 if the fit failed its own checks.
    """
    check_out(out)
    columns = {"params": params, "tokens": tokens, "compute": compute, "loss": loss}
    runs = read_table(source, columns, None)
    found = compare_approaches(runs, budgets=budgets, curves=curves, prob=prob, seed=seed)
    console.print(repr(found))
    write_out(out, found.summary(), found.verdict.word)
    exit_if_failed(found.verdict)
