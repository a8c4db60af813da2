"""Many short chains against NUTS, an AR(1) process and ArviZ's nested R-hat."""

import arviz_stats
import numpy as np
import pytest
import xarray as xr
from plain import bind, fit, simulate_tables
from scipy import signal

import scalingbayes as sb
from scalingbayes._core.progress import silent
from scalingbayes.inference import HMC, NUTS
from scalingbayes.inference.hmc import lockstep
from scalingbayes.inference.hmc.warmup import SUPERCHAINS, flatten, next_step_size
from scalingbayes.posterior.diagnostics import diagnose, judge

DEFAULT = {"noise": None, "default_priors": "learned", "exact": False}
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def assert_same_posterior(ours, theirs, errors=4.0):
    """Compare the ranks of our quantiles among their draws, at so many standard errors."""
    summaries = ours.summary(), theirs.summary()
    # The noise of an allowance is drawn after sampling, from a thousand draws.
    sampled = (
        theirs.values if theirs.exact else {n: theirs.values[n] for n in theirs.law.parameters}
    )
    for name, values in sampled.items():
        ess = [each.loc[name, ["ess_bulk", "ess_tail"]].min() for each in summaries]
        for p, quantile in zip(QUANTILES, np.quantile(ours.values[name], QUANTILES), strict=True):
            error = np.sqrt(p * (1 - p) * sum(1 / each for each in ess))
            assert abs((values < quantile).mean() - p) < errors * error, (name, p)


def test_the_posterior_is_that_of_nuts_in_a_hundredth_of_the_sequence(runs, post):
    found = fit(runs, engine="hmc", seed=3)
    assert found.verdict.passed, str(found.verdict)
    assert_same_posterior(found, post)
    assert found.draws.sizes == {"chain": SUPERCHAINS, "draw": 256}
    longest = int(post.tree["sample_stats"]["n_steps"].sum("draw").max())
    facts = found.record.facts
    assert facts["sequential_gradients"] < longest / 20  # its warm-up not counted
    assert facts["gradients"] == 1024 * facts["sequential_gradients"]
    stats = found.tree["sample_stats"]
    # The energy is the potential plus a kinetic energy, half of a chi-square of seven parameters.
    kinetic = (stats["energy"] + stats["lp"]).to_numpy()
    assert kinetic.min() > 0
    assert abs(kinetic.mean() - 3.5) < 0.2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("dataset", "law", "how"),
    [
        ("chinchilla", "coupled", DEFAULT),
        ("porian", "coupled", {}),
        ("nsl_language", "broken(x='examples_seen')", {}),
    ],
)
def test_hard_posteriors_are_those_of_nuts(dataset, law, how):
    runs = sb.datasets.load(dataset)
    if dataset == "porian":
        runs = runs.filter(runs.frame["group"] == "refinedweb/tuned/short/const/standard/val")
    if dataset == "nsl_language":
        runs = runs.filter(
            (runs.frame["domain"] == "NMT")
            & (runs.frame["architecture"] == "6 Enc, 6 Dec")
            & (runs.frame["is_training"] == 1)
        )
    found = fit(runs, law=law, engine=HMC(draws=16), seed=1, **how)
    assert found.verdict.passed, str(found.verdict)
    assert_same_posterior(found, fit(runs, law=law, engine=NUTS(draws=4000), seed=1, **how))


@pytest.mark.slow
def test_a_table_has_the_same_draws_alone_and_beside_others(runs):
    # The second table is harder, and warms up for longer.
    models = [bind(runs, "coupled"), bind(runs.filter(np.arange(240) % 12 == 0), "coupled")]
    both = HMC().run(models, [1, 2], "float64", silent)
    assert both[0].facts["gradients"] != both[1].facts["gradients"]
    alone = HMC().run(models[:1], [1], "float64", silent)[0]
    np.testing.assert_allclose(both[0].points.mean((0, 1)), alone.points.mean((0, 1)), rtol=0.05)
    assert both[0].facts["sequential_gradients"] == alone.facts["sequential_gradients"]


@pytest.mark.slow
def test_chains_that_do_not_mix_are_refused(fresh_programs, monkeypatch):
    # A table with modes far apart, which chains without jumps do not leave.
    monkeypatch.setattr(lockstep, "PROPOSALS", 0)
    simulation = simulate_tables(law="broken", count=13, seed=5)
    post = fit(
        simulation.tables[12],
        law="broken",
        reference=simulation.model.reference,
        engine=HMC(warmup=8),
        seed=0,
    )
    assert not post.verdict.passed
    assert "R-hat" in str(post.verdict)


def autoregressive(rng, start, chains, draws, phi):
    """Draw chains of an AR(1) process that begins at ``start`` and tends to a standard normal."""
    noise = np.sqrt(1 - phi**2) * rng.standard_normal((len(start), chains, draws))
    before = np.repeat(start[:, None, None], chains, axis=1)
    return signal.lfilter([1], [1, -phi], noise, zi=phi * before)[0]


@pytest.mark.parametrize(("phi", "passes"), [(0.3, True), (0.97, False)])
def test_r_hat_of_superchains_is_nested_r_hat(phi, passes, rng):
    x = autoregressive(rng, 2 * rng.standard_normal(SUPERCHAINS), 64, 8, phi)[..., 4:]
    posterior = xr.Dataset({"x": (("chain", "draw"), flatten(x[None])[0])})
    owner = np.repeat(np.arange(SUPERCHAINS), 64)
    nested = arviz_stats.rhat_nested(x.reshape(-1, 4), superchain_ids=owner, method="identity")
    plain = arviz_stats.rhat(posterior, method="identity")["x"]
    np.testing.assert_allclose(plain - 1, nested - 1, rtol=0.1, atol=0.002)
    about = xr.Dataset({"diverging": (("chain", "draw"), np.zeros((SUPERCHAINS, 256), bool))})
    verdict = judge(posterior, about, {}, {}, diagnose(posterior))
    assert verdict.passed == passes
    assert passes or "R-hat" in str(verdict)


def test_the_effective_sample_size_of_short_chains_is_right(rng):
    phi, draws = 0.6, 4
    lags = np.arange(1, draws)
    inefficiency = 1 + 2 * ((1 - lags / draws) * phi**lags).sum()  # of the mean of a chain
    found = []
    for _ in range(20):
        start = rng.standard_normal(SUPERCHAINS * 64)
        x = autoregressive(rng, start, 1, draws, phi).reshape(1, SUPERCHAINS, 64, draws)
        found.append(float(arviz_stats.ess(flatten(x)[0], method="mean")))
    assert abs(np.mean(found) / (SUPERCHAINS * 64 * draws / inefficiency) - 1) < 0.05


def test_the_step_size_settles():
    # The rejection rate of a leapfrog trajectory is in proportion to the squared step size.
    step_size = np.array([1.0, 0.01, 0.5])
    for _ in range(30):
        rate = np.maximum(1 - 0.4 * step_size**2, 0.0)
        step_size = next_step_size(step_size, rate, np.full(3, 0.9))
    np.testing.assert_allclose(step_size, 0.5)


@pytest.mark.parametrize(
    "settings",
    [{"chains": 1000}, {"chains": 128}, {"draws": 6}, {"chains": 512}, {"target_accept": 1.0}],
)
def test_settings_out_of_range_are_refused(settings):
    with pytest.raises(sb.InputError, match=next(iter(settings))):
        HMC(**settings)
