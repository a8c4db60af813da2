"""Names of laws and helpers for tests over the registry."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from scalingbayes.laws import LAWS, Law
from scalingbayes.laws.base.parameters import place_all

# Members of families that differ from the family's default law.
VARIANTS = [
    "accuracy(x=compute, chance=0.25)",
    "broken(breaks=2)",
    "chinchilla(tied=True)",
    "contrastive(tied=True, image_tokens=True)",
    "critical_batch(by=params)",
    "data_constrained(tied=True)",
    "kaplan_steps(batch=True)",
    "power_law(x=compute, floor=False)",
    "scaled_mixture(joint=True)",
    "two_tower(image_tokens=True)",
]
NAMES = [*LAWS, *VARIANTS]
"""Every law, and members of families."""

TOKENS = np.exp(24)  # laws that read tokens as a count state their priors here


def place(law: Law, numbers: Mapping[str, Any], reference: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters, given the numbers that their priors describe."""
    return place_all(law.parameters, numbers, reference)
