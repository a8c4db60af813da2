"""Every law of the registry, families of laws, and laws that a user defines."""

import html

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpyro.distributions import constraints
from plain import bind, fit
from registry import NAMES, TOKENS, place

import scalingbayes as sb
from scalingbayes._core.domains import FRACTION, POSITIVE
from scalingbayes.laws import LAWS, get_law, power
from scalingbayes.laws.base.priors import exponent, floor, weight

HOFFMANN = {"E": 1.69, "A": 406.4, "B": 410.7, "alpha": 0.34, "beta": 0.28}

every_law = pytest.mark.parametrize("law", [get_law(name) for name in NAMES], ids=NAMES)

# Laws whose terms add up only approximately to the loss at the reference point.
ROUGH_TERMS = (
    "data_constrained",
    "hyperparameter_bowl",
    "kaplan_steps(batch",
    "m4",
    "overtrained",
    "precision",
    "algorithmic_progress",
)


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


def ones(law):
    return dict.fromkeys((*law.inputs, law.target.column), 1.0)


def test_counts_beyond_what_jax_holds_are_taken_as_numbers():
    law = get_law("chinchilla")
    values = {"E": 1.7, "A": 400.0, "B": 410.0, "alpha": 0.34, "beta": 0.28}
    for tokens in (np.array([10**12]), 10**12):
        there = {name: jnp.asarray(value) for name, value in values.items()}
        found = law({"params": np.array([7 * 10**10]), "tokens": tokens}, there)
        by_hand = 1.7 + 400 * 7e10**-0.34 + 410 * 1e12**-0.28
        np.testing.assert_allclose(found, by_hand, rtol=1e-5)


def draw_numbers(law, rng, shape=()):
    """Draw from the law's priors, without the rarest values, where single precision ends."""
    return {
        name: jnp.asarray(
            np.quantile(
                parameter.prior.sample(jax.random.key(rng.integers(2**31)), (10_000,)),
                rng.uniform(0.005, 0.995, shape),
            )
        )
        for name, parameter in law.parameters.items()
    }


def draw_inputs(law, rng, spread=3.0, count=50):
    """Draw inputs about the reference point and, with a large spread, far outside any data."""
    inputs = {}
    for name, each in law.inputs.items():
        if each.domain.upper == 1:
            values = rng.uniform(0, 0.99, count)
        elif each.domain.lower == 0:
            values = np.exp(rng.normal(0, spread, count))
            if each.unit == "1":
                values = TOKENS * values if name == "tokens" else np.maximum(values, 1)
        else:
            values = rng.uniform(2010, 2030, count)
        inputs[name] = jnp.asarray(values)
    return inputs


def draw(law, rng, shape=()):
    return draw_inputs(law, rng), place(law, draw_numbers(law, rng, shape), ones(law))


@every_law
def test_a_law_says_what_it_is(law):
    assert get_law(law.name) is law
    assert law.equation in repr(law)
    assert law.source in html.unescape(law._repr_html_())
    assert all(name in repr(law) for name in (*law.inputs, *law.parameters))
    assert all(parameter.description for parameter in law.parameters.values())
    assert all(each.description for each in law.inputs.values())


@every_law
def test_float32_agrees_with_float64_and_jit_with_eager(law, rng):
    for _ in range(10):
        inputs, values = draw(law, rng)
        exact = law(inputs, values)
        np.testing.assert_allclose(jax.jit(law.__call__)(inputs, values), exact, rtol=1e-10)
        single = law(*jax.tree.map(lambda x: jnp.asarray(x, jnp.float32), (inputs, values)))
        assert single.dtype == jnp.float32
        representable = jnp.abs(exact) < 1e30
        exact, single = exact[representable], single[representable]
        # Laws that may cross 0 are accurate relative to their largest value.
        atol = 1e-4 * float(jnp.abs(exact).max())
        np.testing.assert_allclose(single, exact, rtol=1e-3, atol=atol)


