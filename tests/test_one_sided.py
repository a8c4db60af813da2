"""Noise that makes runs worse than the law: compared with SciPy, quadrature and simulation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain import calibrate, fit, fit_many
from scipy import integrate, special, stats

import scalingbayes as sb
from scalingbayes._core.one_sided import NormalPlusExcess, StudentTOrExcess, erfcx
from scalingbayes._core.precision import precision
from scalingbayes.inference.mode import working_rows
from scalingbayes.laws import get_law
from scalingbayes.model.noise_models import get_noise

A_TRUE = 0.28 / 0.62


def isoflop_table(rng, rows=48, failed=0.0, excess=0.3, undertuned=0.0):
    """Simulate eight IsoFLOP budgets on Chinchilla's law with runs that are too high."""
    compute = np.repeat(np.geomspace(1e18, 1e21, 8), rows // 8)
    params = 0.5 * np.sqrt(compute / 6) * np.exp(rng.uniform(-1.2, 1.2, rows))
    tokens = compute / 6 / params
    error = 0.005 * rng.standard_normal(rows)
    error += (rng.random(rows) < failed) * rng.exponential(excess, rows)
    error += undertuned * rng.exponential(1.0, rows)
    loss = (1.69 + 406.4 / params**0.34 + 410.7 / tokens**0.28) * np.exp(error)
    return {"params": params, "tokens": tokens, "loss": loss}


def emg(sigma, excess):
    return stats.exponnorm(excess / sigma, scale=sigma)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-6), ("float64", 3e-14)])
def test_erfcx_agrees_with_scipy(dtype, tolerance):
    x = np.concatenate([[0.0], np.geomspace(1e-6, 1e8, 2000)]).astype(dtype)
    with precision(dtype):
        found = np.asarray(erfcx(jnp.asarray(x)))
    assert found.dtype == dtype
    np.testing.assert_allclose(found, special.erfcx(x.astype(float)), rtol=tolerance)


@settings(deadline=None, max_examples=60)
@given(st.floats(-8, 20), st.floats(-3, 3), st.floats(-6, 6))
def test_the_density_is_the_exponentially_modified_gaussian(z, log_sigma, log_ratio):
    sigma, excess = np.exp(log_sigma), np.exp(log_sigma + log_ratio)
    with precision("float64"):
        found = NormalPlusExcess(*map(jnp.asarray, (0.0, sigma, excess))).log_prob(z * sigma)
    assert float(found) == pytest.approx(emg(sigma, excess).logpdf(z * sigma), rel=1e-7, abs=1e-7)


@jax.jit
def log_density_and_slopes(x, excess):
    """Return the log density and its first two derivatives; compiled once for each precision."""

    def log_density(x):
        return NormalPlusExcess(jnp.zeros_like(x), 1.0, excess).log_prob(x)

    slope = jax.grad(log_density)
    return log_density(x), jax.vmap(slope)(x), jax.vmap(jax.grad(slope))(x)


@pytest.mark.parametrize("excess", [1e-5, 0.1, 1.0, 30.0, 1e4])
def test_float32_is_stable_far_into_the_tails(excess):
    """The density and two derivatives in float32 agree with those in float64."""
    z = np.linspace(-300, 300, 1201)
    found = []
    for dtype in ("float32", "float64"):
        with precision(dtype):
            found.append(log_density_and_slopes(jnp.asarray(z, dtype), jnp.asarray(excess, dtype)))
    for single, double in zip(*found, strict=True):
        np.testing.assert_allclose(single, double, rtol=2e-4, atol=2e-5)


def test_the_excess_vanishes_in_the_limit():
    z = np.linspace(-5, 5, 21)
    with precision("float64"):
        found = NormalPlusExcess(*map(jnp.asarray, (0.0, 1.0, 1e-7))).log_prob(jnp.asarray(z))
    np.testing.assert_allclose(found, stats.norm.logpdf(z), atol=1e-5)


@pytest.mark.parametrize("sign", [1, -1])
def test_draws_have_the_density_of_their_distribution(sign):
    with precision("float64"):
        one_sided = NormalPlusExcess(*map(jnp.asarray, (2.0, 0.1, 0.3)), sign)
        failures = StudentTOrExcess(*map(jnp.asarray, (4.0, 2.0, 0.1, 0.2, 0.5)), sign)
        x = np.linspace(-60.0, 64.0, 400_001)
        for each in (one_sided, failures):
            draws = sign * (np.asarray(each.sample(jax.random.key(0), (20_000,))) - 2)
            density = np.exp(np.asarray(each.log_prob(jnp.asarray(2 + sign * x))))
            cdf = integrate.cumulative_trapezoid(density, x, initial=0)
            # Student's t has 1e-6 of its mass beyond the range of the quadrature.
            assert cdf[-1] == pytest.approx(1, abs=1e-5)
            assert stats.kstest(draws, lambda v, c=cdf: np.interp(v, x, c)).pvalue > 1e-3


