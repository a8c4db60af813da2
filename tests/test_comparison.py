"""Comparisons of laws: checked against ArviZ, SciPy, single refits and known laws."""

import html
import json

import arviz_stats
import numpy as np
import numpyro.distributions as dist
import pandas as pd
import pytest
from plain import bind, fit
from scipy import optimize, stats
from scipy.special import logsumexp

import scalingbayes as sb
from scalingbayes.evaluation.compare import Comparison
from scalingbayes.evaluation.stacking import stacking_weights
from scalingbayes.laws.base.resolved_priors import recorded_priors
from scalingbayes.posterior.predictive_distribution import log_predictive
from scalingbayes.results import Check, Verdict

QUICK = {"engine": "laplace", "draws": 2000}


def coupled_runs(rng, rows=60, k=0.6, sigma=0.003):
    """Simulate runs of the coupled law, in four sweeps."""
    params = 10 ** rng.uniform(7, 10, rows)
    tokens = 10 ** rng.uniform(9, 12, rows)
    term = (406.4 / params**0.34 + 410.7 / tokens**0.28) ** k
    loss = (1.69 + term) * np.exp(sigma * rng.standard_t(5.0, rows))
    sweeps = [f"sweep {number}" for number in np.arange(rows) % 4]
    return sb.Runs({"params": params, "tokens": tokens, "loss": loss, "sweep": sweeps})


@pytest.fixture(scope="module")
def table():
    return coupled_runs(np.random.default_rng(6))


@pytest.fixture(scope="module")
def posts(table):
    names = ("chinchilla", "coupled")
    return {name: fit(table, name, seed=3, **QUICK) for name in names}


@pytest.fixture(scope="module")
def loo(posts):
    return sb.compare(posts)


@pytest.fixture(scope="module")
def by_sweep(posts):
    return sb.compare(posts, by="sweep", seed=4)


def density_by_scipy(post, runs, rows):
    """Return the log density of each draw and run; shape (draws, rows)."""
    v = {name: x.ravel()[:, None] for name, x in post.values.items()}
    params, tokens, loss = (runs.column(c)[rows] for c in ("params", "tokens", "loss"))
    inner = v["A"] / params ** v["alpha"] + v["B"] / tokens ** v["beta"]
    expected = v["E"] + inner ** v.get("k", 1.0)
    log_density = stats.t.logpdf(np.log(loss), v["nu"], loc=np.log(expected), scale=v["sigma"])
    return log_density - np.log(loss)


def mean_density(log_density):
    """Return the log of the mean density over draws, and its Monte Carlo error."""
    elpd = logsumexp(log_density, axis=0) - np.log(len(log_density))
    relative = np.exp(log_density - elpd)
    # Draws of laplace are resampled by weights, so about half of them are effective.
    return elpd, relative.std(axis=0) / np.sqrt(len(log_density) / 2)


def test_predictive_densities_agree_with_scipy(posts, table):
    rows = np.arange(60).repeat(2)  # more than one block
    for post in posts.values():
        inputs = {name: table.column(name)[rows] for name in ("params", "tokens")}
        observed = table.column("loss")[rows]
        found = log_predictive(
            post.law, post.noise, post.values, inputs, observed, post.record.reference
        )
        expected, _ = mean_density(density_by_scipy(post, table, rows))
        np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_the_true_law_is_preferred(loo, by_sweep):
    for comparison in (loo, by_sweep):
        assert list(comparison.summary().index) == ["coupled", "chinchilla"]
        assert comparison.conclusion.startswith(
            "coupled is preferred: its elpd is higher than chin"
        )
        assert comparison.verdict
        assert comparison.summary().attrs["verdict"] == "passed"
        looks = comparison.independent_looks
        assert looks == (60 if comparison is loo else 4)
        runs = 60 if comparison is loo else 4 * 4
        assert 0.8 < comparison.weights["coupled"] <= (runs + 0.5) / (runs + 1)
        for text in (repr(comparison), html.unescape(comparison._repr_html_())):
            assert "2 laws compared" in text
            assert comparison.conclusion in text.replace("\n", " ")
            assert "FAILED" not in text