@every_law
def test_vmap_agrees_with_broadcasting(law, rng):
    inputs, values = draw(law, rng, (7,))
    looped = jax.vmap(lambda v: law(inputs, v))(values)
    broadcast = law(inputs, {name: value[:, None] for name, value in values.items()})
    np.testing.assert_allclose(looped, broadcast, rtol=1e-10)


@every_law
def test_gradients_are_finite_near_and_far(law, rng):
    @jax.jit
    def gradient(numbers, inputs):
        return jax.grad(lambda n: law(inputs, place(law, n, ones(law))).sum())(numbers)

    # An exponential of exponentials overflows beyond inputs of about e^9.
    for spread in [*[3.0] * 20, *[3.0 if law.name == "farseer" else 15.0] * 20]:
        found = gradient(draw_numbers(law, rng), draw_inputs(law, rng, spread))
        assert all(jnp.isfinite(g) for g in found.values()), found


@every_law
def test_the_law_falls_in_what_it_must(law, rng):
    expect = jax.jit(lambda inputs, values: law(inputs, values))
    for name in law.decreasing:
        for _ in range(20):
            inputs, values = draw(law, rng)
            further = {**inputs, name: inputs[name] * (1 + rng.exponential())}
            before, after = expect(inputs, values), expect(further, values)
            assert jnp.all(after <= before * (1 + 1e-12) + 1e-12), name


@every_law
def test_units_carry_a_law_from_the_reference_point_to_the_table(law, rng):
    for _ in range(5):
        sizes = {name: jnp.exp(rng.normal(5, 5)) for name in (*law.inputs, law.target.column)}
        reference = {
            name: 1.0 if each.unit == "1" else sizes[each.unit or name]
            for name, each in law.inputs.items()
        }
        column = law.target.column
        if column not in reference:
            reference[column] = 1.0 if law.target.scale == "logit" else sizes[column]
        inputs, numbers = draw_inputs(law, rng), draw_numbers(law, rng)
        at_one = law(inputs, place(law, numbers, ones(law)))
        in_units = law(
            {name: x * reference[name] for name, x in inputs.items()},
            place(law, numbers, reference),
        )
        np.testing.assert_allclose(in_units, reference[column] * at_one, rtol=1e-7)


@every_law
def test_terms_add_up_to_the_loss_at_the_reference_point(law, rng):
    if not law.terms.parts or law.name.startswith(ROUGH_TERMS):
        pytest.skip("no terms, or rough ones")
    numbers = draw_numbers(law, rng)

    def total(part):
        if isinstance(part, str):
            real = law.parameters[part].prior.support is constraints.real
            return jnp.exp(numbers[part]) if real else numbers[part]
        p = float(part.power.evaluate(numbers))
        return sum(total(each) ** (1 / p) for each in part.parts) ** p

    at_one = {
        name: jnp.asarray(1.0 if x.domain == POSITIVE else 0.0) for name, x in law.inputs.items()
    }
    if law.inputs.get("tokens") and law.inputs["tokens"].unit == "1":
        at_one["tokens"] = jnp.asarray(TOKENS)
    values = place(law, numbers, ones(law))
    floor = values["E"] if law.name == "vocabulary" else 0.0  # its terms are the part above -E
    np.testing.assert_allclose(law(at_one, values) + floor, total(law.terms), rtol=1e-9)


def test_the_catalogue_lists_every_law_and_its_options():
    table = sb.list_laws()
    assert list(table.index) == list(LAWS)
    assert table.loc["power_law", "options"] == "x='params', floor=True, target='loss'"
    assert table.loc["coupled", "options"] == ""


