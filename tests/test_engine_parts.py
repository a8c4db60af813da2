"""Parts that engines are made of, against NumPy and SciPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain import bind, fit
from registry import NAMES, TOKENS
from scipy import integrate, stats
from simulation import rounded_laplace

import scalingbayes as sb
from scalingbayes._core.distributions import RoundedLaplace, StudentT
from scalingbayes._core.precision import precision
from scalingbayes.inference.cholesky import solve_positive
from scalingbayes.inference.linear import fit_cells, linear_form


def test_a_grid_needs_a_law_that_is_linear_in_its_terms(runs):
    with pytest.raises(sb.InputError, match="is not linear in terms that it declares"):
        fit(runs, law="coupled", engine="grid")


def test_a_grid_of_too_many_exponents_is_refused(rng):
    table = {name: np.exp(rng.uniform(1, 3, 60)) for name in sb.get_law("sparse_moe").inputs}
    table |= {"sparsity": rng.uniform(0, 0.9, 60), "loss": rng.uniform(2, 3, 60)}
    with (
        pytest.warns(sb.InputWarning, match="looks like"),
        pytest.raises(sb.InputError, match=r"has 5 exponents, .* Use engine 'nuts' or"),
    ):
        fit(table, law="sparse_moe", engine="grid")


@pytest.mark.parametrize(
    "name",
    ["chinchilla", "chinchilla(tied=True)", "power_law(x=tokens)", "fine_grained_moe", "parallel"],
)
def test_cells_are_those_of_least_squares(name, rng):
    law = sb.get_law(name)
    form = linear_form(law)
    linear, exponents = form.terms, form.exponents
    inputs = {
        name: np.exp(abs(x) if each.unit == "1" else x)  # counts, of 1 or more
        for (name, each), x in zip(law.inputs.items(), rng.normal(0, 1.5, (9, 40)), strict=False)
    }
    observed, weights = rng.uniform(1, 3, 40), rng.integers(0, 3, 40) * rng.uniform(0.5, 2, 40)
    axes = {each: np.sort(rng.uniform(0.15, 1.2, 3 + i)) for i, each in enumerate(exponents)}
    with precision("float64"):
        found = jax.tree.map(
            np.asarray,
            fit_cells(
                law,
                form,
                {each: jnp.asarray(x) for each, x in inputs.items()},
                jnp.asarray(observed),
                jnp.asarray(weights),
                {each: jnp.asarray(x) for each, x in axes.items()},
            ),
        )
        shape = tuple(map(len, axes.values()))
        assert found.sse.shape == found.log_det.shape == shape
        for cell in rng.permutation(np.prod(shape))[:20]:
            place = np.unravel_index(cell, shape)
            point = {each: axes[each][i] for each, i in zip(exponents, place, strict=True)}
            none = dict.fromkeys(law.terms, 0.0)
            columns = [
                law(
                    jax.tree.map(jnp.asarray, inputs),
                    jax.tree.map(jnp.asarray, {**point, **none, each: 1.0}),
                )
                for each in linear
            ]
            design = np.stack([np.broadcast_to(x, 40) for x in columns], 1)
            design *= np.sqrt(weights)[:, None]
            best, sse, rank, spans = np.linalg.lstsq(design, observed * np.sqrt(weights))
            assert rank == len(linear)
            ours = [found.coefficients[each][place] for each in linear]
            np.testing.assert_allclose(ours, best, rtol=1e-8, atol=1e-8 * abs(best).max())
            np.testing.assert_allclose(found.sse[place], sse[0], rtol=1e-8)
            np.testing.assert_allclose(found.log_det[place], 2 * np.log(spans).sum(), atol=1e-8)


@settings(deadline=None)  # the first of each size is compiled
@given(dim=st.integers(1, 7), log_spread=st.floats(0, 3), seed=st.integers(0, 2**32 - 1))
def test_small_equations_are_solved_as_numpy_solves_them(dim, log_spread, seed):
    random = np.random.default_rng(seed)
    rotation = np.linalg.qr(random.standard_normal((dim, dim)))[0]
    matrix = (rotation * 10 ** random.uniform(-log_spread, log_spread, dim)) @ rotation.T
    matrix = (matrix + matrix.T) / 2
    right = random.standard_normal(dim)
    with precision("float64"):
        solution, log_det = jax.jit(solve_positive)(matrix, right)
    expected = np.linalg.solve(matrix, right)
    # The condition number is at most 1e6.
    np.testing.assert_allclose(solution, expected, rtol=1e-7, atol=1e-8 * abs(expected).max())
    np.testing.assert_allclose(log_det, np.linalg.slogdet(matrix)[1], rtol=1e-8, atol=1e-8)


def test_small_equations_may_come_in_batches(rng):
    roots = rng.standard_normal((2, 3, 5, 5))
    matrices, rights = roots @ roots.swapaxes(2, 3) + np.eye(5), rng.standard_normal((2, 3, 5))
    with precision("float64"):
        lower = [[jnp.asarray(matrices[..., i, j]) for j in range(i + 1)] for i in range(5)]
        solution, log_det = solve_positive(lower, [rights[..., i] for i in range(5)])
    expected = np.linalg.solve(matrices, rights[..., None])[..., 0]
    np.testing.assert_allclose(np.stack(solution, axis=-1), expected, rtol=1e-9)
    np.testing.assert_allclose(log_det, np.linalg.slogdet(matrices)[1], rtol=1e-9)


@pytest.mark.parametrize(("dtype", "rtol"), [("float64", 1e-9), ("float32", 2e-5)])
@pytest.mark.parametrize(
    ("loc", "scale", "tip"), [(0.3, 0.005, 1e-3), (-1.0, 1.0, 1e-3), (2.0, 0.01, 1.0)]
)
def test_a_rounded_laplace_is_a_density_with_hubers_shape(loc, scale, tip, dtype, rtol):
    half = 40 * max(scale, np.sqrt(tip * scale))
    breaks = [loc, loc - tip, loc + tip]
    ends = (loc - half, loc + half)
    total = integrate.quad(rounded_laplace, *ends, (loc, scale, tip), points=breaks, limit=500)[0]
    away = np.geomspace(tip / 100, half, 200)
    x = np.concatenate([[loc], loc - away, loc + away])
    with precision(dtype):
        at = tuple(jnp.asarray(v) for v in (loc, scale, tip))
        found = np.asarray(RoundedLaplace(*at).log_prob(jnp.asarray(x)))
    assert found.dtype == dtype
    if dtype == "float32":  # rounding of the deviation itself
        x = x.astype("float32").astype(float)
        loc = float(np.float32(loc))
    huber = np.where(abs(x - loc) < tip, (x - loc) ** 2 / 2, tip * (abs(x - loc) - tip / 2)) / (
        tip * scale
    )
    np.testing.assert_allclose(found, -huber - np.log(total), rtol=rtol, atol=10 * rtol)


@pytest.mark.parametrize(("scale", "tip"), [(0.005, 1e-3), (0.01, 0.02), (1.0, 50.0)])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_rounded_laplace_draws_from_its_density(scale, tip, dtype):
    with precision(dtype):
        noise = RoundedLaplace(jnp.asarray(0.0), jnp.asarray(scale), tip)
        draws = np.asarray(noise.sample(jax.random.key(5), (20_000,)), float)
    half = 30 * max(scale, np.sqrt(tip * scale))
    x = np.linspace(-half, half, 200_001)
    cdf = integrate.cumulative_trapezoid(rounded_laplace(x, 0.0, scale, tip), x, initial=0)
    pvalue = stats.kstest(draws, lambda at: np.interp(at, x, cdf / cdf[-1])).pvalue
    assert pvalue > 0.01 / 6


@pytest.mark.parametrize(("dtype", "atol"), [("float64", 1e-9), ("float32", 1e-3)])
def test_students_t_is_scipys(dtype, atol, rng):
    x, nu = rng.standard_cauchy(500), np.exp(rng.uniform(0, np.log(1000), 500))
    with precision(dtype):
        found = StudentT(jnp.asarray(nu), 0.3, 0.7).log_prob(jnp.asarray(x))
        assert found.dtype == dtype
    np.testing.assert_allclose(found, stats.t.logpdf(x, nu, 0.3, 0.7), rtol=atol, atol=atol)


@pytest.mark.parametrize("name", NAMES)
def test_points_come_back_from_units_and_from_the_reference_point(name, rng):
    law = sb.get_law(name)
    table: dict[str, np.ndarray] = {}
    for column, each in law.inputs.items():
        if each.domain.upper == 1:
            table[column] = rng.uniform(0.05, 0.9, 40)
        elif each.unit == "1":
            table[column] = (TOKENS if column == "tokens" else 1) * 2.0 ** rng.integers(0, 7, 40)
        else:
            table[column] = np.exp(rng.normal(22, 1, 40) + 10 * (column == "compute"))
    target = {"log": 2.5, "logit": 0.6, "plain": -3.0}[law.target.scale]
    table[law.target.column] = target * np.exp(0.1 * rng.uniform(-1, 1, 40))
    with precision("float64"):
        density = bind(sb.Runs(table), law).density("float64")
        for _ in range(3):
            point = density.coordinates.center("float64") + rng.normal(
                0, 0.5, len(density.parameters)
            )
            for back in (
                density.coordinates.from_units(density.coordinates.in_units(point)),
                density.coordinates.from_reference(density.coordinates.at_reference(point)),
            ):
                np.testing.assert_allclose(back, point, rtol=1e-6, atol=1e-6)
