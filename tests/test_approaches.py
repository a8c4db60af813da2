"""The three approaches of Hoffmann et al. against closed forms and published numbers."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain import fit

import scalingbayes as sb
from scalingbayes.decisions.approaches.frontier import fit_power_law

HOFFMANN = {"E": 1.69, "A": 406.4, "B": 410.7, "alpha": 0.34, "beta": 0.28}
A_OF_HOFFMANN = 0.28 / (0.34 + 0.28)

# Porian et al. 2024, summaries of their repository.
PORIAN = {
    "refinedweb/base/long/kaplan/kaplan/train": 0.834,
    "refinedweb/base/long/kaplan/standard/val": 0.701,
    "refinedweb/base/short/kaplan/standard/val": 0.604,
    "refinedweb/base/short/chinchilla/standard/val": 0.571,
    "refinedweb/tuned/short/const/standard/val": 0.497,
    "openwebtext2/base/long/kaplan/kaplan/train": 0.870,
    "openwebtext2/base/long/kaplan/standard/val": 0.700,
    "openwebtext2/base/short/kaplan/standard/val": 0.602,
    "openwebtext2/base/short/chinchilla/standard/val": 0.569,
    "openwebtext2/tuned/short/const/standard/val": 0.518,
    "refinedweb/tuned/long/const/kaplan/train": 0.708,
}


@pytest.fixture(scope="module")
def porian():
    return sb.datasets.load("porian").split("group")


def tokens_by_hoffmann(compute):
    """The optimum of the surface, by equation 4 of the paper."""
    alpha, beta = HOFFMANN["alpha"], HOFFMANN["beta"]
    ratio = alpha * HOFFMANN["A"] / (beta * HOFFMANN["B"])
    return (compute / 6) ** (1 - A_OF_HOFFMANN) / ratio ** (1 / (alpha + beta))


def parabolic_runs(a, log_k, bend, budgets, points, shift):
    """Runs whose loss is exactly quadratic in log params, with minimum k C^a."""
    compute = np.repeat(budgets, points)
    offset = np.tile(np.linspace(-1, 1, points), len(budgets)) + shift
    best = log_k + a * np.log(compute)
    params = np.exp(best + offset)
    return {
        "params": params,
        "tokens": compute / 6 / params,
        "loss": 3 - 0.1 * np.log10(compute / 1e18) + bend * offset**2,
    }


def training_curves(sizes, seen=(2, 200), points=60):
    params = np.repeat(np.geomspace(1e8, 1e10, sizes), points)
    tokens = params * np.tile(np.geomspace(*seen, points), sizes)
    loss = 1.69 + 406.4 / params**0.34 + 410.7 / tokens**0.28
    return pd.DataFrame({"params": params, "tokens": tokens, "loss": loss})


# Approach 2


def test_the_bias_of_parabolas_is_as_published():
    found = sb.isoflop_bias(HOFFMANN)
    assert list(found.index) == [2, 4, 8, 16]
    expected = [-0.33, -1.30, -2.90, -5.10]
    np.testing.assert_allclose(100 * found["tokens_error"], expected, atol=0.005)
    truth = tokens_by_hoffmann(1e24)
    np.testing.assert_allclose(found["tokens"] / truth - 1, found["tokens_error"], rtol=1e-6)
    # All budgets are off by the same factor: the exponent is right.
    np.testing.assert_allclose(found["a"], A_OF_HOFFMANN, rtol=1e-9)


@pytest.mark.parametrize("width", [2.0, 16.0])
def test_fits_of_the_same_runs_are_unbiased(width, rng):
    sweep = sb.isoflop_sweep(HOFFMANN, width=width)
    best = fit(sweep, engine="optimize").values
    alpha, beta = best["alpha"], best["beta"]
    ratio = alpha * best["A"] / (beta * best["B"])
    tokens = (1e24 / 6) ** (alpha / (alpha + beta)) / ratio ** (1 / (alpha + beta))
    assert tokens == pytest.approx(tokens_by_hoffmann(1e24), rel=1e-6)
    # A posterior needs some noise: without any, its spread has no lower end.
    noisy = sweep.frame.assign(
        loss=sweep.frame["loss"] * np.exp(1e-6 * rng.standard_normal(len(sweep)))
    )
    post = fit(noisy, noise="normal", engine="laplace")
    assert post.verdict.passed, str(post.verdict)
    median = post.allocate(1e24).median()["tokens"].item()
    assert median == pytest.approx(tokens_by_hoffmann(1e24), rel=1e-3)


@given(
    alpha=st.floats(0.1, 0.8),
    weight=st.floats(0.1, 10.0),
    width=st.floats(1.5, 30.0),
)
@settings(max_examples=20, deadline=None)
def test_parabolas_are_unbiased_if_alpha_is_beta(alpha, weight, width):
    # Then the loss is even about its minimum in log params.
    values = {"E": 1.7, "A": 300.0, "B": 300.0 * weight, "alpha": alpha, "beta": alpha}
    found = sb.isoflop_bias(values, widths=width)
    np.testing.assert_allclose(found[["params_error", "tokens_error"]], 0, atol=1e-6)
    np.testing.assert_allclose(found[["a", "b"]], 0.5, atol=1e-8)


@given(
    a=st.floats(0.2, 0.9),
    amid=st.floats(19.0, 23.0),  # smaller sizes would have 1e5 tokens per param, which is warned of
    bend=st.floats(0.001, 1.0),
    points=st.integers(4, 12),
    shift=st.floats(-0.7, 0.7),
)
@settings(max_examples=30, deadline=None)
def test_exact_parabolas_are_found_exactly(a, amid, bend, points, shift):
    log_k = amid - a * np.log(1e21)  # of log params at 1e21 FLOPs
    budgets = np.geomspace(1e20, 1e22, 4)
    found = sb.isoflop(parabolic_runs(a, log_k, bend, budgets, points, shift))
    assert found.exponents.a == pytest.approx(a, abs=1e-7)
    assert found.exponents.b == pytest.approx(1 - a, abs=1e-7)
    assert found.log_coefficients["params"] == pytest.approx(log_k, abs=1e-5)
    np.testing.assert_allclose(found.allocate(1e24)["params"], np.exp(log_k) * 1e24**a, rtol=1e-5)
    # Resamples of exact parabolas are the same parabolas.
    row = found.exponents.row()
    assert row["a_lower"] == pytest.approx(row["a_upper"], abs=1e-7)


def test_optima_are_those_of_polyfit(all_runs, porian):
    runs = porian["refinedweb/tuned/short/const/standard/val"]
    found = sb.isoflop(runs)
    for (budget, rows), optimum in zip(
        runs.frame.groupby("isoflop_budget"), found.optima.itertuples(), strict=True
    ):
        assert optimum.compute == budget
        for name in ("params", "tokens"):
            bend, slope, _ = np.polyfit(np.log(rows[name]), rows["loss"], 2)
            assert np.log(getattr(optimum, name)) == pytest.approx(-slope / bend / 2, rel=1e-9)
    slope, level = np.polyfit(np.log(found.optima["compute"]), np.log(found.optima["params"]), 1)
    assert found.exponents.a == pytest.approx(slope, rel=1e-9)
    assert found.log_coefficients["params"] == pytest.approx(level, rel=1e-9)


def test_power_laws_are_those_of_polyfit(rng):
    x, weights = np.linspace(40, 50, 6), rng.uniform(0.1, 3, 6)
    y = 0.5 * x + rng.standard_normal((3, 6))
    y[1, 2], y[2, 1:] = np.nan, np.nan
    level, slope = fit_power_law(x, y, weights)
    for row in (0, 1):
        known = np.isfinite(y[row])
        # polyfit squares its weights.
        expected = np.polyfit(x[known], y[row][known], 1, w=np.sqrt(weights[known]))
        np.testing.assert_allclose([slope[row], level[row]], expected, rtol=1e-9)
    assert np.isnan([level[2], slope[2]]).all()  # of one point


@pytest.mark.parametrize("group", PORIAN)
def test_porians_exponents(porian, group):
    found = sb.isoflop(porian[group], "akima")
    assert found.exponents.a == pytest.approx(PORIAN[group], abs=0.005)
    assert found.exponents.b == pytest.approx(1 - PORIAN[group], abs=0.005)
    row = found.exponents.row()
    assert row["a_lower"] < found.exponents.a < row["a_upper"]


def test_weights_are_inverse_variances(porian):
    runs = porian["openwebtext2/base/long/kaplan/kaplan/train"]
    plain, weighted = (sb.isoflop(runs, "akima", weighted=w) for w in (False, True))
    pd.testing.assert_frame_equal(plain.optima, weighted.optima)
    # Weights of Porian's definition, on this table, leave their printed 0.870 by 0.01.
    assert plain.exponents.a - weighted.exponents.a == pytest.approx(0.0117, abs=0.004)


def test_splines_find_the_optimum_between_the_runs():
    found = sb.isoflop_bias(HOFFMANN, curve="akima", widths=(2, 16))
    # As near as the grid on which they are searched, 1/25 of a gap between runs: 1.6 % at most.
    np.testing.assert_allclose(found[["params_error", "tokens_error"]], 0, atol=0.016)


def test_the_exponent_does_not_depend_on_the_unit(porian):
    runs = porian["refinedweb/tuned/short/const/standard/val"]
    frame = runs.frame.drop(columns="compute")
    for curve in ("parabola", "akima"):
        with pytest.warns(sb.InputWarning, match="millions"):
            small = sb.Runs(frame.assign(params=frame["params"] / 1e6, loss=frame["loss"] / 2.4))
        ours, theirs = (sb.isoflop(each, curve).exponents for each in (small, runs))
        assert ours.a == pytest.approx(theirs.a, rel=1e-6)
        pd.testing.assert_frame_equal(ours.resampled, theirs.resampled, rtol=1e-6)


def test_budgets_are_found_without_a_column():
    frame = sb.isoflop_sweep(HOFFMANN).frame
    named = sb.isoflop(frame)
    levels = sb.isoflop(frame.drop(columns="isoflop_budget"))
    labels = sb.isoflop(
        frame.assign(sweep=frame["isoflop_budget"].map("{:g} FLOPs".format)), budgets="sweep"
    )
    for each in (levels, labels):
        pd.testing.assert_frame_equal(each.optima, named.optima)


def test_budgets_that_do_not_bracket_a_minimum_are_left_out():
    frame = sb.isoflop_sweep(HOFFMANN).frame
    largest = frame["isoflop_budget"] == 1e21
    small = frame["params"] < frame["params"][largest].quantile(0.4)
    for curve in ("parabola", "akima"):
        found = sb.isoflop(frame[~largest | small], curve)
        assert found.optima["params"].isna().tolist() == [False] * 4 + [True]
        assert "1 of 5 budgets, whose runs do not bracket the minimum" in found.exponents.note
        assert found.exponents.a == pytest.approx(A_OF_HOFFMANN, abs=0.01)


# Approach 1


@pytest.mark.parametrize("named", [True, False])
def test_the_envelope_of_many_curves_is_the_frontier(named):
    table = training_curves(sizes=80)
    if named:
        table["run_id"] = pd.factorize(table["params"])[0]
    found = sb.envelope(table, curves=None if named else "params")
    assert found.exponents.a == pytest.approx(A_OF_HOFFMANN, abs=0.005)
    assert found.exponents.b == pytest.approx(1 - A_OF_HOFFMANN, abs=0.005)
    assert ("equal params" in found.exponents.note) == (not named)
    inside = found.optima.dropna()
    truth = tokens_by_hoffmann(inside["compute"])
    # As near as the sizes are dense: neighbours differ by 6 %, and interpolation adds a little.
    np.testing.assert_allclose(inside["tokens"], truth, rtol=0.05)


def test_the_ends_of_the_envelope_are_not_minima():
    # Three sizes: only where the middle one is the best of all three is there a minimum.
    found = sb.envelope(training_curves(sizes=3, seen=(0.02, 2e4), points=200), curves="params")
    sizes = found.optima["params"].dropna().unique()
    np.testing.assert_allclose(sizes, 1e9)


# Approach 3


def test_the_parametric_fit_is_the_published_one(runs, all_runs):
    found = sb.parametric(runs)
    # Besiroglu et al. 2024 find 0.513 with a standard error of 0.020.
    assert found.exponents.a == pytest.approx(0.514, abs=0.001)
    row = found.exponents.row()
    # 80 % of a bootstrap within ± 1.28 of its standard errors, of a subsample within half of it.
    assert row["a_upper"] - row["a_lower"] == pytest.approx(1.28 * 0.020, rel=0.3)
    assert found.best.values["alpha"] == pytest.approx(0.347, abs=0.002)
    assert len(found.resampled.values["alpha"].ravel()) == 100
    assert found.exponents.note.startswith("rows far from the law, by more than 10 robust")


@pytest.mark.slow
def test_rows_far_from_the_parametric_law_are_named(all_runs):
    # Besiroglu et al. 2024 leave out the five highest losses, which are the first five rows.
    found = sb.parametric(all_runs, starts=64)
    assert found.exponents.a == pytest.approx(0.565, abs=0.002)
    assert "deviations: row 1, row 2, row 3, row 4. Huber's" in found.exponents.note


@pytest.mark.slow
def test_subsamples_scatter_less_than_bootstraps(runs):
    how = {"engine": "bootstrap", "noise": "huber", "resamples": 400}
    whole, subsample = fit(runs, **how), fit(runs, **how, kind="subsample", part=0.8)
    for name in ("E", "alpha", "beta"):
        ratio = subsample.values[name].std() / whole.values[name].std()
        # Each sd is known to 4 %; to first order in 1/240 the ratio is the closed form.
        assert ratio == pytest.approx(np.sqrt(1 / 0.8 - 1), rel=0.25), name


@pytest.mark.parametrize("part", [0.0, 1.0])
def test_part_must_be_a_fraction(runs, part):
    with pytest.raises(sb.InputError, match="part must be strictly between"):
        fit(runs, engine="bootstrap", kind="subsample", part=part)


# All of them


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda runs: sb.isoflop(runs, "spline"), "curve must be 'parabola' or 'akima'"),
        (lambda runs: sb.isoflop(runs, weighted=True), "weighted=True needs curve='akima'"),
        (lambda runs: sb.isoflop(runs, "akima", loss_sd=0.0), "loss_sd must be a positive"),
        (lambda runs: sb.isoflop(runs, budgets="budget"), "no column 'budget'"),
        (lambda runs: sb.isoflop(runs, tolerance=2), "tolerance must be from 0 to below 1"),
        (lambda runs: sb.isoflop(runs, seed=-1), "seed must be a whole number from 0"),
        (lambda runs: sb.envelope(runs, curves="run"), "no column 'run'"),
        (lambda runs: sb.parametric(runs, starts="few"), "starts must be 'hoffmann'"),
        (lambda runs: sb.compare_approaches(runs, budgets="sweep"), "no column 'sweep'"),
        (lambda runs: sb.compare_approaches(runs, prob=90), "prob must be between 0 and 1"),
        (lambda runs: sb.compare_approaches(runs, posterior=True), "posterior must be .* got bool"),
        (lambda runs: sb.compare_approaches({"params": [1e9], "loss": [3]}), "no column 'tokens'"),
        (lambda runs: sb.isoflop_bias(HOFFMANN, compute=[1e20, 1e21]), "compute must be one"),
        (lambda runs: sb.isoflop_bias(HOFFMANN, "power_law"), "no compute-optimal allocation"),
        (lambda runs: sb.isoflop_bias(HOFFMANN, "deepseek"), "is of flops_per_token and loss"),
        (
            lambda runs: sb.isoflop_sweep({"E": 1.0}),
            "values must have the parameters of law 'chinch",
        ),
        (lambda runs: sb.isoflop_sweep(HOFFMANN, width=1.0), "width must be above 1"),
        (lambda runs: sb.isoflop_sweep(HOFFMANN, offset=0), "offset must be positive"),
        (
            lambda runs: sb.isoflop_sweep(HOFFMANN, points=2),
            "points must be a whole number of 3 or more",
        ),
        (lambda runs: sb.isoflop_sweep(HOFFMANN, budgets=-1e20), "budgets must be finite"),
    ],
)
def test_bad_arguments_are_refused(runs, call, message):
    with pytest.raises(sb.InputError, match=message):
        call(runs)


def test_sweeps_lie_on_other_laws_too():
    values = {**HOFFMANN, "k": 0.8}
    sweep = sb.isoflop_sweep(values, "coupled", budgets=[1e19, 1e20, 1e21], points=5, offset=2.0)
    frame = sweep.frame
    expected = 1.69 + (406.4 / frame["params"] ** 0.34 + 410.7 / frame["tokens"] ** 0.28) ** 0.8
    np.testing.assert_allclose(frame["loss"], expected, rtol=1e-9)
    np.testing.assert_allclose(frame["compute"], frame["isoflop_budget"], rtol=1e-12)
    # A power of the law's sum has its minimum at the same place.
    middle = frame["tokens"].to_numpy()[2::5]
    np.testing.assert_allclose(2 * middle, tokens_by_hoffmann(frame["compute"][2::5]), rtol=1e-9)
