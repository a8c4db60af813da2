"""Best fits against SciPy and published numbers, and point estimates."""

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from plain import bind, fit
from scipy import integrate, optimize, stats
from simulation import rounded_laplace

import scalingbayes as sb
from scalingbayes._core.precision import precision
from scalingbayes.posterior.point_estimate import PointEstimate

LAW = ("E", "A", "B", "alpha", "beta")


@pytest.fixture(scope="module")
def hoffmann(runs):
    """The fit of Hoffmann et al. 2022, by their own starts."""
    return fit(runs, engine="optimize", noise="huber", starts="hoffmann", dtype="float64")


def sum_of_huber(logs, runs):
    """The objective of Hoffmann et al. 2022, eq. 3; shape (..., 5) of log E, log A, log B and the
    exponents."""
    params, tokens, loss = (np.log(runs.column(name)) for name in ("params", "tokens", "loss"))
    log_E, log_A, log_B, alpha, beta = np.moveaxis(np.asarray(logs), -1, 0)[..., None]
    terms = np.logaddexp(np.logaddexp(log_E, log_A - alpha * params), log_B - beta * tokens)
    distance = np.abs(terms - loss)
    return np.where(distance < 1e-3, distance**2 / 2, 1e-3 * (distance - 5e-4)).sum(-1)


def as_logs(values):
    with np.errstate(divide="ignore"):
        return np.stack(
            [np.asarray(values[n]) if n.islower() else np.log(values[n]) for n in LAW], axis=-1
        )


def test_hoffmanns_starts_lead_to_hoffmanns_optimum(runs, hoffmann):
    here = as_logs(hoffmann.values)
    best = sum_of_huber(here, runs)
    assert best <= 0.0010182745
    known = {"E": 1.8172, "A": 477.8, "B": 2143, "alpha": 0.34731, "beta": 0.36717}
    for name, value in known.items():
        assert hoffmann.values[name] == pytest.approx(value, rel=1e-3), name
    # Nelder-Mead from there gains no more than the 1e-6 nats at which a search ends.
    nats = 1e-3 * hoffmann.values["sigma"]
    scale = [0.01, 0.1, 0.1, 0.01, 0.01]  # about the standard errors
    polished = optimize.minimize(
        lambda x: sum_of_huber(here + x * scale, runs) / nats,
        np.zeros(5),
        method="Nelder-Mead",
        options={"xatol": 1e-6, "fatol": 1e-9, "maxiter": 4000, "maxfev": 4000},
    ).fun
    assert best / nats - polished < 1e-4
    assert len(hoffmann.searches) == 4500
    everywhere = sum_of_huber(as_logs(hoffmann.searches), runs)
    assert np.nanmin(everywhere) / nats > polished - 1e-6
    assert hoffmann.searches["converged"].sum() == hoffmann.agreeing == 64


def test_log_densities_of_searches_are_the_objective(runs, hoffmann):
    # Sums of Huber losses over tip and spread, and the normalisation of the rounded Laplace.
    near = hoffmann.searches[hoffmann.searches["log_density"] > hoffmann.log_density - 20]
    sums = sum_of_huber(as_logs(near), runs)
    sigma = near["sigma"].to_numpy()
    mass = [integrate.quad(rounded_laplace, 0, 1, (0, s, 1e-3), points=[1e-3])[0] for s in sigma]
    expected = -sums / 1e-3 / sigma - 240 * np.log(mass)
    found = near["log_density"].to_numpy()
    assert len(found) > 500
    np.testing.assert_allclose(found - found[0], expected - expected[0], atol=1e-6)


def test_the_text_and_numbers_of_a_point_estimate(hoffmann, runs):
    assert "Point of greatest likelihood of L = E + A/N^alpha + B/D^beta" in repr(hoffmann)
    assert "of 4500 searches" in repr(hoffmann)
    assert "of the 64 carried to convergence 64 ended within 0.1 nats" in repr(hoffmann)
    assert "A point has no interval" in repr(hoffmann)
    alpha, beta = hoffmann.values["alpha"], hoffmann.values["beta"]
    for budget in (None, 1e21, 1e24):
        found = hoffmann.exponents(budget)
        np.testing.assert_allclose(found["a"], beta / (alpha + beta), rtol=1e-9)
        np.testing.assert_allclose(found["b"], alpha / (alpha + beta), rtol=1e-9)
    inputs = {name: runs.column(name) for name in ("params", "tokens")}
    terms = hoffmann.values["A"] * inputs["params"] ** -alpha
    terms += hoffmann.values["B"] * inputs["tokens"] ** -beta
    expected = hoffmann.values["E"] + terms
    np.testing.assert_allclose(hoffmann.expected(**inputs), expected, rtol=1e-9)
    of_lists = hoffmann.expected(params=list(inputs["params"]), tokens=list(inputs["tokens"]))
    np.testing.assert_allclose(of_lists, expected, rtol=1e-9)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda p: p.expected(params=1e9), "predicts from params and tokens; got params"),
        (lambda p: p.expected(params=1e9, tokens=1e9, epochs=2), "got params, tokens, epochs"),
        (lambda p: p.expected(params=[1e9, -1], tokens=1e9), "params must be finite numbers"),
        (lambda p: p.expected(params=[1e9, 2e9], tokens=[1, 2, 3]), "shapes that broadcast"),
        (lambda p: p.exponents(-1), "compute must be finite numbers, each"),
        (lambda p: p.exponents(unique_tokens=1e9), "also reads nothing: .* got unique_tokens"),
    ],
)
def test_arguments_that_a_point_estimate_cannot_use_are_refused(hoffmann, call, message):
    with pytest.raises(sb.InputError, match=message):
        call(hoffmann)


