"""The cost of training as a table counts it: fitted to its compute, and used by every decision."""

import numpy as np
import pytest

import scalingbayes as sb
from scalingbayes.allocation import FittedCost, Proportional, table_cost
from scalingbayes.allocation.costs import Transformer
from scalingbayes.data.architecture import params_non_embedding

LAW = sb.get_law("chinchilla")
SIZES = np.geomspace(1e7, 1e10, 8)


def runs_of(compute, params=SIZES, tokens=None):
    tokens = 20 * params if tokens is None else tokens
    return sb.Runs(
        {"params": params, "tokens": tokens, "compute": compute, "loss": 3 - 1e-11 * params}
    )


def test_without_measured_compute_the_cost_is_the_laws_own():
    runs = sb.Runs({"params": SIZES, "tokens": 20 * SIZES, "loss": 3 - 1e-11 * SIZES})
    assert table_cost(LAW, runs) == Proportional()


@pytest.mark.parametrize("factor", [0.3, 2.0, 55.0])
def test_a_constant_ratio_is_a_cost_in_proportion(factor):
    cost = table_cost(LAW, runs_of(6 * factor * SIZES * 20 * SIZES))
    assert isinstance(cost, Proportional)
    assert cost.training == pytest.approx(6 * factor)
    np.testing.assert_allclose(cost.training_flops(SIZES, SIZES), 6 * factor * SIZES**2)


@pytest.mark.parametrize(("context", "within"), [(2048, 0.03), (32768, 0.06)])
def test_flops_of_attention_are_fitted_and_extrapolated(context, within):
    d_model = np.arange(6, 33) * 128
    layers = d_model // 128
    params = params_non_embedding(layers, d_model).astype(float)
    counted = Transformer(context, 0, logits=False)
    per_token = 3 * counted.forward_flops(layers, d_model)
    cost = table_cost(LAW, runs_of(per_token * 20 * params, params))
    assert isinstance(cost, FittedCost)
    assert cost.bend > 0
    np.testing.assert_allclose(cost.training_flops(params, 20 * params), per_token * 20 * params,
                               rtol=within)  # fmt: skip
    larger = params_non_embedding(80.0, 10240.0)  # a hundred times the largest run
    flops = 3 * counted.forward_flops(80.0, 10240.0)
    assert cost.training_flops(np.array([larger]), np.ones(1))[0] == pytest.approx(flops, rel=0.15)


def test_embeddings_that_are_counted_as_params_make_small_models_cheap():
    d_model = np.arange(6, 33) * 128
    layers, vocab = d_model // 128, 50_000
    without = params_non_embedding(layers, d_model).astype(float)
    params = without + vocab * d_model
    cost = table_cost(LAW, runs_of(6 * without * 20 * params, params))
    assert isinstance(cost, FittedCost)
    assert cost.bend < 0
    np.testing.assert_allclose(
        cost.training_flops(params, 20 * params), 6 * without * 20 * params, rtol=0.15
    )
    far = cost.training_flops(np.array([1e12]), np.ones(1))[0]
    assert far == pytest.approx(6e12, rel=0.1)


def test_decisions_use_the_tables_cost(small_table):
    table = {**small_table, "compute": 60 * small_table["params"] * small_table["tokens"]}
    plain = sb.fit(small_table, "chinchilla", engine=sb.PriorDraws(draws=40), seed=1)
    measured = sb.fit(sb.Runs(table), "chinchilla", engine=sb.PriorDraws(draws=40), seed=1)
    assert "C = 60 N D" in measured.allocate(1e22).title
    for name in ("params", "tokens"):
        np.testing.assert_allclose(
            measured.allocate(1e22)[name], plain.allocate(1e21)[name], rtol=1e-6
        )
    np.testing.assert_allclose(measured.compute, 10 * plain.compute)
    explicit = measured.allocate(1e21, sb.costs.Proportional())
    np.testing.assert_allclose(explicit["params"], plain.allocate(1e21)["params"], rtol=1e-6)
    ten = sb.cheapest_run(measured, 2.9).median()["compute"]
    np.testing.assert_allclose(ten, 10 * sb.cheapest_run(plain, 2.9).median()["compute"], rtol=1e-6)
    np.testing.assert_allclose(
        sb.overtrain(measured, [0.5, 2.0], 1e22)["overhead"],
        sb.overtrain(plain, [0.5, 2.0], 1e21)["overhead"],
        rtol=1e-6,
    )
    run = sb.plan(measured, 1e22).run
    assert 60 * run["params"] * run["tokens"] == pytest.approx(1e22, rel=1e-6)
    np.testing.assert_allclose(measured.exponents()["a"], plain.exponents()["a"], rtol=1e-6)


def test_a_wrong_row_and_scatter_make_no_bend(rng):
    flops = 6 * SIZES * 20 * SIZES
    flops[3] *= 1000
    with pytest.warns(sb.InputWarning, match="row 4"):
        runs = runs_of(flops)
    assert table_cost(LAW, runs).training == pytest.approx(6)
    scattered = 12 * SIZES * 20 * SIZES * np.exp(0.2 * rng.standard_normal(len(SIZES)))
    cost = table_cost(LAW, runs_of(scattered))
    assert isinstance(cost, Proportional)
    assert cost.training == pytest.approx(12, rel=0.3)


def test_the_overhead_of_a_smaller_model_is_in_the_flops_of_the_table(small_table):
    params, tokens = small_table["params"], small_table["tokens"]
    runs = sb.Runs({**small_table, "compute": flops(params, tokens)})
    post = sb.fit(runs, "chinchilla", engine=sb.PriorDraws(draws=40), seed=1)
    assert isinstance(post.cost, FittedCost)
    factors = np.array([0.7, 1.0, 1.3])
    found = sb.overtrain(post, factors, compute=1e21)
    best = post.allocate(1e21).draws.isel(compute=0)
    size, data = (best[name].to_numpy()[..., None] for name in ("params", "tokens"))
    needed = flops(factors * size, found["tokens_factor"].to_numpy() * data)
    reached = np.isfinite(needed)
    overhead = found["overhead"].to_numpy()
    np.testing.assert_allclose(
        overhead[reached], (needed / flops(size, data) - 1)[reached], atol=3e-3
    )
    assert (overhead >= 0).all()  # the optimal model is the cheapest that reaches its loss


def flops(params, tokens):
    """Return FLOPs with a share of attention that falls with size."""
    return 6 * params * tokens * (1 + (3e8 / params) ** (1 / 3))
