"""``scalingbayes compare``."""

from __future__ import annotations

import re
from typing import Annotated

import typer

import scalingbayes as sb
from scalingbayes.cli.options import EngineName, Exact, FoldsBy, NoiseName, Seed, posterior_engine
from scalingbayes.cli.printing import print_result
from scalingbayes.cli.saved import Out, check_out, finish, saved_file
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

_ENGINE = "nuts"

Sources = Annotated[
    list[str],
    typer.Argument(
        metavar="TABLE|POSTERIOR...",
        help="A table, or the name of a bundled data set: the laws are fitted to it. Or several "
        "posteriors of one table, which `scalingbayes fit ... --out FOLDER` wrote.",
    ),
]
Laws = Annotated[
    str | None,
    typer.Option(
        metavar="LAWS",
        help="Two or more scaling laws, separated by commas. Default: chinchilla,coupled.",
    ),
]


def compare_command(
    source: Sources,
    laws: Laws = None,
    by: FoldsBy = None,
    engine: EngineName = _ENGINE,
    exact: Exact = False,
    noise: NoiseName = None,
    params: ParamsColumn = None,
    tokens: TokensColumn = None,
    compute: ComputeColumn = None,
    loss: LossColumn = None,
    where: Where = None,
    drop_empty: DropEmpty = False,
    keep: KeepRows = None,
    unit: UnitsOfColumns = None,
    column: OtherColumns = None,
    seed: Seed = 0,
    out: Out = None,
) -> None:
    """Fit several scaling laws; print which of them predicts held-out runs best.

    Each run is held out alone, unless --by holds out several together. Without --by, two laws take
    seconds; with it, each law is fitted once for each group of runs.

    Exit status: 0 if all fits passed their checks, 3 if one failed them, 2 if the input cannot be
    used.
    """
    from scalingbayes._core.progress import report_progress

    check_out(out)
    columns = {"params": params, "tokens": tokens, "compute": compute, "loss": loss}
    rows = RowOptions(where, drop_empty, keep, unit)
    posts = _read_posteriors(source)
    if posts is not None:
        of_fits = {"laws": laws, "noise": noise, "exact": exact or None}
        of_fits["engine"] = None if engine == _ENGINE else engine
        refuse_table_options(source[0], {**columns, **of_fits}, column, rows)
    with report_progress(None) as report:
        if posts is None:
            runs = read_table(source[0], columns, column, rows)
            names, chosen = _law_names(laws or "chinchilla,coupled"), posterior_engine(engine)
            models = {name: sb.Model(name, noise) for name in names}
            if by is not None:
                sb.folds.as_folds(by, runs)  # report unusable folds before the fits
            count, posts = len(models), {}
            for place, (name, model) in enumerate(models.items()):
                which = f"law {place + 1} of {count}: {name}"
                part = report.part(place / count / 2, (place + 1) / count / 2, which)
                posts[name] = sb.fit(
                    runs, model, engine=chosen, exact=exact, seed=seed, progress=part
                )
        comparison = sb.compare(posts, by, seed=seed, progress=report.part(0.5, 1.0))
    print_result("compare", comparison.view(), comparison.summary())
    finish(comparison.verdict, out, comparison.summary())


def _read_posteriors(sources: list[str]) -> dict[str, sb.Posterior] | None:
    """Return saved posteriors by law, or by source if they have one law; None for a table."""
    files = [saved_file(source) for source in sources]
    if files == [None]:
        return None
    if None in files or len(files) < 2:
        raise sb.InputError(
            "Give one table, or two or more saved posteriors; got "
            f"{', '.join(sources)}. The laws of a table are named by --laws."
        )
    posts = {source: sb.load(file) for source, file in zip(sources, files, strict=True) if file}
    by_law = {post.law.name: post for post in posts.values()}
    return by_law if len(by_law) == len(posts) else posts


def _law_names(text: str) -> list[str]:
    """Return the laws that a text names; commas in parentheses separate the options of a law."""
    names = [name.strip() for name in re.split(r",(?![^(]*\))", text)]
    if len(set(names)) < 2:
        raise sb.InputError(
            f"--laws must name two or more laws, such as chinchilla,coupled; got {text}."
        )
    for name in names:
        sb.get_law(name)
    return names
