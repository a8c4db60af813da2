"""The other engines against NUTS, SciPy and published numbers, and the parts they are made of."""

import re
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from plain import bind, fit
from registry import NAMES, TOKENS
from scipy import integrate, optimize, stats

import scalingbayes as sb
from scalingbayes._core.distributions import RoundedLaplace, StudentT
from scalingbayes._core.precision import precision
from scalingbayes.inference import Laplace
from scalingbayes.inference.cholesky import solve_positive
from scalingbayes.inference.importance import Proposals, reweigh, student_t_proposals
from scalingbayes.inference.linear import fit_cells, linear_form
from scalingbayes.inference.settings import check_between, check_choice, check_whole
from scalingbayes.posterior.diagnostics import judge
from scalingbayes.posterior.point_estimate import PointEstimate

LAW = ("E", "A", "B", "alpha", "beta")


@pytest.fixture(scope="module")
def laplace(runs):
    return fit(runs, engine="laplace", seed=1)


@pytest.fixture(scope="module")
def grid(runs):
    return fit(runs, engine="grid", seed=1)


@pytest.fixture(scope="module")
def hoffmann(runs):
    """The fit of Hoffmann et al. 2022, by their own starts."""
    return fit(runs, engine="optimize", noise="huber", starts="hoffmann", dtype="float64")


@pytest.fixture(scope="module")
def resampled(runs):
    return fit(runs, engine="bootstrap", noise="huber", seed=1)


@pytest.fixture(scope="module")
def mode(runs):
    """The density of the 240 rows, its mode by SciPy, and its covariance by differences there."""
    with precision("float64"):
        density = bind(runs).density("float64")
        slope = jax.jit(jax.value_and_grad(lambda point: -density(point)))

        def downhill(point):
            value, gradient = slope(point)
            return float(value), np.asarray(gradient)

        start = np.asarray(density.center("float64"))
        point = optimize.minimize(downhill, start, jac=True, options={"gtol": 1e-4}).x
        steps = 1e-4 * np.eye(len(point))
        rows = [(downhill(point + h)[1] - downhill(point - h)[1]) / 2e-4 for h in steps]
        hessian = (np.array(rows) + np.array(rows).T) / 2
        # BFGS stops at rounding; Newton's steps end the search.
        for _ in range(3):
            point = point - np.linalg.solve(hessian, downhill(point)[1])
    return density, point, np.linalg.inv(hessian)


def quantities(post):
    """Draws in which a posterior is near a normal: logarithms, and the exponent a."""
    logs = {name: np.log(x).ravel() for name, x in post.values.items()}
    if {"alpha", "beta"} <= set(logs) and post.law.allocates:
        logs["a"] = post.exponents().draws["a"].to_numpy().ravel()
    return logs


def sd_error(values, count):
    """Relative standard error of the sd of so many independent draws."""
    return np.sqrt((stats.kurtosis(values, fisher=False) - 1) / 4 / count)


def assert_same_posterior(independent, chains):
    """Compare means and sds of weighted draws with those of chains, at 4 standard errors."""
    ours, theirs = quantities(independent), quantities(chains)
    effective = independent.record["effective_draws"]
    # Resampling adds as much again as the proposals' own error, at most.
    ess = 1 / (2 / effective + 1 / chains.summary()["ess_bulk"].min())
    for name, values in ours.items():
        sd = theirs[name].std()
        assert abs(values.mean() - theirs[name].mean()) < 4 * sd / np.sqrt(ess), name
        assert abs(values.std() / sd - 1) < 4 * sd_error(theirs[name], ess), name


@pytest.mark.parametrize("engine", ["laplace", "grid"])
def test_weighted_draws_are_from_the_posterior_that_nuts_finds(engine, post, request):
    found = request.getfixturevalue(engine)
    assert found.verdict.passed, str(found.verdict)
    assert found.record["pareto_k"] < 0.7
    assert_same_posterior(found, post)


