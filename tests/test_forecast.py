"""Forecasts of runs under a learning-rate schedule."""

import numpy as np
import pandas as pd
import pytest

import scalingbayes as sb

PEAK = 1e-3
STEPS = 4000
TRUTH = {"L0": 2.0, "A": 0.9, "alpha": 0.5, "C": 0.4}


def rates(shape, steps=STEPS):
    past = np.linspace(0.0, 1.0, steps)
    return (
        PEAK
        * {
            "constant": np.ones(steps),
            "cosine": 0.55 + 0.45 * np.cos(np.pi * past),
            "linear": 1 - 0.9 * past,
            "wsd": np.clip(5 - 5 * past, 0.1, 1.0),
        }[shape]
    )


def curve(shape, rng, scale=1.0):
    """Return a simulated curve of the annealing law, with an error of its own that grows."""
    made = sb.schedule_columns({"learning_rate": rates(shape)}, points=40)
    expected = TRUTH["L0"] + TRUTH["A"] * made["lr_sum"] ** -TRUTH["alpha"]
    expected -= TRUTH["C"] * made["lr_annealing"]
    fall = np.sqrt(np.log(expected.iloc[0] / expected)).clip(0.0)
    error = scale * 0.004 * rng.standard_normal() * fall + 5e-4 * rng.standard_normal(len(made))
    return made[["step", "learning_rate"]].assign(loss=expected * np.exp(error), run=shape)


@pytest.fixture(scope="module")
def curves():
    rng = np.random.default_rng(3)
    return pd.concat([curve(shape, rng) for shape in ("constant", "cosine", "linear")])


def ask(curves, so_far=None, **options):
    return sb.forecast(
        curves, rates("wsd"), so_far, curve="run", model="annealing", engine="laplace", **options
    )


def test_forecast_contains_the_end_and_narrows_in_flight(curves):
    run = curve("wsd", np.random.default_rng(4))
    end = run["loss"].iloc[-1]
    before = ask(curves)
    during = ask(curves, run[run["step"] <= 0.8 * STEPS], target=1.0)
    widths = []
    for found in (before, during):
        low, high = found.end.interval()["observed"].to_numpy()
        assert low < end < high, (low, end, high)
        widths.append(high - low)
    assert widths[1] < widths[0]
    assert during.draws["step"].to_numpy().min() > during.so_far["step"].max()
    assert during.above_target == 1.0
    assert "worse than its target" in during.sentence()
    assert before.so_far is None
    assert before.above_target is None


def test_target_of_a_prediction_is_compared_draw_by_draw(curves):
    found = ask(curves)
    again = ask(curves, target=found.end)
    assert again.above_target == pytest.approx(0.5, abs=0.05)
    assert "on course" in str(again)


def test_forecasts_that_cannot_be_made_are_refused(curves):
    one = curves[curves["run"] == "cosine"]
    with pytest.raises(sb.InputError, match="two finished curves"):
        ask(one)
    with pytest.raises(sb.InputError, match="nothing is left"):
        ask(curves, {"step": [STEPS + 1], "loss": [2.5]})
    with pytest.raises(sb.InputError, match="so_far needs the columns step, loss"):
        ask(curves, {"step": [1]})
