"""Partial pooling: compared with closed forms, a joint model in numpyro, and simulation."""

from dataclasses import replace
from statistics import NormalDist

import matplotlib.pyplot as plt
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from plain import bind, fit, fit_many

import scalingbayes as sb
from scalingbayes.combine.population import Hyperprior, TableDraws, infer_population

LOC, SCALE = -1.0, 0.8  # of the default prior of log alpha
BETWEEN = 0.4  # scale of the half-normal prior of its sd over tables
HYPERPRIOR_SD = np.sqrt(SCALE**2 - BETWEEN**2)
DEFAULT = dist.LogNormal(LOC, SCALE)
COUNT = 4000
QUANTILES = np.array([NormalDist().inv_cdf((i + 0.5) / COUNT) for i in range(COUNT)])

# Estimates of log alpha from five tables, and their standard errors.
ESTIMATES = np.array([-1.3, -1.1, -1.25, -0.95, -0.5])
ERRORS = np.array([0.05, 0.08, 0.10, 0.15, 0.40])


def simulate(rng, rows, alpha, beta=0.3, sigma=0.01):
    """Simulate runs with given exponents; E, A and B are drawn for each table."""
    params, tokens = 10 ** rng.uniform(7, 10, rows), 10 ** rng.uniform(9, 12, rows)
    E, A, B = rng.uniform(1.5, 2.0), rng.uniform(0.5, 0.7), rng.uniform(0.5, 0.7)
    loss = E + A * (params / 3e8) ** -alpha + B * (tokens / 3e10) ** -beta
    noisy = loss * np.exp(sigma * rng.standard_normal(rows))
    return sb.Runs({"params": params, "tokens": tokens, "loss": noisy})


@pytest.fixture(scope="module")
def template():
    runs = simulate(np.random.default_rng(0), 40, 0.35)
    return fit(runs, engine="laplace", exact=True, draws=COUNT)


def with_likelihood(template, estimate, error, prior=DEFAULT, seed=0):
    """Return a posterior in which log alpha is normal: its draws are normal quantiles."""
    precision = prior.scale**-2.0 + error**-2.0
    mean = (prior.loc / prior.scale**2 + estimate / error**2) / precision
    logs = np.random.default_rng(seed).permutation(mean + QUANTILES / np.sqrt(precision))
    tree = template.tree.copy(deep=True)
    tree["posterior"] = (
        tree["posterior"].to_dataset().assign(alpha=(("chain", "draw"), np.exp(logs)[None]))
    )
    own = {"family": "LogNormal", "hyperparameters": {"loc": prior.loc, "scale": prior.scale}}
    priors = template.record.priors
    record = replace(template.record, priors={**priors, "alpha": priors["alpha"] | own})
    tree.attrs["scalingbayes"] = record.to_json()
    return sb.Posterior(tree, template.law, template.noise)


@pytest.fixture(scope="module")
def posts(template):
    pairs = zip(ESTIMATES, ERRORS, strict=True)
    return {f"t{i}": with_likelihood(template, *pair, seed=i) for i, pair in enumerate(pairs)}


@pytest.fixture(scope="module")
def pooled(posts):
    return sb.pool(posts, ["alpha"])


def test_the_figure_has_a_row_a_table(pooled):
    (ax,) = pooled.plot()
    medians = [float(np.median(pooled[name]["alpha"])) for name in pooled]
    assert ax.lines[0].get_xdata() == pytest.approx(medians)
    plt.close("all")


