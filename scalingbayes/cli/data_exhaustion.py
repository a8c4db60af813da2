"""``scalingbayes data-exhaustion``."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

import typer

import scalingbayes as sb
from scalingbayes.cli.options import Prob, Seed
from scalingbayes.cli.printing import describe_fit, describe_interval, print_result
from scalingbayes.cli.saved import Out, check_out, finish, read_posterior

_BUNDLED = "chinchilla"
_BELIEF = "NUMBER|LOW,MEDIAN,HIGH"
"""A number that is certain, or its 5 % quantile, median and 95 % quantile."""

_MEANING = {
    "year": "demand meets the stock",
    "compute": "budget then, FLOPs",
    "tokens": "tokens then",
    "slowing_year": "budgets reach what is feasible",
}

Belief = str | None
OptionalPosterior = Annotated[
    str | None,
    typer.Argument(
        metavar="[POSTERIOR|TABLE]",
        help=f"A saved posterior of a law of params and tokens, or a table, which is fitted by "
        f"default first. Default: the bundled {_BUNDLED!r} runs.",
    ),
]
Stock = Annotated[
    str,
    typer.Option(
        metavar=f"NAME|{_BELIEF}",
        help="Stock of language data: a published one, such as effective_2024, high_quality_2022 "
        "or aggregated_2022 (sb.token_stock() has all), or a number of tokens.",
    ),
]
StockGrowth = Annotated[
    Belief,
    typer.Option(
        metavar=_BELIEF,
        help="Factor by which the stock grows a year, such as 1.07. Default: the published one.",
    ),
]
StockYear = Annotated[
    int | None, typer.Option(help="Year of the stock. Default: as published, or 2024.")
]
Usable = Annotated[
    Belief,
    typer.Option(
        metavar=_BELIEF,
        help="Training tokens for each token of the stock: below 1 if some are unfit, above 1 if "
        "they may be repeated. Default: 1.",
    ),
]
WordsPerToken = Annotated[
    Belief,
    typer.Option(
        metavar=_BELIEF,
        help="Words in a token, for a stock in words. Default: 0.65,0.75,0.85.",
    ),
]
Overtraining = Annotated[
    Belief,
    typer.Option(
        metavar=_BELIEF,
        help="Tokens per param of the largest run over the compute-optimal ratio; 1 if it is "
        "compute-optimal. Default: 1,2,10.",
    ),
]
LargestBudget = Annotated[
    Belief,
    typer.Option(
        metavar=_BELIEF,
        help="Largest training budget of the year --compute-year, in FLOPs. Default: that of 2022.",
    ),
]
ComputeYear = Annotated[
    int | None, typer.Option(help="Year from which budgets grow. Default: 2022.")
]
ComputeGrowth = Annotated[
    Belief,
    typer.Option(
        metavar=_BELIEF, help="Factor by which the largest budget grows a year. Default: 4,4.5,5."
    ),
]
Feasible = Annotated[
    Belief,
    typer.Option(
        metavar=_BELIEF,
        help="Largest budget that is feasible in 2030, in FLOPs; inf for no limit. "
        "Default: 2e28,2e29,2e30.",
    ),
]
FeasibleGrowth = Annotated[
    Belief,
    typer.Option(
        metavar=_BELIEF,
        help="Factor by which the feasible budget grows a year. Default: 1.25,1.4,1.57.",
    ),
]
Horizon = Annotated[int | None, typer.Option(help="Last year that is examined. Default: 2060.")]


def data_exhaustion_command(
    posterior: OptionalPosterior = None,
    stock: Stock = "effective_2024",
    stock_growth: StockGrowth = None,
    stock_year: StockYear = None,
    usable: Usable = None,
    words_per_token: WordsPerToken = None,
    overtraining: Overtraining = None,
    compute: LargestBudget = None,
    compute_year: ComputeYear = None,
    compute_growth: ComputeGrowth = None,
    feasible: Feasible = None,
    feasible_growth: FeasibleGrowth = None,
    horizon: Horizon = None,
    prob: Prob = 0.9,
    seed: Seed = 0,
    out: Out = None,
) -> None:
    """Estimate the year in which demand for training tokens meets their stock.

    An assumption is a number, or its 5 % quantile, median and 95 % quantile, such as 4,4.5,5.

    Exit status: 0 if the fit passed its checks, 3 if it failed them, 2 if the input cannot be
    used.
    """
    check_out(out)
    beliefs = {
        "stock_growth": stock_growth,
        "usable": usable,
        "words_per_token": words_per_token,
        "overtraining": overtraining,
        "compute": compute,
        "compute_growth": compute_growth,
        "feasible": feasible,
        "feasible_growth": feasible_growth,
    }
    numbers = {
        "stock_year": stock_year,
        "compute_year": compute_year,
        "horizon": horizon,
    }
    given: dict[str, Any] = {name: _belief(name, x) for name, x in beliefs.items() if x is not None}
    given |= {name: value for name, value in numbers.items() if value is not None}
    named = stock if stock[:1].isalpha() else _belief("stock", stock)
    post = read_posterior(_BUNDLED if posterior is None else posterior, seed)
    found = sb.data_exhaustion(post, named, seed=seed, **given)
    title = f"{found.title}\n{describe_fit(post)}"
    view = found.view(prob)
    assert view.table is not None
    lines = (*describe_interval(post, prob), *view.lines)
    shown, table = view.table.rename(index=_MEANING), found.summary(prob)
    print_result("data-exhaustion", replace(view, title=title, table=shown, lines=lines), table)
    finish(found.verdict, out, table)


def _belief(name: str, text: str) -> Any:
    """Return a number or several; ``data_exhaustion`` checks how many there are."""
    try:
        found = tuple(float(each) for each in text.split(","))
    except ValueError as error:
        raise sb.InputError(
            f"--{name.replace('_', '-')} must be a number, or its 5 % quantile, median and 95 % "
            f"quantile separated by commas, such as 4,4.5,5; got {text!r}."
        ) from error
    return found[0] if len(found) == 1 else found
