"""The optimal scale of laws that have a closed form, for a cost in proportion to size."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from scalingbayes.allocation.costs import Cost, Proportional
from scalingbayes.laws import Law


def closed_form_scale(
    law: Law, values: dict[str, Array], cost: Cost, log_compute: Float[Array, "*#draws budgets"]
) -> Float[Array, "*draws budgets"]:
    """Return the log of the law's own optimal size, for a cost in proportion to size."""
    assert law.optimum is not None
    training = cost.training if isinstance(cost, Proportional) else law.budget.flops
    compute = jnp.exp(log_compute) * (law.budget.flops / training)
    return jnp.log(law.optimum(compute, **values)[0])
