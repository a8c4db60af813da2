"""Plans under uncertainty and over-training: closed forms, published figures and brute force."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain import fit
from scipy.optimize import brentq

import scalingbayes as sb
from scalingbayes._core.precision import precision, to_device
from scalingbayes.decisions import overtraining
from scalingbayes.laws import get_law

HOFFMANN = {"E": 1.69, "A": 406.4, "B": 410.7, "alpha": 0.34, "beta": 0.28}
DE_VRIES = {**HOFFMANN, "alpha": 0.336, "beta": 0.283}  # less rounded, to meet table A3
COST = sb.costs.Proportional().serve(1e12)


@pytest.fixture(scope="module")
def post(runs):
    return fit(runs, engine="laplace", draws=400)


def tokens_factor(values, compute, factors):
    """k_D of De Vries 2023, by the package's search."""
    G = (values["alpha"] * values["A"] / (values["beta"] * values["B"])) ** (
        1 / (values["alpha"] + values["beta"])
    )
    a = values["beta"] / (values["alpha"] + values["beta"])
    size = G * (compute / 6) ** a
    run = {"params": size, "tokens": compute / 6 / size}
    with precision("float64"):
        found = overtraining._tokens_factor(
            get_law("chinchilla"),
            to_device(values, "float64"),
            to_device(run, "float64"),
            {},
            to_device(np.asarray(factors), "float64"),
        )
        return np.asarray(found), run


def de_vries(values, run, factors):
    """k_D = (1 - (k_N^-alpha - 1) A N^-alpha / (B D^-beta))^(-1/beta)."""
    terms = values["A"] * run["params"] ** -values["alpha"]
    terms /= values["B"] * run["tokens"] ** -values["beta"]
    inside = 1 - (np.asarray(factors) ** -values["alpha"] - 1) * terms
    with np.errstate(divide="ignore", over="ignore"):
        return np.maximum(inside, 0.0) ** (-1 / values["beta"])


@settings(deadline=None, max_examples=40)
@given(
    alpha=st.floats(0.05, 2),
    beta=st.floats(0.05, 2),
    worth=st.floats(-2, 0),
    more=st.floats(-2, 2),
    log_compute=st.floats(np.log(1e17), np.log(1e27)),
)
def test_tokens_of_a_smaller_model_are_de_vries(alpha, beta, worth, more, log_compute):
    # Terms of the order of the floor: far below it a loss says nothing of tokens, for rounding.
    compute = np.exp(log_compute)
    size = np.sqrt(compute / 120)
    values = {"A": np.exp(worth) * size**alpha, "B": np.exp(worth + more) * (20 * size) ** beta}
    values |= {"E": 1.0, "alpha": alpha, "beta": beta}
    factors = np.array([0.5, 0.75, 0.9, 1.0, 1.5, 3.0])
    found, run = tokens_factor(values, compute, factors)
    expected = de_vries(values, run, factors)
    usual = expected < 1e3
    np.testing.assert_allclose(found[usual], expected[usual], rtol=1e-8)
    # k_D does not depend on the budget.
    other, _ = tokens_factor(values, compute * 1.5, factors)
    np.testing.assert_allclose(other[usual], found[usual], rtol=1e-8)


def test_a_model_at_half_to_a_third_of_the_size_costs_de_vries_overhead():
    # "Go smol or go home": 2.8 % more compute at 75 % of the size, 20 % at 50 %, 188 %
    # at 25 %, 10 to 42 % at 60 to 40 %, about 100 % at 30 %, and 12 % at Llama 7B's 57 %.
    factors = np.array([0.75, 0.5, 0.25, 0.6, 0.4, 0.3, 0.57])
    found, _ = tokens_factor(DE_VRIES, 5.76e23, factors)
    published = [0.028, 0.20, 1.88, 0.10, 0.42, 1.0, 0.12]
    np.testing.assert_allclose(factors * found - 1, published, rtol=0.06)


def test_twice_the_compute_is_at_a_third_of_the_size_and_the_asymptote_at_a_tenth():
    # By the closed form of k_D, with SciPy's root; the asymptote is where its bracket is 0.
    _, run = tokens_factor(DE_VRIES, 5.76e23, [1.0])
    by_hand = brentq(lambda k: k * de_vries(DE_VRIES, run, k) - 2, 0.2, 0.9)
    assert by_hand == pytest.approx(0.306, abs=0.001)
    with precision("float64"):
        ask = to_device((DE_VRIES, run, {}, sb.costs.Proportional()), "float64")
        twice, asymptote = (
            float(np.exp(overtraining._log_size_factor(get_law("chinchilla"), *ask, overhead)))
            for overhead in (1.0, np.inf)
        )
    assert twice == pytest.approx(by_hand, rel=1e-9)
    assert asymptote == pytest.approx(0.0974, abs=0.0001)


