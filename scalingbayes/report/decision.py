"""The decision of a report: the best run of each budget, and what it assumes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd
import xarray as xr

from scalingbayes._core.arguments import check_numbers
from scalingbayes._core.errors import InputError
from scalingbayes._core.numbers import Kind, kind_of, write, write_distinct, write_with_interval
from scalingbayes.allocation import Cost, Hardware, Limits, cost_of
from scalingbayes.decisions.best_settings import best_settings
from scalingbayes.posterior.point_estimate import PointEstimate
from scalingbayes.posterior.posterior import Posterior
from scalingbayes.posterior.user_units import target_name
from scalingbayes.report.near_optimal import WASTE, expected_waste, near_optimal_sizes

DEFAULT_BUDGETS = (10.0, 100.0)
"""Budgets of a report, as multiples of the largest run's compute."""

Unit = Literal["FLOPs", "GPU hours", "dollars"]
"""Units of a budget."""

UNITS: tuple[Unit, ...] = ("FLOPs", "GPU hours", "dollars")

_SMALL = 0.02  # a share that is written to a tenth of a per cent
_LEAST = 0.001  # a share below which the share does not matter
_NEAR = 1.25  # compute over that of the largest run, up to which a run counts as within the runs

_LABELS = {
    "params": "Model size N",
    "tokens": "Training tokens D",
    "tokens_per_param": "Tokens per parameter",
    "epochs": "Epochs",
    "active_params": "Active parameters",
}
_COUNTS = ("params", "active_params")


@dataclass(frozen=True)
class Asked:
    """What a report is asked.

    Parameters
    ----------
    budgets
        Budgets in FLOPs.
    are_default
        Whether the report chose the budgets.
    cost
        What a budget pays for.
    limits
        Limits that the run keeps.
    inputs
        The law's inputs other than the model's size and tokens.
    assumed
        Names of those inputs that the caller did not give.
    prob
        Probability of the intervals.
    unit
        The unit in which the caller states budgets.
    amounts
        The budgets in that unit.
    hyperparameters
        Fits of laws that predict a setting, such as the learning rate.
    """

    budgets: tuple[float, ...]
    are_default: bool
    cost: Cost
    limits: Limits | None
    inputs: dict[str, float]
    assumed: tuple[str, ...]
    prob: float
    unit: Unit
    amounts: tuple[float, ...]
    hyperparameters: tuple[Posterior | PointEstimate, ...] = ()


@dataclass(frozen=True)
class Number:
    """A quantity as text: its name, its median and its interval."""

    label: str
    median: str
    interval: str


@dataclass(frozen=True)
class Answer:
    """The best run of one budget, as text."""

    budget: str
    compared: str
    """The training compute of the run, beside that of the fitted runs."""
    numbers: tuple[Number, ...]
    sizes: str
    """The range of sizes that waste at most 1 % of the budget, at the median of the law; empty if
    some of the budget is unspent."""
    waste: str
    """The share of the budget that the median size is expected to waste; empty if unknown."""
    notes: tuple[str, ...]
    """What to know of this run: how far it is from the fitted runs, and an unspent budget."""

    def __getitem__(self, label: str) -> Number:
        return next(each for each in self.numbers if each.label == label)


@dataclass(frozen=True)
class Decision:
    """The best run of each budget, and why some budgets have none."""

    answers: tuple[Answer, ...]
    missing: tuple[tuple[str, str], ...]
    """Budgets without a best run, each with the reason."""
    assumptions: tuple[str, ...]
    also_paid: str
    """What a budget pays for beside training; empty if nothing."""
    size_label: str
    waste: str = field(default=f"{100 * WASTE:g}\u00a0%")


