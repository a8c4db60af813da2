"""``scalingbayes data-exhaustion``."""

from typing import Annotated, Any

import typer

from scalingbayes._core.errors import InputError
from scalingbayes._core.progress_bar import progress_bar
from scalingbayes.cli.options import Prob, Seed
from scalingbayes.cli.printing import (
    console,
    print_grid,
    say_fit,
    say_interval,
)
from scalingbayes.cli.saved import Out, check_out, finish, read_posterior
from scalingbayes.data import datasets
from scalingbayes.data.published import token_stock
from scalingbayes.decisions import DataExhaustion, data_exhaustion
from scalingbayes.fitting.fit import fit
from scalingbayes.posterior.posterior import Posterior
from scalingbayes.results import check_interval, format_number, interval_columns

_BUNDLED = "chinchilla"
_BELIEF = "NUMBER|LOW,MEDIAN,HIGH"
"""A number that is certain, or its 5 % quantile, median and 95 % quantile."""

_MEANING = {
    "year": "demand meets the stock",
    "compute": "budget then, FLOPs",
    "tokens": "tokens then",
    "ceiling_year": "budgets reach the ceiling",
}


def data_exhaustion_command(
    posterior: Annotated[
        str | None,
        typer.Argument(
            help=f"A saved posterior.nc of a law of params and tokens; by default a fit of the "
            f"bundled {_BUNDLED!r} runs.",
        ),
    ] = None,
    stock: Annotated[
        str,
        typer.Option(
            metavar=f"NAME|{_BELIEF}",
            help=f"Words there are: {', '.join(token_stock().index)}; or in numbers.",
        ),
    ] = "aggregated",
    stock_growth: Annotated[
        str | None,
        typer.Option(metavar=_BELIEF, help="The factor by which they grow a year, 1.07 for 7 %."),
    ] = None,
    stock_year: Annotated[int | None, typer.Option(help="The year of the stock; 2022.")] = None,
    usable: Annotated[
        str | None,
        typer.Option(metavar=_BELIEF, help="Training tokens that one of the stock is worth; 1."),
    ] = None,
    words_per_token: Annotated[
        str | None, typer.Option(metavar=_BELIEF, help="Words in a token; 0.65,0.75,0.85.")
    ] = None,
    compute: Annotated[
        str | None,
        typer.Option(metavar=_BELIEF, help="The largest budget of --compute-year, in FLOPs."),
    ] = None,
    compute_year: Annotated[
        int | None, typer.Option(help="The year from which budgets grow; 2022.")
    ] = None,
    compute_growth: Annotated[
        str | None,
        typer.Option(metavar=_BELIEF, help="The factor by which budgets grow a year; 4,4.5,5."),
    ] = None,
    ceiling: Annotated[
        float | None,
        typer.Option(help="A budget in FLOPs whose year is looked for as well; 2e29."),
    ] = None,
    horizon: Annotated[int | None, typer.Option(help="The last year to look at; 2060.")] = None,
    prob: Prob = 0.9,
    seed: Seed = 0,
    out: Out = None,
) -> None:
    """Say in which year the demand for training tokens meets their stock.

    Exit status: 0; 2 if the input cannot be used; 3 if the fit failed its own checks.
    """
    check_interval(prob, "eti")
    check_out(out)
    beliefs = {
        "stock_growth": stock_growth,
        "usable": usable,
        "words_per_token": words_per_token,
        "compute": compute,
        "compute_growth": compute_growth,
    }
    given: dict[str, Any] = {
        name: _belief(name, text) for name, text in beliefs.items() if text is not None
    }
    numbers = {
        "stock_year": stock_year,
        "compute_year": compute_year,
        "ceiling": ceiling,
        "horizon": horizon,
    }
    given |= {name: value for name, value in numbers.items() if value is not None}
    named = stock if stock[:1].isalpha() else _belief("stock", stock)
    post = _bundled(seed) if posterior is None else read_posterior(posterior)
    found = data_exhaustion(post, named, seed=seed, **given)
    _print(found, post, prob)
    finish(found.verdict, out, found.summary(prob))


def _belief(name: str, text: str) -> Any:
    """Read a number or several; how many there must be, the answer checks."""
    try:
        found = tuple(float(each) for each in text.split(","))
    except ValueError as error:
        raise InputError(
            f"--{name.replace('_', '-')} takes a number, or its 5 % quantile, median and 95 % "
            f"quantile with commas between, such as 4,4.5,5; got {text!r}."
        ) from error
    return found[0] if len(found) == 1 else found


def _bundled(seed: int) -> Posterior:
    console.print(
        f"No posterior was given: the bundled runs of {_BUNDLED!r} are fitted; give one of yours, "
        f"saved by `scalingbayes fit`.\n"
    )
    with progress_bar() as bar:
        return fit(datasets.load(_BUNDLED), seed=seed, progress=bar)


def _print(found: DataExhaustion, post: Posterior, prob: float) -> None:
    console.print(f"Will the tokens last: demand against stock\n{say_fit(post)}")
    columns = ("median", *interval_columns(prob))
    rows = []
    for name, row in found.summary(prob).iterrows():
        middle, low, high = (found.write(str(name), row[each]) for each in columns)
        rows.append((_MEANING[str(name)], middle, f"{low} to {high}"))
    print_grid(("", "median", f"{100 * prob:g}% CI"), rows)
    console.print(f"{say_interval(post, prob)}\n{found.in_words()}")
    print_grid(
        ("assumed", "5%", "median", "95%", "from"),
        (
            (str(name), *(format_number(row[q]) for q in ("q5", "median", "q95")), row["source"])
            for name, row in found.assumptions.iterrows()
        ),
        words=("from",),
    )
