"""Tests of verdicts, on draws with known faults."""

import numpy as np
import pytest
import xarray as xr

from scalingbayes.posterior.diagnostics import judge


def fit(draws, diverging=0):
    flags = np.zeros(draws.shape, bool)
    flags.ravel()[:diverging] = True
    posterior, stats = (
        xr.Dataset({name: (("chain", "draw"), values)})
        for name, values in (("alpha", draws), ("diverging", flags))
    )
    return posterior, stats


@pytest.fixture
def good(rng):
    return rng.standard_normal((4, 500))


def test_independent_draws_pass(good):
    verdict = judge(*fit(good), {}, {"alpha": 0.2})
    assert verdict.passed
    assert verdict.word == "passed"
    assert not verdict.notes


def test_a_chain_at_another_place_fails(good):
    good[2] += 1
    verdict = judge(*fit(good), {}, {})
    assert not verdict.passed
    assert "R-hat" in str(verdict)
    assert "chains disagree" in str(verdict)


def test_slow_mixing_fails(rng):
    discrepancy_draws = np.cumsum(rng.standard_normal((4, 500)), axis=1)
    assert "below 400" in str(judge(*fit(discrepancy_draws), {}, {}))


@pytest.mark.parametrize("value", [1.0, np.nan])
def test_constant_draws_fail(value):
    with np.errstate(invalid="ignore", divide="ignore"):
        assert not judge(*fit(np.full((4, 500), value)), {}, {}).passed


def test_divergences_fail_with_their_remedy(good):
    for aim, higher in ((0.9, 0.99), (0.99, 0.999)):  # the second where warm-up diverged too
        verdict = judge(*fit(good, diverging=3), {"target_accept": aim}, {})
        assert not verdict.passed
        assert "3 divergences" in str(verdict)
        remedy = f"target_accept from {aim}, such as engine 'nuts(target_accept={higher})'"
        assert remedy in str(verdict)


def test_a_parameter_determined_by_its_prior_is_a_note(good):
    verdict = judge(*fit(good), {}, {"alpha": 0.93})
    assert verdict.passed
    assert "93% of what is known of alpha comes from its prior" in str(verdict)