@pytest.mark.slow
@pytest.mark.parametrize(
    "law",
    ["chinchilla(tied=True)", "power_law(x=tokens)", "overtrained", "fine_grained_moe", "parallel"],
)
def test_a_grid_of_one_to_three_exponents_finds_the_posterior(law, rng):
    params, tokens = np.exp(rng.uniform(16, 23, 60)), np.exp(rng.uniform(20, 27, 60))
    table = {"params": params, "tokens": tokens, "granularity": 2.0 ** rng.integers(0, 5, 60)}
    table["streams"] = 2.0 ** rng.integers(0, 4, 60)
    loss = 1.7 + 400 / params**0.34 + 400 / tokens**0.28
    table["loss"] = loss * np.exp(0.01 * rng.standard_normal(60))
    law = sb.get_law(law)
    table |= {n: np.exp(rng.uniform(0, 2, 60)) for n in law.inputs if n not in table}
    found, chains = fit(table, law, engine="grid"), fit(table, law)
    assert found.verdict.passed, str(found.verdict)
    assert_same_posterior(found, chains)


def test_the_evidence_is_that_of_plain_importance_sampling(runs, laplace, grid, post):
    # The model written again in NumPy and SciPy; the loss is measured in units of the smallest.
    params, tokens, loss = (runs.column(name) for name in ("params", "tokens", "loss"))
    log_n, log_d = (np.log(x) - np.log(x).mean() for x in (params, tokens))
    log_loss = np.log(loss / loss.min())
    median = np.array([0, -1.2, -1.2, -1, -1, np.log(0.01), 2])
    spread = np.array([np.nan, 1.5, 1.5, 0.8, 0.8, 1.5, 1])

    def log_joint(logs):
        E, A, B, alpha, beta, sigma, nu = np.exp(logs.T)[:, :, None]
        law = np.log(E + A * np.exp(-alpha * log_n) + B * np.exp(-beta * log_d))
        rows = stats.t.logpdf(log_loss - law, 1 + nu, scale=sigma) - log_loss
        prior = stats.norm.logpdf(logs[:, 1:], median[1:], spread[1:]).sum(1)
        return rows.sum(1) + prior + stats.halfnorm.logpdf(E[:, 0]) + logs[:, 0]

    values = dict(post.values)
    values["E"] = values["E"] / loss.min()
    values["nu"] = values["nu"] - 1  # of which its prior speaks
    for name, x, exponent in (("A", params, "alpha"), ("B", tokens, "beta")):
        geometric = np.exp(np.log(x).mean())
        values[name] = values[name] / loss.min() / geometric ** values[exponent]
    draws = np.log(np.stack([values[name].ravel() for name in (*LAW, "sigma", "nu")], axis=1))
    proposal = stats.multivariate_t(draws.mean(0), np.cov(draws.T), df=5, seed=3)
    points = proposal.rvs(20_000)
    log_weights = log_joint(points) - proposal.logpdf(points)
    weights = np.exp(log_weights - log_weights.max())
    effective = weights.sum() ** 2 / (weights**2).sum()
    assert effective > 5000
    expected = log_weights.max() + np.log(weights.mean())
    for found in (laplace, grid):
        # The engines' 16,000 proposals are worth as much or more.
        assert abs(found.record["log_evidence"] - expected) < 4 * np.sqrt(2 / effective)
    assert abs(laplace.record["log_evidence"] - grid.record["log_evidence"]) < 0.05


def test_unweighted_draws_are_normal_about_the_mode(runs, mode):
    density, point, covariance = mode
    engine = Laplace(draws=16_000, reweight=False)
    (draws,) = engine.run([bind(runs)], [1], "float64", lambda part: None)
    x = np.linalg.solve(np.linalg.cholesky(covariance), (draws.points[0] - point).T)
    count = x.shape[1]
    # 35 comparisons with a standard normal at 4 standard errors fail by chance once in 450.
    np.testing.assert_array_less(abs(x.mean(1)), 4 / np.sqrt(count))
    errors = np.sqrt((1 + np.eye(len(x))) / count)
    np.testing.assert_array_less(abs(x @ x.T / count - np.eye(len(x))), 4 * errors)
    with precision("float64"):
        lp = jax.vmap(density)(jnp.asarray(draws.points[0, :50]))
    np.testing.assert_allclose(draws.stats["lp"][0, :50], lp, rtol=1e-9)


