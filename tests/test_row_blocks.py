"""Sums over the rows of a large table, block by block."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from plain import bind, bind_default
from scipy import stats
from simulation import simulate

import scalingbayes as sb
from scalingbayes._core import row_blocks
from scalingbayes._core.precision import precision
from scalingbayes._core.row_blocks import sum_over_rows
from scalingbayes.inference.mode import find_mode
from scalingbayes.model.allowance import LIKELIHOOD_POWERS, ROW_EXPONENTS, Allowance

ROWS = 180  # padded to 192


@pytest.fixture(autouse=True)
def float64():
    with precision("float64"):
        yield


@pytest.fixture
def small_blocks(monkeypatch):
    """Sum 192 rows in six blocks."""
    monkeypatch.setattr(row_blocks, "rows_at_once", lambda: 32)


def scattered(density, rng, count=4):
    center = density.coordinates.center("float64")
    return center + jnp.asarray(rng.normal(0, 0.3, (count, len(center))))


def test_a_sum_has_the_value_and_the_derivatives_of_a_closed_form(small_blocks, rng):
    """The sum of exp(a x + b) and of its square over x, with blocks of two axes."""
    x = rng.normal(size=192)

    def of_rows(values, rows):
        each = jnp.exp(values["a"] * rows["x"][0] + values["b"] + 0 * jnp.log(rows["x"][1] ** 2))
        return {"sum": each.sum(), "squares": [(each**2).sum()]}

    def total(a, b):
        found = sum_over_rows(of_rows, {"a": a, "b": b}, {"x": jnp.stack([x, x])})
        return found["sum"] + 3 * found["squares"][0]

    e = np.exp(0.3 * x - 0.2)
    assert total(0.3, -0.2) == pytest.approx(np.sum(e + 3 * e**2), rel=1e-13)
    by_a, by_b = jax.jit(jax.grad(total, (0, 1)))(0.3, -0.2)
    assert by_a == pytest.approx(np.sum(x * e + 6 * x * e**2), rel=1e-12)
    assert by_b == pytest.approx(np.sum(e + 6 * e**2), rel=1e-12)
    second = jax.hessian(total)(0.3, -0.2)
    assert second == pytest.approx(np.sum(x**2 * e + 12 * x**2 * e**2), rel=1e-12)
    many = jax.vmap(total, (0, None))(jnp.array([0.3, 0.1]), -0.2)
    assert many[0] == pytest.approx(np.sum(e + 3 * e**2), rel=1e-13)


def test_the_density_is_scipys_sum_over_the_rows(small_blocks, rng):
    table, weights = simulate(rng, ROWS), rng.integers(0, 3, ROWS)
    density = bind(sb.Runs(table), weights=weights).density("float64")
    differences = []
    for point in scattered(density, rng):
        at = {name: float(x) for name, x in density.coordinates.in_units(point).items()}
        expected = at["E"] + at["A"] / table["params"] ** at["alpha"]
        expected += at["B"] / table["tokens"] ** at["beta"]
        residual = np.log(table["loss"] / expected) / at["sigma"]
        rows = stats.t.logpdf(residual, at["nu"]) - np.log(at["sigma"])
        differences.append(float(density(point) - density.prior(point)) - weights @ rows)
    assert np.ptp(differences) < 1e-7  # a constant apart: the unit of the observed value


def test_blocks_change_neither_gradient_nor_mode(monkeypatch, rng):
    table = simulate(rng, ROWS) | {"se": np.full(ROWS, 0.01)}
    noise = "student_t(varying=compute, error=se)"
    density = bind_default(sb.Runs(table), "chinchilla", noise=noise).density("float64")
    points = scattered(density, rng)

    def found():
        def each(density, point):
            return jax.value_and_grad(density)(point), find_mode(density, point)

        return jax.tree.leaves(jax.jit(jax.vmap(each, (None, 0)))(density, points))

    whole = found()
    monkeypatch.setattr(row_blocks, "rows_at_once", lambda: 32)
    for ours, expected in zip(found(), whole, strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-6, atol=1e-5)


def test_blocks_do_not_change_a_mixture(monkeypatch, rng):
    model = bind(sb.Runs(simulate(rng, ROWS)))
    shape = len(ROW_EXPONENTS), len(LIKELIHOOD_POWERS)
    noise = {"sigma": np.array([0.01, 0.02, 0.03]), "nu": np.array([3.0, 5.0, 9.0])}
    uniform = np.full(shape, 1 / np.prod(shape))
    allowance = Allowance(uniform, np.zeros(shape), noise, 0.5, np.zeros((0, *shape)))
    mixture = replace(model, allowance=allowance).mixture("float64")
    point = mixture.density.coordinates.center("float64")
    whole = jax.jit(jax.value_and_grad(mixture))(point)
    monkeypatch.setattr(row_blocks, "rows_at_once", lambda: 32)
    for ours, expected in zip(jax.jit(jax.value_and_grad(mixture))(point), whole, strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-9)


def test_memory_does_not_grow_with_the_rows_but_for_what_is_kept_of_them(rng):
    """Of 1,048,576 rows: the table, its logarithms, and less than a megabyte for each block."""

    def needed(rows):
        density = bind(sb.Runs(simulate(rng, rows))).density("float64")
        point = density.coordinates.center("float64")
        compiled = jax.jit(lambda d, p: jax.value_and_grad(d)(p)).lower(density, point).compile()
        return compiled.memory_analysis().temp_size_in_bytes / (8 * rows)

    assert needed(1 << 20) < needed(1 << 16) / 2
