"""The compute-optimal model size and tokens of a law, and how they grow with compute."""

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from scalingbayes.errors import InputError
from scalingbayes.laws import Law

Values = dict[str, Float[Array, "*draws"]]


def optimum(
    law: Law, values: Values, compute: Float[Array, " budgets"]
) -> dict[str, Float[Array, "*draws budgets"]]:
    """Find the model and tokens of least loss at each budget, compute = 6 params tokens.

    Parameters
    ----------
    law
        A law of params and tokens.
    values
        Its parameters in the table's units, one array a parameter; shape (*draws,).
    compute
        Budgets in FLOPs; shape (budgets,).

    Returns
    -------
    dict
        ``params``, ``tokens``, ``tokens_per_param`` and the law's ``loss`` there; each of shape
        (*draws, budgets).

    Raises
    ------
    InputError
        If the law has no such optimum.
    """
    _require_optimum(law)
    params, tokens, loss = _optimum(law, _parameters(law, values), compute)
    return {"params": params, "tokens": tokens, "tokens_per_param": tokens / params, "loss": loss}


def exponents(
    law: Law, values: Values, compute: Float[Array, " budgets"]
) -> dict[str, Float[Array, "*draws budgets"]]:
    """Find a = d log N_opt / d log C and b = d log D_opt / d log C at each budget.

    For a law whose optimum is a power law, such as Chinchilla's, they are the same at every budget.

    Parameters
    ----------
    law, values, compute
        As for :func:`optimum`.

    Raises
    ------
    InputError
        If the law has no such optimum.
    """
    _require_optimum(law)
    a, b = _exponents(law, _parameters(law, values), compute)
    return {"a": a, "b": b}


def _require_optimum(law: Law) -> None:
    if law.optimum is None:
        raise InputError(
            f"Law {law.name!r} ({law.equation}) has no compute-optimal params and tokens: choose a "
            f"law of params and tokens with an optimum, such as 'chinchilla'."
        )


def _parameters(law: Law, values: Values) -> dict[str, Float[Array, "*draws 1"]]:
    return {name: jnp.asarray(values[name])[..., None] for name in law.parameters}


@partial(jax.jit, static_argnums=0)
def _optimum(law: Law, values: dict[str, Array], compute: Array) -> tuple[Array, Array, Array]:
    assert law.optimum is not None
    params, tokens = law.optimum(compute, **values)
    return params, tokens, law({"params": params, "tokens": tokens}, values)


@partial(jax.jit, static_argnums=0)
def _exponents(law: Law, values: dict[str, Array], compute: Array) -> tuple[Array, Array]:
    assert law.optimum is not None
    find = law.optimum

    def log_optimum(log_compute: Array) -> tuple[Array, Array]:
        params, tokens = find(jnp.exp(log_compute), **values)
        return jnp.log(params), jnp.log(tokens)

    log_compute = jnp.log(compute)
    _, slopes = jax.jvp(log_optimum, (log_compute,), (jnp.ones_like(log_compute),))
    return slopes
