"""Weighted least squares in the terms of a law, at every cell of a grid of its exponents.

Given its exponents, Chinchilla's law is linear in E, A and B. No search is needed: all sums over
rows, for all cells, are a few matrix products.
"""

import string
from collections.abc import Mapping, Sequence
from functools import cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from scalingbayes._core.errors import InputError
from scalingbayes.inference.cholesky import solve_positive
from scalingbayes.laws import Law

Inputs = Mapping[str, Float[Array, " rows"]]


class Fit(NamedTuple):
    """Least squares at every cell.

    Parameters
    ----------
    sse
        Weighted sum of squared deviations at the best coefficients.
    log_det
        Log determinant of the coefficients' precision (of the normal equations' matrix).
    coefficients
        The best coefficient of each linear parameter.
    """

    sse: Float[Array, "*cells"]
    log_det: Float[Array, "*cells"]
    coefficients: dict[str, Float[Array, "*cells"]]


class LinearForm(NamedTuple):
    """A law that is linear in its terms once its exponents are given.

    Parameters
    ----------
    terms
        The parameters that it is linear in.
    exponents
        Its other parameters.
    needs
        For each term the exponents that what it multiplies depends on.
    """

    terms: tuple[str, ...]
    exponents: tuple[str, ...]
    needs: tuple[tuple[str, ...], ...]


@cache
def linear_form(law: Law) -> LinearForm:
    """Find what a law is linear in, by trying it out.

    Raises
    ------
    InputError
        If it is not linear in its terms.
    """
    terms = tuple(law.terms)
    exponents = tuple(name for name in law.parameters if name not in terms)
    random = np.random.default_rng(0)
    inputs = {name: jnp.asarray(random.uniform(0.2, 0.9, 5)) for name in law.inputs}
    values = {name: jnp.asarray(random.uniform(0.2, 0.9)) for name in law.parameters}

    def columns(point: dict[str, Array]) -> dict[str, Array]:
        return _columns(law, terms, inputs, {**values, **point})

    if terms and exponents:
        total = sum(values[name] * column for name, column in columns({}).items())
        if np.allclose(total, law(inputs, values), rtol=1e-4):
            slopes = jax.jacfwd(columns)({name: values[name] for name in exponents})
            needs = (
                tuple(each for each in exponents if np.any(slopes[name][each])) for name in terms
            )
            return LinearForm(terms, exponents, tuple(needs))
    raise InputError(
        f"Law {law.name!r}, {law.equation}, declares no terms that it is linear in once its "
        f"exponents are given: a grid of exponents needs them, as 'chinchilla' has. Engines "
        f"'nuts' and 'laplace' and evaluate_grid take any law."
    )


@partial(jax.jit, static_argnames=("law", "form"))
def fit_cells(
    law: Law,
    form: LinearForm,
    inputs: Inputs,
    response: Float[ArrayLike, " rows"],
    weights: Float[ArrayLike, " rows"],
    axes: dict[str, Float[Array, " _"]],
) -> Fit:
    """Fit the linear parameters at every cell of the exponents' grid.

    Columns that no exponent changes, such as E's, are projected out first: what is left is far from
    collinear, and normal equations are exact enough.

    Parameters
    ----------
    law
        The law.
    form
        What it is linear in.
    inputs, response, weights
        The rows.
    axes
        Values of each exponent; the cells are their product, in this order.
    """
    root = jnp.sqrt(jnp.asarray(weights))
    letters = dict(zip(axes, string.ascii_lowercase, strict=False))
    shape = tuple(len(values) for values in axes.values())

    def column(name: str, depends: tuple[str, ...]) -> Array:
        """One row a combination of the exponents that it depends on; shape (..., rows)."""
        mesh = jnp.meshgrid(*(axes[each] for each in depends), indexing="ij")
        points = {each: values.ravel() for each, values in zip(depends, mesh, strict=True)}
        others = {n: jnp.ones(()) for n in axes if n not in depends}

        def one(point: dict[str, Array]) -> Array:
            return _columns(law, (name,), inputs, {**others, **point})[name] * root

        if not depends:
            return one({})
        return jax.vmap(one)(points).reshape(*mesh[0].shape, -1)

    needs = dict(zip(form.terms, form.needs, strict=True))
    columns = {name: column(name, depends) for name, depends in needs.items()}
    index = {name: "".join(letters[each] for each in depends) for name, depends in needs.items()}
    fixed = [name for name in form.terms if not index[name]]
    moving = [name for name in form.terms if index[name]]
    basis, triangle = (
        jnp.linalg.qr(jnp.stack([columns[n] for n in fixed], axis=1))
        if fixed
        else (
            jnp.zeros((root.size, 0), root.dtype),
            jnp.zeros((0, 0), root.dtype),
        )
    )
    target = jnp.asarray(response) * root
    along = {name: columns[name] @ basis for name in moving}
    left = {name: columns[name] - along[name] @ basis.T for name in moving}
    target_along = target @ basis
    target_left = target - basis @ target_along

    def spread(values: Array, at: str) -> Array:
        """Give a table over some axes the place of all."""
        order = "".join(letters[name] for name in axes)
        return values.reshape([values.shape[at.index(x)] if x in at else 1 for x in order])

    def product(first: str, second: str) -> Array:
        both = "".join(x for x in letters.values() if x in index[first] + index[second])
        summed = jnp.einsum(f"{index[first]}z,{index[second]}z->{both}", left[first], left[second])
        return spread(summed, both)

    matrix = [[product(a, b) for b in moving[: i + 1]] for i, a in enumerate(moving)]
    right = [spread(left[name] @ target_left, index[name]) for name in moving]
    solution, log_det = solve_positive(matrix, right)
    explained = sum(x * y for x, y in zip(solution, right, strict=True))
    coefficients = dict(zip(moving, solution, strict=True))
    if fixed:
        log_det += 2 * jnp.log(jnp.abs(jnp.diag(triangle))).sum()
        remainder = [target_along[i] for i in range(len(fixed))]
        for name in moving:
            for i in range(len(fixed)):
                remainder[i] = remainder[i] - coefficients[name] * spread(
                    along[name][..., i], index[name]
                )
        for i in reversed(range(len(fixed))):
            above = sum(triangle[i, j] * coefficients[fixed[j]] for j in range(i + 1, len(fixed)))
            coefficients[fixed[i]] = (remainder[i] - above) / triangle[i, i]
    return Fit(
        jnp.broadcast_to(target_left @ target_left - explained, shape),
        jnp.broadcast_to(log_det, shape),
        {name: jnp.broadcast_to(coefficients[name], shape) for name in form.terms},
    )


def _columns(
    law: Law, linear: Sequence[str], inputs: Inputs, values: Mapping[str, Any]
) -> dict[str, Array]:
    """Evaluate the law with one linear parameter 1 and the others 0: what it multiplies."""
    none = {name: jnp.zeros(()) for name in law.terms}
    rows = next(iter(inputs.values())).shape
    return {
        name: jnp.broadcast_to(law(inputs, {**values, **none, name: jnp.ones(())}), rows)
        for name in linear
    }