def test_scores_and_weights_agree_with_arviz(posts, loo):
    theirs = arviz_stats.compare({n: p.tree for n, p in posts.items()}, round_to="none")
    assert set(theirs.columns) - set(loo.summary().columns) == {"diag_diff", "diag_elpd"}
    assert list(loo.summary().index) == list(theirs.index)
    for column in ("rank", "elpd", "se", "elpd_diff", "p"):
        np.testing.assert_allclose(loo.summary()[column], theirs[column], rtol=1e-9)
    # ArviZ's se divides by n - 1 and its dse by n; here both divide by n - 1.
    np.testing.assert_allclose(loo.summary()["dse"], theirs["dse"] * np.sqrt(60 / 59), rtol=1e-9)


def test_weights_without_a_prior_are_those_of_arviz(posts, loo):
    found = stacking_weights(loo.pointwise.to_numpy(), np.arange(60), prior_runs=0)
    theirs = arviz_stats.compare({n: p.tree for n, p in posts.items()}, round_to="none")["weight"]
    np.testing.assert_allclose(found, theirs[list(loo.pointwise)], atol=1e-3)


@pytest.mark.parametrize(("laws", "count"), [(2, 1), (2, 6), (3, 2), (5, 3)])
def test_stacking_weights_are_the_mode_of_their_posterior(laws, count):
    rng = np.random.default_rng(laws * count)
    units = np.append(np.arange(count), rng.integers(count, size=20))
    log_density = 3 * rng.standard_normal((len(units), laws)) - 400.0  # a density that underflows

    def score(log_ratios):
        log_weights = log_ratios - logsumexp(log_ratios)
        mixture = logsumexp(log_density + log_weights, axis=1)
        parts = [mixture[units == unit] for unit in range(count)]
        return -sum(min(4, len(part)) * part.mean() for part in parts) - np.mean(log_weights)

    best = optimize.minimize(score, np.zeros(laws), tol=1e-10)
    found = stacking_weights(log_density, units)
    assert found.sum() == pytest.approx(1)
    assert score(np.log(found)) < best.fun + 1e-6
    expected = np.exp(best.x - logsumexp(best.x))
    np.testing.assert_allclose(found, expected, atol=1e-3)


@pytest.mark.parametrize("count", [1, 4])
def test_units_that_one_law_alone_predicts_count_as_four_runs(count):
    units = np.repeat(np.arange(count), 30)
    log_density = np.column_stack([np.zeros(30 * count), np.full(30 * count, -80.0)])
    found = stacking_weights(log_density, units)
    np.testing.assert_allclose(found, np.array([4 * count + 0.5, 0.5]) / (4 * count + 1), atol=1e-6)


def test_folds_are_predicted_by_fits_to_the_other_runs(posts, table, by_sweep, tmp_path):
    post = posts["coupled"]
    labels = table.labels("sweep")
    assert list(by_sweep.pointwise.index.names) == ["fold", "run"]
    rows = np.flatnonzero(labels == "sweep 2")
    single = fit(table.filter(labels != "sweep 2"), post.law, seed=9, **QUICK)
    expected, error = mean_density(density_by_scipy(single, table, rows))
    found = by_sweep.pointwise["coupled"].xs("sweep 2", level="fold")
    assert list(found.index) == list(rows)
    # One of 15 runs is off by 4.5 standard errors with probability 1/10,000.
    assert (np.abs(found - expected) < 4.5 * np.sqrt(2) * error).all()


def test_standard_errors_are_over_folds(by_sweep):
    sums = by_sweep.pointwise.groupby("fold").sum()
    worse = by_sweep.summary().loc["chinchilla"]
    gaps = sums["chinchilla"] - sums["coupled"]
    assert worse["elpd_diff"] == pytest.approx(gaps.sum())
    assert worse["dse"] == pytest.approx(np.sqrt(4) * gaps.std())
    assert worse["se"] == pytest.approx(np.sqrt(4) * sums["chinchilla"].std())
    assert worse["p_worse"] == pytest.approx(stats.ttest_1samp(gaps, 0, alternative="greater")[1])


