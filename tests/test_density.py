"""The log density: equal to numpyro's, and unchanged by padding, weights and units."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
from numpyro.infer import Predictive
from numpyro.infer.util import log_density
from plain import bind, bind_default, fit
from scipy import stats

import scalingbayes as sb
from scalingbayes._core.precision import precision
from scalingbayes.inference.mode import find_mode
from scalingbayes.model.bound_model import padded_length
from scalingbayes.model.transforms import (
    last_ratio,
    lengthen_tail,
    log_slope,
    logs_from_ratios,
    ratios_from_logs,
    shorten_tail,
)

PRIORS = {
    "defaults": {},
    "in units": {"E": dist.Normal(1.8, 0.1), "A": dist.LogNormal(6, 1), "beta": dist.Uniform(0, 1)},
    "truncated": {"nu": dist.Gamma(2.0, 0.1)},
}


@pytest.fixture(autouse=True)
def float64():
    with precision("float64"):
        yield


def points(density, rng, count=20, spread=0.7):
    return density.coordinates.center("float64") + jnp.asarray(
        rng.normal(0, spread, (count, len(density.parameters)))
    )


def log_volume(density, point):
    """Log determinant of the map from R^k to the parameters in the table's units."""
    jacobian = jax.jacfwd(lambda p: jnp.stack(list(density.coordinates.in_units(p).values())))(
        point
    )
    return jnp.linalg.slogdet(jacobian)[1]


@pytest.mark.parametrize("priors", PRIORS.values(), ids=PRIORS.keys())
def test_it_is_the_density_of_the_numpyro_model(runs, rng, priors):
    model = bind(runs, priors=priors, weights=rng.integers(0, 3, len(runs)))
    density = model.density("float64")
    differences = []
    for point in points(density, rng):
        theirs, _ = log_density(model.numpyro_model(), (), {}, density.coordinates.in_units(point))
        differences.append(float(density(point) - theirs - log_volume(density, point)))
    # The target is in another unit, its reference value: a constant.
    np.testing.assert_allclose(differences, differences[0], rtol=1e-9)


@pytest.mark.parametrize(
    ("name", "priors"),
    [
        ("kaplan", {}),
        ("kaplan", {"N_c": dist.LogNormal(30, 2)}),
        ("coupled", {"A": dist.LogNormal(5, 1), "E": dist.LogNormal(0, 0.3)}),
        ("m4", {}),
        ("m4", {"e_0": dist.LogNormal(1.3, 0.5)}),
        ("routed", {"b": dist.Normal(-0.1, 0.1), "E_start": dist.LogNormal(0.5, 1)}),
        ("broken(breaks=2)", {"d_1": dist.LogNormal(20, 1)}),
        ("vocabulary", {"E": dist.LogNormal(2.5, 0.5)}),
        ("farseer", {"s": dist.Normal(-0.6, 0.3)}),
        ("downstream", {}),
    ],
    ids=lambda each: each if isinstance(each, str) else "+".join(each) or "defaults",
)
def test_it_is_that_density_for_every_kind_of_parameter(name, priors, rng):
    law = sb.get_law(name)
    table = {x: np.exp(rng.normal(20, 1, 40)) for x, each in law.inputs.items()}
    if "experts" in table:
        table["experts"] = 2.0 ** rng.integers(0, 7, 40)
    if "loss" in table:
        table["loss"] = rng.uniform(2, 4, 40)
    target = {"log": rng.uniform(2, 3), "logit": 0.6, "plain": -3.0}[law.target.scale]
    table[law.target.column] = target * np.exp(0.1 * rng.uniform(-1, 1, 40))
    model = bind(sb.Runs(table), law, priors=priors, weights=rng.integers(0, 3, 40))
    density = model.density("float64")
    both = []
    for point in points(density, rng, 6, spread=0.2):
        theirs, _ = log_density(model.numpyro_model(), (), {}, density.coordinates.in_units(point))
        both.append((density(point), theirs + log_volume(density, point)))
    ours, theirs = np.array(both).T
    # Outside a parameter's range, as for e_0 below e_inf, both are -inf.
    np.testing.assert_array_equal(np.isneginf(ours), np.isneginf(theirs))
    inside = np.isfinite(ours)
    assert inside.sum() > 1
    differences = ours[inside] - theirs[inside]
    np.testing.assert_allclose(differences, differences[0], rtol=1e-6, atol=1e-6)