def test_overtraining_is_the_closed_form_draw_by_draw(post):
    found = sb.overtrain(post, [0.1, 0.5, 1.0, 2.0], compute=1e21)
    best = post.allocate(1e21).draws.isel(compute=0)
    v = {name: x[..., None] for name, x in post.values.items()}
    run = {name: best[name].to_numpy()[..., None] for name in ("params", "tokens")}
    expected = de_vries(v, run, found.draws["size_factor"].to_numpy())
    np.testing.assert_allclose(found.draws["tokens_factor"], expected, rtol=1e-6)
    np.testing.assert_allclose(
        found.draws["overhead"], expected * found.draws["size_factor"].to_numpy() - 1, atol=1e-6
    )
    smallest = found.smallest_size.draws
    terms = v["A"] * run["params"] ** -v["alpha"] / (v["B"] * run["tokens"] ** -v["beta"])
    least = (1 + 1 / terms) ** (-1 / v["alpha"])
    np.testing.assert_allclose(smallest["size_factor"], least[..., 0], rtol=1e-6)
    np.testing.assert_allclose(smallest["params"], (least * run["params"])[..., 0], rtol=1e-6)
    half = sb.size_for_overhead(post, 0.5, 1e21).draws
    needed = de_vries(v, run, half["size_factor"].to_numpy()[..., None])[..., 0]
    np.testing.assert_allclose(half["size_factor"] * needed, 1.5, rtol=1e-6)
    np.testing.assert_allclose(half["tokens"], needed * run["tokens"][..., 0], rtol=1e-6)
    assert "Twice the compute at" in repr(found)


def test_sizes_below_the_smallest_one_have_a_note(post):
    found = sb.overtrain(post, [0.05, 1.0])
    assert np.isinf(found.draws["tokens_factor"].sel(size_factor=0.05)).all()
    assert "no number of tokens reaches the loss in 100% of the draws" in repr(found)
    assert not found.summary().isna().any().any()


def losses_along(post, sizes, compute, served=0.0):
    """Return the loss that each draw expects of each size, with NumPy."""
    v = {name: x.reshape(-1, 1) for name, x in post.values.items()}
    tokens = (compute - 2 * sizes * served) / (6 * sizes)
    return v["E"] + v["A"] * sizes ** -v["alpha"] + v["B"] * tokens ** -v["beta"]


@pytest.mark.parametrize("served", [0.0, 1e12])
def test_the_plan_has_the_least_expected_loss(post, served):
    found = sb.plan(post, 1e24, COST if served else None, regret=0.005)
    size = found.run["params"]
    spent = 6 * size * found.run["tokens"] + 2 * size * served
    assert spent == pytest.approx(1e24, rel=1e-12)
    sizes = size * np.exp(np.linspace(-1.2, 1.2, 4801))
    losses = losses_along(post, sizes, 1e24, served)
    means = losses.mean(0)
    # Near its lowest point the mean is flat: a millionth of the loss is within 0.2 % of the size.
    assert abs(np.log(sizes[means.argmin()] / size)) < 0.002
    outcome = found.outcome.draws
    np.testing.assert_allclose(outcome["loss"].mean(), means[2400], rtol=1e-9)
    # The best of each draw is on the grid too, or nearly: its regret is not less than none.
    regret = losses[:, 2400] - losses.min(1)
    np.testing.assert_allclose(outcome["regret"].to_numpy().ravel(), regret, atol=2e-6)
    assert (outcome["regret"] > -1e-12).all()
    assert (outcome["wasted"] > -1e-9).all()
    mild = sizes[means - losses.min(1).mean() <= 0.005]
    np.testing.assert_allclose(found.within, (mild[0], mild[-1]), rtol=0.02)
    assert "Expected regret is at most 0.005 for params from" in repr(found)