def test_the_same_seed_gives_the_same_weighted_draws(runs, laplace):
    seen = []
    again = fit(runs, engine="laplace", seed=1, progress=seen.append)
    assert again.tree.identical(laplace.tree)
    assert seen[-1] == 1.0
    other = fit(runs, engine="laplace", seed=2)
    assert not np.array_equal(other.values["E"], laplace.values["E"])
    assert abs(other.record["log_evidence"] - laplace.record["log_evidence"]) < 0.05


@pytest.mark.slow
def test_laplace_in_float32_agrees_with_nuts(runs, post):
    single = fit(runs, engine="laplace", dtype="float32")
    assert single.verdict.passed, str(single.verdict)
    assert_same_posterior(single, post)


def proposals_of(x, log_density):
    return Proposals(x[:, None], log_density)


def test_weights_give_back_the_density_that_was_wanted(rng):
    # A standard t proposes; wanted is 3 N(0.5, 0.8^2), whose integral is 3.
    proposed = student_t_proposals(rng, 16_000, 1)
    np.testing.assert_allclose(
        proposed.log_density, stats.multivariate_t(df=5).logpdf(proposed.points), rtol=1e-12
    )
    wanted = np.log(3) + stats.norm(0.5, 0.8).logpdf(proposed.points[:, 0])
    draws = reweigh(proposed, wanted, 4000, rng)
    assert draws.points.shape == (1, 4000, 1)
    assert draws.facts["pareto_k"] < 0.7
    assert abs(draws.facts["log_evidence"] - np.log(3)) < 4 * np.sqrt(1 / 4000)
    # Repeats make it less even than 4,000 independent draws, by a factor below 2.
    assert stats.kstest(draws.points.ravel(), stats.norm(0.5, 0.8).cdf).statistic < 2 * 0.026


def test_a_proposal_that_misses_the_tails_fails_the_verdict(rng):
    # Normal proposals of t draws of 2 degrees of freedom: the weights have no mean.
    x = rng.standard_normal(16_000)
    draws = reweigh(proposals_of(x, stats.norm.logpdf(x)), stats.t(2).logpdf(x), 4000, rng)
    assert draws.facts["pareto_k"] > 0.7
    verdict = judge(*datasets(draws), {**draws.facts, "prior_shares": {}})
    assert not verdict.passed
    assert "Pareto k" in str(verdict)
    assert "use engine 'nuts'" in str(verdict)


def test_a_density_that_is_nowhere_fails_the_verdict(rng):
    proposed = student_t_proposals(rng, 400, 2)
    draws = reweigh(proposed, np.full(400, np.nan), 100, rng)
    assert draws.facts["log_evidence"] == -np.inf
    assert not judge(*datasets(draws), {**draws.facts, "prior_shares": {}}).passed


def datasets(draws):
    posterior = xr.Dataset({"alpha": (("chain", "draw"), draws.points[..., 0])})
    stats_ = xr.Dataset({name: (("chain", "draw"), x) for name, x in draws.stats.items()})
    return posterior, stats_


@pytest.mark.parametrize(
    ("facts", "converged", "values", "message"),
    [
        ({"pareto_k": 0.4, "effective_draws": 900.0}, None, 0.3, None),
        ({"pareto_k": 0.71, "effective_draws": 900.0}, None, 0.3, "Pareto k of the weights 0.71"),
        ({"pareto_k": 0.4, "effective_draws": 399.0}, None, 0.3, "worth 399 effective draws"),
        ({"pareto_k": np.inf, "effective_draws": 900.0}, None, 0.3, "Pareto k of the weights inf"),
        ({}, 995, 0.3, None),
        ({}, 985, 0.3, "985 of 1000 refits converged: .*objective='posterior'"),
        ({}, None, np.inf, "some draws are not finite"),
    ],
)
def test_independent_draws_have_checks_of_their_own(facts, converged, values, message):
    posterior = xr.Dataset({"alpha": (("chain", "draw"), np.full((1, 1000), values))})
    flags = {} if converged is None else {"converged": np.arange(1000)[None] < converged}
    about = xr.Dataset({name: (("chain", "draw"), x) for name, x in flags.items()})
    verdict = judge(posterior, about, {**facts, "prior_shares": {}})
    assert verdict.passed == (message is None)
    if message is not None:
        assert re.search(message, str(verdict))


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
    # No polish from there gains more than the 1e-6 nats at which a search ends.
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
    # The sums of Huber losses over tip and spread, and the mass of the rounded Laplace.
    near = hoffmann.searches[hoffmann.searches["log_density"] > hoffmann.log_density - 20]
    sums = sum_of_huber(as_logs(near), runs)
    sigma = near["sigma"].to_numpy()
    mass = [integrate.quad(rounded_laplace, 0, 1, (0, s, 1e-3), points=[1e-3])[0] for s in sigma]
    expected = -sums / 1e-3 / sigma - 240 * np.log(mass)
    found = near["log_density"].to_numpy()
    assert len(found) > 500
    np.testing.assert_allclose(found - found[0], expected - expected[0], atol=1e-6)


