"""What tests over the registry of laws share."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from scalingbayes.laws import LAWS, Law
from scalingbayes.laws.base.parameters import in_order

# Besides each law as it comes, the members of families that are something else.
VARIANTS = [
    "accuracy(x=compute, chance=0.25)",
    "broken(breaks=2)",
    "chinchilla(tied=True)",
    "critical_batch(by=params)",
    "data_constrained(tied=True)",
    "kaplan_steps(batch=True)",
    "power_law(x=compute, floor=False)",
]
NAMES = [*LAWS, *VARIANTS]
"""Every law, and members of families."""

TOKENS = np.exp(24)  # where a law that takes tokens as a count states its priors


def place(law: Law, numbers: Mapping[str, Any], reference: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters from the numbers that their priors speak of."""
    values: dict[str, Any] = {}
    for name, parameter in in_order(law.parameters).items():
        names = {**reference, **values}
        values[name] = parameter.place(parameter.raised(numbers[name], names), names)
    return values
