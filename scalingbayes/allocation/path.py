"""What a law expects along a budget."""

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike

from scalingbayes.allocation.costs import Cost
from scalingbayes.laws import Law


def along(
    law: Law,
    values: dict[str, Array],
    fixed: Mapping[str, ArrayLike],
    cost: Cost,
    scale: Array,
    log_compute: Array,
) -> Array:
    """Say what a law expects along a budget."""
    tokens = cost.log_tokens(scale, log_compute)
    return expected(law, values, fixed, cost.log_size(scale), tokens)


def expected(
    law: Law,
    values: dict[str, Array],
    fixed: Mapping[str, ArrayLike],
    log_size: Array,
    log_tokens: Array,
) -> Array:
    """Say what a law expects of a size and tokens."""
    inputs = {**fixed, law.budget.size: jnp.exp(log_size), "tokens": jnp.exp(log_tokens)}
    return law(inputs, values)


def slope(expect: Callable[[Array, Array], Array], scale: Array, log_compute: Array) -> Array:
    """Slope of what a law predicts along one budget, in scale."""
    one = jnp.ones_like(scale)
    return jax.jvp(lambda s: expect(s, log_compute), (scale,), (one,))[1]
