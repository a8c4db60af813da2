"""Runs that a law might be asked about: values for its inputs."""

import numpy as np
from jaxtyping import Float

from scalingbayes.laws import Law

_LOG_RANGE = (17.0, 23.0)  # of counts: 24 million to 10 billion
_LOG_COMPUTE = 20.0  # by so much more
_LOG_LOSS = (0.0, 1.0)
_DOUBLINGS = 7  # of what has no unit, such as experts: 1, 2, ..., 64
_LOG_TOKENS = 24.0  # where a law that takes tokens as a count states its priors
_YEARS = (2012.0, 2026.0)
_LARGEST_SHARE = 0.95
_LOG_PART = 4.0  # inputs in another one's unit are from exp(-4) of it to all


def typical_inputs(
    law: Law, rows: int, random: np.random.Generator
) -> dict[str, Float[np.ndarray, " rows"]]:
    """Draw values for a law's inputs, each over the range that sweeps have.

    Counts are log-uniform over a factor of 400, losses over a factor of 2.7, numbers without a unit
    powers of two up to 64, shares from 0 to 0.95, real numbers years.

    Parameters
    ----------
    law
        Whose inputs.
    rows
        How many runs.
    random
        Where they come from.
    """
    inputs: dict[str, np.ndarray] = {}
    for name, each in law.inputs.items():
        values: np.ndarray
        if each.domain.upper == 1:
            values = random.uniform(0, _LARGEST_SHARE, rows)
        elif each.domain.lower != 0:
            values = random.uniform(*_YEARS, rows)
        elif name == "loss":
            values = np.exp(random.uniform(*_LOG_LOSS, rows))
        elif each.unit is None:
            values = np.exp(random.uniform(*_LOG_RANGE, rows) + _LOG_COMPUTE * (name == "compute"))
        elif each.unit == "1":
            least = np.exp(_LOG_TOKENS) if name == "tokens" else 1.0
            values = least * 2.0 ** random.integers(0, _DOUBLINGS, rows)
        else:
            values = inputs[each.unit] * np.exp(-random.uniform(0, _LOG_PART, rows))
        inputs[name] = values
    return inputs
