"""The estimate of how long a fit of many runs takes, and the progress that a fit reports."""

import warnings

import numpy as np
import pytest
from plain import bind, fit_default
from simulation import simulate

import scalingbayes as sb
from scalingbayes.fitting import duration


def announced(model, engine, allowance=True):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        duration.announce_duration(model, engine, "float64", allowance)
    return [str(each.message) for each in caught]


def test_a_long_fit_of_many_runs_says_how_long_it_takes(monkeypatch, rng):
    model = bind(sb.Runs(simulate(rng, 300)))
    assert announced(model, sb.NUTS()) == []
    monkeypatch.setattr(duration, "_MANY_RUNS", 200)
    monkeypatch.setattr(duration, "_seconds_per_gradient", lambda model, dtype: 0.1)
    # 0.1 s x (2,000 + 28,000 + 4 x 1,300 x 7 x 2) gradients, by hand
    (text,) = announced(model, sb.NUTS())
    assert "300 runs will take about 2.9 hours" in text
    assert "engine='laplace', or exact=True" in text
    (text,) = announced(model, sb.NUTS(), allowance=False)
    assert "about 64 min" in text
    assert "exact=True" not in text
    (text,) = announced(model, sb.Laplace(draws=1000), allowance=False)
    assert "about 8 min" in text
    assert announced(model, sb.Bootstrap()) == []


def test_a_gradient_is_measured(monkeypatch, rng):
    model = bind(sb.Runs(simulate(rng, 300)))
    monkeypatch.setattr(duration, "_MANY_RUNS", 200)
    assert announced(model, sb.NUTS(draws=4, warmup=50), allowance=False) == []  # under a second


@pytest.mark.slow
def test_progress_begins_at_0_and_never_falls_to_1(rng):
    seen = []
    engine = {"engine": "nuts", "draws": 20, "warmup": 50}
    fit_default(
        sb.Runs(simulate(rng, 30)), progress=lambda fraction, _: seen.append(fraction), **engine
    )
    assert seen[0] == 0
    assert seen[-1] == pytest.approx(1)
    assert 0.5 in seen  # the allowance is chosen
    assert np.all(np.diff(seen) >= 0)
