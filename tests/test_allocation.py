"""The compute-optimal allocation: closed forms, the numerical optimum, and what lacks one."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain import draw_near, fit
from scipy.optimize import minimize_scalar

import scalingbayes as sb
from scalingbayes import allocation, plots
from scalingbayes.laws import LAWS, Budget, get_law
from scalingbayes.laws.chinchilla import optimum

positive = st.floats(0.05, 2)
CLOSED = [name for name in LAWS if get_law(name).optimum is not None]


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


def test_hoffmanns_allocation_of_gophers_budget():
    # Table A3 of the paper: 40.0 billion params for Gopher's 5.76e23 FLOPs by approach 3, with
    # the unrounded parameters that it was made from.
    unrounded = {
        "E": np.exp(0.5267228),
        "A": np.exp(6.0073404),
        "B": np.exp(6.0179186),
        "alpha": 0.33917084,
        "beta": 0.2849083,
    }
    params, tokens = optimum(jnp.asarray(5.76e23), **jax.tree.map(jnp.asarray, unrounded))
    np.testing.assert_allclose(params, 40.0e9, rtol=0.03)
    np.testing.assert_allclose(6 * params * tokens, 5.76e23, rtol=1e-12)
    # G and the exponents 0.46 and 0.54 of the paper's equation 4 and table 2.
    a = unrounded["beta"] / (unrounded["alpha"] + unrounded["beta"])
    assert round(a, 2) == 0.46
    ratio = unrounded["alpha"] * unrounded["A"] / (unrounded["beta"] * unrounded["B"])
    G = ratio ** (1 / (unrounded["alpha"] + unrounded["beta"]))
    np.testing.assert_allclose(params, G * (5.76e23 / 6) ** a, rtol=1e-10)


def test_gopher_should_have_been_four_times_smaller_on_four_times_the_tokens(post):
    # Gopher: 280 billion params, 300 billion tokens; Chinchilla: 70 billion, 1.4 trillion.
    best = post.allocate(5.76e23).interval(0.9)
    assert 280e9 / best["params"].sel(bound="upper") > 3
    assert 280e9 / best["params"].sel(bound="lower") < 6
    assert best["tokens"].sel(bound="lower") / 300e9 > 3
    assert best["tokens"].sel(bound="upper") / 300e9 < 6
    assert best["params"].sel(bound="lower") < 70e9 < best["params"].sel(bound="upper")


@settings(deadline=None)
@given(alpha=positive, beta=positive, A=positive, B=positive, log_compute=st.floats(np.log(6), 60))
def test_the_optimum_is_the_minimum_and_exponents_its_slopes(alpha, beta, A, B, log_compute):
    values = {"E": 1.0, "A": A, "B": B, "alpha": alpha, "beta": beta}
    with jax.enable_x64(True):
        compute = jnp.exp(jnp.array([log_compute]))
        arrays = jax.tree.map(jnp.asarray, values)
        best = allocation.optimum(get_law("chinchilla"), arrays, compute, {})
        slopes = allocation.exponents(get_law("chinchilla"), arrays, compute, {})

    def excess(log_params):
        log_tokens = log_compute - np.log(6) - log_params
        return np.log(A * np.exp(-alpha * log_params) + B * np.exp(-beta * log_tokens))

    at = float(np.log(best["params"][0]))
    found = minimize_scalar(excess, bounds=(at - 5, at + 5), options={"xatol": 1e-10})
    assert excess(at) <= found.fun + 1e-12
    np.testing.assert_allclose(slopes["a"], beta / (alpha + beta), rtol=1e-9)
    np.testing.assert_allclose(slopes["a"] + slopes["b"], 1, rtol=1e-9)
    np.testing.assert_allclose(best["tokens_per_param"], best["tokens"] / best["params"])


@pytest.mark.parametrize("name", CLOSED)
def test_the_numerical_optimum_is_the_closed_form(name, rng):
    law = get_law(name)
    numerical = replace(law, optimum=None)
    exponent = dict.fromkeys(("alpha", "beta", "eta", "alpha_N", "alpha_D"), (0.1, 0.5))
    ranges = {**exponent, "k": (0.5, 2.0), "E": (1.0, 2.0)}
    values = {
        p: jnp.asarray(
            np.exp(rng.uniform(3, 7, 20)) if p not in ranges else rng.uniform(*ranges[p], 20)
        )
        for p in law.parameters
    }
    compute = jnp.asarray([1e14, 1e20, 1e26])
    for function in (allocation.optimum, allocation.exponents):
        exact, found = (function(each, values, compute, {}) for each in (law, numerical))
        for key, value in exact.items():
            np.testing.assert_allclose(found[key], value, rtol=1e-8)


def test_other_inputs_are_fixed_and_change_the_optimum():
    # Given the granularity, Krajewski's law is Chinchilla's with g / G^gamma + a for A.
    published = {"a": 18.1, "alpha": 0.115, "b": 30.8, "beta": 0.147}
    published |= {"g": 2.1, "gamma": 0.58, "c": 0.47}
    values = jax.tree.map(jnp.asarray, published)
    compute = jnp.asarray([1e20, 1e23])
    for granularity in (1.0, 16.0):
        found = allocation.optimum(
            replace(get_law("fine_grained_moe"), budget=Budget()),
            values,
            compute,
            {"granularity": jnp.asarray(granularity)},
        )
        weight = 2.1 / granularity**0.58 + 18.1
        as_chinchilla = {"E": 0.47, "A": weight, "B": 30.8, "alpha": 0.115, "beta": 0.147}
        params, _ = optimum(compute, **jax.tree.map(jnp.asarray, as_chinchilla))
        np.testing.assert_allclose(found["params"], params, rtol=1e-8)


def test_a_law_that_bends_far_away_has_its_optimum_near():
    # Farseer's law decreases again at very few tokens: that is not the optimum.
    values = {"s": -0.062465473, "q": 0.13, "S": 0.1284880679, "B": 230.7343708, "b": -0.1729}
    values |= {"Q": -1.544209554, "A": -1.665630816, "a": 0.0459, "E": 3.133347199}
    law = get_law("farseer")

    def loss(log_params, compute):
        run = {"params": np.exp(log_params), "tokens": compute / 6 / np.exp(log_params)}
        return float(law(*jax.tree.map(jnp.asarray, (run, values))))

    budgets = np.array([1e20, 1e23])
    found = allocation.optimum(law, jax.tree.map(jnp.asarray, values), jnp.asarray(budgets), {})
    for budget, params in zip(budgets, found["params"], strict=True):
        best = minimize_scalar(loss, bounds=(17, 26), args=(budget,), options={"xatol": 1e-9})
        np.testing.assert_allclose(np.log(params), best.x, atol=1e-5)


def test_a_law_without_a_minimum_has_a_nan_optimum():
    # If more data do not help, the optimal model is infinite: NaN, which Posterior refuses.
    values = {"E": 1.0, "A": 400.0, "B": 0.0, "alpha": 0.3, "beta": 0.3}
    law = replace(get_law("chinchilla"), optimum=None)
    found = allocation.optimum(law, jax.tree.map(jnp.asarray, values), jnp.asarray([1e20]), {})
    assert np.isnan(found["params"]).all()


@pytest.fixture(scope="module")
def repeated(rng_module):
    params, ratio = np.exp(rng_module.uniform(18, 23, (2, 60)) - [[0], [18]])
    tokens = params * ratio
    unique = tokens / np.exp(rng_module.uniform(0, 3, 60))
    values = {"E": 1.87, "A": 521.0, "B": 1488.0, "alpha": 0.35, "beta": 0.35}
    law, stars = get_law("data_constrained"), {"R_D_star": 15.0, "R_N_star": 5.0}
    with jax.enable_x64(True):
        inputs = {"params": params, "tokens": tokens, "unique_tokens": unique}
        expected = law(*jax.tree.map(jnp.asarray, (inputs, {**values, **stars})))
    table = {**inputs, "loss": np.asarray(expected)}
    return draw_near(table, "data_constrained", {**values, **stars})


@pytest.fixture(scope="module")
def rng_module():
    return np.random.default_rng(20230525)


def test_a_law_of_more_than_size_and_tokens_asks_for_the_rest(repeated):
    for ask in (lambda **more: repeated.allocate(1e22, **more), repeated.exponents):
        with pytest.raises(sb.InputError, match=r"also reads unique_tokens: give unique_tokens="):
            ask()
        with pytest.raises(sb.InputError, match=r"unique_tokens must be posit"):
            ask(unique_tokens=-1)
    with pytest.raises(sb.InputError, match="unique_tokens must be one number"):
        ask(unique_tokens=[1e9, 2e9])
    scarce, plenty = (repeated.allocate(1e22, unique_tokens=u).draws for u in (1e9, 1e13))
    assert (scarce["loss"] > plenty["loss"]).all()
    # Unlimited data leave Chinchilla's optimum, in closed form.
    v = {name: values[..., None] for name, values in repeated.values.items()}
    chinchilla = {name: jnp.asarray(v[name]) for name in ("E", "A", "B", "alpha", "beta")}
    params, _ = optimum(jnp.asarray(1e22), **chinchilla)
    np.testing.assert_allclose(plenty["params"], params, rtol=1e-8)
    slope = repeated.exponents(unique_tokens=1e13).draws
    np.testing.assert_allclose(
        slope["a"], repeated.values["beta"] / (repeated.values["alpha"] + repeated.values["beta"]),
        rtol=1e-6,
    )  # fmt: skip


def test_deepseeks_scale_of_a_model_is_allocated(runs):
    table = runs.frame[["params", "tokens", "loss"]].assign(
        flops_per_token=6 * runs.frame["params"]
    )
    post = fit(table, law="deepseek", engine="laplace")
    found = post.allocate(1e22)
    assert "C = 1 flops_per_token tokens" in found.title
    np.testing.assert_allclose(
        found.draws["flops_per_token"] * found.draws["tokens"], 1e22, rtol=1e-12
    )
    assert "tokens_per_param" not in found.draws
    assert float(post.exponents().median()["a"]) == pytest.approx(0.511, abs=0.003)
    assert plots.plot_frontier(post).get_ylabel().startswith("flops_per_token: ")


def test_a_law_without_size_and_tokens_allocates_nothing(runs):
    post = fit(runs, law="power_law(x=compute)", engine="prior", draws=20)
    with pytest.raises(sb.InputError, match="does not read params and tokens"):
        post.allocate(1e22)
    with pytest.raises(sb.InputError, match="does not divide compute"):
        plots.plot_frontier(post)