@pytest.fixture(scope="module")
def oracle():
    """The closed form (Gelman et al., BDA3, section 5.4), summed over a fine grid of mu and tau."""
    mu, tau = np.meshgrid(np.linspace(-2.5, 0.5, 601), np.linspace(5e-4, 1.6, 1601))
    log_p = -(((mu - LOC) / HYPERPRIOR_SD) ** 2 + (tau / BETWEEN) ** 2) / 2
    for y, error in zip(ESTIMATES, ERRORS, strict=True):
        variance = tau**2 + error**2
        log_p -= ((y - mu) ** 2 / variance + np.log(variance)) / 2
    p = np.exp(log_p - log_p.max())
    p /= p.sum()
    thetas = []
    for y, error in zip(ESTIMATES, ERRORS, strict=True):
        share = tau**2 / (tau**2 + error**2)
        mean, variance = mu + share * (y - mu), share * error**2
        first = (p * mean).sum()
        thetas.append((first, np.sqrt((p * (variance + mean**2)).sum() - first**2)))
    mean = (p * mu).sum()
    sd = np.sqrt((p * (mu - mean) ** 2).sum())
    spread = (p * tau).sum()
    return {
        "mu": (mean, sd),
        "tau": (spread, np.sqrt((p * (tau - spread) ** 2).sum())),
        "new": (mean, np.sqrt(sd**2 + (p * tau**2).sum())),
        "theta": thetas,
    }


# Four standard errors of the mean of 1,500 draws: the effective number of the 2,000 resampled ones.
ERROR = 4 / np.sqrt(1500)


def test_the_population_agrees_with_the_closed_form(pooled, oracle):
    draws = pooled.population.draws.sel(parameter="alpha")
    spread = np.sqrt(np.log1p((draws["sd"] / draws["mean"]) ** 2)).to_numpy().ravel()
    middle = (np.log(draws["mean"]) - spread**2 / 2).to_numpy().ravel()
    for found, (mean, sd) in ((middle, oracle["mu"]), (spread, oracle["tau"])):
        assert found.mean() == pytest.approx(mean, abs=ERROR * sd)
        assert found.std() == pytest.approx(sd, rel=2 * ERROR)
    new = np.log(draws["new"]).to_numpy()
    assert new.mean() == pytest.approx(oracle["new"][0], abs=ERROR * oracle["new"][1])
    assert pooled.verdict.passed


def test_tables_agree_with_the_closed_form(pooled, oracle):
    for post, (mean, sd) in zip(pooled.values(), oracle["theta"], strict=True):
        found = np.log(post.values["alpha"])
        assert found.mean() == pytest.approx(mean, abs=ERROR * sd)
        assert found.std() == pytest.approx(sd, rel=2 * ERROR)


def test_priors_agree_with_the_closed_form_of_a_new_table(pooled, oracle):
    (prior,) = pooled.priors.values()
    mean, sd = oracle["new"]
    assert prior.loc == pytest.approx(mean, abs=ERROR * sd)
    assert prior.scale == pytest.approx(sd, rel=2 * ERROR)


def test_the_priors_of_the_fits_are_divided_out(template, pooled):
    priors = [dist.LogNormal(-1.4, 0.5), dist.LogNormal(-0.7, 0.6), dist.LogNormal(-1.0, 2.0)]
    own = [priors[i % 3] for i in range(len(ESTIMATES))]
    posts = {
        f"t{i}": with_likelihood(template, ESTIMATES[i], ERRORS[i], own[i], seed=i)
        for i in range(len(ESTIMATES))
    }
    again = sb.pool(posts, ["alpha"])
    found, expected = again.summary(), pooled.summary()
    assert not again.refitted
    draws = pooled.population.draws.to_dataarray("quantity").transpose("parameter", "quantity", ...)
    error = ERROR * draws.std(("chain", "draw")).to_numpy().ravel() * np.sqrt(2)
    assert (np.abs(found["median"] - expected["median"]) < error).all()


def test_the_order_of_tables_has_no_effect(posts, pooled):
    reordered = sb.pool(dict(reversed(posts.items())), ["alpha"])
    assert list(reordered) == list(reversed(posts))
    np.testing.assert_allclose(reordered.summary(), pooled.summary(), rtol=1e-6)
    for name, post in pooled.items():
        assert reordered[name].values["alpha"].mean() == pytest.approx(
            post.values["alpha"].mean(), rel=1e-6
        )