def test_a_point_says_what_it_is(hoffmann, runs):
    assert "Point of greatest likelihood of L = E + A/N^alpha + B/D^beta" in repr(hoffmann)
    assert "of 4500 searches" in repr(hoffmann)
    assert "of the 64 carried to convergence 64 ended within 0.1 nats" in repr(hoffmann)
    assert "A point has no interval" in repr(hoffmann)
    alpha, beta = hoffmann.values["alpha"], hoffmann.values["beta"]
    for budget in (None, 1e21, 1e24):
        found = hoffmann.exponents(budget)
        assert found["a"] == pytest.approx(beta / (alpha + beta), rel=1e-9)
        assert found["b"] == pytest.approx(alpha / (alpha + beta), rel=1e-9)
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
        (lambda p: p.exponents([1e20, 1e21]), "compute must be one number of FLOPs"),
        (lambda p: p.exponents(-1), "compute must be finite numbers, each"),
        (lambda p: p.exponents(unique_tokens=1e9), "also reads nothing: .* got unique_tokens"),
    ],
)
def test_a_point_is_not_asked_for_what_it_cannot_say(hoffmann, call, message):
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
        ours = density.from_units({n: jnp.asarray(x) for n, x in found.values.items()})
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
    # Rounding blurs a log density of 880 by about 1e-4 nats.
    excess = sum_of_huber(as_logs(single.values), runs) - sum_of_huber(
        as_logs(hoffmann.values), runs
    )
    assert excess / 1e-3 / hoffmann.values["sigma"] < 1e-3


GOOD = {"E": [1.8, 1.8], "A": [400.0, 400.0], "B": [2000.0, 2000.0]}
GOOD |= {"alpha": [0.3, 0.3], "beta": [0.3, 0.3]}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"starts": "nonsense"}, "starts must be 'hoffmann'; got 'nonsense'"),
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


@pytest.mark.parametrize(
    ("engine", "options", "message"),
    [
        ("laplace", {"draws": 99}, "draws must be a whole number of 100 or more; got 99"),
        ("laplace", {"starts": 0}, "starts must be a whole number of 1 or more; got 0"),
        ("laplace", {"chains": 4}, "no option of engine 'laplace' 'chains'"),
        ("grid", {"draws": 1}, "draws must be a whole number of 100 or more; got 1"),
        ("grid", {"start": 4}, r"no option of engine 'grid' 'start'. Did you mean 'starts'\?"),
        ("bootstrap", {"resamples": 3}, "resamples must be a whole number of 4 or more; got 3"),
        ("bootstrap", {"starts": -1}, "starts must be a whole number of 1 or more; got -1"),
        ("bootstrap", {"by": "params", "draws": 10}, "no option of engine 'bootstrap' 'draws'"),
        ("laplac", {}, r"no engine 'laplac'. Did you mean 'laplace'\?"),
    ],
)
def test_settings_that_cannot_be_used_are_refused(small_table, engine, options, message):
    with pytest.raises(sb.InputError, match=message):
        fit(small_table, engine=engine, **options)


@pytest.mark.parametrize(
    ("check", "message"),
    [
        (lambda it: check_choice(it, kind=("one", "two")), "kind must be 'one' or 'two'; got 'x'"),
        (lambda it: check_whole(it, flag=0), "flag must be a whole number of 0 or more; got True"),
        (lambda it: check_whole(it, rate=1), "rate must be a whole number of 1 or more; got 1.5"),
        (
            lambda it: check_between(it, 0.0, 1.0, "rate"),
            "rate must be between 0.0 and 1.0; got 1.5",
        ),
    ],
)
def test_a_setting_out_of_range_is_named(check, message):
    # Where the tests' own type checks would refuse it first.
    with pytest.raises(sb.InputError, match=message):
        check(SimpleNamespace(kind="x", flag=True, rate=1.5))