def test_loaded_posteriors_give_the_same_comparison(posts, by_sweep, tmp_path):
    loaded = {}
    for name, post in posts.items():
        post.save(tmp_path / f"{name}.nc")
        loaded[name] = sb.load(tmp_path / f"{name}.nc")
    again = sb.compare(loaded, by="sweep", seed=4)
    pd.testing.assert_frame_equal(again.pointwise, by_sweep.pointwise, rtol=1e-6)


def test_the_largest_runs_are_predicted_from_the_others(posts, table):
    seen: list[float] = []
    found = sb.compare(posts, by="largest", progress=lambda fraction, _: seen.append(fraction))
    compute = table.column("compute")
    rows = found.pointwise.index.get_level_values("run")
    assert compute[rows].min() > np.delete(compute, rows).max()
    assert found.independent_looks == 4
    assert f"the {len(rows)} runs with the most compute left out in 4 folds" in repr(found)
    # Weights are from the first fold alone: only its fit has all other runs.
    largest = found.pointwise.loc[next(iter(sb.folds.largest(table)))].to_numpy()
    expected = stacking_weights(largest, np.zeros(len(largest), int))
    assert [found.weights[law] for law in posts] == pytest.approx(list(expected))
    assert "Weights by stacking of the largest fold, counted as 4 runs" in found.conclusion
    assert seen == sorted(seen)
    assert seen[-1] == 1.0


def test_runs_with_a_large_pareto_k_are_refitted(table):
    # One run is far from the others and has high leverage.
    frame = table.frame.drop(columns="compute")
    law = 1.69 + (406.4 / 1e11**0.34 + 410.7 / 1e6**0.28) ** 0.6
    frame.loc[0, ["params", "tokens", "loss"]] = [1e11, 1e6, law]
    runs = sb.Runs(frame)
    posts = {name: fit(runs, name, seed=3, **QUICK) for name in ("chinchilla", "coupled")}
    for post in posts.values():
        with pytest.warns(UserWarning, match="Pareto"):
            k = arviz_stats.loo(post.tree, pointwise=True).pareto_k.to_numpy()
        np.testing.assert_array_equal(k > 0.7, np.arange(60) == 0)
    found = sb.compare(posts)
    assert "1 of 1 refits of chinchilla passed their checks" in str(found.verdict)
    without = fit(runs, weights=1.0 * (np.arange(60) > 0), seed=8, **QUICK)
    expected, error = mean_density(density_by_scipy(without, runs, np.array([0])))
    assert abs(found.pointwise["chinchilla"].loc[0] - expected[0]) < 4 * np.sqrt(2) * error[0]


@pytest.mark.slow
def test_importance_sampling_agrees_with_refits(runs):
    rows = runs.filter(np.arange(240) % 5 == 0)
    posts = {name: fit(rows, name, seed=1) for name in ("chinchilla", "coupled")}
    found = sb.compare(posts)
    for name, post in posts.items():
        weights = {i: 1.0 * (np.arange(48) != i) for i in range(48)}
        refits = sb.refit(post, weights, seed=2)
        exact, errors = np.transpose(
            [mean_density(density_by_scipy(refits[i], rows, np.array([i]))) for i in weights]
        )[0]
        theirs = found.pointwise[name].to_numpy()
        error = np.sqrt(2) * errors  # of the weights and of the refits
        assert (np.abs(theirs - exact) < 5 * error + 0.02).all()
        assert abs((theirs - exact).sum()) < 4 * np.sqrt((error**2).sum())


