"""Tests of posteriors: tables, predictions, allocations, files."""

import json

import jax
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from plain import fit
from scipy import stats

import scalingbayes as sb
from scalingbayes.data.units import Units
from scalingbayes.posterior.record import DataRecord, Record


def test_the_tree_has_the_groups_of_arviz(post, runs):
    tree = post.tree
    assert list(tree["posterior"].data_vars) == ["E", "A", "B", "alpha", "beta", "sigma", "nu"]
    assert tree["posterior"]["E"].dims == ("chain", "draw")
    assert tree["posterior"].sizes == {"chain": 4, "draw": 1000}
    assert {"diverging", "n_steps", "acceptance_rate", "energy", "lp"} <= set(
        tree["sample_stats"].data_vars
    )
    np.testing.assert_array_equal(tree["observed_data"]["loss"], runs.column("loss"))
    np.testing.assert_array_equal(tree["constant_data"]["params"], runs.column("params"))


def test_log_likelihoods_equal_those_of_scipy(post, runs):
    values = {name: array[2, 10] for name, array in post.values.items()}
    expected = (
        values["E"]
        + values["A"] / runs.column("params") ** values["alpha"]
        + values["B"] / runs.column("tokens") ** values["beta"]
    )
    loss = runs.column("loss")
    # The density of the loss itself: that of its logarithm over the loss.
    by_scipy = stats.t.logpdf(
        np.log(loss), values["nu"], loc=np.log(expected), scale=values["sigma"]
    ) - np.log(loss)
    found = post.tree["log_likelihood"]["loss"].sel(chain=2, draw=10)
    np.testing.assert_allclose(found, by_scipy, rtol=1e-8)


def test_arviz_reads_the_tree(post):
    import arviz_plots
    import arviz_stats

    loo = arviz_stats.loo(post.tree)
    assert np.isfinite(loo.elpd)
    tree = post.sample_posterior_predictive(seed=3)
    replicated = tree["posterior_predictive"]["loss"]
    assert dict(replicated.sizes) == {"chain": 4, "draw": 1000, "run": len(post.runs)}
    # Of the runs, about 90 % lie in the 90 % intervals of their replications.
    low, high = replicated.quantile([0.05, 0.95], ("chain", "draw")).to_numpy()
    inside = ((low < post.runs.column("loss")) & (post.runs.column("loss") < high)).mean()
    assert inside > 0.9 - 4 * np.sqrt(0.09 / len(post.runs))
    arviz_plots.plot_ppc_dist(tree, num_samples=5)
    plt.close("all")


def test_summary_has_arvizs_columns(post):
    summary = post.summary(prob=0.8)
    assert list(summary.index) == ["E", "A", "B", "alpha", "beta", "sigma", "nu"]
    columns = ["median", "eti80_lb", "eti80_ub", "ess_bulk", "ess_tail", "r_hat"]
    assert list(summary) == columns
    np.testing.assert_allclose(
        summary.loc["E", ["eti80_lb", "eti80_ub"]].astype(float),
        np.quantile(post.values["E"], [0.1, 0.9]),
        rtol=1e-3,
    )
    assert summary.attrs["verdict"] == "passed"


@pytest.mark.parametrize("prob", [0.955, 0.29, 0.57, 0.58, 0.995])
def test_interval_columns_are_named_for_their_probability(post, prob):
    names = {f"eti{100 * prob:g}_lb", f"eti{100 * prob:g}_ub"}
    assert names <= set(post.summary(prob))
    assert names <= set(post.exponents().summary(prob))


def test_exponents_are_beta_over_alpha_plus_beta(post):
    draws = post.exponents().draws
    alpha, beta = post.values["alpha"], post.values["beta"]
    np.testing.assert_allclose(draws["a"], beta / (alpha + beta), rtol=1e-9)
    np.testing.assert_allclose(draws["b"], alpha / (alpha + beta), rtol=1e-9)
    assert dict(post.exponents([1e20, 1e25]).draws.sizes)["compute"] == 2