def test_a_prior_may_have_either_sign_if_the_parameter_may(rng):
    table = {"params": np.geomspace(1e8, 1e10, 30), "tokens": rng.uniform(1e9, 1e11, 30)}
    runs = sb.Runs({**table, "loss": np.linspace(0.7, 0.5, 30)})
    model = bind(runs, "farseer", priors={"s": dist.Normal(-0.06, 0.01)})
    statement = model.describe_priors()["s"]
    assert "above 0" not in statement
    assert "where (s - (0)) / (-(params**-q) / q) > 0" in statement
    center = model.density("float64").coordinates.center("float64")
    assert float(model.density("float64").coordinates.in_units(center)["s"]) == pytest.approx(-0.06)


def test_numpyro_predicts_from_the_models_draws(small_table):
    model = bind(sb.Runs(small_table))
    values = {"E": 1.69, "A": 406.4, "B": 410.7, "alpha": 0.34, "beta": 0.28}
    draws = {name: jnp.full(400, x) for name, x in {**values, "sigma": 0.01, "nu": 5.0}.items()}
    predict = Predictive(model.numpyro_model(observed=False), posterior_samples=draws)
    found = predict(jax.random.key(0))
    np.testing.assert_allclose(found["expected_loss"][0], small_table["loss"], rtol=1e-9)
    np.testing.assert_allclose(jnp.median(found["loss"], 0), small_table["loss"], rtol=0.003)
    assert found["loss"].std() > 0.001


def test_products_of_matrices_keep_the_precision(runs):
    # Accelerators round the factors by default. A CPU does not, so the program's text is checked.
    density = bind_default(runs).density("float32")
    with precision("float32"):
        search = jax.jit(lambda point: find_mode(density, point))
        program = search.lower(density.coordinates.center("float32")).as_text()
    products = [line for line in program.splitlines() if "dot_general" in line]
    assert len(products) > 3
    assert all("precision = [HIGHEST, HIGHEST]" in line for line in products)


def test_padding_changes_nothing(small_table, rng):
    model = bind(sb.Runs(small_table))
    density = model.density("float64")
    assert len(density.likelihood.observed) == 64
    for point in points(density, rng, 5):
        bare = density.log_likelihood(point)[:12].sum() + density.prior(point)
        np.testing.assert_allclose(density(point), bare, rtol=1e-12)
        assert jnp.all(jnp.isfinite(jax.grad(density)(point)))


def test_weights_are_copies_and_hold_outs(small_table, rng):
    runs = sb.Runs(small_table)
    weights = np.array([0, 2, *[1] * 10])
    copied = runs.frame.iloc[[1, *range(1, 12)]]
    with pytest.warns(sb.InputWarning):
        expected = bind(sb.Runs(copied)).density("float64")
    found = bind(runs, weights=weights).density("float64")
    for point in points(found, rng, 5):
        # The two densities have different reference points: compare in the table's units.
        values = found.coordinates.in_units(point)
        same = expected.coordinates.from_units(values)
        for name, value in expected.coordinates.in_units(same).items():
            np.testing.assert_allclose(value, values[name], rtol=1e-10)
        np.testing.assert_allclose(
            found(point) - found.prior(point) - 12 * jnp.log(found.coordinates.reference["loss"]),
            expected(same)
            - expected.prior(same)
            - 12 * jnp.log(expected.coordinates.reference["loss"]),
            rtol=1e-8,
        )


