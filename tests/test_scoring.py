"""Scores: compared with closed forms and SciPy."""

import numpy as np
import pytest
import simulation
from hypothesis import given, settings
from hypothesis import strategies as st
from plain import EXACT, backtest, fit, fit_default
from scipy import stats

import scalingbayes as sb
from scalingbayes.data.folds import Fold
from scalingbayes.evaluation.score import crps


def simulate(rng, rows):
    return sb.Runs(simulation.simulate(rng, rows))


@given(st.floats(-3, 3), st.floats(0.1, 10))
@settings(max_examples=20, deadline=None)
def test_crps_of_a_normal_is_the_closed_form(z, sd):
    """Gneiting & Raftery 2007, eq. 21."""
    draws = sd * stats.norm.ppf((np.arange(20_000) + 0.5) / 20_000)
    found = crps(draws[:, None], np.array([sd * z]))[0]
    exact = sd * (z * (2 * stats.norm.cdf(z) - 1) + 2 * stats.norm.pdf(z) - 1 / np.sqrt(np.pi))
    assert found == pytest.approx(exact, abs=2e-3 * sd)


def test_crps_of_few_draws_is_right_on_average(rng):
    draws, observed = rng.standard_normal((10, 40_000)), rng.standard_normal(40_000)
    each = crps(draws, observed)
    # E|X - Y| / 2 of two standard normals is 1 / sqrt(pi).
    assert each.mean() == pytest.approx(1 / np.sqrt(np.pi), abs=4 * each.std() / 200)


@pytest.fixture(scope="module")
def post():
    return fit(simulate(np.random.default_rng(1), 150), engine="laplace", seed=1)


@pytest.mark.slow
def test_true_predictions_are_calibrated(post):
    fresh = simulate(np.random.default_rng(2), 2000)
    scores = sb.score(post, fresh)
    for prob in (50, 90):
        p = prob / 100
        assert scores[f"in{prob}"].mean() == pytest.approx(p, abs=4 * (p * (1 - p) / 2000) ** 0.5)
    assert scores["pit"].mean() == pytest.approx(0.5, abs=4 / np.sqrt(12 * 2000))


def test_log_scores_agree_with_scipy(post):
    fresh = simulate(np.random.default_rng(3), 5)
    values = {name: x.ravel()[:, None] for name, x in post.values.items()}
    expected = values["E"] + values["A"] / fresh.column("params") ** values["alpha"]
    expected += values["B"] / fresh.column("tokens") ** values["beta"]
    z = np.log(fresh.column("loss") / expected)
    density = stats.t(np.minimum(values["nu"], 1e3), scale=values["sigma"]).pdf(z).mean(0)
    np.testing.assert_allclose(sb.score(post, fresh)["log_score"], np.log(density), rtol=1e-6)


def test_a_negative_seed_is_refused(post):
    with pytest.raises(sb.InputError, match="seed must be a whole number from 0"):
        sb.score(post, simulate(np.random.default_rng(3), 5), seed=-1)


@pytest.mark.slow
def test_predictions_use_known_errors(rng):
    runs = simulate(rng, 300)
    errors = np.where(np.arange(300) % 2, 0.05, 0.001)
    loss = runs.column("loss") * np.exp(errors * rng.standard_normal(300))
    runs = sb.Runs(runs.frame.assign(loss=loss, se=errors * loss))
    first, others = (runs.filter(np.arange(300) // 100 == part) for part in (0, 1))
    post = fit(first, noise="student_t(error=se)", engine="laplace")
    scores = sb.score(post, others)
    for large in (True, False):
        held = scores["in90"][(others.column("se") > 0.02) == large]
        low, high = stats.binom(50, 0.9).interval(1 - 1e-3)
        assert low <= held.sum() <= high
    without = fit(first, noise="student_t", engine="laplace")
    assert scores["log_score"].mean() > sb.score(without, others)["log_score"].mean() + 0.3


def test_a_backtest_fits_the_other_runs(rng):
    table = simulate(rng, 60)
    order = np.argsort(table.column("compute"))
    mask = np.isin(np.arange(60), order[-6:])
    found = backtest(table, by={"top": mask}, engine="laplace", **EXACT)
    assert list(found.pointwise.index.get_level_values("fold").unique()) == ["top"]
    assert len(found.pointwise) == found.summary().loc["all", "runs"] == 6
    alone = fit_default(table.filter(~mask), engine="laplace", **EXACT)
    single = sb.score(alone, table.filter(mask))
    assert found.summary().loc["all", "crps"] == pytest.approx(single["crps"].mean(), rel=0.1)
    assert "Runs held out, predicted by L = E + A/N^alpha" in repr(found)
    assert "6 runs of 1 fold: 1 independent look." in " ".join(repr(found).split())


def test_a_backtest_says_how_few_independent_looks_it_had(rng):
    table = simulate(rng, 60)
    order = np.argsort(-table.column("compute"))
    rank = np.argsort(order)  # 0 is the largest run
    folds = {"top": Fold(rank < 4, rank >= 4), "next": Fold((rank >= 4) & (rank < 16), rank >= 16)}
    found = backtest(table, by=folds, engine="laplace", **EXACT)
    assert found.independent_looks == 2
    assert "16 runs of 2 folds: 2 independent looks." in " ".join(repr(found).split())
    # Neither fold's fit has the larger runs.
    assert [int(post.record.data.rows) for post in found.posteriors.values()] == [56, 44]
    summary, pointwise = found.summary(), found.pointwise
    assert list(summary.index) == ["top", "next", "all", "folds alike"]
    means = [pointwise["crps"].xs(label, level="fold").mean() for label in folds]
    assert summary.loc["folds alike", "crps"] == pytest.approx(np.mean(means))
    assert summary.loc["all", "crps"] == pytest.approx((4 * means[0] + 12 * means[1]) / 16)
