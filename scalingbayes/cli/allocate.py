"""``scalingbayes allocate``."""

from typing import Annotated, Any

import numpy as np
import pandas as pd
import typer
from jaxtyping import Float

from scalingbayes._core.arguments import check_number
from scalingbayes._core.errors import InputError, unknown
from scalingbayes.allocation import Cost, Hardware, Limits, Proportional, Transformer
from scalingbayes.cli.options import Prob
from scalingbayes.cli.printing import (
    console,
    print_notes,
    print_table,
    say_fit,
    say_interval,
)
from scalingbayes.cli.saved import (
    OtherInputs,
    Out,
    Saved,
    check_out,
    finish,
    read_inputs,
    read_posterior,
)
from scalingbayes.decisions import Plan, plan
from scalingbayes.laws import Law
from scalingbayes.results import check_interval

_BUDGET, _COST, _LIMITS = "The budget", "What it pays for", "What may not be exceeded"
_PLAN = "One run under uncertainty"
_COSTS = ("6ND", "transformer")

Number = float | None


def allocate_command(
    posterior: Saved,
    compute: Annotated[
        list[float] | None,
        typer.Option(help="In FLOPs, such as 1e24; may be repeated.", rich_help_panel=_BUDGET),
    ] = None,
    dollars: Annotated[
        list[float] | None,
        typer.Option(help="In dollars, in its place; may be repeated.", rich_help_panel=_BUDGET),
    ] = None,
    gpu_hours: Annotated[
        list[float] | None,
        typer.Option(help="In GPU hours, in its place; may be repeated.", rich_help_panel=_BUDGET),
    ] = None,
    peak_flops: Annotated[
        Number,
        typer.Option(
            help="FLOPs a second of one GPU, such as 989e12 of an H100.", rich_help_panel=_BUDGET
        ),
    ] = None,
    utilisation: Annotated[
        Number,
        typer.Option(help="The share of these that training uses; 0.4.", rich_help_panel=_BUDGET),
    ] = None,
    price_per_hour: Annotated[
        Number, typer.Option(help="Dollars an hour of one GPU.", rich_help_panel=_BUDGET)
    ] = None,
    cost: Annotated[
        str | None,
        typer.Option(
            help="6ND, or transformer, attention and embeddings counted; by default as the law "
            "counts.",
            rich_help_panel=_COST,
        ),
    ] = None,
    context: Annotated[
        Number, typer.Option(help="Tokens that attention looks at.", rich_help_panel=_COST)
    ] = None,
    vocab: Annotated[
        Number, typer.Option(help="Tokens of the vocabulary.", rich_help_panel=_COST)
    ] = None,
    inference_tokens: Annotated[
        Number,
        typer.Option(
            help="Tokens that the model will serve in its life: the budget pays for them too.",
            rich_help_panel=_COST,
        ),
    ] = None,
    serving_price: Annotated[
        Number,
        typer.Option(
            help="Price of a FLOP of serving over that of one of training; 1.",
            rich_help_panel=_COST,
        ),
    ] = None,
    max_params: Annotated[
        Number, typer.Option(help="The largest model.", rich_help_panel=_LIMITS)
    ] = None,
    max_tokens: Annotated[
        Number,
        typer.Option(help="Training tokens, repeated ones counted.", rich_help_panel=_LIMITS),
    ] = None,
    min_tokens_per_param: Annotated[
        Number,
        typer.Option(help="The least training tokens per parameter.", rich_help_panel=_LIMITS),
    ] = None,
    max_unique_tokens: Annotated[
        Number,
        typer.Option(
            help="Tokens that there are: a law that reads unique tokens says how often to repeat "
            "them; with any other they are seen once at most.",
            rich_help_panel=_LIMITS,
        ),
    ] = None,
    other: OtherInputs = None,
    planned: Annotated[
        bool,
        typer.Option(
            "--plan", help="Also choose the run of least expected loss.", rich_help_panel=_PLAN
        ),
    ] = False,
    regret: Annotated[
        Number,
        typer.Option(
            help="Loss above the least possible that one puts up with, on average: the range of "
            "sizes that keep to it is given; 0.01.",
            rich_help_panel=_PLAN,
        ),
    ] = None,
    prob: Prob = 0.9,
    out: Out = None,
) -> None:
    """Say what to train with a budget: model size, tokens and loss, with credible intervals.

    Exit status: 0; 2 if the input cannot be used; 3 if the fit failed its own checks.
    """
    check_interval(prob, "eti")
    check_out(out)
    if regret is not None and not planned:
        raise InputError("--regret is what a plan keeps to: give --plan too.")
    machine = _hardware(peak_flops, utilisation, price_per_hour)
    budgets = _budgets(compute, dollars, gpu_hours, machine)
    post = read_posterior(posterior)
    paid = _cost(post.law, cost, context, vocab, inference_tokens, serving_price)
    inputs, notes = read_inputs({}, other), []
    if max_unique_tokens is not None:
        if "unique_tokens" in post.law.inputs:
            inputs["unique_tokens"] = max_unique_tokens
        else:
            notes = [f"Law {post.law.name!r} reads no unique tokens: they are seen once at most."]
            max_tokens = min(x for x in (max_tokens, max_unique_tokens) if x is not None)
    within = Limits(max_params, max_tokens, min_tokens_per_param)
    limits = within if within.bounds else None

    best = post.allocate(budgets, paid, limits, **inputs)
    table = best.summary(prob)
    how = {} if regret is None else {"regret": regret}
    plans = [plan(post, x, paid, limits, **how, **inputs) for x in budgets] if planned else []
    console.print(f"{best.title}\n{say_fit(post)}")
    for number, budget in enumerate(budgets):
        if machine is not None:
            console.print(f"\n{_worth(budget, machine)}")
        name = f"{budget:.4g} FLOPs"
        print_table(name, table.loc[budget], prob, {"median": ".4g", "sd": ".2g"}, {})
        if planned:
            _print_plan(plans[number], prob)
    if planned:
        console.print(
            "\nRegret: loss above the least that the budget allows, for not knowing the law. "
            "Wasted: the\nshare of the budget that knowing it would save."
        )
    console.print(
        f"a, b: exponents there, {post.law.budget.size} ∝ C^a, tokens ∝ C^b.\n"
        f"{say_interval(post, prob)}"
    )
    print_notes([*notes, *best.notes])
    rows = [table] if not plans else []
    for chosen in plans:
        rows += [table.loc[[chosen.compute]], _rows(chosen, prob)]
    finish(post.verdict, out, pd.concat(rows))