def test_standard_errors_are_those_of_the_replication(resampled):
    # Besiroglu et al. 2024 refitted 4,000 resamples of the same 240 rows.
    published = {"E": 0.0257, "A": 124.5, "B": 1293, "alpha": 0.0154, "beta": 0.0206, "a": 0.020}
    assert resampled.verdict.passed, str(resampled.verdict)
    draws = {**resampled.values, "a": resampled.exponents().draws["a"].to_numpy()}
    for name, sd in published.items():
        error = sd_error(draws[name].ravel(), 1 / (1 / 1000 + 1 / 4000))
        assert abs(draws[name].std() / sd - 1) < 4 * error, name


def test_dirichlet_weights_scatter_like_counts(runs, resampled):
    smooth = fit(runs, engine="bootstrap", noise="huber", kind="bayesian", seed=2)
    assert smooth.verdict.passed, str(smooth.verdict)
    found, expected = quantities(smooth), quantities(resampled)
    for name in ("E", "alpha", "beta", "a"):
        # They agree to first order in 1/240: allow for a tenth more.
        error = sd_error(expected[name], 500)
        assert abs(found[name].std() / expected[name].std() - 1) < 4 * error + 0.1, name


def test_whole_groups_are_resampled_where_they_share_errors(rng):
    # 24 sizes, each with an error of its own and ten budgets: ten rows are worth little more than
    # one, and resampling rows does not see it.
    size, params = np.repeat(np.arange(24), 10), np.repeat(np.geomspace(1e8, 1e10, 24), 10)
    tokens = params * np.tile(np.geomspace(3, 300, 10), 24)
    loss = 1.69 + 406.4 / params**0.34 + 410.7 / tokens**0.28
    errors = 0.01 * rng.standard_normal(24)[size] + 0.002 * rng.standard_normal(240)
    table = {"params": params, "tokens": tokens, "loss": loss * np.exp(errors), "size": size}
    options = {"engine": "bootstrap", "noise": "huber", "seed": 1}
    rows = fit(table, **options).values["alpha"].std()
    groups = fit(table, by="size", **options)
    assert groups.verdict.passed, str(groups.verdict)
    assert groups.record["options"]["by"] == "size"
    assert groups.values["alpha"].std() > 2 * rows


def test_a_column_to_resample_by_must_vary_and_be_there(runs):
    frame = runs.frame.assign(sweep="all of them", lab=["a", None] * 120)
    for by, message in {
        "sweep": "'sweep' has one value in all runs that count",
        "budget": "no column 'budget'",
        "lab": "'lab', row 2: is empty",
    }.items():
        with pytest.raises(sb.InputError, match=message):
            fit(frame, engine="bootstrap", noise="huber", by=by)
    counted = np.arange(240) < 120
    frame["sweep"] = np.where(counted, "one", "two")
    with pytest.raises(sb.InputError, match="'sweep' has one value in all runs that count"):
        fit(frame, engine="bootstrap", noise="huber", by="sweep", weights=1.0 * counted)


def test_a_grid_needs_a_law_that_is_linear_in_its_terms(runs):
    with pytest.raises(sb.InputError, match="is not linear in terms that it declares"):
        fit(runs, law="coupled", engine="grid")


def test_a_grid_of_too_many_exponents_is_refused(rng):
    table = {name: np.exp(rng.uniform(1, 3, 60)) for name in sb.get_law("sparse_moe").inputs}
    table |= {"sparsity": rng.uniform(0, 0.9, 60), "loss": rng.uniform(2, 3, 60)}
    with (
        pytest.warns(sb.InputWarning, match="looks like"),
        pytest.raises(sb.InputError, match=r"has 5 exponents, .* Use engine 'nuts' or"),
    ):
        fit(table, law="sparse_moe", engine="grid")


