"""``scalingbayes fit``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

import scalingbayes as sb
from scalingbayes.cli.fit_output import show_and_write
from scalingbayes.cli.options import (
    Exact,
    Groups,
    LawName,
    NoiseName,
    Prob,
    Seed,
    WeakPriors,
    parse_amount,
)
from scalingbayes.cli.printing import exit_if_failed
from scalingbayes.cli.report import check_report_file, write_report
from scalingbayes.cli.table_options import (
    ComputeColumn,
    DropEmpty,
    KeepRows,
    LossColumn,
    OtherColumns,
    ParamsColumn,
    RowOptions,
    Source,
    TokensColumn,
    UnitsOfColumns,
    Where,
    read_table,
    split_loss_unit,
)

if TYPE_CHECKING:
    from scalingbayes.inference import Engine

EngineName = Annotated[
    str,
    typer.Option(
        metavar="ENGINE",
        help="How to fit: nuts (samples the posterior), hmc (the same with many short chains, for "
        "an accelerator), laplace or grid (compute the same posterior in independent ways), "
        "bootstrap (confidence intervals) or prior (draws from the priors). Options in "
        "parentheses: 'nuts(draws=2000, chains=8, warmup=500, target_accept=0.95)', "
        "'laplace(draws=4000)', 'bootstrap(resamples=2000, by=run_id)'.",
    ),
]
Budgets = Annotated[
    list[float] | None,
    typer.Option(
        "--budget",
        metavar="FLOPS",
        parser=parse_amount,
        help="Also print the compute-optimal params, tokens and loss for a training budget. May be "
        "repeated.",
    ),
]
Losses = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMNS",
        help="Several columns of losses, separated by commas: fit each, and print their exponents "
        "and allocations side by side.",
    ),
]
Folder = Annotated[
    Path | None,
    typer.Option(metavar="FOLDER", help="Folder for posterior.nc, summary.csv and other tables."),
]
Report = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE.HTML",
        help="Also write a report of the fit, one HTML file with a planner. `scalingbayes report` "
        "has more options.",
    ),
]


def fit_command(
    source: Source,
    law: LawName = "coupled",
    engine: EngineName = "nuts",
    noise: NoiseName = None,
    groups: Groups = None,
    weak_priors: WeakPriors = False,
    exact: Exact = False,
    params: ParamsColumn = None,
    tokens: TokensColumn = None,
    compute: ComputeColumn = None,
    loss: LossColumn = None,
    losses: Losses = None,
    column: OtherColumns = None,
    where: Where = None,
    drop_empty: DropEmpty = False,
    keep: KeepRows = None,
    unit: UnitsOfColumns = None,
    budget: Budgets = None,
    out: Folder = None,
    report: Report = None,
    prob: Prob = 0.9,
    seed: Seed = 0,
) -> None:
    """Fit a scaling law; print its parameters and exponents with credible intervals.

    Exit status: 0 if the fit passed its checks, 3 if it failed them, 2 if the input cannot be
    used.
    """
    columns = {"params": params, "tokens": tokens, "compute": compute, "loss": loss}
    of_losses, unit = split_loss_unit(unit) if losses else (None, unit)
    runs = read_table(source, columns, column, RowOptions(where, drop_empty, keep, unit))
    chosen = _engine(engine)
    priors: Literal["weak", "learned"] = "weak" if weak_priors else "learned"
    model = sb.Model(law, noise, default_priors=priors, groups=groups)
    if budget:
        from scalingbayes.allocation import require_allocation

        require_allocation(sb.get_law(law))  # before a fit that takes long
    if report is not None:
        if losses is not None:
            raise sb.InputError("--report needs one loss: remove --losses, or choose --loss.")
        check_report_file("--report", report)
    _check_folder(out)
    post: sb.Posterior | sb.Posteriors
    if losses is None:
        post = sb.fit(runs, model, engine=chosen, exact=exact, seed=seed)
    else:
        names = list(dict.fromkeys(map(str.strip, losses.split(","))))
        tables = runs.with_losses(names, drop_empty=drop_empty, unit=of_losses)
        post = sb.fit_many(tables, model, engine=chosen, exact=exact, seed=seed)
    show_and_write(post, budget, out, prob)
    if report is not None and isinstance(post, sb.Posterior):
        write_report(post, report, budget, prob=prob)
    exit_if_failed(post.verdict)


def _engine(text: str) -> Engine:
    """Return the engine that a text such as ``"nuts(draws=500)"`` names."""
    from scalingbayes.inference import get_engine

    engine = get_engine(text)
    if isinstance(engine, sb.Optimize):
        raise sb.InputError(
            "--engine optimize gives a best fit without intervals, and is available in Python "
            "only: choose nuts, laplace, grid or bootstrap."
        )
    return engine


def _check_folder(out: Path | None) -> None:
    """Check, before the work begins, that a folder is there or can be made.

    Raises
    ------
    InputError
        If it cannot.
    """
    if out is None:
        return
    nearest = next(each for each in (out, *out.absolute().parents) if each.exists())
    if not (nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK)):
        raise sb.InputError(
            f"--out {out} cannot be a folder that is written to: {nearest} is a file, or does not "
            f"let you write. Name another folder."
        )
