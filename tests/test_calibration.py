"""Simulations and ranks: compared with numpyro, SciPy, ArviZ, and posteriors known to be wrong."""

from dataclasses import replace

import jax
import numpy as np
import numpyro.distributions as dist
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from numpyro.infer import Predictive
from plain import bind, calibrate, fit, fit_many, simulate_tables
from registry import NAMES
from scipy import stats

import scalingbayes as sb
from scalingbayes import plots
from scalingbayes._core.precision import precision
from scalingbayes.evaluation.calibration import typical_inputs
from scalingbayes.evaluation.calibration.ranking import derived, describe_ranks, rank, summarize
from scalingbayes.evaluation.calibration.uniformity import band, p_value
from scalingbayes.laws import get_law

# Priors in the table's units, so narrow that the importance weights of Laplace are reliable.
PRIORS = {
    "E": dist.LogNormal(0.5, 0.2),
    "A": dist.LogNormal(6.0, 0.3),
    "alpha": dist.LogNormal(-1.1, 0.05),
    "sigma": dist.LogNormal(-4.0, 0.3),
    "nu": dist.LogNormal(2.0, 0.3),
}
LAW = {"law": "power_law", "noise": "student_t", "priors": PRIORS}


@pytest.fixture(scope="module")
def narrow_and_correct():
    design = {"params": np.geomspace(1e7, 1e10, 24)}
    options = {**LAW, "engine": "laplace", "draws": 500, "seed": 3, "exact": True}
    correct = calibrate(design, **options, tables=150)
    tables, reference = correct.simulation.tables, correct.simulation.model.reference
    weights = [np.full(24, 4.0)] * 150
    posts = fit_many(tables, reference=reference, weights=weights, **options)
    return rank(correct.simulation, posts, "laplace", 3), correct


@pytest.mark.slow
def test_intervals_with_an_allowance_hold_at_least_as_often_as_stated(narrow_and_correct):
    """Of the same tables: the law is exact, so that the allowance can only widen."""
    _, correct = narrow_and_correct
    simulation = replace(correct.simulation, observed=correct.simulation.observed[:40])
    posts = fit_many(
        simulation.tables,
        **LAW,
        engine="laplace",
        draws=500,
        reference=simulation.model.reference,
        exact=False,
    )
    found = rank(simulation, posts, "laplace", 3)
    assert not found.exact
    assert "log density" not in found.ranks
    assert found.verdict.passed, str(found.verdict)
    table = found.summary()
    ours = table["coverage90"][["E", "A", "alpha"]]
    low, _ = stats.binom(40, 0.9).interval(1 - 1 / 1000)
    assert (ours >= low / 40).all()
    assert "contain the true values of 40 tables as often as stated" in repr(found)
    # The same ranks are not uniform if they are too central.
    drawn = plots.plot_calibration(found)
    assert {ax.lines[-1].get_color() for ax in drawn} == {plots.style.INK}


def test_intervals_that_hold_too_rarely_fail(rng):
    shares = rng.uniform(size=(2, 400))
    shares[0] = 0.5 + (shares[0] - 0.5) * 0.5  # too wide
    names = {"wide": shares[0], "narrow": stats.norm.cdf(1.5 * stats.norm.ppf(shares[1]))}
    data = xr.Dataset({name: ("table", x) for name, x in names.items()})
    table = summarize(data, data, exact=False)
    assert list(table["finding"]) == ["", "too narrow"]
    held = [(abs(names["narrow"] - 0.5) < prob / 2).sum() for prob in (0.5, 0.9)]
    tails = [
        stats.binomtest(k, 400, prob, alternative="less").pvalue
        for k, prob in zip(held, (0.5, 0.9), strict=True)
    ]
    assert table["p_value"]["narrow"] == pytest.approx(2 * min(tails))
    assert (summarize(data, data, exact=True)["finding"] == ["too wide", "too narrow"]).all()


