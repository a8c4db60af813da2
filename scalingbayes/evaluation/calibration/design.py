"""Typical inputs of a law: the design of a simulation."""

import numpy as np
import pandas as pd
from jaxtyping import Float

from scalingbayes.data.schedules import schedule_columns
from scalingbayes.laws import Law

_LOG_COUNT = (17.0, 23.0)  # 24 million to 10 billion
_LOG_COMPUTE = 20.0  # added to the log of a count
_LOG_LOSS = (0.0, 1.0)
_DOUBLINGS = 7  # of inputs without a unit, such as experts: 1, 2, ..., 64
_LOG_TOKENS = 24.0  # the reference point of laws in which tokens have no unit
_YEARS = (2012.0, 2026.0)
_LARGEST_SHARE = 0.95
_LOG_RATIO = 4.0  # an input in the unit of another input is exp(-4) to 1 times that input


def typical_inputs(
    law: Law, rows: int, random: np.random.Generator
) -> dict[str, Float[np.ndarray, " rows"]]:
    """Draw a law's inputs over the ranges of typical sweeps.

    Counts are log-uniform over a factor of 400, and losses over a factor of 2.7. Inputs without a
    unit are powers of two up to 64, fractions are from 0 to 0.95, and real numbers are years.
    Laws of learning-rate schedules have points of constant rates, of cosines, and of linear decays.

    Parameters
    ----------
    law
        The law that reads the inputs.
    rows
        Number of runs.
    random
        Generator of the random numbers.
    """
    if "lr_sum" in law.inputs:
        return _of_schedules(law, rows, random)
    inputs: dict[str, np.ndarray] = {}
    for name, each in law.inputs.items():
        values: np.ndarray
        if each.domain.upper == 1:
            values = random.uniform(0, _LARGEST_SHARE, rows)
        elif each.domain.lower != 0:
            values = random.uniform(*_YEARS, rows)
        elif "loss" in (name, each.unit):
            values = np.exp(random.uniform(*_LOG_LOSS, rows))
        elif each.unit is None:
            values = np.exp(random.uniform(*_LOG_COUNT, rows) + _LOG_COMPUTE * (name == "compute"))
        elif each.unit == "1":
            least = np.exp(_LOG_TOKENS) if name == "tokens" else 1.0
            values = least * 2.0 ** random.integers(0, _DOUBLINGS, rows)
        else:
            values = inputs[each.unit] * np.exp(-random.uniform(0, _LOG_RATIO, rows))
        inputs[name] = values
    return inputs


def _of_schedules(
    law: Law, rows: int, random: np.random.Generator
) -> dict[str, Float[np.ndarray, " rows"]]:
    """Draw points of training curves under three kinds of schedules."""
    steps, points, found = 5000, 200, []
    past = np.linspace(0.0, 1.0, steps)
    shapes = (np.ones(steps), (1 + np.cos(np.pi * past)) / 2, np.minimum(1, 5 - 5 * past))
    for shape, part in zip(shapes, np.array_split(np.arange(rows), 3), strict=True):
        rate = 3e-4 * (0.1 + 0.9 * shape)
        made = schedule_columns({"learning_rate": rate}, points=points)
        at = np.exp(random.uniform(np.log(4), np.log(points), len(part))).astype(int) - 1
        found.append(made[list(law.inputs)].iloc[at])
    together = pd.concat(found)
    return {name: together[name].to_numpy() for name in law.inputs}
