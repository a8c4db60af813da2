"""Every law in the registry, and Chinchilla's against its paper."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

import scalingbayes as sb
from scalingbayes import allocation
from scalingbayes.laws import LAWS, get_law, power
from scalingbayes.laws.chinchilla import chinchilla, optimum

HOFFMANN = {"E": 1.69, "A": 406.4, "B": 410.7, "alpha": 0.34, "beta": 0.28}

every_law = pytest.mark.parametrize("law", LAWS.values(), ids=LAWS.keys())


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


def draw(law, rng, shape=()):
    """Parameters from the law's priors and inputs about the reference point."""
    values = {}
    for name, parameter in law.parameters.items():
        key = jax.random.key(rng.integers(2**31))
        values[name] = parameter.prior.sample(key, shape)
    inputs = {name: jnp.exp(rng.normal(0, 3, 50)) for name in law.inputs}
    return inputs, values


@every_law
def test_a_law_says_what_it_is(law):
    assert get_law(law.name) is law
    assert law.equation in repr(law)
    assert law.source
    assert all(parameter.description for parameter in law.parameters.values())


@every_law
def test_float32_agrees_with_float64_and_jit_with_eager(law, rng):
    for _ in range(20):
        inputs, values = draw(law, rng)
        exact = law(inputs, values)
        np.testing.assert_allclose(jax.jit(law.__call__)(inputs, values), exact, rtol=1e-12)
        single = law(*jax.tree.map(lambda x: x.astype(jnp.float32), (inputs, values)))
        assert single.dtype == jnp.float32
        np.testing.assert_allclose(single, exact, rtol=1e-4)


@every_law
def test_vmap_agrees_with_broadcasting(law, rng):
    inputs, values = draw(law, rng, (7,))
    looped = jax.vmap(lambda v: law(inputs, v))(values)
    broadcast = law(inputs, {name: value[:, None] for name, value in values.items()})
    np.testing.assert_allclose(looped, broadcast, rtol=1e-12)


@every_law
def test_gradients_are_finite(law, rng):
    for _ in range(20):
        inputs, values = draw(law, rng)
        gradient = jax.grad(lambda v, x=inputs: law(x, v).sum())(values)
        assert all(jnp.isfinite(g) for g in gradient.values())


@every_law
def test_units_carry_a_law_from_the_reference_point_to_the_table(law, rng):
    reference = {name: jnp.exp(rng.normal(5, 5)) for name in (*law.inputs, "loss")}
    inputs, values = draw(law, rng)
    in_units = {
        name: value * law.parameters[name].scale({**reference, **values})
        for name, value in values.items()
    }
    inputs_in_units = {name: x * reference[name] for name, x in inputs.items()}
    np.testing.assert_allclose(
        law(inputs_in_units, in_units), reference["loss"] * law(inputs, values), rtol=1e-9
    )


@every_law
def test_terms_add_up_to_the_loss_at_the_reference_point(law, rng):
    if law.terms:
        _, values = draw(law, rng)
        at_one = law({name: jnp.ones(()) for name in law.inputs}, values)
        np.testing.assert_allclose(at_one, sum(values[name] for name in law.terms), rtol=1e-12)


@given(base=st.floats(1e-12, 1e30), exponent=st.floats(-3, 3))
def test_power_is_the_power(base, exponent):
    np.testing.assert_allclose(float(power(base, exponent)), base**exponent, rtol=1e-11)


def test_chinchilla_is_hoffmanns_equation():
    loss = chinchilla(*jax.tree.map(jnp.asarray, ({"params": 70e9, "tokens": 1.4e12}, HOFFMANN)))
    np.testing.assert_allclose(loss, 1.69 + 406.4 / 70e9**0.34 + 410.7 / 1.4e12**0.28, rtol=1e-12)


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


positive = st.floats(0.05, 2)


