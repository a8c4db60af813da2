"""``scalingbayes fit``."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

import scalingbayes as sb
from scalingbayes._core.atomic_files import atomic_write
from scalingbayes.cli.options import NoiseName, Prob, Seed, WeakPriors
from scalingbayes.cli.printing import (
    describe_interval,
    exit_if_failed,
    print_text,
    print_verdict,
    print_view,
)
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
)

if TYPE_CHECKING:
    import pandas as pd

    from scalingbayes.inference import Engine
    from scalingbayes.results import View

_ENGINE_HELP = (
    "How to fit: nuts (samples the posterior), hmc (the same with many short chains, for an "
    "accelerator), laplace or grid (compute the same posterior in independent ways), bootstrap "
    "(confidence intervals) or prior (draws from the priors). Options in parentheses: "
    "'nuts(draws=2000, chains=8, warmup=500, target_accept=0.95)', 'laplace(draws=4000)', "
    "'bootstrap(resamples=2000, by=run_id)'."
)


LawName = Annotated[
    str,
    typer.Option(
        metavar="LAW",
        help="Scaling law, with options if it has any: 'power_law(x=tokens)'. "
        "`scalingbayes laws` lists them.",
    ),
]
EngineName = Annotated[str, typer.Option(metavar="ENGINE", help=_ENGINE_HELP)]
Groups = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMN",
        help="Column whose labels say which runs share an error, such as the training curve.",
    ),
]
Exact = Annotated[
    bool,
    typer.Option(
        "--exact",
        help="Take the law as exact. By default the intervals allow for the law's own error.",
    ),
]
Budgets = Annotated[
    list[float] | None,
    typer.Option(
        "--budget",
        metavar="FLOPS",
        help="Also print the compute-optimal params, tokens and loss for a training budget. May be "
        "repeated.",
    ),
]
Folder = Annotated[
    Path | None,
    typer.Option(metavar="FOLDER", help="Folder for posterior.nc, summary.csv and other tables."),
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
    column: OtherColumns = None,
    where: Where = None,
    drop_empty: DropEmpty = False,
    keep: KeepRows = None,
    unit: UnitsOfColumns = None,
    budget: Budgets = None,
    out: Folder = None,
    prob: Prob = 0.9,
    seed: Seed = 0,
) -> None:
    """Fit a scaling law; print its parameters and exponents with credible intervals.

    Exit status: 0 if the fit passed its checks, 3 if it failed them, 2 if the input cannot be
    used.
    """
    columns = {"params": params, "tokens": tokens, "compute": compute, "loss": loss}
    runs = read_table(source, columns, column, RowOptions(where, drop_empty, keep, unit))
    chosen = _engine(engine)
    priors: Literal["weak", "learned"] = "weak" if weak_priors else "learned"
    model = sb.Model(law, noise, default_priors=priors, groups=groups)
    _make_folder(out)
    with sb.progress_bar() as bar:
        post = sb.fit(runs, model, engine=chosen, exact=exact, seed=seed, progress=bar)
    tables = {"summary": post.summary(prob)}
    if (exponents := _exponents(post, prob)) is not None:
        tables["exponents"] = exponents
    print_view(_view(post, tables, prob))
    if budget:
        allocation = post.allocate(budget)
        tables["allocation"] = allocation.summary(prob)
        print_view(replace(allocation.view(), verdict=None))
    print_verdict(post.verdict)
    if out is not None:
        _write(out, post, tables)
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


def _make_folder(out: Path | None) -> None:
    if out is None:
        return
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise sb.InputError(
            f"--out {out} cannot be made a folder ({error}): name another folder."
        ) from error


def _exponents(post: sb.Posterior, prob: float) -> pd.DataFrame | None:
    """Return the exponents of a law of size and tokens alone; None for any other law.

    A posterior without an optimum at the reference budget gives a warning, not an error.
    """
    if not post.law.allocates or len(post.law.inputs) > 2:
        return None
    try:
        return post.exponents().summary(prob)
    except sb.InputError as error:
        warnings.warn(str(error), sb.InputWarning, stacklevel=1)
        return None


def _view(post: sb.Posterior, tables: dict[str, pd.DataFrame], prob: float) -> View:
    from scalingbayes.posterior.describe_allowance import describe_allowance
    from scalingbayes.results import View

    further: tuple[tuple[str, pd.DataFrame], ...] = ()
    if "exponents" in tables:
        further = (("Exponents: N_opt ∝ C^a, D_opt ∝ C^b", tables["exponents"]),)
    lines = (
        describe_interval(post, prob),
        *describe_allowance(post.allowance, post.record),
        *post.describe_table(),
    )
    details = tuple(post.describe_priors().splitlines())
    return View(post.title, tables["summary"], lines, tables=further, details=details)


def _write(out: Path, post: sb.Posterior, tables: dict[str, pd.DataFrame]) -> None:
    post.save(out / "posterior.nc")
    for name, table in tables.items():
        with atomic_write(out / f"{name}.csv") as path:
            table.assign(verdict=post.verdict.word).to_csv(path)
    files = ["posterior.nc", *(f"{name}.csv" for name in tables)]
    print_text(f"Written to {out}: {', '.join(files)}.")
