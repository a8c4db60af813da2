"""Predictive checks and sensitivities: compared with simulation and closed forms."""

import numpy as np
import numpyro.distributions as dist
import pytest
from plain import fit, fit_many, fit_many_default, simulate_tables
from scipy import stats
from simulation import simulate

import scalingbayes as sb
from scalingbayes import plots


def coupled(rng, rows, k=0.4):
    """Simulate runs that do not follow Chinchilla's law."""
    params, tokens = 10 ** rng.uniform(7, 10, rows), 10 ** rng.uniform(9, 12, rows)
    loss = 1.7 + (900 / params**0.5 + 9000 / tokens**0.5) ** k
    return {
        "params": params,
        "tokens": tokens,
        "loss": loss * np.exp(0.003 * rng.standard_t(4, rows)),
    }


@pytest.fixture(scope="module")
def right():
    rng = np.random.default_rng(11)
    return fit_many([simulate(rng, 80) for _ in range(40)], engine="laplace", draws=1000)


@pytest.mark.slow
def test_p_values_are_uniform_or_larger_if_the_model_is_right(right):
    found = [sb.check(post).summary()["p_value"] for post in right.values()]
    for name in found[0].index:
        values = np.array([each[name] for each in found])
        # Bands and tails are fitted to the runs, so their p-values are near 1. None may be small
        # too often: each of 12 binomial counts exceeds its bound with probability 1/10,000.
        assert (values < 0.1).sum() <= stats.binom(40, 0.1).isf(1e-4), name
        if name.startswith(("trend", "bend")):
            assert stats.kstest(values, "uniform").pvalue > 1e-3 / 8, name


@pytest.mark.slow
def test_a_law_of_the_wrong_form_fails(rng):
    table = coupled(rng, 200)
    wrong = sb.check(fit(table, engine="laplace"))
    assert not wrong.verdict.passed
    assert "the law's form does not fit; try another law, such as 'coupled'" in str(wrong.verdict)
    assert "THE MODEL FAILED ITS CHECKS" in repr(wrong)
    assert sb.check(fit(table, law="coupled", engine="laplace")).verdict.passed


@pytest.mark.slow
def test_shared_errors_fail(rng):
    table = simulate(rng, 120)
    groups = np.repeat(np.arange(12), 10)
    table["loss"] *= np.exp(0.02 * rng.standard_normal(12))[groups]
    post = fit(table, engine="laplace")
    found = sb.check(post, by=groups)
    assert "are correlated" in found.summary().loc["correlation within groups", "finding"]
    assert "by='COLUMN'" in str(found.verdict)
    with pytest.raises(sb.InputError, match="by must have 120 labels"):
        sb.check(post, by=groups[:-1])


@pytest.mark.slow
def test_a_model_with_random_effects_passes_with_shared_errors(rng):
    table = simulate(rng, 120)
    groups = np.repeat([f"run {i:02}" for i in range(12)], 10)
    table["loss"] *= np.exp(0.02 * np.repeat(rng.standard_normal(12), 10))
    post = fit({**table, "run": groups}, groups="run", noise="normal", draws=500)
    found = sb.check(post, by=groups)
    assert found.verdict.passed, str(found.verdict)
    assert found.summary().loc["correlation within groups", "observed"] > 0.5
    # Replicated residuals contain random effects: their variance is tau^2 + sigma^2.
    residuals = found.residuals
    ratio = post.values["tau"] / post.values["sigma"]
    wide = stats.norm.ppf(0.95) * np.sqrt(1 + (ratio**2).mean())
    assert residuals.band == pytest.approx(wide, rel=0.1)


@pytest.mark.slow
def test_p_values_are_uniform_with_random_effects(rng):
    # Each group has runs of similar size, so a random effect looks like a trend with size.
    params = np.geomspace(1e7, 1e10, 60)
    design = {"params": params, "run": np.repeat([f"run {i}" for i in range(10)], 6)}
    options = {"law": "power_law", "noise": "normal", "groups": "run"}
    simulation = simulate_tables(design, count=60, seed=1, **options)
    how = {"reference": simulation.model.reference, "draws": 250, "exact": True}
    posts = fit_many_default(simulation.tables, **options, **how)
    found = [sb.check(post).summary()["p_value"] for post in posts.values()]
    # At some parameters the law can follow a covariate, which is then not tested.
    in_all = set.intersection(*(set(each.index) for each in found))
    trends = sorted(name for name in in_all if name.startswith(("trend", "bend")))
    assert "bend with log params" in trends
    for name in trends:
        values = [each[name] for each in found]
        assert stats.kstest(values, "uniform").pvalue > 1e-3 / len(trends), name