def test_the_optimum_is_the_closed_form():
    design = {
        "params": np.geomspace(1e7, 1e10, 24),
        "tokens": np.geomspace(1e9, 1e12, 24)[np.arange(24) * 7 % 24],
    }
    simulation = simulate_tables(design, "chinchilla", count=5)
    v = {str(name): x.to_numpy() for name, x in simulation.truths.items()}
    found = derived(simulation, v)
    compute = 10 * 6 * (design["params"] * design["tokens"]).max()
    total = v["alpha"] + v["beta"]
    G = (v["alpha"] * v["A"] / (v["beta"] * v["B"])) ** (1 / total)
    np.testing.assert_allclose(found["exponent a"], v["beta"] / total, rtol=1e-9)
    np.testing.assert_allclose(found["N_opt"], G * (compute / 6) ** (v["beta"] / total), rtol=1e-6)


def test_a_correct_posterior_passes_and_a_narrow_one_fails(narrow_and_correct):
    narrow, correct = narrow_and_correct
    assert correct.verdict.passed, str(correct.verdict)
    assert not narrow.verdict.passed
    assert "the posterior of A is too narrow" in str(narrow.verdict)
    table = correct.summary()
    assert list(table.index) == ["E", "A", "alpha", "sigma", "nu", "log density"]
    # Each of six binomial counts is outside these bounds with probability 1/2,000.
    low, high = stats.binom(150, 0.9).interval(1 - 1 / 2000)
    assert table["coverage90"].between(low / 150, high / 150).all()
    # Weights of 4 halve the width, so that 90 % intervals have the coverage of 59 % intervals.
    assert narrow.summary().loc["A", "coverage90"] < 0.8


def test_the_figure_marks_quantities_that_fail(narrow_and_correct):
    narrow, correct = narrow_and_correct
    for calibration, wrong in ((narrow, True), (correct, False)):
        drawn = plots.plot_calibration(calibration, prob=0.999)
        assert [ax.get_title() for ax in drawn] == list(calibration.ranks)
        colours = {ax.lines[-1].get_color() for ax in drawn}
        assert (plots.style.WARNING in colours) == wrong


def test_simulated_parameters_and_losses_agree_with_numpyro():
    runs = sb.datasets.load("chinchilla")
    found = simulate_tables(
        runs.filter(np.arange(245) < 40), "coupled", noise="student_t", count=1500
    )
    with precision("float64"):
        sample = Predictive(
            found.model.numpyro_model(observed=False), num_samples=1500, parallel=True
        )
        theirs = sample(jax.random.key(7))
    for name in found.truths:
        # Two-sample Kolmogorov-Smirnov: nine tests at 1e-4 fail by chance once in 1,100.
        ours = found.truths[name].to_numpy()
        assert stats.ks_2samp(ours, np.asarray(theirs[name])).pvalue > 1e-4, name
    for row in (0, 39):
        losses = np.asarray(theirs["loss"])[:, row]
        assert stats.ks_2samp(found.observed[:, row], losses).pvalue > 1e-4
    assert found.model.reference["loss"] == runs.frame["loss"][:40].min()
    table = found.table(5)
    assert table.frame["params"].equals(runs.frame["params"][:40])
    np.testing.assert_array_equal(table.frame["loss"], found.observed[5])


@pytest.mark.parametrize(
    "noise",
    [
        pytest.param("student_t(groups=run)", marks=pytest.mark.slow),
        "normal(discrepancy=params)",
    ],
)
def test_simulated_random_effects_agree_with_numpyro(noise):
    design = {"params": np.geomspace(1e7, 1e10, 24), "run": np.repeat(["a", "b", "c"], 8)}
    priors = {name: PRIORS[name] for name in ("E", "A", "alpha", "sigma")}
    found = simulate_tables(design, "power_law", noise=noise, priors=priors, count=1500)
    with precision("float64"):
        sample = Predictive(
            found.model.numpyro_model(observed=False), num_samples=1500, parallel=True
        )
        theirs = np.log(np.asarray(sample(jax.random.key(7))["loss"]))
    ours = np.log(found.observed)
    for first, second in ((0, 7), (7, 8), (0, 23)):  # in one group, neighbours, far apart
        for combine in (np.add, np.subtract):
            pair = (combine(x[:, first], x[:, second]) for x in (ours, theirs))
            assert stats.ks_2samp(*pair).pvalue > 1e-4  # six tests: once in 1,700


