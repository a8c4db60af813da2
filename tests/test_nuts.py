"""NUTS against a published posterior, importance sampling, and simulation."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
from arviz_stats import rhat
from plain import bind, fit, fit_many
from scipy import stats
from simulation import simulate

import scalingbayes as sb
from scalingbayes._core.progress import silent
from scalingbayes.inference import NUTS
from scalingbayes.inference.nuts import warmup
from scalingbayes.inference.nuts.constants import Constants
from scalingbayes.inference.nuts.starts import distinct_modes
from scalingbayes.laws.base.priors import floor, weight

# Means and sds of 16,000 draws with weak priors and the same likelihood, from another sampler.
REFERENCE = {
    "240 rows": {
        "E": (1.808, 0.015),
        "alpha": (0.3455, 0.0093),
        "beta": (0.3610, 0.0101),
        "a": (0.5109, 0.0102),
    },
    "245 rows": {
        "E": (1.805, 0.016),
        "alpha": (0.3422, 0.0100),
        "beta": (0.3625, 0.0103),
        "a": (0.5144, 0.0111),
    },
}


@pytest.mark.parametrize("table", REFERENCE)
def test_the_chinchilla_posterior(table, runs, all_runs):
    post = fit(runs if table == "240 rows" else all_runs, seed=2)
    draws = {**post.values, "a": post.exponents().draws["a"].values}
    for name, (mean, sd) in REFERENCE[table].items():
        assert abs(draws[name].mean() - mean) < 0.3 * sd, name
        assert abs(draws[name].std() / sd - 1) < 0.15, name
    summary = post.summary()
    assert summary["r_hat"].max() < 1.01
    assert summary["ess_bulk"].min() > 1500
    assert not post.tree["sample_stats"]["diverging"].any()
    assert post.verdict.passed
    if table == "240 rows":
        assert abs(np.median(draws["A"]) - 463) < 0.3 * draws["A"].std()
        assert abs(np.median(draws["B"]) - 1885) < 0.3 * draws["B"].std()
        assert abs(draws["nu"].mean() - 2.9) < 0.3 * draws["nu"].std()
        assert abs(draws["sigma"].mean() - 0.0041) < 0.3 * draws["sigma"].std()


@pytest.mark.slow
def test_a_posterior_known_by_importance_sampling(rng):
    # The model is written again in NumPy and SciPy, with priors in the table's units, so that it
    # shares nothing with the package's reference point. Importance sampling integrates it.
    table = simulate(rng, 60)
    priors = {
        "E": (dist.LogNormal(0.5, 0.3), stats.lognorm(0.3, scale=np.exp(0.5))),
        "A": (dist.LogNormal(6.0, 1.0), stats.lognorm(1.0, scale=np.exp(6.0))),
        "B": (dist.LogNormal(6.0, 1.0), stats.lognorm(1.0, scale=np.exp(6.0))),
        "alpha": (dist.Gamma(4.0, 10.0), stats.gamma(4.0, scale=0.1)),
        "beta": (dist.Gamma(4.0, 10.0), stats.gamma(4.0, scale=0.1)),
        "sigma": (dist.HalfNormal(0.05), stats.halfnorm(scale=0.05)),
        "nu": (dist.Gamma(2.0, 0.1), stats.gamma(2.0, scale=10.0)),
    }
    post = fit(table, priors={name: ours for name, (ours, _) in priors.items()}, draws=2000)
    assert post.verdict.passed, str(post.verdict)

    def log_density(logs):
        E, A, B, alpha, beta, sigma, nu = np.exp(logs.T)[:, :, None]
        loss = E + A * table["params"] ** -alpha + B * table["tokens"] ** -beta
        residual = np.log(table["loss"]) - np.log(loss)
        rows = stats.t.logpdf(residual, nu, scale=sigma)
        prior = sum(
            theirs.logpdf(np.exp(column)) + column
            for (_, theirs), column in zip(priors.values(), logs.T, strict=True)
        )
        return np.where(nu[:, 0] > 1, rows.sum(1) + prior, -np.inf)

    names = list(priors)
    center = np.log(np.stack([post.values[name].ravel() for name in names], 1))
    proposal = stats.multivariate_t(center.mean(0), np.cov(center.T), df=5, seed=7)
    logs = proposal.rvs(200_000)
    log_weights = log_density(logs) - proposal.logpdf(logs)
    weights = np.exp(log_weights - log_weights.max())
    weights /= weights.sum()
    effective = 1 / (weights**2).sum()
    assert effective > 20_000
    mean = weights @ logs
    sd = np.sqrt(weights @ (logs - mean) ** 2)
    ess = post.summary().loc[names, "ess_bulk"].to_numpy()
    error = sd * np.sqrt(1 / ess + 1 / effective)
    # 14 comparisons at 4 standard errors fail by chance once in 1,100.
    np.testing.assert_array_less(abs(center.mean(0) - mean), 4 * error)
    np.testing.assert_array_less(abs(center.std(0) / sd - 1), 4 * np.sqrt(2 / ess))


@pytest.mark.slow
def test_intervals_cover_the_truth_of_simulated_tables():
    truth = {"E": 1.69, "alpha": 0.34, "beta": 0.28, "a": 0.28 / 0.62}
    tables = 40
    posts = fit_many(
        [simulate(np.random.default_rng(seed), 60) for seed in range(tables)], draws=500
    )
    draws = posts.draws.assign(a=posts.exponents().draws["a"])
    ends = draws.quantile([0.05, 0.95], ("chain", "draw"))
    covered = {
        name: int(((ends[name][0] < value) & (value < ends[name][1])).sum())
        for name, value in truth.items()
    }
    # Each count is binomial(40, 0.9): outside of these bounds once in 2,000.
    low, high = stats.binom(tables, 0.9).interval(1 - 1 / 2000)
    assert all(low <= count <= high for count in covered.values()), covered


@pytest.mark.slow
def test_simulation_based_calibration():
    # Truths drawn from priors in plain units; ranks among the draws must then be uniform
    # (Talts et al. 2018). 1,000 tables; Bonferroni at 0.01.
    priors = {
        "E": dist.LogNormal(0.5, 0.2),
        "A": dist.LogNormal(6.0, 0.5),
        "B": dist.LogNormal(6.0, 0.5),
        "alpha": dist.LogNormal(-1.1, 0.1),
        "beta": dist.LogNormal(-1.2, 0.1),
        "sigma": dist.LogNormal(-5.0, 0.5),
        "nu": dist.LogNormal(2.0, 0.7),
    }
    rng = np.random.default_rng(2018)
    ranks: dict[str, list[float]] = {name: [] for name in priors}
    for seed in range(1000):
        truth = {
            name: float(np.exp(rng.normal(float(prior.loc), float(prior.scale))))
            for name, prior in priors.items()
        }
        params, tokens = 10 ** rng.uniform(7, 10, 60), 10 ** rng.uniform(9, 12, 60)
        loss = truth["E"] + truth["A"] * params ** -truth["alpha"]
        loss += truth["B"] * tokens ** -truth["beta"]
        loss *= np.exp(truth["sigma"] * rng.standard_t(truth["nu"], 60))
        table = {"params": params, "tokens": tokens, "loss": loss}
        post = fit(table, priors=priors, seed=seed, draws=500)
        for name, value in truth.items():
            ranks[name].append((post.values[name] < value).mean())
    for name, found in ranks.items():
        assert stats.kstest(found, "uniform").pvalue > 0.01 / len(priors), name


def compare(first, second, names=("alpha", "beta", "a")):
    """Differences of means over their Monte Carlo standard errors."""
    for name in names:
        means, errors = [], []
        for post in (first, second):
            a = post.exponents().draws["a"].values
            values = a if name == "a" else post.values[name]
            ess = post.summary()["ess_bulk"].min()
            means.append(values.mean())
            errors.append(values.std() / np.sqrt(ess))
        assert abs(means[0] - means[1]) < 4 * np.hypot(*errors), name


@pytest.mark.slow
def test_float32_agrees_with_float64(runs, post):
    single = fit(runs, seed=1, dtype="float32")
    assert single.record.dtype == "float32"
    assert single.verdict.passed, str(single.verdict)
    compare(single, post, ("E", "alpha", "beta", "sigma", "nu", "a"))


@pytest.mark.parametrize(
    ("column", "factor"), [("params", 1e-6), ("tokens", 1e-9), ("loss", 1 / np.log(2))]
)
@pytest.mark.filterwarnings("ignore::scalingbayes.InputWarning")
def test_units_cannot_change_the_answer(runs, post, column, factor):
    frame = runs.frame.drop(columns="compute")
    other = fit(frame.assign(**{column: frame[column] * factor}), seed=1)
    compare(other, post)
    ratio = other.values["E"].mean() / post.values["E"].mean()
    assert abs(ratio / (factor if column == "loss" else 1) - 1) < 0.01


def test_an_easy_posterior_has_the_steps_that_are_asked_for(post):
    accepted = post.tree["sample_stats"]["acceptance_rate"]
    assert accepted.mean() == pytest.approx(0.9, abs=0.03)


def test_the_same_seed_gives_the_same_draws(runs, post):
    again, other = fit(runs, seed=1), fit(runs, seed=3)
    assert again.tree.identical(post.tree)
    assert not np.array_equal(other.values["E"], post.values["E"])


def test_a_second_fit_compiles_nothing(runs, post, compilations):
    fit(runs, seed=5, draws=400)
    before = compilations.count
    fewer = runs.filter(np.arange(240) < 200)  # padded to the same length
    priors = {"alpha": dist.LogNormal(-1.0, 0.7)}
    for table, options in ((runs, {}), (fewer, {}), (runs, {"target_accept": 0.8})):
        fit(table, seed=6, draws=400, **options)
    assert compilations.count == before
    fit(runs, seed=6, draws=400, priors=priors)  # in units, not at the reference point
    assert compilations.count > before
    before = compilations.count
    fit(runs, seed=6, draws=400, priors={"alpha": dist.LogNormal(-1.1, 0.5)})
    assert compilations.count == before


def test_blocks_do_not_change_the_draws(runs, monkeypatch):
    model = bind(runs)
    settings = NUTS(draws=30, warmup=50)
    (whole,) = settings.run([model], [0], "float64", silent)
    monkeypatch.setattr("scalingbayes.inference.nuts.nuts.ROWS_PER_BLOCK", 240 * 7)
    (split,) = settings.run([model], [0], "float64", silent)
    # The gradient at the start of a block is computed anew, so that rounding differs.
    np.testing.assert_allclose(split.points, whole.points, rtol=1e-3)


def test_all_blocks_of_draws_are_one_program(runs, compilations):
    model = bind(runs)
    for draws in (30, 250):  # three chains, which no other test has
        before = compilations.count
        NUTS(chains=3, draws=draws, warmup=50).run([model], [0], "float64", silent)
    assert compilations.count == before


@pytest.mark.slow  # test_duration checks the progress of fits
def test_progress_is_reported(small_table):
    seen: list[float] = []
    fit(small_table, draws=250, warmup=60, progress=lambda fraction, _: seen.append(fraction))
    assert len(seen) > 3
    assert seen == sorted(seen)
    assert seen[-1] == 1.0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"chains": 1}, "chains must be a whole number of 2 or more; got 1"),
        ({"seed": -1}, "seed must be a whole number from 0 to 9223372036854775807; got -1"),
        ({"seed": 1.5}, "seed must be a whole number from 0 to 9223372036854775807; got 1.5"),
        ({"target_accept": 1.2}, "target_accept must be strictly between 0 and 1"),
        ({"draw": 10}, r"no option 'draw' of engine 'nuts'. Did you mean 'draws'\?"),
        ({"engine": "nutz"}, r"no engine 'nutz'. Did you mean 'nuts'\?"),
        ({"dtype": "float16"}, "dtype must be 'float32' or 'float64'; got 'float16'"),
        ({"noise": "student"}, r"no noise model 'student'. Did you mean 'student_t'\?"),
    ],
)
def test_settings_that_cannot_be_used_are_refused(small_table, options, message):
    with pytest.raises(sb.InputError, match=message):
        fit(small_table, **options)


def test_nothing_of_the_callers_configuration_is_touched(small_table):
    before = dict(jax.config.values)
    fit(small_table, draws=10, warmup=50)
    assert dict(jax.config.values) == before
    assert jax.numpy.ones(()).dtype == np.float32


@pytest.mark.slow
def test_chains_may_run_side_by_side(runs, post, fresh_programs, monkeypatch):
    # As they do on an accelerator.
    monkeypatch.setattr("scalingbayes._core.devices.side_by_side", lambda: True)
    together = fit(runs, seed=1)
    assert together.verdict.passed, str(together.verdict)
    compare(together, post, ("E", "alpha", "beta", "sigma", "nu", "a"))


def test_distinct_modes_are_returned_once_with_the_best_first(rng):
    often, best, worse = np.zeros((30, 3)), np.full((1, 3), 5.0), np.full((1, 3), -5.0)
    points = np.concatenate([often + 1e-3 * rng.standard_normal((30, 3)), best, worse, best + 1])
    log_density = np.array([*rng.uniform(-1e-6, 0.0, 30), 3.0, -20.0, np.nan])
    found = distinct_modes(points, log_density, Constants())
    assert found[0] == 30
    assert len(found) == 2
    assert found[1] == log_density[:30].argmax()


def test_the_largest_r_hat_is_arvizs(rng):
    # Two of four fits have a chain that lies apart, one of them along one coordinate only.
    x = rng.standard_normal((4, 4, 60, 2))
    x[1, 0] += 3.0
    x[3, 2, :, 1] -= 3.0
    expected = [max(rhat(each, method="split") for each in np.moveaxis(of, -1, 0)) for of in x]
    np.testing.assert_allclose(warmup.max_rhat(x), expected)


@pytest.mark.slow
def test_only_fits_whose_chains_disagree_get_further_stages(rng, monkeypatch):
    models = [bind(sb.Runs(simulate(rng, 40))) for _ in range(2)]
    engine = NUTS(chains=2, draws=200, warmup=100)
    plain = engine.run(models, [1, 2], "float64", silent)
    asked = []

    def r_hat(x):
        asked.append(x.shape)
        return np.array([1.0, 1.5 if len(asked) < 3 else 1.0])

    monkeypatch.setattr(warmup, "max_rhat", r_hat)
    longer = engine.run(models, [1, 2], "float64", silent)
    assert asked == 3 * [(2, 2, 45, 7)]  # the last stage, and two more
    np.testing.assert_array_equal(longer[0].points, plain[0].points)
    assert longer[0].facts == plain[0].facts
    # About seven gradients per draw. The adaptation differs, the sampled distribution does not.
    assert longer[1].facts["gradients"] > plain[1].facts["gradients"] + 2 * 2 * 45 * 3
    pairs = (np.moveaxis(draws[1].points, -1, 0) for draws in (longer, plain))
    for ours, before in zip(*pairs, strict=True):
        assert not np.array_equal(ours, before)
        assert stats.ks_2samp(ours[:, ::4].ravel(), before[:, ::4].ravel()).pvalue > 1e-4


def test_a_law_that_is_nowhere_finite_is_refused(runs, monkeypatch):
    monkeypatch.setattr("scalingbayes.laws.base.law.check_function", lambda law: None)

    def loss(params, *, E, A):
        return E + A * jnp.sqrt(-params)

    parameters = {"E": floor(), "A": weight("finite model", "loss")}
    law = sb.Law("nowhere", loss, parameters, equation="", source="")
    for engine in ("nuts", "laplace", "optimize"):
        with pytest.raises(sb.InputError, match="not finite where any of"):
            fit(runs, law, engine=engine)


def test_steps_get_smaller_where_the_end_of_the_warm_up_diverges(rng, monkeypatch):
    models = [bind(sb.Runs(simulate(rng, 40))) for _ in range(2)]
    engine = NUTS(chains=2, draws=100, warmup=100)
    plain = engine.run(models, [1, 2], "float64", silent)
    last = 45
    monkeypatch.setattr(
        warmup, "has_diverged", lambda diverging: np.array([False, diverging.shape[2] == last])
    )
    careful = engine.run(models, [1, 2], "float64", silent)
    np.testing.assert_array_equal(careful[0].points, plain[0].points)
    assert [each.facts["target_accept"] for each in careful] == [0.9, 0.99]
    steps = [each[1].stats["step_size"].mean() for each in (careful, plain)]
    assert steps[0] < 0.8 * steps[1]  # adapted in one further stage
    assert careful[1].facts["gradients"] > plain[1].facts["gradients"] + 2 * last * 3


def test_only_a_fit_of_small_relative_ess_is_thinned(rng, monkeypatch):
    models = [bind(sb.Runs(simulate(rng, 40))) for _ in range(2)]

    def run(**settings):
        return NUTS(chains=2, warmup=100, **settings).run(models, [1, 2], "float64", silent)

    every = run(draws=100, max_thinning=1), run(draws=400, max_thinning=1)
    for shorter, longer in zip(*every, strict=True):  # kept draws do not adapt anything
        np.testing.assert_array_equal(shorter.points, longer.points[:, :100])
    monkeypatch.setattr(warmup, "relative_sample_size", lambda x: np.array([0.2, 0.06]))
    first, second = run(draws=100)
    # The chains are the same; the first fit keeps all draws, the second one in four.
    np.testing.assert_array_equal(first.points, every[0][0].points)
    np.testing.assert_array_equal(second.points, every[1][1].points[:, 3::4])
    diverging = every[1][1].stats["diverging"].reshape(2, 100, 4).any(-1)
    np.testing.assert_array_equal(second.stats["diverging"], diverging)
    gradients = every[1][1].stats["n_steps"].reshape(2, 100, 4).sum(-1)
    np.testing.assert_array_equal(second.stats["n_steps"], gradients)
    assert first.facts == every[0][0].facts
    assert second.facts == every[1][1].facts | {"thinning": 4}


def test_the_relative_effective_sample_size_of_autoregressions(rng):
    # (1 - rho) / (1 + rho) for an autoregression, 0 where a chain stands still.
    rho, draws = np.array([[0.5, 0.8], [0.9, 0.0], [0.0, 0.0]]), 20_000
    x = np.zeros((3, 4, draws, 2))
    x[:, :, 0] = rng.standard_normal((3, 4, 2))
    for i in range(1, draws):
        fresh = np.sqrt(1 - rho**2)[:, None] * rng.standard_normal((3, 4, 2))
        x[:, :, i] = rho[:, None] * x[:, :, i - 1] + fresh
    x[2, ..., 1] = 7.0
    expected = [0.2 / 1.8, 0.1 / 1.9, 0.0]
    np.testing.assert_allclose(warmup.relative_sample_size(x), expected, rtol=0.05)