def _hardware(peak_flops: Number, utilisation: Number, price_per_hour: Number) -> Hardware | None:
    named = {"utilisation": utilisation, "price_per_hour": price_per_hour}
    given: dict[str, Any] = {name: value for name, value in named.items() if value is not None}
    if peak_flops is not None:
        return Hardware(peak_flops, **given)
    if given:
        raise InputError(
            "--utilisation and --price-per-hour go with --peak-flops, the FLOPs a second of one "
            "GPU: give that too, such as --peak-flops 989e12."
        )
    return None


def _budgets(
    compute: list[float] | None,
    dollars: list[float] | None,
    gpu_hours: list[float] | None,
    machine: Hardware | None,
) -> Float[np.ndarray, " budgets"]:
    """Turn budgets into FLOPs, each once."""
    given = {"--compute": compute, "--dollars": dollars, "--gpu-hours": gpu_hours}
    said = [name for name, values in given.items() if values]
    if len(said) != 1:
        raise InputError(
            f"Give the budget by one of {', '.join(given)}; got {' and '.join(said) or 'none'}."
        )
    if compute:
        return np.array(list(dict.fromkeys(compute)))
    if machine is None:
        raise InputError(
            f"{said[0]} buys FLOPs by --peak-flops, the FLOPs a second of one GPU: give that too, "
            f"such as --peak-flops 989e12."
        )
    if dollars and machine.price_per_hour is None:
        raise InputError("--dollars buys hours: say what one costs, such as --price-per-hour 2.")
    found = machine.flops(
        dollars=np.array(dollars) if dollars else None,
        gpu_hours=np.array(gpu_hours) if gpu_hours else None,
    )
    return np.array(list(dict.fromkeys(found)))


def _cost(
    law: Law,
    name: str | None,
    context: Number,
    vocab: Number,
    inference_tokens: Number,
    serving_price: Number,
) -> Cost | None:
    """Choose what a budget pays for; None for what the law says."""
    if name is not None and name not in _COSTS:
        raise unknown("cost", name, _COSTS)
    if name is not None and law.budget.size != "params":
        raise InputError(
            f"Law {law.name!r} counts a model's size by {law.budget.size}, and --cost {name} by "
            f"params: leave --cost out."
        )
    cost: Cost | None = None
    if name == "transformer":
        if context is None or vocab is None:
            raise InputError(
                "--cost transformer needs --context and --vocab, such as --context 4096 --vocab "
                "128000."
            )
        for option, value in (("--context", context), ("--vocab", vocab)):
            check_number(option, value)
        cost = Transformer(context, vocab)
    elif context is not None or vocab is not None:
        raise InputError("--context and --vocab go with --cost transformer: give that too.")
    elif name == "6ND":
        cost = Proportional()
    if inference_tokens is not None:
        how = {} if serving_price is None else {"price": serving_price}
        served = Proportional.of(law.budget) if cost is None else cost
        return served.serve(inference_tokens, **how)
    if serving_price is not None:
        raise InputError("--serving-price is that of --inference-tokens: give these too.")
    return cost


def _worth(budget: float, machine: Hardware) -> str:
    """Say what a budget is in hours and money."""
    words = f"{budget:.4g} FLOPs: {_whole(float(machine.gpu_hours(budget)[0]))} GPU hours"
    if machine.price_per_hour is None:
        return words
    return f"{words}, ${_whole(float(machine.dollars(budget)[0]))}"


def _whole(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _print_plan(chosen: Plan, prob: float) -> None:
    frame = chosen.summary(prob)
    print_table("plan", frame, prob, {"median": ".4g", "mean": ".4g", "sd": ".2g"}, {})
    expected = float(chosen.outcome.draws["regret"].mean())
    run = ", ".join(f"{name} {value:.4g}" for name, value in chosen.run.items())
    within = f"at most {chosen.regret:g} for no {chosen.size}"
    if chosen.within is not None:
        low, high = chosen.within
        within = f"at most {chosen.regret:g} for {chosen.size} from {low:.4g} to {high:.4g}"
    console.print(
        f"Run of least expected loss: {run}.\n"
        f"Its expected regret is {expected:.2g}; it is {within}."
    )


def _rows(chosen: Plan, prob: float) -> pd.DataFrame:
    """Lay a plan out as rows of the table of its budget; the run itself has no interval."""
    run = dict(chosen.run)
    if chosen.within is not None:
        low, high = chosen.within
        run |= {f"smallest_{chosen.size}": low, f"largest_{chosen.size}": high}
    frame = pd.concat([pd.DataFrame({"median": run}), chosen.summary(prob)])
    names = [(chosen.compute, f"plan_{name}") for name in map(str, frame.index)]
    return frame.set_axis(pd.MultiIndex.from_tuples(names, names=["compute", "quantity"]))
