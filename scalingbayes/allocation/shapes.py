"""The model shape of least loss, of a list of shapes."""

from collections.abc import Mapping
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, ArrayLike, Bool

from scalingbayes._core.errors import InputError
from scalingbayes._core.programs import compiled
from scalingbayes.allocation.costs import Cost
from scalingbayes.allocation.expected import expected
from scalingbayes.allocation.limits import Limits, cap_tokens
from scalingbayes.laws import Law

_Run = tuple[Array, Array, Array]
"""Size, tokens and the target that the law expects."""


def best_shape(
    law: Law,
    values: dict[str, Array],
    compute: Array,
    fixed: Mapping[str, ArrayLike],
    cost: Cost,
    limits: Limits,
) -> _Run:
    """Compute for each draw and budget the shape of least loss.

    Raises
    ------
    InputError
        If no shape fits a budget within the limits.
    """
    n_layer, d_model = jnp.asarray(limits.shape_table).T
    found = _try_shapes(law, values, compute, fixed, cost, limits.bounds, n_layer, d_model)
    without = np.asarray(~jnp.isfinite(found[2]).all(tuple(range(found[2].ndim - 1))))
    if without.any():
        budget = float(np.asarray(compute)[..., without].min())
        raise InputError(
            f"None of the {len(n_layer)} shapes fits the limits ({limits}) at "
            f"{int(without.sum())} of the budgets, such as {budget:.3g} FLOPs. Add other shapes, "
            f"or loosen a limit."
        )
    return found


@partial(compiled, static=("law",))
def _try_shapes(
    law: Law,
    values: dict[str, Array],
    compute: Array,
    fixed: Mapping[str, ArrayLike],
    cost: Cost,
    bounds: dict[str, ArrayLike],
    n_layer: Array,
    d_model: Array,
) -> _Run:
    log_compute = jnp.log(compute)
    draws = jnp.broadcast_shapes(compute.shape, *(value.shape for value in values.values()))

    def compare(best: _Run, shape: _Run) -> tuple[_Run, None]:
        log_size, log_training, log_serving = shape
        log_tokens = cap_tokens(
            cost.log_tokens_after_serving(log_training, log_serving, log_compute), bounds
        )
        loss = expected(law, values, fixed, log_size, log_tokens)
        fits: Bool[Array, "..."] = jnp.isfinite(log_tokens)
        if "max_params" in bounds:
            fits &= log_size <= jnp.log(jnp.asarray(bounds["max_params"]))
        if "min_tokens_per_param" in bounds:
            fits &= log_tokens - log_size >= jnp.log(jnp.asarray(bounds["min_tokens_per_param"]))
        better = fits & (loss < best[2])
        new = (jnp.exp(log_size), jnp.exp(log_tokens), loss)
        return jax.tree.map(partial(jnp.where, better), new, best), None

    infinite = jnp.full(draws, jnp.inf, log_compute.dtype)
    return lax.scan(compare, (infinite,) * 3, cost.of_shapes(n_layer, d_model))[0]
