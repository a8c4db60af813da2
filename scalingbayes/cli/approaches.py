"""``scalingbayes approaches``."""

from typing import Annotated

import typer

import scalingbayes as sb
from scalingbayes.cli.options import Prob, Seed
from scalingbayes.cli.printing import print_result
from scalingbayes.cli.saved import Out, check_out, finish
from scalingbayes.cli.table_options import (
    ComputeColumn,
    DropEmpty,
    KeepRows,
    LossColumn,
    ParamsColumn,
    RowOptions,
    Source,
    TokensColumn,
    UnitsOfColumns,
    Where,
    read_table,
)


def approaches_command(
    source: Source,
    params: ParamsColumn = None,
    tokens: TokensColumn = None,
    compute: ComputeColumn = None,
    loss: LossColumn = None,
    where: Where = None,
    drop_empty: DropEmpty = False,
    keep: KeepRows = None,
    unit: UnitsOfColumns = None,
    budgets: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="Column of IsoFLOP budgets. Default: runs of nearly equal compute share a budget.",
        ),
    ] = None,
    curves: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN", help="Column that names the training curve of each checkpoint."
        ),
    ] = None,
    prob: Prob = 0.9,
    out: Out = None,
    seed: Seed = 0,
) -> None:
    """Estimate the exponents a and b by Hoffmann's three approaches and by the posterior.

    Exit status: 0 if the fit passed its checks, 3 if it failed them, 2 if the input cannot be
    used.
    """
    check_out(out)
    columns = {"params": params, "tokens": tokens, "compute": compute, "loss": loss}
    runs = read_table(source, columns, None, RowOptions(where, drop_empty, keep, unit))
    found = sb.compare_approaches(runs, budgets=budgets, curves=curves, prob=prob, seed=seed)
    print_result("approaches", found.view(), found.summary())
    finish(found.verdict, out, found.summary())