@settings(deadline=None)
@given(alpha=positive, beta=positive, A=positive, B=positive, log_compute=st.floats(np.log(6), 60))
def test_the_optimum_is_the_minimum_and_exponents_its_slopes(alpha, beta, A, B, log_compute):
    values = {"E": 1.0, "A": A, "B": B, "alpha": alpha, "beta": beta}
    with jax.enable_x64(True):
        compute = jnp.exp(jnp.array([log_compute]))
        arrays = jax.tree.map(jnp.asarray, values)
        best = allocation.optimum(chinchilla, arrays, compute)
        slopes = allocation.exponents(chinchilla, arrays, compute)

    def excess(log_params):
        log_tokens = log_compute - np.log(6) - log_params
        return np.log(A * np.exp(-alpha * log_params) + B * np.exp(-beta * log_tokens))

    at = float(np.log(best["params"][0]))
    found = minimize_scalar(excess, bounds=(at - 5, at + 5), options={"xatol": 1e-10})
    assert excess(at) <= found.fun + 1e-12
    np.testing.assert_allclose(slopes["a"], beta / (alpha + beta), rtol=1e-9)
    np.testing.assert_allclose(slopes["a"] + slopes["b"], 1, rtol=1e-9)
    np.testing.assert_allclose(best["tokens_per_param"], best["tokens"] / best["params"])


def parameter(unit="1"):
    return sb.Parameter("", dist.LogNormal(0, 1), unit)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"E": parameter()}, "takes the parameters .'A', 'E'. but .'E'. are declared"),
        ({"E": parameter(), "A": parameter("size")}, "unit of 'A' names .'size'."),
        ({"E": parameter("loss"), "A": parameter("loss**E")}, "unit of 'A' names .'E'."),
    ],
    ids=["not declared", "unknown unit", "unit with a unit"],
)
def test_a_law_is_checked_when_it_is_defined(parameters, message):
    def loss(tokens, *, E, A):
        return E + A / tokens

    with pytest.raises(TypeError, match=message):
        sb.Law("mine", loss, parameters, equation="", source="")


def test_terms_must_be_parameters():
    def loss(tokens, *, E):
        return E + 1 / tokens

    with pytest.raises(TypeError, match=r"terms name .'B'., no parameters"):
        sb.Law("mine", loss, {"E": parameter()}, equation="", source="", terms=("E", "B"))


def test_a_law_must_not_share_a_name_with_the_noise(small_table):
    def loss(tokens, *, nu):
        return nu / tokens

    law = sb.Law("mine", loss, {"nu": parameter()}, equation="", source="")
    with pytest.raises(sb.InputError, match="both have parameters called nu"):
        sb.build_model(sb.Runs(small_table), law)


def test_an_unknown_law_lists_what_there_is(small_table):
    with pytest.raises(sb.InputError, match=r"no law 'chinchila'\. Did you mean 'chinchilla'"):
        sb.fit(small_table, law="chinchila")


def test_a_law_of_ones_own_is_fitted(rng, tmp_path):
    def loss(tokens, *, E, B, beta):
        return E + B * power(tokens, -beta)

    law = sb.Law(
        "tokens only",
        loss,
        {
            "E": sb.Parameter("floor", dist.HalfNormal(1.0), unit="loss"),
            "B": sb.Parameter("weight", dist.LogNormal(0, 2), unit="loss * tokens**beta"),
            "beta": sb.Parameter("exponent", dist.LogNormal(-1, 1)),
        },
        equation="L = E + B/D^beta",
        source="this test",
    )
    tokens = np.geomspace(1e8, 1e12, 30)
    noise = np.exp(0.003 * rng.standard_normal(30))
    runs = {"tokens": tokens, "loss": (2 + 5e3 / tokens**0.4) * noise}
    post = sb.fit(runs, law=law, draws=500)
    assert post.verdict.passed, str(post.verdict)
    for name, truth in {"E": 2, "beta": 0.4}.items():
        row = post.summary().loc[name]
        assert abs(row["mean"] - truth) < 4 * row["sd"]
    with pytest.raises(sb.InputError, match="no compute-optimal"):
        post.exponents()
    post.save(tmp_path / "post.nc")
    with pytest.raises(sb.InputError, match=r"no law 'tokens only'.*register"):
        sb.load(tmp_path / "post.nc")
    with pytest.raises(sb.InputError, match=r"holds a fit of L = E .* B/D.beta"):
        sb.load(tmp_path / "post.nc", law="chinchilla")
    assert sb.load(tmp_path / "post.nc", law=law).law is law
