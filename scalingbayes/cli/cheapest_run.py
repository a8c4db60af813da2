"""``scalingbayes cheapest-run``."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

import typer

import scalingbayes as sb
from scalingbayes.cli import budgets
from scalingbayes.cli.budgets import CostOptions, LimitOptions
from scalingbayes.cli.options import Prob, Seed
from scalingbayes.cli.printing import describe_fit, describe_interval, print_result
from scalingbayes.cli.saved import (
    OtherInputs,
    Out,
    PosteriorOrTable,
    check_out,
    finish,
    parse_inputs,
    read_posterior,
)

_GOAL = {"rich_help_panel": "What to reach (--loss, or --accuracy and --downstream)"}


def cheapest_run_command(
    posterior: PosteriorOrTable,
    loss: Annotated[
        list[float] | None, typer.Option(help="Loss to reach. May be repeated.", **_GOAL)
    ] = None,
    accuracy: Annotated[
        list[float] | None,
        typer.Option(help="Accuracy to reach, a fraction. May be repeated.", **_GOAL),
    ] = None,
    downstream: Annotated[
        str | None,
        typer.Option(
            metavar="POSTERIOR",
            help="A saved fit that predicts the accuracy (or an error, or a pass rate) from the "
            "loss or from compute.",
            **_GOAL,
        ),
    ] = None,
    cost: budgets.CostName = None,
    context: budgets.Context = None,
    vocab: budgets.Vocab = None,
    inference_tokens: budgets.InferenceTokens = None,
    serving_price: budgets.ServingPrice = None,
    max_params: budgets.MaxParams = None,
    max_tokens: budgets.MaxTokens = None,
    min_tokens_per_param: budgets.MinTokensPerParam = None,
    max_unique_tokens: budgets.MaxUniqueTokens = None,
    other: OtherInputs = None,
    prob: Prob = 0.9,
    seed: Seed = 0,
    out: Out = None,
) -> None:
    """Estimate the compute, model size and tokens of the cheapest run that reaches a goal.

    The goal is a loss, or an accuracy that a second fit predicts.

    Exit status: 0 if the fits passed their checks, 3 if they failed them, 2 if the input cannot be
    used.
    """
    check_out(out)
    goal: dict[str, Any] = {"loss": loss or None, "accuracy": accuracy or None}
    if downstream is not None:
        goal["downstream"] = read_posterior(downstream, seed)
    post = read_posterior(posterior, seed)
    paid = CostOptions(cost, context, vocab, inference_tokens, serving_price).for_fit(post)
    limits, inputs, notes = LimitOptions(
        max_params, max_tokens, min_tokens_per_param, max_unique_tokens
    ).for_law(post.law)
    inputs = parse_inputs({}, other, sb.cheapest_run) | inputs
    found = sb.cheapest_run(post, cost=paid, limits=limits, seed=seed, **goal, **inputs)
    view, table = found.view(prob), found.summary(prob)
    title = f"{view.title}\n{describe_fit(post)}"
    lines = (*describe_interval(post, prob), *notes, *view.lines)
    print_result("cheapest-run", replace(view, title=title, lines=lines), table)
    finish(found.verdict, out, table)
