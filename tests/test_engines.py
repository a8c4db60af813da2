"""Laplace, grid and bootstrap against NUTS, SciPy and published numbers."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from plain import bind, fit
from scipy import stats

import scalingbayes as sb
from scalingbayes._core.precision import precision
from scalingbayes._core.progress import silent
from scalingbayes.inference import Laplace
from scalingbayes.inference.importance import Proposals, importance_resample, student_t_proposals
from scalingbayes.posterior.diagnostics import judge

LAW = ("E", "A", "B", "alpha", "beta")


@pytest.fixture(scope="module")
def laplace(runs):
    return fit(runs, engine="laplace", seed=1)


@pytest.fixture(scope="module")
def grid(runs):
    return fit(runs, engine="grid", seed=1)


@pytest.fixture(scope="module")
def resampled(runs):
    return fit(runs, engine="bootstrap", noise="huber", seed=1)


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
    effective = independent.record.facts["effective_draws"]
    # Resampling at most doubles the variance of the proposals' own error.
    ess = 1 / (2 / effective + 1 / chains.summary()["ess_bulk"].min())
    for name, values in ours.items():
        sd = theirs[name].std()
        assert abs(values.mean() - theirs[name].mean()) < 4 * sd / np.sqrt(ess), name
        assert abs(values.std() / sd - 1) < 4 * sd_error(theirs[name], ess), name


@pytest.mark.parametrize("engine", ["laplace", "grid"])
def test_weighted_draws_are_from_the_posterior_that_nuts_finds(engine, post, request):
    found = request.getfixturevalue(engine)
    assert found.verdict.passed, str(found.verdict)
    assert found.record.facts["pareto_k"] < 0.7
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
    # The model is written again in NumPy and SciPy. The unit of the loss is the smallest loss.
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
    values["nu"] = values["nu"] - 1  # the prior is on nu - 1
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
        # The engines' 16,000 proposals have at least the same effective sample size.
        assert abs(found.record.facts["log_evidence"] - expected) < 4 * np.sqrt(2 / effective)
    assert abs(laplace.record.facts["log_evidence"] - grid.record.facts["log_evidence"]) < 0.05


def test_unweighted_draws_are_normal_about_the_mode(runs, mode):
    density, point, covariance = mode
    engine = Laplace(draws=16_000, reweight=False)
    (draws,) = engine.run([bind(runs)], [1], "float64", silent)
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
    seen: list[float] = []
    again = fit(runs, engine="laplace", seed=1, progress=lambda fraction, _: seen.append(fraction))
    assert again.tree.identical(laplace.tree)
    assert seen[-1] == 1.0
    other = fit(runs, engine="laplace", seed=2)
    assert not np.array_equal(other.values["E"], laplace.values["E"])
    assert abs(other.record.facts["log_evidence"] - laplace.record.facts["log_evidence"]) < 0.05


@pytest.mark.slow
def test_laplace_in_float32_agrees_with_nuts(runs, post):
    single = fit(runs, engine="laplace", dtype="float32")
    assert single.verdict.passed, str(single.verdict)
    assert_same_posterior(single, post)


def proposals_of(x, log_density):
    return Proposals(x[:, None], log_density)


def test_reweighted_draws_follow_the_target_density(rng):
    # Proposals from a standard t; the target is 3 N(0.5, 0.8^2), whose integral is 3.
    proposed = student_t_proposals(rng, 16_000, 1)
    np.testing.assert_allclose(
        proposed.log_density, stats.multivariate_t(df=5).logpdf(proposed.points), rtol=1e-12
    )
    wanted = np.log(3) + stats.norm(0.5, 0.8).logpdf(proposed.points[:, 0])
    draws = importance_resample(proposed, wanted, 4000, rng)
    assert draws.points.shape == (1, 4000, 1)
    assert draws.facts["pareto_k"] < 0.7
    assert abs(draws.facts["log_evidence"] - np.log(3)) < 4 * np.sqrt(1 / 4000)
    # Repeats increase the statistic of 4,000 independent draws by a factor below 2.
    assert stats.kstest(draws.points.ravel(), stats.norm(0.5, 0.8).cdf).statistic < 2 * 0.026


def test_a_proposal_that_misses_the_tails_fails_the_verdict(rng):
    # Normal proposals of t draws of 2 degrees of freedom: the weights have no mean.
    x = rng.standard_normal(16_000)
    draws = importance_resample(
        proposals_of(x, stats.norm.logpdf(x)), stats.t(2).logpdf(x), 4000, rng
    )
    assert draws.facts["pareto_k"] > 0.7
    verdict = judge(*datasets(draws), draws.facts, {})
    assert not verdict.passed
    assert "Pareto k" in str(verdict)
    assert "use engine 'nuts'" in str(verdict)


def test_a_density_that_is_never_finite_fails_the_verdict(rng):
    proposed = student_t_proposals(rng, 400, 2)
    draws = importance_resample(proposed, np.full(400, np.nan), 100, rng)
    assert draws.facts["log_evidence"] == -np.inf
    assert not judge(*datasets(draws), draws.facts, {}).passed


def datasets(draws):
    posterior = xr.Dataset({"alpha": (("chain", "draw"), draws.points[..., 0])})
    stats_ = xr.Dataset({name: (("chain", "draw"), x) for name, x in draws.stats.items()})
    return posterior, stats_


@pytest.mark.parametrize(
    ("facts", "converged", "values", "message"),
    [
        ({"pareto_k": 0.4, "effective_draws": 900.0}, None, 0.3, None),
        ({"pareto_k": 0.71, "effective_draws": 900.0}, None, 0.3, "Pareto k of the weights 0.71"),
        ({"pareto_k": 0.4, "effective_draws": 399.0}, None, 0.3, "399 effective draws"),
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
    verdict = judge(posterior, about, facts, {})
    assert verdict.passed == (message is None)
    if message is not None:
        assert re.search(message, str(verdict))


@pytest.mark.parametrize(
    ("engine", "options", "message"),
    [
        ("laplace", {"draws": 99}, "draws must be a whole number of 100 or more; got 99"),
        ("laplace", {"starts": 0}, "starts must be a whole number of 1 or more; got 0"),
        ("laplace", {"chains": 4}, "no option 'chains' of engine 'laplace'"),
        ("grid", {"draws": 1}, "draws must be a whole number of 100 or more; got 1"),
        ("grid", {"start": 4}, r"no option 'start' of engine 'grid'. Did you mean 'starts'\?"),
        ("bootstrap", {"resamples": 3}, "resamples must be a whole number of 4 or more; got 3"),
        ("bootstrap", {"starts": -1}, "starts must be a whole number of 1 or more; got -1"),
        ("bootstrap", {"by": "params", "draws": 10}, "no option 'draws' of engine 'bootstrap'"),
        ("laplac", {}, r"no engine 'laplac'. Did you mean 'laplace'\?"),
    ],
)
def test_settings_that_cannot_be_used_are_refused(small_table, engine, options, message):
    with pytest.raises(sb.InputError, match=message):
        fit(small_table, engine=engine, **options)


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
    # 24 sizes, each with its own error and ten budgets: ten rows inform hardly more than one row.
    # Resampling single rows misses that.
    size, params = np.repeat(np.arange(24), 10), np.repeat(np.geomspace(1e8, 1e10, 24), 10)
    tokens = params * np.tile(np.geomspace(3, 300, 10), 24)
    loss = 1.69 + 406.4 / params**0.34 + 410.7 / tokens**0.28
    errors = 0.01 * rng.standard_normal(24)[size] + 0.002 * rng.standard_normal(240)
    table = {"params": params, "tokens": tokens, "loss": loss * np.exp(errors), "size": size}
    options = {"engine": "bootstrap", "noise": "huber", "seed": 1}
    rows = fit(table, **options).values["alpha"].std()
    groups = fit(table, by="size", **options)
    assert groups.verdict.passed, str(groups.verdict)
    assert groups.record.options["by"] == "size"
    assert groups.values["alpha"].std() > 2 * rows


def test_a_column_to_resample_by_must_vary_and_be_there(runs):
    frame = runs.frame.assign(sweep="all of them", lab=["a", None] * 120)
    for by, message in {
        "sweep": "'sweep' has one value in all runs that count",
        "budget": "no column 'budget'",
        "lab": "'lab', row 2: the label is empty",
    }.items():
        with pytest.raises(sb.InputError, match=message):
            fit(frame, engine="bootstrap", noise="huber", by=by)
    counted = np.arange(240) < 120
    frame["sweep"] = np.where(counted, "one", "two")
    with pytest.raises(sb.InputError, match="'sweep' has one value in all runs that count"):
        fit(frame, engine="bootstrap", noise="huber", by="sweep", weights=1.0 * counted)
