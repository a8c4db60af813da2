"""``scalingbayes allocate``."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

import scalingbayes as sb
from scalingbayes._core.numbers import write
from scalingbayes.cli import budgets
from scalingbayes.cli.budgets import BudgetOptions, CostOptions, LimitOptions
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

if TYPE_CHECKING:
    import pandas as pd

_PLAN = "One run under uncertainty"

WithPlan = Annotated[
    bool,
    typer.Option(
        "--plan",
        help="Also choose one run for each budget: the run of least expected loss.",
        rich_help_panel=_PLAN,
    ),
]
Regret = Annotated[
    float | None,
    typer.Option(
        help="Acceptable expected loss above the least possible loss: the range of model sizes "
        "that achieve it is printed. Default: 0.01.",
        rich_help_panel=_PLAN,
    ),
]
Hyperparameters = Annotated[
    list[str] | None,
    typer.Option(
        "--hyperparameters",
        help="A saved fit of the law hyperparameters or hyperparameter_bowl: the plan has the best "
        "learning rate or batch size of its run. May be repeated.",
        rich_help_panel=_PLAN,
    ),
]


def allocate_command(
    posterior: PosteriorOrTable,
    compute: budgets.Compute = None,
    dollars: budgets.Dollars = None,
    gpu_hours: budgets.GpuHours = None,
    days: budgets.Days = None,
    devices: budgets.Devices = None,
    peak_flops: budgets.PeakFlops = None,
    utilisation: budgets.Utilisation = None,
    price_per_hour: budgets.PricePerHour = None,
    watts: budgets.Watts = None,
    pue: budgets.Pue = None,
    carbon_intensity: budgets.CarbonIntensity = None,
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
    with_plan: WithPlan = False,
    regret: Regret = None,
    hyperparameters: Hyperparameters = None,
    prob: Prob = 0.9,
    seed: Seed = 0,
    out: Out = None,
) -> None:
    """Compute the compute-optimal model size and tokens for a budget, with credible intervals.

    Exit status: 0 if the fit passed its checks, 3 if it failed them, 2 if the input cannot be
    used.
    """
    check_out(out)
    for option, value in (("--regret", regret), ("--hyperparameters", hyperparameters)):
        if value is not None and not with_plan:
            raise sb.InputError(f"{option} is a setting of the plan: add --plan.")
    rates = (peak_flops, utilisation, price_per_hour, watts, pue, carbon_intensity)
    options = BudgetOptions(compute, dollars, gpu_hours, days, devices, *rates)
    hardware, amounts = options.hardware(), options.flops()
    post = read_posterior(posterior, seed)
    paid = CostOptions(cost, context, vocab, inference_tokens, serving_price).for_fit(post)
    limits, inputs, notes = LimitOptions(
        max_params, max_tokens, min_tokens_per_param, max_unique_tokens
    ).for_law(post.law)
    inputs = parse_inputs({}, other, sb.Posterior.allocate) | inputs
    best = post.allocate(amounts, paid, limits, **inputs)
    stated: dict[str, Any] = {} if regret is None else {"regret": regret}
    stated["hyperparameters"] = [read_posterior(each, seed) for each in hyperparameters or ()]
    planned = amounts if with_plan else []
    plans = [sb.plan(post, amount, paid, limits, **stated, **inputs) for amount in planned]
    view, table = best.view(prob), best.summary(prob)
    priced = [_describe_budget(amount, hardware) for amount in amounts] if hardware else []
    title = "\n".join([view.title, describe_fit(post), *priced])
    explained = f"a, b: local exponents, {post.law.budget.size} ∝ C^a and tokens ∝ C^b."
    lines = (*describe_interval(post, prob), explained, *notes, *view.lines)
    print_result("allocate", replace(view, title=title, lines=lines), table)
    for each in plans:
        print_result(
            f"plan {write(each.compute, 'flops')}", each.view(prob), _plan_rows(each, prob)
        )
    finish(best.verdict, out, _rows(table, plans, prob))


_WORDED = {
    "gpu_hours": "{} GPU hours",
    "days": "{} days",
    "dollars": "${}",
    "kwh": "{} kWh",
    "kg_co2e": "{} kg CO2e",
}


def _describe_budget(budget: float, hardware: sb.costs.Hardware) -> str:
    """Return a budget in FLOPs, in GPU hours and in all other units whose rates are given."""
    (costs,) = hardware.bill(budget).to_dict("records")
    words = (_WORDED[str(name)].format(_amount(value)) for name, value in costs.items())
    return f"{write(budget, 'flops')} FLOPs: {', '.join(words)}"


def _amount(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _rows(table: pd.DataFrame, plans: list[sb.Plan], prob: float) -> pd.DataFrame:
    """Return the table to write: the rows of each budget and, below them, those of its plan."""
    if not plans:
        return table
    import pandas as pd

    rows = [(table.loc[[each.compute]], _plan_rows(each, prob)) for each in plans]
    return pd.concat([frame for pair in rows for frame in pair])


def _plan_rows(chosen: sb.Plan, prob: float) -> pd.DataFrame:
    """Return a plan as rows of the table of its budget; the run itself has no interval."""
    import pandas as pd

    run = dict(chosen.run)
    if chosen.within is not None:
        low, high = chosen.within
        run |= {f"smallest_{chosen.size}": low, f"largest_{chosen.size}": high}
    frame = pd.concat([pd.DataFrame({"median": run}), chosen.summary(prob)])
    names = [(chosen.compute, f"plan_{name}") for name in map(str, frame.index)]
    return frame.set_axis(pd.MultiIndex.from_tuples(names, names=["compute", "quantity"]))
