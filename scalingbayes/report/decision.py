"""The decision of a report: the best run of each budget, and what it assumes."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from scalingbayes._core.arguments import check_numbers
from scalingbayes._core.errors import InputError
from scalingbayes._core.numbers import Kind, kind_of, write, write_distinct, write_with_interval
from scalingbayes.allocation import Cost, Limits
from scalingbayes.posterior.posterior import Posterior
from scalingbayes.posterior.user_units import target_name
from scalingbayes.report.near_optimal import WASTE, expected_waste, near_optimal_sizes

DEFAULT_BUDGETS = (10.0, 100.0)
"""Budgets of a report, as multiples of the largest run's compute."""

_SMALL = 0.02  # a share that is written to a tenth of a per cent

_LABELS = {
    "params": "Model size N",
    "tokens": "Training tokens D",
    "tokens_per_param": "Tokens per parameter",
    "epochs": "Epochs",
}


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
    """

    budgets: tuple[float, ...]
    are_default: bool
    cost: Cost
    limits: Limits | None
    inputs: dict[str, float]
    assumed: tuple[str, ...]
    prob: float


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
    numbers: tuple[Number, ...]
    sizes: str
    """The range of sizes that waste at most 1 % of the budget, at the median of the law."""
    waste: str
    """The share of the budget that the median size is expected to waste; empty if unknown."""

    def __getitem__(self, label: str) -> Number:
        return next(each for each in self.numbers if each.label == label)


@dataclass(frozen=True)
class Decision:
    """The best run of each budget, or why there is none."""

    answers: tuple[Answer, ...] = ()
    assumptions: tuple[str, ...] = ()
    missing: str = ""
    size_label: str = "Model size N"
    target_label: str = "Loss"
    waste: str = field(default=f"{100 * WASTE:g}\u00a0%")


def choose(
    post: Posterior,
    budget: object,
    cost: Cost | None,
    limits: Limits | None,
    inputs: Mapping[str, float],
    prob: float,
) -> Asked:
    """Return what a report is asked, with defaults for what the caller left out.

    Raises
    ------
    InputError
        If a budget is not a positive number, or an input is not the law's.
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
    asked = check_numbers("budget", multiples if budget is None else budget).ravel()
    return Asked(
        tuple(map(float, asked)),
        budget is None,
        post.cost if cost is None else cost,
        limits,
        values,
        assumed,
        prob,
    )


def _usual(post: Posterior, name: str) -> float:
    """Return the value of an input that a report assumes: the largest count, or the median."""
    values = post.tree["constant_data"][name].to_numpy()
    return float(values.max() if kind_of(name) == "count" else np.median(values))


def decide(post: Posterior, asked: Asked) -> Decision:
    """Return the decision of a posterior of a law that divides compute."""
    law = post.law
    size, target = law.budget.size, target_name(post)
    labels = {**_LABELS, size: _LABELS.get(size, size), target: f"Expected {target}"}
    try:
        best = post.allocate(asked.budgets, asked.cost, asked.limits, **asked.inputs)
    except InputError as error:
        return Decision(missing=str(error))
    smallest, largest = near_optimal_sizes(post, best, asked.cost, asked.limits, **asked.inputs)
    budgets, median = np.array(asked.budgets), best.median()[size].to_numpy()
    waste = expected_waste(post, median, budgets, asked.cost, asked.limits, **asked.inputs)
    table = best.summary(asked.prob)
    written = write_distinct(asked.budgets, "flops")
    answers = []
    for place, (budget, text) in enumerate(zip(asked.budgets, written, strict=True)):
        rows = table.loc[[budget]].droplevel(0)
        numbers = tuple(
            Number(label, *written_row(rows, name, _kind(name, target)))
            for name, label in labels.items()
            if name in rows.index
        )
        ends = (float(np.median(x[..., place])) for x in (smallest, largest))
        low, high = (write(end, kind_of(size)) for end in ends)
        lost = "" if np.isnan(waste[place]) else _share(float(waste[place]))
        answers.append(Answer(text, _compare(post, budget), numbers, f"{low} to {high}", lost))
    return Decision(
        tuple(answers),
        _assumptions(post, asked),
        size_label=labels[size],
        target_label=labels[target],
    )


def written_row(table: pd.DataFrame, name: str, kind: Kind) -> tuple[str, str]:
    """Return a median and its interval as text, from a row of a summary."""
    middle, lower, upper = table.loc[[name]].to_numpy(float)[0, :3]
    return write_with_interval(middle, lower, upper, kind)


def _kind(name: str, target: str) -> Kind:
    return "target" if name == target else kind_of(name)


def _share(value: float) -> str:
    return write(max(value, 0.0), "share", -3 if value < _SMALL else -2).replace("%", "\u00a0%")


def _compare(post: Posterior, budget: float) -> str:
    ratio = budget / post.compute.max()
    if ratio < 1:
        return "within the compute of the runs"
    return f"{write(float(f'{ratio:.2g}'), 'ratio')} times the largest run"


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
    lines.append(
        "New runs use the same data, architecture and training recipe, tuned as well as the runs."
    )
    return tuple(lines)