def test_tables_name_their_interval(post):
    exponents = post.exponents()
    equal_tails = exponents.summary(prob=0.5)
    assert list(equal_tails.columns) == ["median", "eti50_lb", "eti50_ub"]
    assert list(equal_tails.index) == ["a", "b"]
    a = exponents.draws["a"].values
    np.testing.assert_allclose(equal_tails.loc["a", "eti50_lb"], np.quantile(a, 0.25))
    shortest = exponents.summary(prob=0.5, kind="hdi").loc["a"]
    width = shortest["hdi50_ub"] - shortest["hdi50_lb"]
    assert width <= equal_tails.loc["a", "eti50_ub"] - equal_tails.loc["a", "eti50_lb"]
    inside = (a > shortest["hdi50_lb"]) & (a < shortest["hdi50_ub"])
    assert inside.mean() == pytest.approx(0.5, abs=0.01)


def test_allocation_spends_the_budget(post):
    estimate = post.allocate([1e21, 1e24])
    draws = estimate.draws
    np.testing.assert_allclose(
        6 * draws["params"] * draws["tokens"],
        np.broadcast_to([1e21, 1e24], (4, 1000, 2)),
        rtol=1e-9,
    )
    table = estimate.summary()
    assert table.index.names == ["compute", "quantity"]
    quantities = ["params", "tokens", "tokens_per_param", "loss", "a", "b"]
    assert list(table.loc[1e21].index) == quantities
    # Compute-optimal loss falls with the budget, and never below E.
    assert (draws["loss"].sel(compute=1e24) < draws["loss"].sel(compute=1e21)).all()
    assert (draws["loss"] > post.tree["posterior"]["E"]).all()


def test_prediction_distinguishes_expected_from_observed(post):
    estimate = post.predict(params=[70e9, 1e9], tokens=1.4e12)
    values = post.values
    expected = (
        values["E"] + values["A"] / 1e9 ** values["alpha"] + values["B"] / 1.4e12 ** values["beta"]
    )
    np.testing.assert_allclose(estimate.draws["expected"][..., 1], expected, rtol=1e-9)
    # A run scatters about the law by sigma times Student's t.
    scatter = np.log(estimate.draws["observed"] / estimate.draws["expected"]).values
    scaled = scatter / values["sigma"][..., None]
    uniform = stats.t.cdf(scaled, values["nu"][..., None])
    for run in range(2):
        assert stats.kstest(uniform[..., run].ravel(), "uniform").pvalue > 1e-4
    table = estimate.summary()
    assert table.index.names == ["params", "tokens", "quantity"]
    grid = post.predict(params=[[1e9], [2e9]], tokens=[[1e10, 2e10]])
    assert grid.draws.sizes["run"] == 4
    same = post.predict(params=[70e9, 1e9], tokens=1.4e12)
    assert estimate.draws.identical(same.draws)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda post: post.allocate(0), "compute must be finite numbers, each positive; got 0"),
        (lambda post: post.allocate([1e20, np.nan]), "finite numbers, each positive"),
        (lambda post: post.allocate([]), "finite numbers, each positive"),
        (lambda post: post.allocate("much"), "must be numbers, each positive; got 'much'"),
        (lambda post: post.predict(params=1e9), "from params and tokens; got params"),
        (lambda post: post.predict(params=1e9, tokens=1e9, compute=1), "got params, tokens, comp"),
        (
            lambda post: post.predict(params=-1, tokens=1e9),
            "params must be finite numbers, each positive",
        ),
        (lambda post: post.predict(params=[1, 2], tokens=[1, 2, 3]), "shapes that broadcast"),
        (
            lambda post: post.predict(params=1e9, tokens=1e9, seed=-1),
            "seed must be a whole number from 0",
        ),
        (
            lambda post: post.summary(prob="0.9"),
            "prob must be a finite number, between 0 and 1.*got '0.9'",
        ),
        (lambda post: post.summary(prob=90), "prob must be between 0 and 1, such as 0.9; got 90"),
        (lambda post: post.exponents().summary(kind="map"), "kind must be 'eti'"),
    ],
)
def test_invalid_arguments_are_refused(post, call, message):
    with pytest.raises(sb.InputError, match=message):
        call(post)


def test_saving_and_loading_is_exact(post, tmp_path):
    path = tmp_path / "post.nc"
    post.save(path)
    loaded = sb.load(path)
    assert loaded.tree.identical(post.tree)
    assert loaded.record == post.record
    pd.testing.assert_frame_equal(loaded.summary(), post.summary())
    pd.testing.assert_frame_equal(loaded.allocate(1e24).summary(), post.allocate(1e24).summary())