def test_probabilities_follow_from_the_evidence(posts, loo):
    evidence = [posts[name].record.facts["log_evidence"] for name in loo.summary().index]
    np.testing.assert_allclose(loo.summary()["log_evidence"], evidence)
    odds = loo.summary()["probability"].iloc[0] / loo.summary()["probability"].iloc[1]
    assert np.log(odds) == pytest.approx(evidence[0] - evidence[1])


def artificial(gaps, weights, passed=True, looks=60):
    best = len(gaps)
    names = ["a", "b", "c"][: best + 1]
    frame = pd.DataFrame(
        {
            "rank": range(best + 1),
            "elpd_diff": [0.0, *(-gap for gap, _ in gaps)],
            "dse": [0.0, *(error for _, error in gaps)],
            "weight": weights,
        },
        index=names,
    )
    index = pd.MultiIndex.from_product([range(looks), range(9)], names=["fold", "run"])
    pointwise = pd.DataFrame(0.0, index, names)
    checks = Verdict((Check(passed, "1 of 2 fits passed their checks", "see the verdict of b"),))
    return Comparison(frame, pointwise, "each of 9 runs left out", "stacking", checks)


@pytest.mark.parametrize(
    ("gaps", "words"),
    [
        ([(21.0, 6.0)], "a is preferred: its elpd is higher than b's by 21.0 ± 6.0."),
        (
            [(5.0, 3.0)],
            "do not clearly separate a from b: its elpd is higher than b's by 5.0 ± 3.0.",
        ),
        ([(3.0, 1.0)], "do not clearly separate a from b"),
        ([(3.0, 1.0), (300.0, 21.0)], "It is clearly higher than c's by 300 ± 21."),
        ([(9.0, 1.0), (30.0, 2.0)], "higher than b's by 9.0 ± 1.0 and c's by 30.0 ± 2.0."),
    ],
)
def test_the_conclusion_depends_on_the_standard_errors(gaps, words):
    comparison = artificial(gaps, [0.96, 0.04, 0.0][: len(gaps) + 1])
    assert words in comparison.conclusion
    assert "Weights by stacking: a 96%, b 4%" in comparison.conclusion


def test_few_looks_must_be_clearer():
    # The 97.5 % quantile of Student's t: 3.18 with 3 degrees of freedom, 2.78 with 4.
    for looks, clear in ((4, False), (5, True)):
        conclusion = artificial([(30.0, 10.0)], [0.8, 0.2], looks=looks).conclusion
        assert ("a is preferred" in conclusion) == clear
    alone = artificial([(300.0, np.nan)], [0.6, 0.4], looks=1).conclusion
    assert alone.startswith("One fold of 9 runs cannot separate laws")
    assert "a's elpd is higher than b's by 300.0. Weights by stacking: a 60%" in alone


def test_a_comparison_of_failed_fits_has_a_warning():
    failed = artificial([(21.0, 6.0)], [1.0, 0.0], passed=False)
    for text in (repr(failed), html.unescape(failed._repr_html_())):
        assert "THE FIT FAILED ITS CHECKS" in text
        assert "see the verdict of b" in text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: {"one": p["coupled"]}, "posteriors must be two or more by name"),
        (lambda p: list(p.values()), "posteriors must be two or more by name"),
        (lambda p: {**p, "table": 3}, "'table' must be a posterior.*got int"),
    ],
)
def test_invalid_arguments_raise(posts, change, message):
    with pytest.raises(sb.InputError, match=message):
        sb.compare(change(posts))


def test_posteriors_of_different_runs_are_refused(posts, table):
    law, first = "chinchilla", posts["chinchilla"]
    few = fit(table, law, weights=1.0 * (np.arange(60) > 3), **QUICK)
    with pytest.raises(sb.InputError, match=r"fits to the same runs .* 60 runs .* to 56 runs"):
        sb.compare({"all": first, "few": few})
    half = fit(table, law, weights=np.full(60, 0.5), **QUICK)
    with pytest.raises(sb.InputError, match="must be fits to the same runs"):
        sb.compare({"all": first, "half": half})
    with pytest.raises(sb.InputError, match="weights other than 0 and 1"):
        sb.compare({"half": half, "again": half})
    with pytest.raises(sb.InputError, match=r"Did you mean 'sweep'\?"):
        sb.compare(posts, by="sweeps")


