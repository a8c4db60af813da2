"""Pareto smoothing, beside ArviZ's and in closed form."""

import numpy as np
import pytest
from arviz_stats.base import array_stats

from scalingbayes.inference.pareto import fit_pareto, pareto_smooth


@pytest.mark.parametrize("count", [31, 100, 1000, 4000])
@pytest.mark.parametrize("k", [-0.3, 0.1, 0.5, 0.9])
def test_it_is_arvizs(count, k, rng):
    log_weights = np.log(((1 - rng.random(count)) ** -k - 1) / k)
    expected, expected_k = array_stats.psislw(-log_weights)
    weights, found_k = pareto_smooth(log_weights)
    expected = np.exp(expected - expected.max())
    np.testing.assert_allclose(weights, expected / expected.sum(), rtol=1e-12)
    np.testing.assert_allclose(found_k, expected_k, rtol=1e-10)


@pytest.mark.parametrize("k", [-0.2, 0.3, 0.7])
def test_it_finds_the_shape_and_scale_of_a_pareto_distribution(k, rng):
    excess = np.sort(2.5 * ((1 - rng.random(20_000)) ** -k - 1) / k)
    found, scale = fit_pareto(excess)
    error = (1 + k) / np.sqrt(len(excess))  # of the maximum likelihood estimate
    assert abs(found - k) < 4 * error
    assert abs(scale / 2.5 - 1) < 4 * np.sqrt(2 * (1 + k) / len(excess))


def test_weights_of_zero_stay_and_too_few_have_no_finite_k(rng):
    log_weights = rng.standard_normal(200)
    log_weights[::2] = -np.inf
    weights, k = pareto_smooth(log_weights, least=50)
    assert np.isfinite(k)
    assert (weights[::2] == 0).all()
    np.testing.assert_allclose(weights.sum(), 1)
    assert pareto_smooth(log_weights, least=100)[1] == np.inf
    assert pareto_smooth(np.full(10, -np.inf))[1] == np.inf


def test_the_order_of_the_draws_does_not_matter(rng):
    log_weights, order = 3 * rng.standard_normal(500), rng.permutation(500)
    found, k = pareto_smooth(log_weights)
    shuffled, k_shuffled = pareto_smooth(log_weights[order])
    np.testing.assert_allclose(shuffled, found[order])
    assert k == k_shuffled


def test_equal_weights_are_reliable():
    weights, k = pareto_smooth(np.zeros(100))
    np.testing.assert_allclose(weights, 0.01)
    assert k == 0