def choose(
    post: Posterior,
    budget: object,
    cost: Cost | None,
    limits: Limits | None,
    inputs: Mapping[str, float],
    prob: float,
    unit: Unit = "FLOPs",
    hardware: Hardware | None = None,
) -> Asked:
    """Return what a report is asked, with defaults for what the caller left out.

    Raises
    ------
    InputError
        If a budget is not a positive number or cannot be converted, the cost is not one of the law,
        or an input is not the law's.
    """
    law = post.law
    others = [name for name in law.inputs if name not in (law.budget.size, "tokens")]
    if strays := set(inputs) - set(others):
        raise InputError(
            f"Law {law.name!r} has no input {', '.join(sorted(strays))} beside the model's size "
            f"and tokens: give {', '.join(others) or 'none'}."
        )
    assumed = tuple(name for name in others if name not in inputs)
    values = {name: float(inputs.get(name, _usual(post, name))) for name in others}
    multiples = [float(f"{each * post.compute.max():.1e}") for each in DEFAULT_BUDGETS]
    amounts = check_numbers("budget", multiples if budget is None else budget).ravel()
    flops = amounts if budget is None else _in_flops(amounts, unit, hardware)
    return Asked(
        budgets=tuple(map(float, flops)),
        are_default=budget is None,
        cost=cost_of(law, post.cost if cost is None else cost, values),
        limits=limits,
        inputs=values,
        assumed=assumed,
        prob=float(prob),
        unit="FLOPs" if budget is None else unit,
        amounts=tuple(map(float, amounts)),
    )


def _in_flops(amounts: Any, unit: Unit, hardware: Hardware | None) -> Any:
    if unit not in UNITS:
        raise InputError(f"unit must be one of {', '.join(map(repr, UNITS))}; got {unit!r}.")
    if unit == "FLOPs":
        return amounts
    if hardware is None:
        raise InputError(
            f"A budget in {unit} needs the accelerator that it buys: give hardware, such as "
            f"sb.costs.Hardware(peak_flops=989e12, price_per_hour=2.5)."
        )
    return hardware.flops(**{"dollars" if unit == "dollars" else "gpu_hours": amounts})


def _usual(post: Posterior, name: str) -> float:
    """Return the value of an input that a report assumes: the largest count, or the median."""
    values = post.tree["constant_data"][name].to_numpy()
    return float(values.max() if kind_of(name) == "count" else np.median(values))


def decide(post: Posterior, asked: Asked) -> Decision:
    """Return the decision of a posterior of a law that divides compute."""
    answers: list[Answer] = []
    missing: list[tuple[str, str]] = []
    for budget, text in zip(asked.budgets, _write_budgets(asked), strict=True):
        try:
            answers.append(_answer(post, asked, budget, text))
        except InputError as error:
            missing.append((text, str(error)))
    size, served = post.law.budget.size, float(asked.cost.served_tokens)
    return Decision(
        tuple(answers),
        tuple(missing),
        _assumptions(post, asked),
        f"{write(served, 'count')} served tokens" if served else "",
        _LABELS.get(size, size),
    )


def _write_budgets(asked: Asked) -> list[str]:
    """Return the budgets as text: FLOPs, behind the amount in the caller's unit."""
    flops = [f"{each} FLOPs" for each in write_distinct(asked.budgets, "flops")]
    if asked.unit == "FLOPs":
        return flops
    amounts = write_distinct(asked.amounts, "count")
    wording = "${}" if asked.unit == "dollars" else "{} GPU hours"
    return [
        f"{wording.format(amount)} ({each})" for amount, each in zip(amounts, flops, strict=True)
    ]


def _answer(post: Posterior, asked: Asked, budget: float, text: str) -> Answer:
    """Return the best run of one budget.

    Raises
    ------
    InputError
        If there is none.
    """
    size, target = post.law.budget.size, target_name(post)
    labels = {**_LABELS, size: _LABELS.get(size, size), target: f"Expected {target}"}
    best = post.allocate(budget, asked.cost, asked.limits, **asked.inputs)
    rows = best.summary(asked.prob).loc[[budget]].droplevel(0)
    numbers = tuple(
        Number(label, *written_row(rows, name, _kind(name, target)))
        for name, label in labels.items()
        if name in rows.index
    )
    budgets, median = np.array([budget]), best.median()
    numbers += _settings(post, asked, median)
    compared = _compare(post, median[size].to_numpy(), median["tokens"].to_numpy(), asked)
    if asked.limits is not None and asked.limits.unspent(asked.cost, budgets).any():
        return Answer(text, compared, numbers, "", "", best.notes)
    ends = near_optimal_sizes(post, best, asked.cost, asked.limits, **asked.inputs)
    low, high = (write(float(np.median(end)), kind_of(size)) for end in ends)
    waste = expected_waste(
        post, median[size].to_numpy(), budgets, asked.cost, asked.limits, **asked.inputs
    )
    lost = "" if np.isnan(waste[0]) else _share(float(waste[0]))
    return Answer(text, compared, numbers, f"{low} to {high}", lost, best.notes)