def test_tables_move_towards_the_others(posts, pooled):
    center = np.log(pooled.summary().loc[("alpha", "mean"), "median"])
    for name, error in zip(posts, ERRORS, strict=True):
        before, after = np.log(posts[name].values["alpha"]), np.log(pooled[name].values["alpha"])
        if error > 0.1:
            assert after.std() < before.std()
            assert abs(after.mean() - center) < abs(before.mean() - center)
    # The larger the standard error of a table, the more of its posterior comes from the prior.
    shares = [post.record.prior_shares["alpha"] for post in pooled.values()]
    assert shares == sorted(shares)
    assert shares[-1] > 0.5
    assert "of alpha comes from its prior" in str(pooled["t4"].verdict)


def test_parameters_are_pooled_together():
    """Compare with hyperprior draws, weighted by the exact evidence of correlated normals."""
    rng = np.random.default_rng(3)
    estimates = np.array([[-1.2, -1.0], [-1.0, -1.3], [-1.4, -0.9], [-1.1, -1.1]])
    error = np.array([[0.04, -0.03], [-0.03, 0.04]])  # negative, as it often is between exponents
    precision = np.linalg.inv(error) + np.eye(2) / SCALE**2
    tables = []
    for y in estimates:
        mean = np.linalg.solve(precision, np.linalg.solve(error, y) + LOC / SCALE**2)
        points = rng.multivariate_normal(mean, np.linalg.inv(precision), 8000)
        log_prior = dist.Normal(LOC, SCALE).log_prob(points).sum(1)
        loc, scale = np.full(2, LOC), np.full(2, SCALE)
        tables.append(TableDraws(points, np.asarray(log_prior, float), loc, scale))
    hyperprior = Hyperprior(loc, np.full(2, HYPERPRIOR_SD), np.full(2, BETWEEN))
    found = infer_population(tables, hyperprior, 0).all
    mu = rng.normal(LOC, HYPERPRIOR_SD, (600_000, 2))
    tau = np.abs(rng.normal(0, BETWEEN, mu.shape))
    covariance = error + np.eye(2) * tau[:, :, None] ** 2
    log_weights = -np.linalg.slogdet(covariance)[1] * len(tables) / 2
    for y in estimates:
        off = (y - mu)[..., None]
        log_weights -= (off.mT @ np.linalg.solve(covariance, off))[:, 0, 0] / 2
    weights = np.exp(log_weights - log_weights.max())
    weights /= weights.sum()
    assert 1 / (weights**2).sum() > 4_000
    for own, wanted in ((found.mu, mu), (found.tau, tau)):
        mean = weights @ wanted
        sd = np.sqrt(weights @ (wanted - mean) ** 2)
        # 1.2: the means of the tables' own draws have errors of sd / sqrt(8,000), too.
        np.testing.assert_allclose(own.mean(0), mean, atol=1.2 * ERROR * sd.max())
        np.testing.assert_allclose(own.std(0), sd, rtol=2 * ERROR)
    (first, both), (_, second) = np.cov(mu.T, aweights=weights)
    correlation = both / np.sqrt(first * second)
    assert np.corrcoef(found.mu.T)[0, 1] == pytest.approx(correlation, abs=1.5 * ERROR)


@pytest.fixture(scope="module")
def simulated():
    """Four groups of three tables of 60 runs and one of ten; exponents differ by 3 %."""
    rng = np.random.default_rng(8)
    alphas = 0.35 * np.exp(0.03 * rng.standard_normal((4, 4)))
    tables = {
        (group, table): simulate(rng, 10 if table == 3 else 60, alphas[group, table], sigma=0.03)
        for group in range(4)
        for table in range(4)
    }
    how = {"engine": "laplace", "exact": True, "draws": COUNT}
    posts = fit_many(tables, **how)
    groups = [{t: posts[g, t] for t in range(4)} for g in range(4)]
    return alphas, groups, [sb.pool(group) for group in groups]