@pytest.mark.parametrize(
    "name",
    ["chinchilla", "chinchilla(tied=True)", "power_law(x=tokens)", "fine_grained_moe", "parallel"],
)
def test_cells_are_those_of_least_squares(name, rng):
    law = sb.get_law(name)
    form = linear_form(law)
    linear, exponents = form.terms, form.exponents
    inputs = {
        name: np.exp(abs(x) if each.unit == "1" else x)  # counts, of 1 or more
        for (name, each), x in zip(law.inputs.items(), rng.normal(0, 1.5, (9, 40)), strict=False)
    }
    observed, weights = rng.uniform(1, 3, 40), rng.integers(0, 3, 40) * rng.uniform(0.5, 2, 40)
    axes = {each: np.sort(rng.uniform(0.15, 1.2, 3 + i)) for i, each in enumerate(exponents)}
    with precision("float64"):
        found = jax.tree.map(
            np.asarray,
            fit_cells(
                law,
                form,
                {each: jnp.asarray(x) for each, x in inputs.items()},
                jnp.asarray(observed),
                jnp.asarray(weights),
                {each: jnp.asarray(x) for each, x in axes.items()},
            ),
        )
        shape = tuple(map(len, axes.values()))
        assert found.sse.shape == found.log_det.shape == shape
        for cell in rng.permutation(np.prod(shape))[:20]:
            place = np.unravel_index(cell, shape)
            point = {each: axes[each][i] for each, i in zip(exponents, place, strict=True)}
            none = dict.fromkeys(law.terms, 0.0)
            columns = [
                law(
                    jax.tree.map(jnp.asarray, inputs),
                    jax.tree.map(jnp.asarray, {**point, **none, each: 1.0}),
                )
                for each in linear
            ]
            design = np.stack([np.broadcast_to(x, 40) for x in columns], 1)
            design *= np.sqrt(weights)[:, None]
            best, sse, rank, spans = np.linalg.lstsq(design, observed * np.sqrt(weights))
            assert rank == len(linear)
            ours = [found.coefficients[each][place] for each in linear]
            np.testing.assert_allclose(ours, best, rtol=1e-8, atol=1e-8 * abs(best).max())
            np.testing.assert_allclose(found.sse[place], sse[0], rtol=1e-8)
            np.testing.assert_allclose(found.log_det[place], 2 * np.log(spans).sum(), atol=1e-8)


@settings(deadline=None)  # the first of each size is compiled
@given(dim=st.integers(1, 7), log_spread=st.floats(0, 3), seed=st.integers(0, 2**32 - 1))
def test_small_equations_are_solved_as_numpy_solves_them(dim, log_spread, seed):
    random = np.random.default_rng(seed)
    rotation = np.linalg.qr(random.standard_normal((dim, dim)))[0]
    matrix = (rotation * 10 ** random.uniform(-log_spread, log_spread, dim)) @ rotation.T
    matrix = (matrix + matrix.T) / 2
    right = random.standard_normal(dim)
    with precision("float64"):
        solution, log_det = jax.jit(solve_positive)(matrix, right)
    expected = np.linalg.solve(matrix, right)
    # The condition number is at most 1e6.
    np.testing.assert_allclose(solution, expected, rtol=1e-7, atol=1e-8 * abs(expected).max())
    np.testing.assert_allclose(log_det, np.linalg.slogdet(matrix)[1], rtol=1e-8, atol=1e-8)


def test_small_equations_may_come_in_batches(rng):
    roots = rng.standard_normal((2, 3, 5, 5))
    matrices, rights = roots @ roots.swapaxes(2, 3) + np.eye(5), rng.standard_normal((2, 3, 5))
    with precision("float64"):
        lower = [[jnp.asarray(matrices[..., i, j]) for j in range(i + 1)] for i in range(5)]
        solution, log_det = solve_positive(lower, [rights[..., i] for i in range(5)])
    expected = np.linalg.solve(matrices, rights[..., None])[..., 0]
    np.testing.assert_allclose(np.stack(solution, axis=-1), expected, rtol=1e-9)
    np.testing.assert_allclose(log_det, np.linalg.slogdet(matrices)[1], rtol=1e-9)