def test_a_posterior_holds_its_table(tmp_path, small_table):
    odd = {
        **small_table,
        "run": [f"run {i}" for i in range(12)],
        "weights": np.arange(12),
        "loss/byte": np.linspace(0, 1, 12),
        "done": np.arange(12) > 3,
        "note": ["", None, "x"] * 4,
    }
    runs = sb.Runs(odd, name="odd")
    counted = np.arange(12) > 0
    post = fit(runs, weights=2.0 * counted, **QUICK)
    post.save(tmp_path / "post.nc")
    loaded = sb.load(tmp_path / "post.nc")
    assert loaded.tree.identical(post.tree)
    for each in (post, loaded):
        assert each.runs.name == "odd"
        back, there = each.runs.frame, runs.frame[counted].reset_index(drop=True)
        assert list(back.columns) == list(there.columns)
        for column in there.columns.drop("note"):
            np.testing.assert_array_equal(back[column].to_numpy(), there[column].to_numpy())
        assert list(back["note"].isna()) == [note != "x" for note in there["note"]]
        np.testing.assert_array_equal(each.weights, np.full(11, 2.0))


def test_recorded_priors_are_read_back(small_table):
    runs = sb.Runs(small_table)
    priors = {"alpha": dist.LogNormal(-1.0, 0.01), "E": dist.Normal(1.7, 0.001)}

    def record(priors):
        model = bind(runs, priors=priors)
        written = {n: p.as_record(n, model.parameters[n]) for n, p in model.priors.items()}
        return json.loads(json.dumps(written))

    first = record(priors)
    back = recorded_priors(first, at_reference=False)
    assert set(back) == {"alpha", "E"}
    assert record(back) == first
    first["E"]["family"] = "Mine"
    with pytest.raises(sb.InputError, match="prior of 'E' was a Mine, which numpyro does not have"):
        recorded_priors(first, at_reference=False)


def test_refits_have_the_settings_of_the_fit(posts):
    post = posts["chinchilla"]
    again = sb.refit(post, {"same": post.weights}, seed=1)["same"]
    for what in ("law", "noise", "priors", "options", "engine", "reference"):
        assert getattr(again.record, what) == getattr(post.record, what)
    assert again.record.seed != post.record.seed
    evidence = [each.record.facts["log_evidence"] for each in (again, post)]
    assert evidence[0] == pytest.approx(evidence[1], abs=0.1)


@pytest.mark.slow
def test_a_failed_fit_gives_its_own_remedy(posts, table):
    few = fit(table, "chinchilla", seed=3, engine="laplace", draws=100)
    found = sb.compare({"coupled": posts["coupled"], "chinchilla": few})
    check, *_ = (each for each in found.verdict.checks if not each.passed)
    assert check.finding.startswith("chinchilla: ")
    assert check.remedy in str(few.verdict)
    assert "THE COMPARISON FAILED ITS CHECKS" in str(found)


def test_the_weights_of_an_unclear_comparison_are_as_uncertain():
    scores = pd.DataFrame({"elpd_diff": [0.0, -30.0], "dse": [0.0, 25.0]}, ["one", "two"])
    index = pd.RangeIndex(40, name="run")
    pointwise = pd.DataFrame(np.zeros((40, 2)), index, ["one", "two"])
    for weights, said in (
        ([0.97, 0.03], "They are as uncertain as the difference in elpd."),
        ([0.3, 0.7], "two has the largest weight, although one has the highest elpd"),
        ([0.7, 0.3], "not how probable a law is."),
    ):
        found = Comparison(
            scores.assign(weight=weights), pointwise, "each", "stacking", Verdict(())
        )
        assert "do not clearly separate one from two" in found.conclusion
        assert said in found.conclusion
    assert found.conclusion.endswith(said)
