"""The best of a list of shapes."""

from collections.abc import Mapping
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, ArrayLike, Bool

from scalingbayes._core.errors import InputError
from scalingbayes.allocation.costs import Cost
from scalingbayes.allocation.limits import Limits, at_most
from scalingbayes.allocation.path import expected
from scalingbayes.laws import Law

_Best = tuple[Array, Array, Array]
"""Size, tokens and what the law expects there."""


def best_shape(
    law: Law,
    values: dict[str, Array],
    compute: Array,
    fixed: Mapping[str, ArrayLike],
    cost: Cost,
    limits: Limits,
) -> _Best:
    """Find the best of a list of shapes.

    Raises
    ------
    InputError
        If none of them fits a budget and the limits.
    """
    n_layer, d_model = jnp.asarray(limits.shape_table).T
    found = _try_shapes(law, values, compute, fixed, cost, limits.bounds, n_layer, d_model)
    lost = np.asarray(~jnp.isfinite(found[2]).all(tuple(range(found[2].ndim - 1))))
    if lost.any():
        budget = float(np.asarray(compute)[..., lost].min())
        raise InputError(
            f"None of the {len(n_layer)} shapes fits the limits ({limits}) at {int(lost.sum())} of "
            f"the budgets, such as {budget:.3g} FLOPs: give other shapes, or loosen a limit."
        )
    return found


@partial(jax.jit, static_argnums=0)
def _try_shapes(
    law: Law,
    values: dict[str, Array],
    compute: Array,
    fixed: Mapping[str, ArrayLike],
    cost: Cost,
    bounds: dict[str, ArrayLike],
    n_layer: Array,
    d_model: Array,
) -> _Best:
    log_compute = jnp.log(compute)
    shape = jnp.broadcast_shapes(compute.shape, *(value.shape for value in values.values()))

    def look(best: _Best, each: _Best) -> tuple[_Best, None]:
        log_size, log_training, log_serving = each
        log_tokens = at_most(cost.log_tokens_left(log_training, log_serving, log_compute), bounds)
        loss = expected(law, values, fixed, log_size, log_tokens)
        fits: Bool[Array, "..."] = jnp.isfinite(log_tokens)
        if "max_params" in bounds:
            fits &= log_size <= jnp.log(jnp.asarray(bounds["max_params"]))
        if "min_tokens_per_param" in bounds:
            fits &= log_tokens - log_size >= jnp.log(jnp.asarray(bounds["min_tokens_per_param"]))
        better = fits & (loss < best[2])
        new = (jnp.exp(log_size), jnp.exp(log_tokens), loss)
        return jax.tree.map(partial(jnp.where, better), new, best), None

    endless = jnp.full(shape, jnp.inf, log_compute.dtype)
    return lax.scan(look, (endless,) * 3, cost.of_shapes(n_layer, d_model))[0]
