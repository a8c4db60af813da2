"""Forecasts of runs under a learning-rate schedule."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import scalingbayes as sb
from scalingbayes.results import Check, Verdict

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


def ask(curves, so_far=None, shape="wsd", **options):
    return sb.forecast(
        curves, rates(shape), so_far, curve="run", model="annealing", engine="laplace", **options
    )


def width(found):
    low, high = found.end.interval()["observed"].to_numpy()
    return high - low


@pytest.mark.slow
def test_an_unseen_decay_is_as_uncertain_as_from_the_start(curves):
    run = curve("wsd", np.random.default_rng(4))
    end = run["loss"].iloc[-1]
    before = ask(curves)
    during = ask(curves, run[run["step"] <= 0.8 * STEPS], target=1.0)
    late = ask(curves, run[run["step"] <= 0.9 * STEPS])
    for found in (before, during, late):
        low, high = found.end.interval()["observed"].to_numpy()
        assert low < end < high, (low, end, high)
    assert during.growth == pytest.approx(before.growth, rel=0.02)
    assert width(during) == pytest.approx(width(before), rel=0.2)
    assert width(late) < 0.92 * width(before)  # widths scatter by a few per cent
    low, high = during.interval()["observed"].isel(step=0)
    assert high - low < 0.5 * width(during)  # it widens as the learning rate falls
    assert during.draws["step"].to_numpy().min() > during.so_far["step"].max()
    assert during.above_target == 1.0
    assert "worse than its target" in during.sentence()
    assert before.so_far is None
    assert before.above_target is None


def test_a_constant_rate_narrows_in_flight_and_a_failed_fit_is_named(curves):
    run = curve("constant", np.random.default_rng(5))
    before = ask(curves, shape="constant")
    during = ask(curves, run[run["step"] <= 0.8 * STEPS], "constant")
    assert width(during) < 0.5 * width(before)
    failed = Verdict((Check(False, "R-hat is at most 1.01", "Run longer."),))
    assert replace(during, verdict=failed).sentence().endswith("; the fit failed its checks.")
    assert "failed" not in replace(during, verdict=Verdict(())).sentence()


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
