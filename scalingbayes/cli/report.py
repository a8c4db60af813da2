"""``scalingbayes report``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import scalingbayes as sb
from scalingbayes.cli import budgets
from scalingbayes.cli.allocate import Hyperparameters
from scalingbayes.cli.budgets import BudgetOptions, CostOptions, LimitOptions
from scalingbayes.cli.options import Prob, Seed
from scalingbayes.cli.printing import exit_if_failed, print_text, print_verdict
from scalingbayes.cli.saved import (
    OtherInputs,
    PosteriorOrTable,
    check_writable,
    parse_inputs,
    read_posterior,
)

ReportFile = Annotated[Path, typer.Option(metavar="FILE.HTML", help="The file of the report.")]
NoBacktest = Annotated[
    bool,
    typer.Option(
        "--no-backtest",
        help="Leave out the back-test, which fits the law again without the largest runs.",
    ),
]


def report_command(
    posterior: PosteriorOrTable,
    out: ReportFile = Path("report.html"),
    compute: budgets.Compute = None,
    dollars: budgets.Dollars = None,
    gpu_hours: budgets.GpuHours = None,
    days: budgets.Days = None,
    devices: budgets.Devices = None,
    peak_flops: budgets.PeakFlops = None,
    utilisation: budgets.Utilisation = None,
    price_per_hour: budgets.PricePerHour = None,
    cost: budgets.CostName = None,
    context: budgets.Context = None,
    vocab: budgets.Vocab = None,
    inference_tokens: budgets.InferenceTokens = None,
    serving_price: budgets.ServingPrice = None,
    max_params: budgets.MaxParams = None,
    max_tokens: budgets.MaxTokens = None,
    min_tokens_per_param: budgets.MinTokensPerParam = None,
    max_unique_tokens: budgets.MaxUniqueTokens = None,
    hyperparameters: Hyperparameters = None,
    other: OtherInputs = None,
    no_backtest: NoBacktest = False,
    prob: Prob = 0.9,
    seed: Seed = 0,
) -> None:
    """Write a report: one HTML file with the decision, a planner, and what speaks for the fit.

    Without a budget, the report shows 10 and 100 times the compute of the largest run.

    Exit status: 0 if the fit passed its checks, 3 if it failed them, 2 if the input cannot be
    used.
    """
    check_report_file("--out", out)
    options = BudgetOptions(
        compute, dollars, gpu_hours, days, devices, peak_flops, utilisation, price_per_hour
    )
    from scalingbayes.report import write_report as reader

    hardware = options.hardware()
    asked, unit = options.stated() if options.given else (None, "FLOPs")
    post = read_posterior(posterior, seed)
    paid = CostOptions(cost, context, vocab, inference_tokens, serving_price).for_fit(post)
    limits, inputs, _ = LimitOptions(
        max_params, max_tokens, min_tokens_per_param, max_unique_tokens
    ).for_law(post.law)
    inputs = parse_inputs({}, other, reader) | inputs
    write_report(
        post,
        out,
        asked,
        unit=unit,
        cost=paid,
        limits=limits,
        hardware=hardware,
        hyperparameters=[read_posterior(each, seed) for each in hyperparameters or ()],
        prob=prob,
        backtest=not no_backtest,
        **inputs,
    )
    print_verdict(post.verdict)
    exit_if_failed(post.verdict)


def check_report_file(option: str, path: Path) -> None:
    """Check, before the work begins, that a report can be written.

    Raises
    ------
    InputError
        If it cannot.
    """
    if path.suffix.lower() not in (".html", ".htm"):
        raise sb.InputError(f"{option} must be the name of an HTML file, report.html; got {path}.")
    check_writable(path, "HTML file", option)


def write_report(post: sb.Posterior, path: Path, budget: object = None, **options: object) -> None:
    """Write the report of a posterior, and print where it is."""
    post.report(path, budget, **options)  # type: ignore[arg-type]
    print_text(f"Report written to {path}: open it in a browser.")
