"""Weighted least squares in the terms of a law, at every cell of a grid of its exponents.

Given its exponents, Chinchilla's law is linear in E, A and B, so that no search is needed: a few
matrix products give the sums over rows for all cells.
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
from scalingbayes._core.programs import compiled
from scalingbayes.inference.cholesky import solve_positive
from scalingbayes.laws import Law

Inputs = Mapping[str, Float[Array, " rows"]]


class LeastSquares(NamedTuple):
    """Result of least squares at every cell.

    Parameters
    ----------
    sse
        Weighted sum of squared deviations at the best coefficients.
    log_det
        Log determinant of the matrix of the normal equations, the coefficients' precision.
    coefficients
        The best coefficient of each linear parameter.
    """

    sse: Float[Array, "*cells"]
    log_det: Float[Array, "*cells"]
    coefficients: dict[str, Float[Array, "*cells"]]


class LinearForm(NamedTuple):
    """Parameters of a law that is linear in its terms once its exponents are given.

    Parameters
    ----------
    terms
        The parameters that the law is linear in.
    exponents
        The other parameters.
    exponents_of_term
        For each term, the exponents that its factor depends on.
    """

    terms: tuple[str, ...]
    exponents: tuple[str, ...]
    exponents_of_term: tuple[tuple[str, ...], ...]


@cache
def linear_form(law: Law) -> LinearForm:
    """Return the linear form of a law, found by evaluating it at random inputs and values.

    Raises
    ------
    InputError
        If the law is not linear in its terms.
    """
    terms = tuple(law.terms)
    exponents = tuple(name for name in law.parameters if name not in terms)
    random = np.random.default_rng(0)
    inputs = {name: jnp.asarray(random.uniform(0.2, 0.9, 5)) for name in law.inputs}
    values = {name: jnp.asarray(random.uniform(0.2, 0.9)) for name in law.parameters}

    def factors(point: dict[str, Array]) -> dict[str, Array]:
        return _term_factors(law, terms, inputs, {**values, **point})

    if terms and exponents:
        total = sum(values[name] * factor for name, factor in factors({}).items())
        if np.allclose(total, law(inputs, values), rtol=1e-4):
            slopes = jax.jacfwd(factors)({name: values[name] for name in exponents})
            exponents_of_term = (
                tuple(each for each in exponents if np.any(slopes[name][each])) for name in terms
            )
            return LinearForm(terms, exponents, tuple(exponents_of_term))
    raise InputError(
        f"Law {law.name!r}, {law.equation}, is not linear in terms that it declares once its "
        f"exponents are given. A grid of exponents needs a law that is, such as 'chinchilla'. Use "
        f"engine 'nuts' or 'laplace', or evaluate_grid, which take any law."
    )


@partial(compiled, static=("law", "form"))
def fit_cells(
    law: Law,
    form: LinearForm,
    inputs: Inputs,
    response: Float[ArrayLike, " rows"],
    weights: Float[ArrayLike, " rows"],
    axes: dict[str, Float[Array, " _"]],
) -> LeastSquares:
    """Fit the linear parameters at every cell of the exponents' grid.

    Columns that do not depend on any exponent, such as the column of E, are projected out first.
    The remaining columns are far from collinear, so that normal equations are accurate enough.

    Parameters
    ----------
    law
        The law.
    form
        Its linear form.
    inputs, response, weights
        The rows.
    axes
        Values of each exponent. The cells are the product of the axes, in this order.
    """
    root = jnp.sqrt(jnp.asarray(weights))
    exponents_of_term = dict(zip(form.terms, form.exponents_of_term, strict=True))
    columns = {
        name: _term_factor(law, name, exponents, inputs, axes) * root
        for name, exponents in exponents_of_term.items()
    }
    fixed = [name for name in form.terms if not exponents_of_term[name]]
    moving = [name for name in form.terms if exponents_of_term[name]]
    basis, triangle = _orthonormal_basis([columns[name] for name in fixed], root)
    target = jnp.asarray(response) * root
    target_projection = target @ basis
    target_residual = target - basis @ target_projection
    projection = {name: columns[name] @ basis for name in moving}
    residual = {name: columns[name] - projection[name] @ basis.T for name in moving}
    matrix = [
        [
            _product(residual[a], exponents_of_term[a], residual[b], exponents_of_term[b], axes)
            for b in moving[: i + 1]
        ]
        for i, a in enumerate(moving)
    ]
    right = [
        _over_cells(residual[name] @ target_residual, exponents_of_term[name], axes)
        for name in moving
    ]
    solution, log_det = solve_positive(matrix, right)
    explained = sum(x * y for x, y in zip(solution, right, strict=True))
    coefficients = dict(zip(moving, solution, strict=True))
    if fixed:
        log_det += 2 * jnp.log(jnp.abs(jnp.diag(triangle))).sum()
        remainder = [target_projection[i] for i in range(len(fixed))]
        for name in moving:
            for i in range(len(fixed)):
                share = _over_cells(projection[name][..., i], exponents_of_term[name], axes)
                remainder[i] = remainder[i] - coefficients[name] * share
        for i in reversed(range(len(fixed))):
            above = sum(triangle[i, j] * coefficients[fixed[j]] for j in range(i + 1, len(fixed)))
            coefficients[fixed[i]] = (remainder[i] - above) / triangle[i, i]
    shape = tuple(len(values) for values in axes.values())
    return LeastSquares(
        jnp.broadcast_to(target_residual @ target_residual - explained, shape),
        jnp.broadcast_to(log_det, shape),
        {name: jnp.broadcast_to(coefficients[name], shape) for name in form.terms},
    )


def _term_factor(
    law: Law, name: str, exponents: Sequence[str], inputs: Inputs, axes: dict[str, Array]
) -> Float[Array, "*exponents rows"]:
    """Return the factor of a term at every combination of the exponents that it depends on."""
    mesh = jnp.meshgrid(*(axes[each] for each in exponents), indexing="ij")
    points = {each: values.ravel() for each, values in zip(exponents, mesh, strict=True)}
    others = {each: jnp.ones(()) for each in axes if each not in exponents}

    def one(point: dict[str, Array]) -> Array:
        return _term_factors(law, (name,), inputs, {**others, **point})[name]

    return jax.vmap(one)(points).reshape(*mesh[0].shape, -1) if exponents else one({})


def _orthonormal_basis(
    columns: Sequence[Float[Array, " rows"]], like: Float[Array, " rows"]
) -> tuple[Float[Array, "rows columns"], Float[Array, "columns columns"]]:
    """Return the QR factorisation of columns; empty factors of the shape of ``like`` if none."""
    if not columns:
        return jnp.zeros((like.size, 0), like.dtype), jnp.zeros((0, 0), like.dtype)
    return jnp.linalg.qr(jnp.stack(columns, axis=1))


def _over_cells(
    values: Float[Array, "*exponents"], exponents: Sequence[str], axes: Mapping[str, Array]
) -> Float[Array, "*cells"]:
    """Reshape a table over some of the axes so that it broadcasts with the cells."""
    return values.reshape(
        [values.shape[exponents.index(name)] if name in exponents else 1 for name in axes]
    )


def _product(
    first: Float[Array, "*first_exponents rows"],
    first_exponents: Sequence[str],
    second: Float[Array, "*second_exponents rows"],
    second_exponents: Sequence[str],
    axes: Mapping[str, Array],
) -> Float[Array, "*cells"]:
    """Return the inner products of two columns at every cell."""
    letters = dict(zip(axes, string.ascii_lowercase, strict=False))
    first_letters, second_letters = (
        "".join(letters[each] for each in exponents)
        for exponents in (first_exponents, second_exponents)
    )
    both = [name for name in axes if name in first_exponents or name in second_exponents]
    output = "".join(letters[name] for name in both)
    return _over_cells(
        jnp.einsum(f"{first_letters}z,{second_letters}z->{output}", first, second), both, axes
    )


def _term_factors(
    law: Law, linear: Sequence[str], inputs: Inputs, values: Mapping[str, Any]
) -> dict[str, Array]:
    """Return the factor of each term: the law with this term 1 and the other terms 0."""
    none = {name: jnp.zeros(()) for name in law.terms}
    rows = next(iter(inputs.values())).shape
    return {
        name: jnp.broadcast_to(law(inputs, {**values, **none, name: jnp.ones(())}), rows)
        for name in linear
    }