@pytest.mark.parametrize(
    "terms",
    [
        sb.Sum("a"),
        sb.Sum("a", "b"),
        sb.Sum("a", "b", "c", "d", "e"),
        sb.Sum("a", "b", power="0.3"),
        sb.Sum(sb.Sum("a", "b", power="0.3"), "c"),
        sb.Sum("a", sb.Sum("b", sb.Sum("c", "d", power="2.5"), power="0.1"), "e"),
    ],
    ids=str,
)
def test_log_ratios_are_a_map_of_determinant_one(rng, terms):
    def power(part):
        return part.power.constant

    def sum_of(part):
        if isinstance(part, str):
            return jnp.exp(logs[part])
        return sum(sum_of(each) ** (1 / power(part)) for each in part.parts) ** power(part)

    def back(point):
        found = logs_from_ratios(terms, dict(zip(terms, point, strict=True)), power)
        return jnp.stack(list(found.values()))

    logs = {name: jnp.asarray(rng.normal(0, 2)) for name in terms}
    ratios = jnp.stack(list(ratios_from_logs(terms, logs, power).values()))
    np.testing.assert_allclose(back(ratios), list(logs.values()), rtol=1e-9)
    np.testing.assert_allclose(ratios[0], jnp.log(sum_of(terms)), rtol=1e-9)
    np.testing.assert_allclose(abs(jnp.linalg.det(jax.jacfwd(back)(ratios))), 1, rtol=1e-9)


@pytest.mark.parametrize(
    ("terms", "ratio", "over"),
    [
        (sb.Sum("a", "b"), "b", ["a"]),
        (sb.Sum("a", "b", "c"), "c", ["b"]),
        (sb.Sum(sb.Sum("a", "b", power="0.3"), "c"), "b", ["a", "b"]),
        (sb.Sum("a", sb.Sum("b", "c"), "d"), "c", ["b", "c"]),
    ],
    ids=str,
)
def test_the_last_ratio_is_that_of_the_terms_before_to_the_floor(rng, terms, ratio, over):
    def power(part):
        return part.power.constant

    logs = {name: jnp.asarray(rng.normal()) for name in terms}
    assert last_ratio(terms) == ratio
    *_, floor = terms
    more = ratios_from_logs(terms, logs | {floor: logs[floor] - 0.7}, power)
    assert more[ratio] - ratios_from_logs(terms, logs, power)[ratio] == pytest.approx(0.7)
    for name in over:
        moved = ratios_from_logs(terms, logs | {name: logs[name] + 0.1}, power)
        assert moved[ratio] > ratios_from_logs(terms, logs, power)[ratio]


def test_a_lengthened_tail_is_exponential_where_it_was_normal():
    values = jnp.linspace(-60.0, 60.0, 4001)
    lengthened = jax.vmap(lengthen_tail)(values)
    np.testing.assert_allclose(jax.vmap(shorten_tail)(lengthened), values, atol=1e-9)
    slopes = jax.vmap(log_slope)(values)
    np.testing.assert_allclose(
        slopes, jnp.log(jax.vmap(jax.grad(lengthen_tail))(values)), atol=1e-9
    )
    # Far above, a density of exp(-lengthened) bends as a normal one; far below nothing moves.
    bend = jax.grad(jax.grad(lambda x: -lengthen_tail(x) + log_slope(x)))
    assert bend(40.0) == pytest.approx(-1, abs=1e-3)
    np.testing.assert_allclose(lengthened[:1000], values[:1000], atol=1e-9)


def test_padded_lengths_are_few_and_never_waste_half():
    lengths = [padded_length(rows) for rows in range(1, 200_000)]
    assert len(set(lengths[:60_000])) < 25
    assert all(rows <= n <= max(64, 1.5 * rows) for rows, n in enumerate(lengths, start=1))
    assert all(n <= 1.13 * rows for rows, n in list(enumerate(lengths, start=1))[66_000:])
    assert [padded_length(rows) for rows in (64, 65, 97, 240)] == [64, 96, 128, 256]


def test_other_hyperparameters_have_the_same_structure(runs):
    first, second = (
        bind(runs, priors={"alpha": dist.LogNormal(0, scale)}).density("float64")
        for scale in (1, 2)
    )
    assert jax.tree.structure(first) == jax.tree.structure(second)