def rounded_laplace(x, loc, scale, tip):
    """The density in NumPy, before it is normalised."""
    distance = abs(x - loc)
    inside = np.minimum(distance, tip)
    return np.exp(-inside * (distance - inside / 2) / tip / scale)


@pytest.mark.parametrize(("dtype", "rtol"), [("float64", 1e-9), ("float32", 2e-5)])
@pytest.mark.parametrize(
    ("loc", "scale", "tip"), [(0.3, 0.005, 1e-3), (-1.0, 1.0, 1e-3), (2.0, 0.01, 1.0)]
)
def test_a_rounded_laplace_is_a_density_with_hubers_shape(loc, scale, tip, dtype, rtol):
    half = 40 * max(scale, np.sqrt(tip * scale))
    breaks = [loc, loc - tip, loc + tip]
    ends = (loc - half, loc + half)
    total = integrate.quad(rounded_laplace, *ends, (loc, scale, tip), points=breaks, limit=500)[0]
    away = np.geomspace(tip / 100, half, 200)
    x = np.concatenate([[loc], loc - away, loc + away])
    with precision(dtype):
        at = tuple(jnp.asarray(v) for v in (loc, scale, tip))
        found = np.asarray(RoundedLaplace(*at).log_prob(jnp.asarray(x)))
    assert found.dtype == dtype
    if dtype == "float32":  # rounding of the deviation itself
        x = x.astype("float32").astype(float)
        loc = float(np.float32(loc))
    huber = np.where(abs(x - loc) < tip, (x - loc) ** 2 / 2, tip * (abs(x - loc) - tip / 2)) / (
        tip * scale
    )
    np.testing.assert_allclose(found, -huber - np.log(total), rtol=rtol, atol=10 * rtol)


@pytest.mark.parametrize(("scale", "tip"), [(0.005, 1e-3), (0.01, 0.02), (1.0, 50.0)])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_rounded_laplace_draws_from_its_density(scale, tip, dtype):
    with precision(dtype):
        noise = RoundedLaplace(jnp.asarray(0.0), jnp.asarray(scale), tip)
        draws = np.asarray(noise.sample(jax.random.key(5), (20_000,)), float)
    half = 30 * max(scale, np.sqrt(tip * scale))
    x = np.linspace(-half, half, 200_001)
    cdf = integrate.cumulative_trapezoid(rounded_laplace(x, 0.0, scale, tip), x, initial=0)
    pvalue = stats.kstest(draws, lambda at: np.interp(at, x, cdf / cdf[-1])).pvalue
    assert pvalue > 0.01 / 6


@pytest.mark.parametrize(("dtype", "atol"), [("float64", 1e-9), ("float32", 1e-3)])
def test_students_t_is_scipys(dtype, atol, rng):
    x, nu = rng.standard_cauchy(500), np.exp(rng.uniform(0, np.log(1000), 500))
    with precision(dtype):
        found = StudentT(jnp.asarray(nu), 0.3, 0.7).log_prob(jnp.asarray(x))
        assert found.dtype == dtype
    np.testing.assert_allclose(found, stats.t.logpdf(x, nu, 0.3, 0.7), rtol=atol, atol=atol)


@pytest.mark.parametrize("name", NAMES)
def test_points_come_back_from_units_and_from_the_reference_point(name, rng):
    law = sb.get_law(name)
    table = {}
    for column, each in law.inputs.items():
        if each.domain.upper == 1:
            table[column] = rng.uniform(0.05, 0.9, 40)
        elif each.unit == "1":
            table[column] = (TOKENS if column == "tokens" else 1) * 2.0 ** rng.integers(0, 7, 40)
        else:
            table[column] = np.exp(rng.normal(22, 1, 40) + 10 * (column == "compute"))
    target = {"log": 2.5, "logit": 0.6, "plain": -3.0}[law.target.scale]
    table[law.target.column] = target * np.exp(0.1 * rng.uniform(-1, 1, 40))
    with precision("float64"):
        density = bind(sb.Runs(table), law).density("float64")
        for _ in range(3):
            point = density.center("float64") + rng.normal(0, 0.5, len(density.parameters))
            for back in (
                density.from_units(density.in_units(point)),
                density.from_reference(density.at_reference(point)),
            ):
                np.testing.assert_allclose(back, point, rtol=1e-6, atol=1e-6)
