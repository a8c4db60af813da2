"""Optax optimisers against Levenberg-Marquardt and SciPy, on all rows and on mini-batches."""

import numpy as np
import optax
import pytest
from plain import fit
from scipy import stats
from simulation import simulate

import scalingbayes as sb


@pytest.mark.parametrize("objective", ["likelihood", "posterior"])
@pytest.mark.parametrize(
    ("optimizer", "steps"),
    [
        (optax.adam(optax.cosine_decay_schedule(0.05, 4000)), 4000),
        pytest.param(optax.lbfgs(), 500, marks=pytest.mark.slow),
    ],
    ids=["adam", "lbfgs"],
)
def test_optax_finds_the_optimum_of_levenberg_marquardt(runs, optimizer, steps, objective):
    expected = fit(runs, engine=sb.Optimize(starts=16, objective=objective))
    seen: list[float] = []
    engine = sb.Optimize(16, objective, optimizer, steps)
    found = fit(runs, engine=engine, progress=lambda fraction, _: seen.append(fraction))
    # 1e-3 nats move a parameter by at most sqrt(0.002) = 0.045 standard errors.
    assert found.log_density == pytest.approx(expected.log_density, abs=1e-3)
    for name, value in expected.values.items():
        assert found.values[name] == pytest.approx(value, rel=0.02), name
    assert found.agreeing >= 4
    assert seen == sorted(seen)
    assert seen[-1] == 1.0


def test_searches_that_stop_early_have_not_converged(runs):
    found = fit(runs, engine=sb.Optimize(4, optimizer=optax.sgd(1e-4), steps=20))
    assert not found.searches["converged"].any()
    assert found.agreeing == 0


def test_held_out_rows_and_weights_count_in_mini_batches(rng):
    table = simulate(rng, 3000)
    outlying = np.arange(3000) % 3 == 0
    table["loss"] = np.where(outlying, 3 * table["loss"], table["loss"])
    weights = np.where(outlying, 0.0, rng.uniform(0.5, 1.0, 3000))
    schedule = optax.cosine_decay_schedule(0.05, 3000)
    engine = sb.Optimize(1, optimizer=optax.adam(schedule), steps=3000, batch_rows=500)
    found = fit(table, engine=engine, weights=weights)
    expected = fit(table, engine=sb.Optimize(4), weights=weights)
    assert expected.log_density - 5 < found.log_density < expected.log_density + 1e-3


def test_mini_batches_of_a_large_table_reach_the_likelihood_of_the_truth():
    rows = 200_000
    table = simulate(np.random.default_rng(0), rows, nu=4.0, sigma=0.005)
    schedule = optax.cosine_decay_schedule(0.05, 4000)
    engine = sb.Optimize(1, optimizer=optax.adam(schedule), steps=4000, batch_rows=2048)
    found = fit(table, engine=engine)
    expected = 1.69 + 406.4 / table["params"] ** 0.34 + 410.7 / table["tokens"] ** 0.28
    truth = stats.t.logpdf(np.log(table["loss"] / expected), 4.0, scale=0.005).sum()
    # The optimum is above the truth by half a chi squared of 7 degrees of freedom: 0.6 to 10.
    assert truth - 5 < found.log_density < truth + 12
    values = {"E": 1.69, "A": 406.4, "B": 410.7, "alpha": 0.34, "beta": 0.28, "sigma": 0.005}
    for name, value in values.items():
        assert found.values[name] == pytest.approx(value, rel=0.02), name


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_rows": 100}, "batch_rows needs an optax optimiser"),
        ({"steps": 0}, "steps must be a whole number of 1 or more; got 0"),
        (
            {"optimizer": optax.sgd(0.1), "batch_rows": 0},
            "batch_rows must be a whole number of 1 or more; got 0",
        ),
    ],
)
def test_settings_that_cannot_be_used_are_refused(options, message):
    with pytest.raises(sb.InputError, match=message):
        sb.Optimize(**options)