@pytest.mark.slow
@pytest.mark.parametrize(
    ("noise", "groups"),
    [("normal", "run"), ("student_t", "run"), ("normal(discrepancy=params)", None)],
)
def test_posteriors_of_random_effects_are_calibrated(noise, groups):
    design = {"params": np.geomspace(1e7, 1e10, 40), "run": [f"run {i % 8}" for i in range(40)]}
    options = {"noise": noise, "groups": groups, "tables": 150, "seed": 4, "draws": 300}
    found = calibrate(design, "power_law", **options)
    assert found.verdict.passed, str(found.verdict)
    assert {"tau", "log density"} < set(found.ranks)


@pytest.mark.slow
@pytest.mark.parametrize("law", ["power_law", "vocabulary"])
def test_posteriors_of_known_errors_are_calibrated(law):
    design = typical_inputs(get_law(law), 40, np.random.default_rng(5))
    design |= {"loss": np.full(40, 2.0), "se": np.where(np.arange(40) < 30, 0.1, 0.0)}
    found = calibrate(
        design, law, noise="normal(error=se)", tables=150, seed=4, draws=300, exact=True
    )
    assert found.verdict.passed, str(found.verdict)


@pytest.mark.parametrize(
    ("law", "per", "widest"),
    [("power_law", lambda losses: losses / 2, 14.0), ("vocabulary", np.ones_like, 28.0)],
)
def test_known_errors_are_simulated(law, per, widest):
    design = typical_inputs(get_law(law), 24, np.random.default_rng(5))
    design |= {"loss": np.full(24, 2.0), "se": np.where(np.arange(24) < 12, 0.5, 0.0)}
    found = simulate_tables(design, law, noise="normal(error=se)", count=1500)
    with precision("float64"):
        sample = Predictive(
            found.model.numpyro_model(observed=False), num_samples=1500, parallel=True
        )
        theirs = np.asarray(sample(jax.random.key(7))["loss"])
        on_scale = np.asarray(found.model.noise.scale.link(theirs))
    theirs = theirs[np.ptp(on_scale, axis=1) < widest]  # implausible tables are redrawn
    for row in (0, 23):
        assert stats.ks_2samp(found.observed[:, row], theirs[:, row]).pvalue > 1e-4
    # Errors are those of the design on the target's scale: the logarithm, or the loss itself.
    table = found.table(5).frame
    np.testing.assert_allclose(table["se"], design["se"] * per(found.observed[5]), rtol=1e-12)


def test_the_unit_of_a_plain_target_has_no_effect():
    design = typical_inputs(get_law("vocabulary"), 24, np.random.default_rng(5))
    small, large = (
        simulate_tables({**design, "loss": np.full(24, loss)}, "vocabulary", count=50)
        for loss in (2.0, 2000.0)
    )
    assert small.rejected == large.rejected
    np.testing.assert_allclose(large.observed, 1000 * small.observed, rtol=1e-9)


def test_ordered_parameters_are_drawn_jointly():
    priors = {"d_1": dist.LogNormal(0.0, 1.0), "d_2": dist.LogNormal(0.0, 1.0)}
    found = simulate_tables(None, "broken(breaks=2)", priors=priors, count=500)
    assert (found.truths["d_1"] < found.truths["d_2"]).all()


@pytest.mark.parametrize("name", NAMES)
def test_every_law_has_typical_inputs(name, rng):
    law = get_law(name)
    inputs = typical_inputs(law, 40, rng)
    assert list(inputs) == list(law.inputs)
    for column, each in law.inputs.items():
        assert not each.domain.excludes(inputs[column]).any()