def test_a_table_of_ten_runs_borrows(simulated):
    alphas, alone, together = simulated
    before, after = [], []
    for group in range(4):
        own, borrowed = (each[group][3].values["alpha"] for each in (alone, together))
        assert borrowed.std() < own.std()
        before.append(np.median(own) / alphas[group, 3])
        after.append(np.median(borrowed) / alphas[group, 3])
        low, high = np.quantile(borrowed, [0.005, 0.995])
        assert low < alphas[group, 3] < high
    assert np.square(np.log(after)).sum() < np.square(np.log(before)).sum()


def test_pooled_posteriors_have_the_methods_of_posteriors(simulated, tmp_path):
    pooled = simulated[2][0]
    post = pooled[3]
    assert post.allocate(1e22).draws.sizes["draw"] == COUNT
    assert post.predict(params=1e9, tokens=1e11).interval().sizes["bound"] == 2
    log_likelihood = post.tree["log_likelihood"]["loss"]
    assert log_likelihood.shape == (1, COUNT, 10)
    post.save(tmp_path / "ten.nc")
    again = sb.load(tmp_path / "ten.nc")
    assert again.verdict == post.verdict
    np.testing.assert_array_equal(again.values["alpha"], post.values["alpha"])
    assert "LogNormal" in post.describe_priors()
    assert list(pooled.weights.columns) == ["pareto_k", "effective_draws", "refitted"]
    assert "Population of 4 tables" in repr(pooled)
    priors = pooled.priors
    assert list(priors) == ["alpha", "beta"]
    new = fit(post.runs, engine="prior", draws=20, priors=priors)
    assert new.record.priors["alpha"]["hyperparameters"]["loc"] == pytest.approx(
        float(priors["alpha"].loc)
    )


@pytest.mark.slow
def test_tables_with_unreliable_weights_are_fitted_again(simulated):
    group = simulated[1][0]
    astray = fit(
        group[2].runs,
        engine="laplace",
        exact=True,
        draws=COUNT,
        priors={"alpha": dist.LogNormal(0.0, 0.02), "E": dist.HalfNormal(3.0)},
    )
    pooled, wanted = sb.pool({**group, 2: astray}), simulated[2][0]
    assert 2 in pooled.refitted
    assert "Fitted again" in str(pooled.verdict)
    found, there = (np.log(each[2].values["alpha"]) for each in (pooled, wanted))
    assert found.mean() == pytest.approx(there.mean(), abs=6 * ERROR * there.std())
    # Parameters that are not pooled keep their priors.
    assert pooled[2].record.priors["E"]["hyperparameters"]["scale"] == 3.0


def test_a_failed_fit_fails_the_pool(posts, monkeypatch):
    tree = posts["t0"].tree.copy()
    record = posts["t0"].record
    tree.attrs["scalingbayes"] = replace(record, facts={**record.facts, "pareto_k": 0.9}).to_json()
    failed = sb.Posterior(tree, posts["t0"].law, posts["t0"].noise)
    monkeypatch.setattr(
        "scalingbayes.combine.pooling.refit",
        lambda post, weights, **_: dict.fromkeys(weights, post),
    )
    pooled = sb.pool({**posts, "t0": failed}, ["alpha"])
    assert not pooled.verdict.passed
    assert "all but t0" in str(pooled.verdict)
    assert "weighed from draws of a fit that failed" in str(pooled["t0"].verdict)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        (["A"], r"'A' depends on the table's units \(loss \* params\*\*alpha\).*alpha, beta"),
        (["nu"], "'nu' is relative to 1"),
        (["gamma"], "gamma"),
        ("alpha", "must be a list with at least one name"),
        ([], "these to pool: alpha, beta"),
    ],
)
def test_parameters_that_cannot_be_pooled_are_refused(posts, parameters, message):
    with pytest.raises(sb.InputError, match=message):
        sb.pool(posts, parameters)


