"""Sums over the rows of a large table, a block of rows at a time."""

from collections.abc import Callable, Sequence
from functools import partial, reduce
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal, jaxpr_as_fun  # type: ignore[attr-defined]
from jax.flatten_util import ravel_pytree
from jaxtyping import Array

from scalingbayes._core.devices import rows_at_once

Evaluate = Callable[[Any, Sequence[Array], Sequence[Array]], Array]
"""The part of a function that depends on its values: of values, a block of rows, and constants."""


def sum_over_rows(function: Callable[[Any, Any], Any], values: Any, rows: Any) -> Any:
    """Compute ``function(values, rows)``, a sum over rows; under jit.

    Intermediate results of a few rows stay in the cache of a CPU, and memory is bounded. A large
    table is therefore summed block by block. A derivative by ``values`` takes one pass over the
    rows, as the value does. The sum has no derivative by ``rows``.

    Parameters
    ----------
    function
        Returns arrays, each a sum over the rows that it is given.
    values
        Arrays that do not depend on the row.
    rows
        Arrays whose last axis is the row.
    """
    count = jax.tree.leaves(rows)[0].shape[-1]
    blocks = _count_blocks(count, rows_at_once())
    if blocks == 1:
        return function(values, rows)

    def divide(x: Array) -> Array:
        return jnp.moveaxis(jnp.reshape(x, (*x.shape[:-1], blocks, -1)), -2, 0)

    divided = jax.tree.map(divide, rows)
    first = jax.tree.map(lambda x: x[0], divided)
    unravel = ravel_pytree(jax.tree.map(jnp.zeros_like, jax.eval_shape(function, values, first)))[1]
    closed = jax.make_jaxpr(lambda *each: ravel_pytree(function(*each))[0])(values, first)
    prepare, evaluate = _separate(closed, len(jax.tree.leaves(values)))
    prepared = jax.vmap(partial(prepare, closed.consts))(divided)
    return unravel(_sum_blocks(evaluate, values, prepared, closed.consts))


def _count_blocks(count: int, most: int) -> int:
    """Return the number of equal blocks of at most ``most`` rows, or 1 if rows do not divide."""
    least = -(-count // most)
    return next((blocks for blocks in range(least, 2 * least) if count % blocks == 0), 1)


def _separate(
    closed: ClosedJaxpr, count: int
) -> tuple[Callable[[Sequence[Array], Any], list[Array]], Evaluate]:
    """Return what a function computes from rows alone, and what it computes from that and values.

    Logarithms of a law's inputs, for instance, depend on the rows alone. A sampler's loop need not
    compute them again, and XLA moves them out of the loop, though not out of a loop over blocks.

    Parameters
    ----------
    closed
        The function of values and rows.
    count
        Number of arrays that are values.
    """
    whole = closed.jaxpr
    constants, of_values, of_rows = whole.constvars, whole.invars[:count], whole.invars[count:]
    varying, before, after = set(of_values), [], []
    for equation in whole.eqns:
        if any(not isinstance(x, Literal) and x in varying for x in equation.invars):
            after.append(equation)
            varying.update(equation.outvars)
        else:
            before.append(equation)
    known = {*of_rows, *(x for equation in before for x in equation.outvars)}
    read = [x for equation in after for x in equation.invars] + list(whole.outvars)
    prepared = list(dict.fromkeys(x for x in read if not isinstance(x, Literal) and x in known))

    def part(inputs: list[Any], outputs: list[Any], equations: list[Any]) -> Callable[..., Any]:
        debug_info = whole.debug_info.with_unknown_names()
        jaxpr = Jaxpr([], inputs, outputs, equations, debug_info=debug_info)
        return jaxpr_as_fun(ClosedJaxpr(jaxpr, []))

    prepare = part([*constants, *of_rows], prepared, before)
    evaluate = part([*of_values, *prepared, *constants], whole.outvars, after)
    return (
        lambda constants, rows: prepare(*constants, *jax.tree.leaves(rows)),
        lambda values, rows, constants: evaluate(*jax.tree.leaves(values), *rows, *constants)[0],
    )


def _sum_blocks(
    evaluate: Evaluate, values: Any, blocks: Sequence[Array], constants: Sequence[Array]
) -> Array:
    """Return the sum over blocks. Its derivative by the values needs no memory for each block."""

    def total(function: Callable[[Any], Any], blocks: Any) -> Any:
        shapes = jax.eval_shape(function, jax.tree.map(lambda x: x[0], blocks))
        zeros = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)

        def add(so_far: Any, block: Any) -> tuple[Any, None]:
            return jax.tree.map(jnp.add, so_far, function(block)), None

        return lax.scan(add, zeros, blocks)[0]

    @jax.custom_jvp
    def summed(values: Any, blocks: Any, constants: Any) -> Array:
        found: Array = total(lambda block: evaluate(values, block, constants), blocks)
        return found

    @summed.defjvp
    def differentiate(primals: Any, tangents: Any) -> tuple[Array, Array]:
        values, blocks, constants = primals

        def derivative_and_value(block: Any) -> Any:
            return jax.jacrev(lambda v: (evaluate(v, block, constants),) * 2, has_aux=True)(values)

        jacobian, found = total(derivative_and_value, blocks)
        products = jax.tree.map(
            lambda by, change: jnp.tensordot(by, change, jnp.ndim(change)), jacobian, tangents[0]
        )
        return found, reduce(jnp.add, jax.tree.leaves(products))

    return summed(values, blocks, constants)