def test_the_prior_engine_draws_from_the_priors():
    runs = sb.datasets.load("chinchilla")
    prior = fit(runs, engine="prior", draws=20_000)
    assert repr(prior).startswith("Prior of L = E + A/N^alpha + B/D^beta")
    assert prior.verdict.passed
    # The median of LogNormal(-1, 0.8), within four Monte Carlo errors.
    alpha = prior.values["alpha"].ravel()
    inside = (alpha < np.exp(-1.0)).mean()
    assert abs(inside - 0.5) < 4 * 0.5 / np.sqrt(20_000)
    foreseen = prior.predict(params=7e10, tokens=1.4e12).summary()
    assert list(foreseen.index.get_level_values("quantity")) == ["expected", "observed"]
    assert "log_prior" not in prior.tree


def test_the_reference_point_can_be_set(small_table):
    other = {"params": 3e8, "tokens": 1e10, "loss": 2.0}
    assert bind(sb.Runs(small_table), reference=other).reference == other
    fitted = fit(small_table, reference=other, engine="laplace", draws=100)
    assert fitted.record.reference == other
    for bad in ({"params": 3e8}, {**other, "loss": -1.0}, {**other, "year": 2.0}, 3):
        with pytest.raises(sb.InputError, match="reference must be a positive number for each of"):
            bind(sb.Runs(small_table), reference=bad)


# Few counts: the null distribution of each count is simulated once.
@given(st.sampled_from([20, 75, 200]), st.integers(0, 2**32 - 1))
@settings(max_examples=10, deadline=None)
def test_p_is_small_exactly_where_the_curve_leaves_the_band(count, seed):
    numbers = np.random.default_rng(seed).beta(0.8, 1.0, count)
    at, lower, upper = band(count, 0.95)
    found = np.searchsorted(np.sort(numbers), at, side="right") / count
    outside = ((found < lower - 1e-9) | (found > upper + 1e-9)).any()
    p = p_value(numbers)
    assert outside == (p <= 0.05) or abs(p - 0.05) < 0.01


def test_p_of_uniform_numbers_is_uniform_and_the_band_agrees_with_arviz(rng):
    from arviz_stats.ecdf_utils import ecdf_pit

    found = np.array([p_value(rng.uniform(size=200)) for _ in range(1000)])
    for level in (0.01, 0.05, 0.25):
        count = (found <= level).sum()
        # The statistic is discrete, so p may be too large but not too small.
        assert count <= stats.binom(1000, level).isf(1e-4)
    assert (found <= 0.25).sum() > stats.binom(1000, 0.25).isf(1 - 1e-4) - 30
    ours = band(100, 0.9)
    at, _, lower, upper = ecdf_pit(rng.uniform(size=100), 0.9, 2000)
    np.testing.assert_allclose(at[1:-1], ours.at)
    np.testing.assert_allclose(ours.lower, lower[1:-1], atol=0.025)
    np.testing.assert_allclose(ours.upper, upper[1:-1], atol=0.025)


def test_ranks_are_described(rng):
    normal = rng.standard_normal(2000)
    words = {
        "too narrow": stats.norm.cdf(normal, scale=0.5),
        "too wide": stats.norm.cdf(normal, scale=2.0),
        "too low": stats.norm.cdf(normal + 0.5),
        "too high and too narrow": stats.norm.cdf(normal - 0.5, scale=0.5),
    }
    for expected, ranks in words.items():
        assert describe_ranks(ranks).startswith(expected.split(" and ")[0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"engine": "bootstrap"}, "Engine 'bootstrap' samples no posterior"),
        ({"tables": 0}, "count must be a whole number of 1 or more; got 0"),
        ({"seed": -1}, "seed must be a whole number from 0"),
        ({"law": "chinchila"}, "Did you mean 'chinchilla'"),
    ],
)
def test_invalid_arguments_raise(options, message):
    with pytest.raises(sb.InputError, match=message):
        calibrate(**options)


def test_priors_without_plausible_losses_are_refused():
    with pytest.raises(sb.InputError, match="only 0 have a loss that is finite and positive"):
        simulate_tables(law="power_law", priors={"sigma": dist.LogNormal(9.0, 0.1)}, count=20)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["chinchilla", "kaplan", "power_law"])
def test_laws_are_calibrated_with_their_default_priors(name):
    found = calibrate(law=name, tables=200, draws=200, exact=True)
    assert found.verdict.passed, str(found.verdict)
