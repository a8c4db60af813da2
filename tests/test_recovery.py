"""Parameters of simulated runs are recovered, and targets of every kind are predicted."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpyro.distributions import Normal
from plain import bind, fit
from registry import NAMES, place
from scipy.special import logit
from scipy.stats import spearmanr

import scalingbayes as sb
from scalingbayes._core.precision import precision
from scalingbayes.evaluation.calibration import typical_inputs
from scalingbayes.laws import get_law
from scalingbayes.model.noise_models import get_noise

# In standard deviations: one of 150 parameters is as far off in one of 100 runs of this file.
FAR = 4.0


def simulate(law, rng, count=200):
    """Simulate runs at typical parameters, with heavy-tailed noise of 1 %."""
    inputs = typical_inputs(law, count, rng)
    reference = {}
    for name, each in law.inputs.items():
        shared = inputs.get(each.unit, inputs[name])
        reference[name] = 1.0 if each.unit == "1" else np.exp(np.log(shared).mean())
    reference[law.target.column] = 1.0 if law.target.scale == "logit" else 2.0
    numbers = {}
    for name, parameter in law.parameters.items():
        draws = np.asarray(parameter.prior.sample(jax.random.key(0), (100_001,)))
        # At 0, the median of a normal prior, laws often degenerate.
        numbers[name] = float(np.quantile(draws, 0.8 if type(parameter.prior) is Normal else 0.5))
    with precision("float64"):
        truth = {name: float(value) for name, value in place(law, numbers, reference).items()}
        expected = law(*jax.tree.map(jnp.asarray, (inputs, truth)))
        noise = get_noise("student_t", law)
        sigma = 0.01 * (reference[law.target.column] if law.target.scale == "plain" else 1.0)
        spread = {"sigma": jnp.asarray(sigma), "nu": jnp.asarray(5.0)}
        there = jax.tree.map(jnp.asarray, inputs)
        observed = noise(expected, spread, there).sample(jax.random.key(1))
    return truth, {**inputs, law.target.column: np.asarray(observed)}


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_parameters_are_recovered(name, rng):
    law = get_law(name)
    truth, table = simulate(law, rng)
    post = fit(table, law=law)
    found = {p: (float(post[p].mean()), float(post[p].std())) for p in truth}
    far = {
        p: (value, *found[p])
        for p, value in truth.items()
        if abs(value - found[p][0]) > FAR * found[p][1]
    }
    assert not far, far


@pytest.mark.slow
def test_a_prediction_can_be_the_input_of_another_posterior(rng):
    params, ratio = np.exp(rng.uniform(18, 23, 40)), np.exp(rng.uniform(2, 5, 40))
    table = {"params": params, "tokens": params * ratio}
    loss = 1.7 + 400 / params**0.34 + 900 / (params * ratio) ** 0.34
    table["loss"] = loss * np.exp(0.01 * rng.standard_normal(40))
    error = 0.85 - 2.1 * np.exp(-0.75 * table["loss"])
    table["error_mean"] = 1 / (1 + (1 / error - 1) * np.exp(0.03 * rng.standard_normal(40)))
    runs = sb.Runs(table)
    losses = fit(runs, law="overtrained", draws=500)
    errors = fit(runs, law="downstream(target=error_mean)", draws=500)
    ahead = losses.predict(params=[1e11, 2e11], tokens=2e12)
    both = errors.predict(loss=ahead)
    table = both.summary()
    assert table.index.names == ["params", "tokens", "quantity"]
    truth = 0.85 - 2.1 * np.exp(-0.75 * (1.7 + 400 / 1e11**0.34 + 900 / 2e12**0.34))
    row = table.loc[1e11, 2e12, "expected"]
    assert row["eti90_lb"] < truth < row["eti90_ub"]
    # The interval has both uncertainties: it is wider than for a known loss.
    known = errors.predict(loss=ahead.median()["expected"].to_numpy())

    def width(estimate):
        interval = estimate.interval()["expected"]
        return (interval.sel(bound="upper") - interval.sel(bound="lower")).to_numpy()

    assert np.all(width(both) > 1.2 * width(known))
    # The prediction is the law at the drawn losses, for any pairing of the draws.
    drawn = ahead.draws["observed"].to_numpy()
    values = {name: v[..., None] for name, v in errors.values.items()}
    paired = values["epsilon"] - values["k"] * np.exp(-values["gamma"] * drawn)
    tails = [0.05, 0.5, 0.95]
    np.testing.assert_allclose(
        np.quantile(both.draws["expected"], tails, axis=(0, 1)),
        np.quantile(paired, tails, axis=(0, 1)),
        rtol=0.03,
    )
    # Two posteriors with the same seed draw independent noise.
    first = np.log(drawn / ahead.draws["expected"].to_numpy())
    known = errors.predict(loss=[2.0, 2.1]).draws
    second = logit(known["observed"].to_numpy()) - logit(known["expected"].to_numpy())
    assert abs(spearmanr(first.ravel(), second.ravel()).statistic) < 0.07
    with pytest.raises(sb.InputError, match=r"loss must be numbers or what a posterior predicts"):
        errors.predict(loss=losses.allocate(1e22))


@pytest.mark.parametrize(
    ("law", "bad", "message"),
    [
        ("downstream", {"error": 1.2}, r"'error', row 3: 1\.2 is not strictly between 0 and 1"),
        ("chinchilla", {"loss": -0.5}, r"'loss', row 3: -0\.5 is not positive"),
        ("mixture(domains=[web, code])", {"web": 1.5}, r"'web', row 3: 1\.5 is not from 0 to 1"),
        ("sparse_moe", {"sparsity": 1.0}, r"'sparsity', row 3: 1\.0 is not from 0 to below 1"),
    ],
)
def test_errors_name_values_outside_the_domain(law, bad, message, rng):
    columns = ("params", "tokens", "loss", "error", "web", "code", "sparsity")
    table = {name: rng.uniform(0.1, 0.9, 30) for name in columns}
    table |= {"params": np.geomspace(1e7, 1e9, 30), "tokens": np.geomspace(1e9, 1e10, 30)}
    for name, value in bad.items():
        table[name][2] = value
    with pytest.raises(sb.InputError, match=message):
        bind(sb.Runs(table), law)


@pytest.mark.slow
def test_the_unit_of_a_signed_loss_has_no_effect(rng):
    # From nats to bits, only the parameters with the unit of the loss change.
    law = get_law("vocabulary")
    _, table = simulate(law, rng)
    post = fit(table, law=law, seed=3)
    table["loss"] = table["loss"] / np.log(2)
    bits = fit(table, law=law, seed=3)
    for name, unit in {"alpha1": 1.0, "beta": 1.0, "E": np.log(2), "sigma": np.log(2)}.items():
        # Rounding changes the chains, so the posteriors agree within Monte Carlo error.
        found, expected = bits.values[name], post.values[name] / unit
        assert abs(found.mean() - expected.mean()) < 0.15 * expected.std()
        assert found.std() == pytest.approx(expected.std(), rel=0.15)