def _settings(post: Posterior, asked: Asked, median: xr.Dataset) -> tuple[Number, ...]:
    """Return the best learning rate, batch size and other settings of the median run."""
    size = post.law.budget.size
    run = {str(n): float(median[n].item()) for n in (size, "tokens", *_COUNTS) if n in median}
    compute = float(post.cost.at(asked.inputs).training_flops(run[size], run["tokens"]))
    found = best_settings(post, asked.hyperparameters, {**run, "compute": compute})
    return tuple(
        Number(
            f"Best {name.replace('_', ' ')}",
            *written_row(each.summary(asked.prob), name, kind_of(name)),
        )
        for name, each in found.items()
    )


def written_row(table: pd.DataFrame, name: str, kind: Kind) -> tuple[str, str]:
    """Return a median and its interval as text, from a row of a summary."""
    middle, lower, upper = table.loc[[name]].to_numpy(float)[0, :3]
    return write_with_interval(middle, lower, upper, kind)


def _kind(name: str, target: str) -> Kind:
    return "target" if name == target else kind_of(name)


def _share(value: float) -> str:
    if value < _LEAST:
        return f"less than {100 * _LEAST:g}\u00a0%"
    return write(value, "share", -3 if value < _SMALL else -2).replace("%", "\u00a0%")


def _compare(post: Posterior, size: Any, tokens: Any, asked: Asked) -> str:
    """Return the training compute of a run beside that of the smallest and the largest run."""
    training, seen = float(post.cost.at(asked.inputs).training_flops(size, tokens)[0]), post.compute
    flops = f"training takes {write(float(f'{training:.3g}'), 'flops')} FLOPs: "
    prefix = flops if float(asked.cost.served_tokens) else ""
    for run, over in (("largest", training / seen.max()), ("smallest", training / seen.min())):
        if over > _NEAR if run == "largest" else over < 1 / _NEAR:
            ratio = write(float(f"{over:.2g}"), "ratio")
            return f"{prefix}{ratio} times the compute of the {run} run"
    return f"{prefix}within the compute of the runs"


def _assumptions(post: Posterior, asked: Asked) -> tuple[str, ...]:
    """Return sentences on what the decision assumes."""
    law, prob = post.law, f"{100 * asked.prob:g}\u00a0%"
    lines = [f"The law {law.equation} holds from the runs to the budget ({law.source})."]
    if post.exact:
        lines.append(
            f"The law is taken as exact: if it is slightly wrong, the {prob} intervals are too "
            f"narrow."
        )
    else:
        lines.append(
            f"The {prob} intervals allow for an error of the law itself, which grows with the "
            f"distance from the runs."
        )
    lines.append(f"The budget counts FLOPs as {asked.cost.equation}.")
    if asked.limits is not None:
        lines.append(f"The run keeps the limits {asked.limits}.")
    for name, value in asked.inputs.items():
        which = "largest" if kind_of(name) == "count" else "median"
        why = f", the {which} of the runs, as none was given" if name in asked.assumed else ""
        lines.append(f"{name} is {write(value, kind_of(name))}{why}.")
    if units := post.record.data.units.describe():
        lines.append(f"Units of the table: {units}.")
    if asked.are_default:
        lines.append(
            "No budget was given: the report shows about 10 and 100 times the compute of the "
            "largest run."
        )
    if asked.hyperparameters:
        lines.append(
            "The best settings are those that their laws predict for the median run: their "
            "intervals leave out how uncertain the run is."
        )
    lines.append(
        f"A size within {100 * WASTE:g}\u00a0% wastes at most this share of the compute if the law "
        f"is at its median. plan() states another range: the sizes whose expected regret, a "
        f"difference of loss over all draws, is small."
    )
    lines.append(
        "New runs use the same data, architecture and training recipe, tuned as well as the runs."
    )
    return tuple(lines)