def test_the_log_density_of_a_point_is_of_log_losses(small_table):
    found = fit(small_table, engine="optimize", law="power_law")
    values = found.values
    residuals = np.log(small_table["loss"]) - np.log(found.expected(params=small_table["params"]))
    oracle = stats.t(min(values["nu"], 1e3), scale=values["sigma"]).logpdf(residuals).sum()
    assert found.log_density == pytest.approx(oracle, abs=1e-6)


def test_a_point_of_a_law_without_allocation_has_no_exponents(small_table):
    values = {"E": 1.7, "A": 400.0, "alpha": 0.3, "sigma": 0.01, "nu": 5.0}
    model = bind(sb.Runs(small_table), "power_law")
    searches = pd.DataFrame({**values, "log_density": 0.0, "converged": True}, index=[0])
    point = PointEstimate(model, "likelihood", values, 0.0, searches)
    with pytest.raises(sb.InputError, match="no compute-optimal"):
        point.exponents()


def test_the_posteriors_mode_is_scipys(runs, mode):
    density, point, covariance = mode
    found = fit(runs, engine="optimize", objective="posterior", dtype="float64")
    with precision("float64"):
        ours = density.coordinates.from_units({n: jnp.asarray(x) for n, x in found.values.items()})
    deviations = np.linalg.solve(np.linalg.cholesky(covariance), np.asarray(ours) - point)
    # A search ends when a step promises less than 1e-6 nats.
    assert np.linalg.norm(deviations) < 0.01
    assert "greatest posterior" in repr(found)


def test_starts_may_be_given(runs, hoffmann):
    near = {name: [value, 1.05 * value] for name, value in hoffmann.values.items() if name in LAW}
    found = fit(runs, engine="optimize", noise="huber", starts=near, dtype="float64")
    assert len(found.searches) == 2
    assert found.agreeing == 2
    assert sum_of_huber(as_logs(found.values), runs) <= 0.0010182745


@pytest.mark.slow
def test_hoffmanns_optimum_in_float32(runs, hoffmann):
    single = fit(runs, engine="optimize", noise="huber", starts="hoffmann", dtype="float32")
    # Rounding changes a log density of 880 by about 1e-4 nats.
    excess = sum_of_huber(as_logs(single.values), runs) - sum_of_huber(
        as_logs(hoffmann.values), runs
    )
    assert excess / 1e-3 / hoffmann.values["sigma"] < 1e-3


GOOD = {"E": [1.8, 1.8], "A": [400.0, 400.0], "B": [2000.0, 2000.0]}


GOOD |= {"alpha": [0.3, 0.3], "beta": [0.3, 0.3]}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"starts": 0}, "starts must be a whole number of 1 or more; got 0"),
        (
            {"starts": {**GOOD, "gamma": [1.0, 1.0]}},
            "a column for each parameter of law 'chinchilla', E, A, B, alpha, beta; .*gamma",
        ),
        ({"starts": dict.fromkeys(GOOD, 1.8)}, "starts must be columns of one length"),
        ({"starts": GOOD | {"E": [1.8]}}, "starts must be columns of one length"),
        ({"starts": {name: [] for name in GOOD}}, "starts has no rows"),
        ({"starts": GOOD | {"E": ["a", "b"]}}, "starts must be numbers"),
        ({"starts": {"E": [1.8]}}, "starts must have a column for each .*; these have E"),
        (
            {"starts": GOOD | {"alpha": [0.3, -1.0]}},
            "starts, row 2: E 1.8, .*alpha -1.* is outside the range",
        ),
        ({"starts": GOOD | {"E": [np.nan, 1.8]}}, "starts, row 1: .* is outside the range"),
        ({"law": "power_law", "starts": "hoffmann"}, "each parameter of law 'power_law', E, A, al"),
    ],
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_starts_that_cannot_be_used_are_refused(small_table, options, message):
    with pytest.raises(sb.InputError, match=message):
        fit(small_table, engine="optimize", **options)