def test_files_that_are_no_posterior_are_refused(tmp_path):
    with pytest.raises(sb.InputError, match="There is no file"):
        sb.load(tmp_path / "missing.nc")
    text = tmp_path / "text.nc"
    text.write_text("no netCDF")
    with pytest.raises(sb.InputError, match="is not a netCDF file"):
        sb.load(text)
    other = tmp_path / "other.nc"
    xr.DataTree(xr.Dataset({"x": 1.0})).to_netcdf(other, engine="h5netcdf")
    with pytest.raises(sb.InputError, match="was not written by"):
        sb.load(other)


def test_the_record_holds_what_was_fitted(post, runs):
    record = post.record
    assert record.law == "chinchilla"
    assert record.noise == "student_t"
    assert record.seed == 1
    assert record.options["draws"] == 1000
    assert record.data == DataRecord("chinchilla", 240, runs.digest, (), Units(), {})
    alpha = record.priors["alpha"]
    assert alpha["statement"] == "alpha ~ LogNormal(loc=-1, scale=0.8)"
    assert alpha["hyperparameters"] == {"loc": -1.0, "scale": 0.8}
    assert record.versions["jax"] == jax.__version__
    assert record.dtype == "float64"
    assert Record.from_json(record.to_json()) == record
    assert json.loads(post.tree.attrs["scalingbayes"])["schema"] == 4


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        (1, "schema version 1; this version of scalingbayes reads version 4"),
        (None, "has no schema version"),
    ],
)
def test_files_of_other_versions_are_refused(post, tmp_path, schema, message):
    record = json.loads(post.record.to_json())
    del record["schema"]
    tree = post.tree.copy()
    tree.attrs["scalingbayes"] = json.dumps(record if schema is None else {"schema": schema})
    sb.Posterior(tree, post.law, post.noise).save(tmp_path / "other.nc")
    with pytest.raises(sb.InputError, match=f"other.nc cannot be read.*{message}"):
        sb.load(tmp_path / "other.nc")


def test_reprs_show_table_and_verdict(post):
    for text in (repr(post), post._repr_html_()):
        for word in ("alpha ~", "240 runs", "passed its checks", "Hoffmann"):
            assert word in text
    for text in (repr(post.exponents()), post.exponents()._repr_html_()):
        assert "90% interval" in text
        assert "FAILED" not in text


def test_a_failed_fit_is_marked_everywhere(small_table):
    post = fit(small_table, draws=10, warmup=50)
    assert not post.verdict.passed
    assert "ESS" in str(post.verdict)
    assert "give more draws" in str(post.verdict)
    assert post.summary().attrs["verdict"] == "failed"
    assert post.exponents().summary().attrs["verdict"] == "failed"
    for text in (repr(post), repr(post.allocate(1e20)), post.exponents()._repr_html_()):
        assert "THE FIT FAILED ITS CHECKS" in text


def test_parameters_determined_by_priors_are_noted(rng):
    # Over a factor of 1.5 in tokens nothing is learnt of their exponent.
    params, tokens = 10 ** rng.uniform(7, 10, 40), 10 ** rng.uniform(10, 10.18, 40)
    loss = 1.69 + 406.4 / params**0.34 + 410.7 / tokens**0.28
    noisy = loss * np.exp(0.02 * rng.standard_normal(40))
    post = fit({"params": params, "tokens": tokens, "loss": noisy})
    notes = " ".join(post.verdict.notes)
    assert "of what is known of beta comes from its prior" in notes
    assert "of alpha" not in notes


def test_held_out_runs_are_not_in_the_tree(small_table):
    weights = np.array([0, *[1] * 11])
    post = fit(small_table, weights=weights, draws=10, warmup=50)
    assert list(post.tree["log_likelihood"]["run"]) == list(range(1, 12))
    np.testing.assert_array_equal(post.tree["observed_data"]["loss"], small_table["loss"][1:])
    assert post.record.data.rows == 11


def test_large_log_likelihoods_are_left_out(small_table, monkeypatch):
    monkeypatch.setattr("scalingbayes.posterior.tree.LARGEST_LOG_LIKELIHOOD", 100)
    post = fit(small_table, draws=10, warmup=50)
    assert "log_likelihood" not in post.tree