def test_residuals_are_relative_to_known_errors(rng):
    params = np.geomspace(1e7, 1e10, 80)
    errors = np.where(np.arange(80) % 2, 0.1, 0.001)
    loss = (0.5 + 40 * params**-0.3) * np.exp(errors * rng.standard_normal(80))
    table = {"params": params, "loss": loss, "se": errors * loss}
    post = fit(table, "power_law", noise="normal(error=se)", engine="laplace")
    found = sb.check(post).residuals
    inside = (abs(np.median(found.values, axis=0)) < found.band).reshape(-1, 2).mean(0)
    # Each share is binomial, of 40 runs at 0.9: below 0.7 with probability 1/2,000.
    assert (inside > 0.7).all()
    assert sb.check(post).verdict.passed


def test_trends_that_the_law_can_follow_are_not_tested(rng):
    # A power law can follow a constant and a slope, so only bends are left.
    x = np.geomspace(1e7, 1e10, 60)
    table = {"params": x, "loss": 30 / x**0.1 * np.exp(0.01 * rng.standard_normal(60))}
    found = sb.check(fit(table, law="power_law(floor=False)", engine="laplace"))
    assert list(found.summary().index[:2]) == [
        "bend with log params",
        "bend with expected log loss",
    ]


def test_the_log_prior_is_the_density_of_the_stated_priors(post):
    reference = post.record.reference
    alpha = post.values["alpha"]
    found = post.tree["log_prior"]
    np.testing.assert_allclose(found["alpha"], stats.lognorm(0.8, scale=np.exp(-1)).logpdf(alpha))
    numbers = post.values["A"] / (reference["loss"] * reference["params"] ** alpha)
    np.testing.assert_allclose(found["A"], stats.lognorm(1.5, scale=np.exp(-1.2)).logpdf(numbers))


@pytest.mark.slow
def test_sensitivity_separates_the_prior_from_the_runs(post, small_table, rng):
    table = sb.sensitivity(post).summary()
    assert list(table.index) == [*post.values, "exponent a"]
    assert (table["likelihood"] > table["prior"]).all()
    assert set(table["diagnosis"]) == {"✓"}
    small_table["loss"] = small_table["loss"] * np.exp(0.01 * rng.standard_normal(12))
    strict = {"alpha": dist.LogNormal(np.log(0.9), 0.05)}
    against = sb.sensitivity(fit(small_table, priors=strict, engine="laplace")).summary()
    assert against.loc["alpha", "diagnosis"] != "✓"
    assert against.loc["alpha", "prior of"] == "alpha"
    boot = fit(small_table, engine="bootstrap", resamples=20, objective="posterior")
    with pytest.raises(sb.InputError, match="its draws are not from a posterior"):
        sb.sensitivity(boot)


@pytest.mark.slow
def test_nothing_is_sensitive_to_a_uniform_prior(small_table, rng):
    flat = {"alpha": dist.Uniform(0.05, 2.0)}
    table = sb.sensitivity(fit(simulate(rng, 60), priors=flat, engine="laplace")).summary()
    assert np.isfinite(table[["prior", "likelihood", "by"]]).all(axis=None)
    assert "alpha" not in set(table["prior of"])
    few = fit(small_table, priors=flat, engine="laplace")
    assert not few.verdict.passed
    with pytest.raises(sb.InputError, match=r"Too many draws.*FAILED ITS CHECKS"):
        sb.sensitivity(few)
    flat |= {name: dist.Uniform(0.1, 5000.0) for name in ("A", "B")}
    flat |= {"E": dist.Uniform(0.5, 3.0), "beta": dist.Uniform(0.05, 2.0)}
    flat |= {"sigma": dist.Uniform(1e-4, 0.1), "nu": dist.Uniform(1.5, 50.0)}
    with pytest.raises(sb.InputError, match="All priors of this fit are uniform"):
        sb.sensitivity(fit(small_table, priors=flat, engine="laplace"))


def test_sensitivity_leaves_out_fixed_exponents(small_table):
    tied = fit(small_table, "chinchilla(tied=True)", engine="laplace")
    assert tied.exponents().draws["a"].std() < 1e-12
    assert list(sb.sensitivity(tied).summary().index) == list(tied.values)


def test_the_figure_of_residuals(post):
    drawn_axes = plots.plot_residuals(sb.check(post))
    labels = ["model size $N$ (parameters)", "training data $D$ (tokens)", "expected loss $L$"]
    assert [ax.get_xlabel() for ax in drawn_axes] == labels
    assert drawn_axes[0].get_xscale() == "log"
    drawn = drawn_axes[0].lines[0].get_xydata()
    values = {name: np.median(draws) for name, draws in post.values.items()}
    expected = values["E"] + values["A"] / drawn[:, 0] ** values["alpha"]
    assert len(drawn) == 240
    assert (expected > values["E"]).all()