def test_the_excess_follows_the_sign_of_the_target():
    values = {"sigma": jnp.asarray(0.01), "excess": jnp.asarray(1.0)}
    for law, sign in {"chinchilla": 1, "downstream": 1, "accuracy": -1}.items():
        noise = get_noise("one_sided", get_law(law))
        scatter = noise.about(jnp.zeros(()), values, {})
        assert sign * float(scatter.sample(jax.random.key(1), (100,)).mean()) > 0.5, law
        assert ("- Exponential" in noise.equation) == (sign < 0)


@pytest.mark.parametrize("noise", ["one_sided", "failures(varying=compute)"])
def test_working_rows_have_the_gradient_of_the_likelihood(noise, rng):
    model = sb.Model("chinchilla", noise).bind(isoflop_table(rng, failed=0.2))
    with precision("float64"):
        density = model.density("float64")
        point = density.coordinates.center(float)
        location = density.location(point)
        rows = working_rows(density, point, location)

        def total(location):
            return density.weights @ density.log_likelihood_at(location, point)

        slopes = jax.grad(total)(location)
    np.testing.assert_allclose(rows.precision * rows.deviation, slopes, rtol=1e-9, atol=1e-12)
    counted = np.asarray(density.weights) > 0
    assert (np.asarray(rows.precision)[counted] > 0).all()


@pytest.mark.slow
def test_engines_agree_on_failures(rng):
    """NUTS, importance sampling and a grid of exponents have the same posterior."""
    table = isoflop_table(rng, failed=0.15)
    found = {
        engine: fit(table, noise="failures", engine=engine, draws=draws)
        for engine, draws in {"nuts": 500, "laplace": 2000, "grid": 2000}.items()
    }
    means = {engine: post.exponents()["a"].mean() for engine, post in found.items()}
    sd = float(found["nuts"].exponents()["a"].std())
    # 700 effective draws or more: the standard error of a mean is below 0.04 sd.
    assert abs(means["nuts"] - means["laplace"]) < 0.2 * sd
    assert abs(means["nuts"] - means["grid"]) < 0.2 * sd


@pytest.mark.slow
def test_failed_runs_bend_the_law_less():
    """The error of a from tables with 15 % failed runs is smaller than with Student's t."""
    rng = np.random.default_rng(7)
    tables = [isoflop_table(rng, failed=0.15) for _ in range(30)]

    def error(noise):
        posts = fit_many(tables, noise=noise, engine="laplace", draws=500)
        a = posts.exponents()["a"].median(("chain", "draw")).to_numpy()
        inside = [
            low < A_TRUE < high
            for low, high in posts.exponents().interval(0.9)["a"].transpose(..., "bound").to_numpy()
        ]
        return np.sqrt(np.mean((a - A_TRUE) ** 2)), np.mean(inside)

    normal, _ = error("normal")
    failures, coverage = error("failures")
    assert failures < 0.5 * normal
    # Of 30 intervals, fewer than 21 hold the truth with probability 1/500 if 90 % do.
    assert coverage >= 0.7


@pytest.mark.slow
def test_one_sided_noise_finds_the_level_of_well_tuned_runs():
    rng = np.random.default_rng(5)
    table = isoflop_table(rng, rows=96, undertuned=0.05)
    where = {"params": 1e9, "tokens": 2e10}
    truth = 1.69 + 406.4 / 1e9**0.34 + 410.7 / 2e10**0.28
    predicted = fit(table, noise="one_sided", engine="laplace").predict(**where)
    low, high = predicted.interval(0.99)["expected"].to_numpy().ravel()
    assert low < truth < high
    two_sided = fit(table, noise="student_t", engine="laplace").predict(**where)
    assert float(two_sided["expected"].quantile(0.005)) > truth
    # Observed runs are above the law by the excess, whose mean is 0.05.
    gap = np.log(predicted["observed"] / predicted["expected"]).mean()
    assert float(gap) == pytest.approx(0.05, abs=0.02)


@pytest.mark.slow
@pytest.mark.parametrize("noise", ["one_sided", "failures"])
def test_posteriors_are_calibrated(noise):
    found = calibrate(
        None, "chinchilla", noise=noise, tables=100, engine="nuts", seed=4, exact=True
    )
    assert found.verdict.passed, str(found.verdict)


@pytest.mark.slow
def test_skewed_residuals_are_pointed_out(rng):
    clean = sb.check(fit(isoflop_table(rng), engine="laplace"))
    assert clean.verdict.passed
    assert "skewed" not in str(clean.verdict)
    table = isoflop_table(rng, failed=0.2, excess=0.1)
    skewed = sb.check(fit(table, engine="laplace"))
    assert skewed.summary().loc["skewness towards worse runs", "p_value"] < 0.05
    assert "noise='failures'" in str(skewed.verdict)
    assert "keep='best'" in str(skewed.verdict)
    mended = sb.check(fit(table, noise="failures", engine="laplace"))
    assert mended.summary().loc["skewness towards worse runs", "p_value"] > 0.05
