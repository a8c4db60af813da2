"""``scalingbayes show``."""

from __future__ import annotations

import json
from typing import Annotated

import typer

import scalingbayes as sb
from scalingbayes.cli.fit_output import show
from scalingbayes.cli.json_output import document, rows
from scalingbayes.cli.options import Prob
from scalingbayes.cli.printing import exit_if_failed, print_text, print_verdict
from scalingbayes.cli.saved import is_published, read_posterior, refuse_unknown, saved_file
from scalingbayes.cli.table_options import (
    ComputeColumn,
    DropEmpty,
    KeepRows,
    LossColumn,
    OtherColumns,
    ParamsColumn,
    RowOptions,
    TokensColumn,
    UnitsOfColumns,
    Where,
    read_table,
    refuse_table_options,
)

_FIRST_ROWS = 10

Shown = Annotated[
    str,
    typer.Argument(
        metavar="POSTERIOR|TABLE",
        help="A saved posterior or its folder, a table of runs as `scalingbayes fit` takes it, or "
        "the name of published constants.",
    ),
]


def show_command(
    source: Shown,
    params: ParamsColumn = None,
    tokens: TokensColumn = None,
    compute: ComputeColumn = None,
    loss: LossColumn = None,
    column: OtherColumns = None,
    where: Where = None,
    drop_empty: DropEmpty = False,
    keep: KeepRows = None,
    unit: UnitsOfColumns = None,
    prob: Prob = 0.9,
) -> None:
    """Show a saved posterior, or how a table of runs is read, without fitting anything.

    Exit status: 0; 3 if the fit of a posterior failed its checks; 2 if the input cannot be used.
    """
    columns = {"params": params, "tokens": tokens, "compute": compute, "loss": loss}
    options = RowOptions(where, drop_empty, keep, unit)
    if saved_file(source) is not None or is_published(source):
        refuse_table_options(source, columns, column, options)
        _show_posterior(read_posterior(source), prob)
        return
    refuse_unknown(source)
    runs = read_table(source, columns, column, options)
    from scalingbayes.results import format_table

    if (found := document()) is not None:
        found.add(title=runs.name, notes=runs.notes, rows=rows(runs.frame))
        return
    if absent := [name for name in ("params", "tokens", "loss") if name not in runs.frame]:
        named = ", ".join(f"--{name} COLUMN" for name in absent)
        print_text(f"No column of {' or '.join(absent)} was found: name it, {named}.\n")
    print_text(f"{runs!r}\n\n{format_table(runs.frame.head(_FIRST_ROWS))}")
    if len(runs) > _FIRST_ROWS:
        print_text(f"... and {len(runs) - _FIRST_ROWS} more rows")


def _show_posterior(post: sb.Posterior, prob: float) -> None:
    """Print a posterior, its exponents, its priors, its record and its verdict."""
    estimates = show(post, None, prob)
    record = post.record
    if (found := document()) is not None:
        found.add(record=json.loads(record.to_json()))
    versions = ", ".join(f"{name} {number}" for name, number in record.versions.items())
    settings = ", ".join(f"{name}={value}" for name, value in record.options.items())
    if found is None:
        print_text(
            f"Engine {record.engine}({settings}), seed {record.seed}, {record.dtype}\n"
            f"Table {record.data.name!r}, SHA-256 {record.data.digest}\nVersions: {versions}\n"
        )
    if found is not None or record.of != "published" or not estimates:
        print_verdict(post.verdict)  # each estimate of published constants has printed it
    exit_if_failed(post.verdict)