def test_invalid_arguments_raise(posts, template):
    with pytest.raises(sb.InputError, match=r"two or more posteriors by name.*got 1"):
        sb.pool({"t0": template})
    with pytest.raises(sb.InputError, match="got list"):
        sb.pool([template, template])
    with pytest.raises(sb.InputError, match="between must be"):
        sb.pool(posts, between=2)
    other = sb.Posterior(template.tree, sb.get_law("coupled"), template.noise)
    with pytest.raises(sb.InputError, match="one law and noise model"):
        sb.pool({"a": template, "b": other})
    tree = template.tree.copy()
    record = replace(template.record, of="bootstrap", engine="bootstrap")
    tree.attrs["scalingbayes"] = record.to_json()
    resampled = sb.Posterior(tree, template.law, template.noise)
    with pytest.raises(sb.InputError, match=r"'b' must be a posterior.*got bootstrap"):
        sb.pool({"a": template, "b": resampled})


@pytest.mark.slow
def test_it_agrees_with_the_joint_model():
    """Compare with one numpyro model of all tables and their population."""
    import jax

    rng = np.random.default_rng(4)
    tables = {
        name: simulate(rng, n, a)
        for name, n, a in (("a", 30, 0.3), ("b", 20, 0.4), ("c", 12, 0.35))
    }
    names = ["alpha", "beta"]
    models = {name: bind(runs) for name, runs in tables.items()}

    def model():
        mu = numpyro.sample("mu", dist.Normal(LOC, HYPERPRIOR_SD).expand([2]))
        tau = numpyro.sample("tau", dist.HalfNormal(BETWEEN).expand([2]))
        for table, each in models.items():
            z = numpyro.sample(f"z_{table}", dist.Normal(0, 1).expand([2]))
            values = dict(zip(names, jax.numpy.exp(mu + tau * z), strict=True))
            reference = each.reference
            observed = each.observed / reference["loss"]
            params, tokens = (each.inputs[n] / reference[n] for n in ("params", "tokens"))
            E = numpyro.sample(f"E_{table}", dist.HalfNormal(1.0))
            A, B = (numpyro.sample(f"{n}_{table}", dist.LogNormal(-1.2, 1.5)) for n in "AB")
            sigma = numpyro.sample(f"sigma_{table}", dist.LogNormal(np.log(0.01), 1.5))
            nu = 1 + numpyro.sample(f"nu_{table}", dist.LogNormal(2.0, 1.0))
            law = E + A * params ** -values["alpha"] + B * tokens ** -values["beta"]
            numpyro.deterministic(f"alpha_{table}", values["alpha"])
            scatter = dist.StudentT(nu, jax.numpy.log(law), sigma, validate_args=False)
            numpyro.sample(f"y_{table}", scatter, obs=np.log(observed))

    with jax.enable_x64(True):
        kernel = numpyro.infer.NUTS(
            model,
            init_strategy=numpyro.infer.init_to_median,
            target_accept_prob=0.95,
            dense_mass=True,
        )
        mcmc = numpyro.infer.MCMC(
            kernel,
            num_warmup=1500,
            num_samples=3000,
            num_chains=2,
            chain_method="vectorized",
            progress_bar=False,
        )
        mcmc.run(jax.random.key(0))
        draws = {k: np.asarray(v) for k, v in mcmc.get_samples().items()}
    posts = fit_many(tables, exact=True, draws=2000, target_accept=0.95)
    pooled = sb.pool(posts)
    assert pooled.verdict.passed
    population = pooled.population.draws
    for j, name in enumerate(names):
        mean = draws["mu"][:, j] + draws["tau"][:, j] ** 2 / 2
        found = np.log(population["mean"].sel(parameter=name).to_numpy().ravel())
        # Chains and weights have at least 1,000 effective draws each.
        assert np.median(found) == pytest.approx(np.median(mean), abs=0.2 * mean.std())
    for table in tables:
        own, wanted = pooled[table].values["alpha"].ravel(), draws[f"alpha_{table}"]
        assert own.mean() == pytest.approx(wanted.mean(), abs=0.2 * wanted.std())
        assert own.std() == pytest.approx(wanted.std(), rel=0.15)
