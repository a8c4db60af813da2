"""The target that a law expects of a run, from logarithms of its size and tokens."""

from collections.abc import Mapping

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike

from scalingbayes.allocation.costs import Cost
from scalingbayes.laws import Law


def expected(
    law: Law,
    values: dict[str, Array],
    fixed: Mapping[str, ArrayLike],
    log_size: Array,
    log_tokens: Array,
) -> Array:
    """Return the target that a law expects of runs of given log size and log tokens."""
    inputs = {**fixed, law.budget.size: jnp.exp(log_size), "tokens": jnp.exp(log_tokens)}
    return law(inputs, values)


def expected_for_budget(
    law: Law,
    values: dict[str, Array],
    fixed: Mapping[str, ArrayLike],
    cost: Cost,
    scale: Array,
    log_compute: Array,
) -> Array:
    """Return the target that a law expects of models of given scale that spend a whole budget."""
    log_tokens = cost.log_tokens(scale, log_compute)
    return expected(law, values, fixed, cost.log_size(scale), log_tokens)