def test_wasted_compute_is_what_the_frontier_does_not_need(post):
    found = sb.plan(post, 1e22)
    needed = (1 - found.outcome.draws["wasted"]) * 1e22
    one = {name: x[0, :1] for name, x in post.values.items()}
    a = one["beta"] / (one["alpha"] + one["beta"])
    G = (one["alpha"] * one["A"] / (one["beta"] * one["B"])) ** (1 / (one["alpha"] + one["beta"]))
    size = G * (needed[0, :1] / 6) ** a
    loss = one["E"] + one["A"] * size ** -one["alpha"]
    loss += one["B"] * (needed[0, :1] / 6 / size) ** -one["beta"]
    np.testing.assert_allclose(found.outcome.draws["loss"][0, :1], loss, rtol=1e-9)


def test_a_plan_without_a_size_of_so_little_regret(post):
    found = sb.plan(post, 1e26, regret=1e-7)
    assert found.within is None
    assert "Expected regret is above 1e-07 at every size." in repr(found)


def test_a_plan_respects_limits(post):
    found = sb.plan(post, 1e24, limits=sb.Limits(max_params=1e10))
    assert found.run["params"] == pytest.approx(1e10)
    assert found.within[1] == pytest.approx(1e10)
    both = sb.plan(post, 1e24, limits=sb.Limits(max_params=1e10, max_tokens=1e12))
    assert both.run["tokens"] == pytest.approx(1e12)
    with pytest.raises(sb.InputError, match="Remove shapes from"):
        sb.plan(post, 1e24, limits=sb.Limits(shapes=[(1, 2)]))


@pytest.fixture(scope="module")
def allowed(runs):
    return fit(runs, engine="laplace", draws=400, exact=False)


def test_a_plan_has_both_intervals_of_one_run(allowed):
    found = sb.plan(allowed, 1e24)
    size = np.array([found.run["params"]])
    sizes = size * np.exp(np.linspace(-1, 1, 2001))
    means = losses_along(allowed, sizes, 1e24).mean(0)
    assert abs(np.log(sizes[means.argmin()] / size[0])) < 0.005
    frame, exact = found.summary(), allowed.as_exact
    v = {name: x.ravel() for name, x in exact.values.items()}
    G = (v["alpha"] * v["A"] / (v["beta"] * v["B"])) ** (1 / (v["alpha"] + v["beta"]))
    best = G * (1e24 / 6) ** (v["beta"] / (v["alpha"] + v["beta"]))
    least = v["E"] + v["A"] * best ** -v["alpha"] + v["B"] * (1e24 / 6 / best) ** -v["beta"]
    losses = losses_along(exact, size, 1e24).ravel()
    for name, draws in (("loss", losses), ("regret", losses - least)):
        ends = frame.loc[name, ["exact_lb", "exact_ub"]].to_numpy(float)
        np.testing.assert_allclose(ends, np.quantile(draws, [0.05, 0.95]), rtol=1e-6, atol=1e-9)
    assert "if law exact" in repr(found)
    assert "exact" not in repr(sb.plan(exact, 1e24))


@pytest.mark.parametrize(
    "ask",
    [
        lambda post: sb.cheapest_run(post, [2.0, 2.3]),
        lambda post: sb.overtrain(post, [0.05, 0.5]),
        lambda post: sb.size_for_overhead(post, 0.5),
    ],
)
def test_decisions_have_both_intervals(allowed, ask):
    both, exact = ask(allowed).summary(), ask(allowed.as_exact).summary()
    for column, own in (("exact_lb", "eti90_lb"), ("exact_ub", "eti90_ub")):
        np.testing.assert_array_equal(both[column], exact[own])
    assert "exact_lb" not in exact
    assert "law exact" in repr(ask(allowed))


def test_an_average_has_one_interval(allowed, post):
    average = sb.average({"one": allowed, "two": post}, {"one": 1, "two": 1})
    for found in (average.exponents(), sb.plan(average, 1e24), sb.cheapest_run(average, 2.2)):
        assert "exact" not in repr(found)


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda post: sb.plan(post, -1.0), "compute must be positive"),
        (lambda post: sb.plan(post, [1e20, 1e21]), "compute must be one number"),
        (lambda post: sb.plan("post.nc", 1e20), "post must be a posterior"),
        (lambda post: sb.overtrain(post, [0.0]), "size_factor must be finite numbers"),
        (lambda post: sb.cheapest_run(post, 2.0, unique_tokens=1e9), "Law 'chinchilla' also reads"),
    ],
)
def test_bad_arguments_are_refused(post, ask, message):
    with pytest.raises(sb.InputError, match=message):
        ask(post)
