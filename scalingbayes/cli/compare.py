"""``scalingbayes compare``."""

import re
from typing import Annotated

import typer

from scalingbayes._core.errors import InputError
from scalingbayes._core.progress_bar import progress_bar
from scalingbayes.cli.options import Column, OtherColumns, Seed, Source, read_table
from scalingbayes.cli.printing import console, exit_if_failed, print_grid, print_verdict
from scalingbayes.data.folds import as_folds
from scalingbayes.evaluation.compare import Comparison, compare
from scalingbayes.fitting.fit import fit
from scalingbayes.laws import get_law
from scalingbayes.model.model import Model
from scalingbayes.model.noise_models import NOISE_MODELS


def compare_command(
    source: Source,
    laws: Annotated[
        str, typer.Option(help="The scaling laws, by name, with commas between.")
    ] = "chinchilla,coupled",
    by: Annotated[
        str | None,
        typer.Option(
            help="What is held out together: a column's labels, the levels of `compute`, or the "
            "`largest` of these; each run alone by default."
        ),
    ] = None,
    engine: Annotated[str, typer.Option(help="nuts, laplace or grid.")] = "nuts",
    noise: Annotated[
        str | None, typer.Option(help=f"How runs scatter about a law: {', '.join(NOISE_MODELS)}.")
    ] = None,
    params: Column = None,
    tokens: Column = None,
    compute: Column = None,
    loss: Column = None,
    column: OtherColumns = None,
    seed: Seed = 0,
) -> None:
    """Fit several scaling laws and say which predicts runs best that it has not seen.

    Exit status: 0; 2 if the input cannot be used; 3 if a fit failed its own checks.
    """
    columns = {"params": params, "tokens": tokens, "compute": compute, "loss": loss}
    runs = read_table(source, columns, column)
    # Commas within parentheses separate a law's options.
    names = [name.strip() for name in re.split(r",(?![^(]*\))", laws)]
    if len(set(names)) < 2:
        raise InputError(f"--laws takes two laws or more, such as chinchilla,coupled; got {laws}.")
    if engine in ("optimize", "bootstrap"):
        raise InputError(f"Laws are compared by their posteriors: {engine!r} gives none.")
    for name in names:
        get_law(name)
    if by is not None:
        as_folds(by, runs)  # better known before the fits than after
    with progress_bar() as bar:
        posts = {name: fit(runs, Model(name, noise), engine=engine, seed=seed) for name in names}
        comparison = compare(posts, by, seed=seed, progress=bar)
    _print_comparison(comparison)
    exit_if_failed(comparison.verdict)


def _print_comparison(comparison: Comparison) -> None:
    formats = {"elpd": ".1f", "se": ".1f", "elpd_diff": ".1f", "dse": ".1f", "p": ".1f"}
    formats |= {"weight": ".2f"}
    console.print(comparison.title)
    print_grid(
        ("law", *formats),
        (
            (str(name), *(format(row[each], how) for each, how in formats.items()))
            for name, row in comparison.scores.iterrows()
        ),
    )
    console.print(f"{comparison.conclusion}\n± and se: standard errors; elpd in nats.\n")
    print_verdict(comparison.verdict)