def test_a_family_gives_the_same_law_for_the_same_options():
    law = sb.get_law("power_law", x="tokens")
    assert law is sb.get_law("power_law(x=tokens)")
    assert law is get_law("power_law(x='tokens', floor=True)")
    assert law.name == "power_law(x='tokens')"
    assert law.inputs.keys() == {"tokens"}
    assert sb.get_law("chinchilla(tied=false)") is sb.get_law("chinchilla")
    assert sb.get_law("accuracy", chance=np.float64(0.25)).name == "accuracy(chance=0.25)"
    assert sb.get_law("mixture(domains=[a, b])") is sb.get_law("mixture", domains=("a", "b"))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: sb.get_law("power_law", y="tokens"),
            "no option 'y' of law 'power_law'.*'x', 'floor'",
        ),
        (lambda: sb.get_law("coupled", tied=True), "no option 'tied' of law 'coupled'"),
        (lambda: sb.get_law("power_law(x="), "cannot be read as a law with options"),
        (lambda: sb.get_law("power_law(tokens)"), r"write it as power_law\(x=tokens\)"),
        (
            lambda: sb.get_law(sb.get_law("power_law"), x="tokens"),
            "no option 'x' of law 'power_law'",
        ),
        (
            lambda: sb.get_law("power_law", floor=1),
            "floor of law 'power_law' must be True or False",
        ),
        (lambda: sb.get_law("power_law", x=3), "x of law 'power_law' must be a name; got 3"),
        (
            lambda: sb.get_law("power_law", x="my col"),
            "must be a name made of letters.*rename the column",
        ),
        (lambda: sb.get_law("power_law", x="alpha"), "no law power_law.*need different names"),
        (lambda: sb.get_law("power_law", x="loss"), "predicts 'loss' from itself"),
        (lambda: sb.get_law("m4", scale="foo"), "the scale of a target must be one of"),
        (
            lambda: sb.get_law("accuracy", chance="high"),
            "chance of law 'accuracy' must be a number",
        ),
        (lambda: sb.get_law("hyperparameters", by=()), "needs a column to be a power law of"),
        (
            lambda: sb.get_law("broken", breaks=0),
            "breaks of law .broken. must be a whole number from 1 to 20; got 0",
        ),
        (lambda: sb.get_law("mixture", domains=("web",)), "two columns or more"),
        (lambda: sb.get_law("accuracy", chance=1.0), "chance must be from 0 to below 1"),
    ],
)
def test_options_that_cannot_be_used_are_refused(call, message):
    with pytest.raises(sb.InputError, match=message):
        call()


@given(base=st.floats(1e-12, 1e30), exponent=st.floats(-3, 3))
def test_power_is_the_power(base, exponent):
    np.testing.assert_allclose(float(power(base, exponent)), base**exponent, rtol=1e-11)


def test_chinchilla_is_hoffmanns_equation():
    run = {"params": 70e9, "tokens": 1.4e12}
    loss = get_law("chinchilla")(*jax.tree.map(jnp.asarray, (run, HOFFMANN)))
    np.testing.assert_allclose(loss, 1.69 + 406.4 / 70e9**0.34 + 410.7 / 1.4e12**0.28, rtol=1e-12)


def parameter(unit="1"):
    return sb.Parameter("", dist.LogNormal(0, 1), unit)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"E": parameter()}, "takes the parameters .'A', 'E'. but .'E'. are declared"),
        ({"E": parameter(), "A": parameter("size")}, "power of 'A' names .'size'."),
        ({"E": parameter("A"), "A": parameter("E")}, "depend on each other"),
    ],
    ids=["not declared", "unknown unit", "units in a circle"],
)
def test_a_law_is_checked_when_it_is_defined(parameters, message):
    def loss(tokens, *, E, A):
        return E + A / tokens

    with pytest.raises(sb.InputError, match=message):
        sb.Law("mine", loss, parameters, equation="", source="")