@pytest.mark.parametrize(
    ("priors", "message"),
    [
        ({"gamma": dist.Normal(0, 1)}, "no parameter 'gamma'"),
        ({"alpha": 0.3}, "must be a numpyro distribution"),
        ({"alpha": dist.Poisson(3)}, "scalar continuous"),
        ({"alpha": dist.Normal(jnp.zeros(2), 1)}, "scalar continuous"),
        ({"alpha": dist.Gumbel(0, 1)}, "mass below 0"),
        ({"alpha": dist.Uniform(-1, 1)}, "mass below 0"),
        ({"nu": dist.Uniform(0, 1)}, "'nu' is above 1 but Uniform has less than 0.001 of its mass"),
        ({"E": dist.Normal(-2, 0.1)}, "'E' is above 0 but Normal has less than 0.001"),
        ({"A": dist.Uniform(-300, -100)}, "mass below 0"),
        ({"alpha": dist.Delta(0.3)}, "scalar continuous"),
        ([dist.Normal(0, 1)], "must map names"),
        ({"alpha": dist.FoldedDistribution(dist.Normal(0, 1))}, "a family with"),
    ],
)
def test_priors_that_cannot_be_used_are_refused(runs, priors, message):
    with pytest.raises(sb.InputError, match=message):
        bind(runs, priors=priors)


@pytest.mark.parametrize(
    "prior",
    [
        dist.Normal(1.8, 0.1),
        dist.StudentT(3.0, 1.8, 0.1),
        dist.Cauchy(1.8, 0.1),
        dist.Laplace(1.8, 0.1),
        dist.Logistic(1.8, 0.1),
        dist.Uniform(0.5, 2.0),
        dist.Exponential(1.0),
        dist.InverseGamma(3.0, 3.0),
    ],
    ids=lambda prior: type(prior).__name__,
)
def test_many_families_serve_as_priors(small_table, prior, rng):
    density = bind(sb.Runs(small_table), priors={"E": prior}).density("float64")
    for point in points(density, rng, 5):
        assert jnp.isfinite(density(point))
        assert density.coordinates.in_units(point)["E"] > 0


def test_the_priors_share_is_one_without_data_and_none_with_much(runs, rng):
    density = bind(runs).density("float64")
    names = list(density.parameters)
    # Draws from the priors, on coordinates on which the priors are normal.
    priors = {"A": (-1.2, 1.5), "B": (-1.2, 1.5), "alpha": (-1.0, 0.8), "sigma": (-4.6, 1.5)}
    logs = {name: rng.normal(*priors.get(name, (0, 1)), 20_000) for name in names}
    found = density.prior.shares(jax.vmap(density.coordinates.from_priors)(logs))
    for name in priors:
        assert found[name] == pytest.approx(1, abs=0.03)
    narrow = density.prior.shares(
        density.coordinates.center("float64") + 1e-3 * rng.normal(size=(100, 7))
    )
    assert all(share < 1e-4 for share in narrow.values())


def test_a_prior_over_the_reals_is_truncated_for_a_positive_parameter(runs):
    model = bind(runs, priors={"E": dist.Normal(1.8, 0.1)})
    assert (
        model.describe_priors()["E"]
        == "E ~ Normal(loc=1.8, scale=0.1), above 0, in the table's units"
    )
    assert "alpha ~ LogNormal(loc=-1, scale=0.8)" in repr(model)


@pytest.mark.parametrize(
    ("prior", "whole"),
    [
        (dist.Gamma(2.0, 0.1), stats.gamma(2, scale=10)),
        (dist.Uniform(0.0, 30.0), stats.uniform(0, 30)),
        (dist.Normal(3.0, 2.0), stats.norm(3, 2)),
    ],
    ids=["Gamma", "Uniform", "Normal"],
)
def test_a_prior_is_truncated_at_the_parameters_lower_bound(runs, prior, whole):
    priors = {"nu": prior}
    assert "above 1, in the table's units" in bind(runs, priors=priors).describe_priors()["nu"]
    drawn = fit(runs, priors=priors, engine="prior", draws=4000, seed=1).values["nu"]
    cut = stats.kstest(drawn.ravel(), lambda x: (whole.cdf(x) - whole.cdf(1)) / whole.sf(1))
    assert cut.pvalue > 0.001


@pytest.mark.parametrize("weights", [[1, 2], [-1] * 240, [np.nan] * 240, ["a"] * 240])
def test_weights_that_cannot_be_used_are_refused(runs, weights):
    with pytest.raises(sb.InputError, match="240 finite numbers from 0 to"):
        bind(runs, weights=weights)
