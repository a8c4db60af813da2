"""Averages of laws: compared with mixtures of their draws in NumPy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from plain import fit
from simulation import simulate

import scalingbayes as sb
from scalingbayes._core.precision import precision, to_device
from scalingbayes.combine.average import apportion

WEIGHTS = {"chinchilla": 0.25, "coupled": 0.75, "spare": 0.0}


@pytest.fixture(scope="module")
def posts():
    runs = sb.Runs(simulate(np.random.default_rng(11), 60, sigma=0.02))
    names = ("chinchilla", "coupled")
    found = {name: fit(runs, name, engine="laplace", draws=2000) for name in names}
    return {**found, "spare": fit(runs, engine="laplace", draws=2000, seed=1)}


@pytest.fixture(scope="module")
def mixed(posts):
    return sb.average(posts, WEIGHTS, seed=5)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6).filter(lambda w: sum(w) > 0.01))
def test_draws_are_apportioned_by_weight(weights):
    weights = np.array(weights)
    counts = apportion(weights, 1000)
    assert counts.sum() == 1000
    assert (np.abs(counts - 1000 * weights / weights.sum()) < 1).all()
    assert (counts[weights == 0] == 0).all()


def of_all(posts, quantity):
    """Return a quantity of each law in the mixture."""
    return {name: quantity(posts[name]) for name in ("chinchilla", "coupled")}


@pytest.mark.parametrize(
    ("ask", "name"),
    [
        (lambda post: post.exponents(), "a"),
        (lambda post: post.exponents([1e22]), "b"),
        (lambda post: post.allocate(1e24), "params"),
        (lambda post: post.predict(params=7e10, tokens=1.4e12), "observed"),
        (lambda post: sb.cheapest_run(post, 2.3), "tokens"),
        (lambda post: sb.overtrain(post, 0.8), "tokens_factor"),
        (lambda post: sb.smallest_size(post), "size_factor"),
    ],
)
def test_intervals_are_those_of_the_mixture(posts, mixed, ask, name):
    estimate = ask(mixed)
    assert dict(estimate.draws.sizes)["draw"] == 2000
    lower, upper = estimate.interval(0.8)[name].to_numpy().ravel()
    draws = of_all(posts, lambda post: ask(post).draws[name].to_numpy().ravel())
    for bound, tail in ((lower, 0.1), (upper, 0.9)):
        below = sum(WEIGHTS[law] * (x < bound).mean() for law, x in draws.items())
        # The share of 2,000 draws below a 10 % quantile has a standard error of 0.0067.
        assert below == pytest.approx(tail, abs=4 * 0.0067)
    # Every draw is a draw of one law, in proportion to the weights.
    values = estimate.draws[name].to_numpy().ravel()
    for law, x in draws.items():
        assert np.isin(values, x).sum() == pytest.approx(2000 * WEIGHTS[law], abs=1)


@pytest.mark.slow
def test_the_plan_has_the_smallest_expected_loss_over_all_laws(posts):
    weights = {"chinchilla": 0.3, "kaplan": 0.7}
    kaplan = fit(posts["chinchilla"].runs, "kaplan", engine="laplace", draws=2000)
    both = {"chinchilla": posts["chinchilla"], "kaplan": kaplan}
    found = sb.plan(sb.average(both, weights), 1e23, regret=0.05)
    size = found.run["params"]
    assert 6 * size * found.run["tokens"] == pytest.approx(1e23, rel=1e-12)
    alone = {law: sb.plan(post, 1e23).run["params"] for law, post in both.items()}
    sizes = np.geomspace(min(alone.values()) / 10, 10 * max(alone.values()), 2001)

    def losses(post, at):
        values = {name: x.reshape(-1, 1) for name, x in post.values.items()}
        run = {"params": at, "tokens": 1e23 / 6 / at}
        with precision("float64"):
            return np.asarray(post.law(to_device(run, "float64"), to_device(values, "float64")))

    each = {law: losses(post, sizes) for law, post in both.items()}
    means = sum(weights[law] * x.mean(0) for law, x in each.items())
    least = sum(weights[law] * x.min(1).mean() for law, x in each.items())
    best = sizes[means.argmin()]
    assert size == pytest.approx(best, rel=0.01)
    assert min(abs(np.log(best / other)) for other in alone.values()) > 0.03
    mild = sizes[means - least <= 0.05]
    np.testing.assert_allclose(found.within, (mild[0], mild[-1]), rtol=0.02)
    # The draws of the outcome are those of the laws, in proportion to the weights.
    outcome = found.outcome.draws["loss"].to_numpy().ravel()
    for law, post in both.items():
        own = losses(post, np.array([size]))[:, 0]
        taken = np.abs(outcome[:, None] - own).min(1) < 1e-9
        assert taken.sum() == pytest.approx(2000 * weights[law], abs=1)


@pytest.mark.parametrize("ask", [sb.frontier_gap, sb.data_exhaustion])
def test_decisions_for_a_single_law_refuse_an_average(mixed, ask):
    with pytest.raises(sb.InputError, match="Pass one of the average's posteriors"):
        ask(mixed)


def test_the_same_seed_gives_the_same_draws(posts, mixed):
    again = sb.average(posts, WEIGHTS, seed=5).exponents().draws
    assert again.identical(mixed.exponents().draws)
    other = sb.average(posts, WEIGHTS, seed=6).exponents().draws
    assert not np.array_equal(other["a"], again["a"])


def test_shared_parameters_are_summarised(posts, mixed):
    summary = mixed.summary(0.5)
    assert {"E", "alpha", "sigma"} <= set(summary.index)
    assert not {"k", "A"} & set(summary.index)  # A has another meaning in the other law
    pooled = of_all(posts, lambda post: post.values["E"].mean())
    expected = sum(WEIGHTS[law] * mean for law, mean in pooled.items())
    assert summary.loc["E", "median"] == pytest.approx(expected, rel=0.1)
    assert summary.attrs["verdict"] == mixed.verdict.word
    assert "eti50_lb" in summary


def test_the_title_has_the_weights(mixed):
    assert repr(mixed).startswith("Average of 2 laws: chinchilla 25%, coupled 75%")
    assert "chinchilla 25%, coupled 75%" in repr(mixed.exponents())
    assert list(mixed.posteriors) == ["chinchilla", "coupled"]
    assert mixed.weights == WEIGHTS


@pytest.mark.slow
def test_weights_can_come_from_a_comparison(posts):
    comparison = sb.compare(posts)
    by_comparison, by_default = sb.average(posts, comparison), sb.average(posts)
    assert by_comparison.weights == pytest.approx(comparison.weights)
    by_largest = sb.compare(posts, by="largest")
    assert by_largest.independent_looks > 1
    assert by_default.weights == pytest.approx(by_largest.weights)
    assert sum(by_comparison.weights.values()) == pytest.approx(1)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"chinchilla": 1.0}, "for 'chinchilla', 'coupled', 'spare'; got 'chinchilla'"),
        (3, "weights must be numbers by name"),
        (dict.fromkeys(WEIGHTS, 0.0), "not all 0"),
        ({**WEIGHTS, "spare": -1.0}, "non-negative finite numbers"),
        ({**WEIGHTS, "spare": np.nan}, r"weights\['spare'\] must be a finite number"),
        ({**WEIGHTS, "spare": "much"}, r"weights\['spare'\] must be a finite number"),
    ],
)
def test_invalid_weights_are_refused(posts, weights, message):
    with pytest.raises(sb.InputError, match=message):
        sb.average(posts, weights)


def test_errors_name_laws_that_differ(posts):
    runs = posts["chinchilla"].runs
    law = "power_law(x=compute)"
    both = {"chinchilla": posts["chinchilla"], law: fit(runs, law, engine="laplace", draws=2000)}
    half = sb.average(both, dict.fromkeys(both, 0.5))
    with pytest.raises(sb.InputError, match=r"power_law\(x=compute\) do not divide compute"):
        half.allocate(1e24)
    with pytest.raises(sb.InputError, match=r"must read the same inputs.*compute"):
        half.predict(params=1e9, tokens=1e10)
    with pytest.raises(sb.InputError, match=r"None of .* reads 'unique_tokens'"):
        sb.average(posts, WEIGHTS).exponents(unique_tokens=1e9)
    with pytest.raises(sb.InputError, match="posteriors must be a mapping by name"):
        sb.average([])