def test_a_plain_function_is_registered_as_a_family():
    def mine(x: str = "tokens"):
        return sb.get_law("power_law", x=x)

    try:
        sb.register(mine)
        assert sb.get_law("mine(x=params)") is sb.get_law("mine", x="params")
        assert sb.get_law("mine").name == "mine"
    finally:
        LAWS.pop("mine")


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"tokens": sb.Input("a share", FRACTION)}, "give it unit='1'"),
        ({"tokens": sb.Input("some", unit="words")}, "nor an input with a unit of its own"),
        ({"words": sb.Input("words")}, "declares .'words'., which the function does not take"),
    ],
)
def test_inputs_are_checked_when_a_law_is_defined(inputs, message):
    def loss(tokens, *, E):
        return E + 1 / tokens

    with pytest.raises(sb.InputError, match=message):
        sb.Law("mine", loss, {"E": parameter()}, equation="", source="", inputs=inputs)


def test_terms_must_be_parameters():
    def loss(tokens, *, E):
        return E + 1 / tokens

    with pytest.raises(sb.InputError, match=r"terms names .'B'., which it does not have"):
        sb.Law("mine", loss, {"E": parameter()}, equation="", source="", terms=sb.Sum("E", "B"))


def test_a_law_must_not_share_a_name_with_the_noise(small_table):
    def loss(tokens, *, nu):
        return nu / tokens

    law = sb.Law("mine", loss, {"nu": parameter("loss * tokens")}, equation="", source="")
    with pytest.raises(sb.InputError, match="both have parameters called nu"):
        bind(sb.Runs(small_table), law)


def test_an_unknown_law_lists_what_there_is(small_table):
    with pytest.raises(sb.InputError, match=r"no law 'chinchila'\. Did you mean 'chinchilla'"):
        fit(small_table, law="chinchila")


def test_a_law_is_registered_in_a_few_lines_and_allocates(rng):
    def loss(params, tokens, *, E, A, r, alpha):
        return E + A * (1 / params + r / tokens) ** alpha

    parameters = {
        "E": floor(),
        "A": weight("finite scale", "loss * params**alpha"),
        "r": sb.Parameter("tokens worth a param", dist.LogNormal(0.0, 2.0), "tokens / params"),
        "alpha": exponent("scale"),
    }
    equation = "L = E + A (1/N + r/D)^alpha"
    try:
        sb.register(sb.Law("one_power", loss, parameters, equation=equation, source="this test"))
        params, tokens = np.exp(rng.uniform(18, 22, 40)), np.exp(rng.uniform(21, 26, 40))
        observed = 1.8 + 300 * (1 / params + 20 / tokens) ** 0.35
        noise = np.exp(0.003 * rng.standard_normal(40))
        table = {"params": params, "tokens": tokens, "loss": observed * noise}
        post = fit(table, law="one_power", engine="laplace")
    finally:
        LAWS.pop("one_power")
    # At the optimum 1/N = r/D: there are r tokens per param, and a = b = 1/2.
    found = post.allocate([1e20, 1e24]).draws
    for ratio in found["tokens_per_param"].to_numpy().transpose(2, 0, 1):
        np.testing.assert_allclose(ratio, post.values["r"], rtol=1e-7)
    np.testing.assert_allclose(post.exponents().draws["a"], 0.5, rtol=1e-7)
    assert abs(np.median(post.values["r"]) - 20) < 4 * post.values["r"].std()


@pytest.mark.slow
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
    post = fit(runs, law=law, draws=500)
    assert post.verdict.passed, str(post.verdict)
    for name, truth in {"E": 2, "beta": 0.4}.items():
        assert abs(post[name].mean() - truth) < 4 * post[name].std()
    with pytest.raises(sb.InputError, match="no compute-optimal"):
        post.exponents()
    post.save(tmp_path / "post.nc")
    with pytest.raises(sb.InputError, match=r"no law 'tokens only'.*register"):
        sb.load(tmp_path / "post.nc")
    with pytest.raises(sb.InputError, match=r"holds a fit of L = E .* B/D.beta"):
        sb.load(tmp_path / "post.nc", law="chinchilla")
    assert sb.load(tmp_path / "post.nc", law=law).law is law
