"""Costs, and the optimum under any cost and limits: closed forms and SciPy's roots."""

from dataclasses import replace
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from plain import fit
from scipy.optimize import brentq, minimize_scalar

import scalingbayes as sb
from scalingbayes import allocation
from scalingbayes.laws import LAWS, get_law

CLOSED = [name for name in LAWS if get_law(name).optimum is not None]
HOFFMANN = {"E": 1.69, "A": 406.4, "B": 410.7, "alpha": 0.34, "beta": 0.28}
TRANSFORMER = sb.costs.Transformer(context=2048, vocab=32_000)


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


@pytest.fixture(scope="module")
def post(runs):
    return fit(runs, engine="laplace", draws=400)


def test_money_and_hours_buy_flops():
    hardware = sb.costs.Hardware(peak_flops=1e15, utilisation=0.5, price_per_hour=2.0)
    np.testing.assert_allclose(hardware.flops(gpu_hours=[1, 10]), [1.8e18, 1.8e19])
    np.testing.assert_allclose(hardware.flops(dollars=2.0), 1.8e18)
    np.testing.assert_allclose(hardware.dollars(1.8e18), 2.0)
    np.testing.assert_allclose(hardware.gpu_hours(1.8e18), 1.0)


def test_hours_days_energy_and_carbon_are_those_of_published_trainings():
    # Llama 3.1, model card: 39.3M hours of H100s of 700 W and 11,390 t for all sizes, 1.46M hours
    # and 420 t for 8B: the two state one intensity. 405B took 30.84M hours; the paper states 3.8e25
    # FLOPs on up to 16,384 GPUs with an MFU of 38 to 43 %, so the rest is not this training.
    intensity = 11_390e6 / (39.3e6 * 0.7)  # grams per kWh
    h100s = sb.costs.Hardware(989e12, 0.40, devices=16_384, watts=700, carbon_intensity=intensity)
    np.testing.assert_allclose(h100s.carbon(h100s.flops(gpu_hours=1.46e6)), 420e3, rtol=0.01)
    assert 0.8 < h100s.gpu_hours(3.8e25)[0] / 30.84e6 < 0.9
    np.testing.assert_allclose(h100s.days(h100s.flops(gpu_hours=30.84e6)), 78.4, atol=0.1)
    # BLOOM (Luccioni et al. 2022, arXiv:2211.02001): 1,082,990 hours on 384 A100s of 400 W, 118
    # days, 433,196 kWh; 57 g per kWh make 24.7 t, and 30 t with a PUE of 1.2.
    a100s = sb.costs.Hardware(312e12, devices=384, watts=400, carbon_intensity=57)
    used = a100s.flops(gpu_hours=1_082_990)
    np.testing.assert_allclose(a100s.days(used), 118.2, rtol=0.01)
    np.testing.assert_allclose(a100s.kwh(used), 433_196, rtol=1e-6)
    np.testing.assert_allclose(a100s.carbon(used), 24_700, rtol=0.002)
    np.testing.assert_allclose(replace(a100s, pue=1.2).carbon(used), 29_630, rtol=0.002)
    # DeepSeek-V3: 2.788M hours of H800s at 2 dollars are 5.576M dollars.
    h800s = sb.costs.Hardware(989e12, price_per_hour=2.0)
    np.testing.assert_allclose(h800s.dollars(h800s.flops(gpu_hours=2.788e6)), 5.576e6)


def test_days_of_a_cluster_buy_flops_and_a_bill_has_what_is_known():
    cluster = sb.costs.Hardware(1e15, 0.5, price_per_hour=2.0, devices=100, watts=500, pue=1.2)
    (budget,) = cluster.flops(days=10)
    assert budget == pytest.approx(10 * 24 * 3600 * 100 * 0.5e15)
    bill = cluster.bill([budget, 2 * budget])
    assert bill.loc[budget].to_dict() == pytest.approx(
        {"gpu_hours": 24_000, "days": 10, "dollars": 48_000, "kwh": 24_000 * 0.6}
    )
    np.testing.assert_allclose(bill.loc[2 * budget], 2 * bill.loc[budget])
    assert list(sb.costs.Hardware(1e15).bill(1e20)) == ["gpu_hours"]
    assert cluster.days([budget, np.inf])[1] == np.inf  # draws that no budget suffices for


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: sb.costs.Hardware(1e15, 1.4), "utilisation must be above 0 and at most 1"),
        (lambda: sb.costs.Hardware(-1), "peak_flops must be positive"),
        (lambda: sb.costs.Hardware(1e15).flops(dollars=1), "needs price_per_hour"),
        (lambda: sb.costs.Hardware(1e15).flops(), "exactly one of dollars, gpu_hours and days"),
        (lambda: sb.costs.Hardware(1e15).flops(days=1), "needs devices: .* devices=1024"),
        (lambda: sb.costs.Hardware(1e15).kwh(1e20), "needs watts"),
        (lambda: sb.costs.Hardware(1e15, pue=0.9), "pue must be 1 or more"),
        (lambda: sb.costs.Hardware(1e15).gpu_hours([1e20, np.nan]), "flops must be finite"),
        (lambda: sb.costs.Hardware(1e15, 1, 1).flops(dollars=1, gpu_hours=1), "exactly one of"),
        (lambda: sb.costs.Proportional().serve(0), "tokens must be positive"),
        (lambda: sb.Limits(max_params=-1), "max_params must be positive"),
        (lambda: sb.Limits(max_tokens=[1, 2]), "max_tokens must be one number"),
        (lambda: sb.Limits(shapes=[(1, 2, 3)]), "shapes must be pairs of n_layer and d_model"),
    ],
)
def test_invalid_costs_and_limits_are_refused(ask, message):
    with pytest.raises(sb.InputError, match=message):
        ask()


def test_a_cost_of_another_size_is_refused(post):
    with pytest.raises(sb.InputError, match="measures a model's size by 'params', and the cost by"):
        post.allocate(1e21, sb.costs.Proportional(size="flops_per_token", training=1.0))
    with pytest.raises(sb.InputError, match="cost must be a cost, such as"):
        post.allocate(1e21, 6.0)


def root_by_scipy(values, compute, served, price, transformer):
    """Return the log size at which the derivative of the loss along the budget is 0."""
    A, B, alpha, beta = (values[name] for name in ("A", "B", "alpha", "beta"))

    def per_token(log_size):
        if not transformer:
            return np.log(2.0) + log_size
        # N = 12 d^3 / 128 + V d, solved for d by SciPy too.
        log_d = brentq(
            lambda u: np.log(12 / 128 * np.exp(3 * u) + 32_000 * np.exp(u)) - log_size, -20, 40,
            xtol=1e-13,
        )  # fmt: skip
        d = np.exp(log_d)
        heads, layers = d / 128, d / 128
        return np.log(layers * (24 * d * d + 4 * d * 2048 + 3 * heads * 2048) + 2 * 32_000 * d)

    def log_tokens(log_size):
        left = compute - price * served * np.exp(per_token(log_size))
        return np.log(left) - np.log(3.0) - per_token(log_size) if left > 0 else np.nan

    def gain(log_size):
        step = 1e-4
        # The complex step would be exact; five points are good to 1e-13 here.
        weights = np.array([1, -8, 8, -1]) / (12 * step)
        tokens = [log_tokens(log_size + k * step) for k in (-2, -1, 1, 2)]
        falls = -(weights @ tokens)
        if np.isnan(falls):
            return -1.0
        size_worth = np.log(alpha * A) - alpha * log_size
        return size_worth - np.log(beta * B) + beta * log_tokens(log_size) - np.log(falls)

    return brentq(gain, -5, 60, xtol=1e-12)


@settings(deadline=None, max_examples=40)
@given(
    alpha=st.floats(0.1, 1.5),
    beta=st.floats(0.1, 1.5),
    worth=st.floats(-3, 3),
    log_compute=st.floats(np.log(1e17), np.log(1e27)),
    share=st.floats(0.01, 10.0),
    transformer=st.booleans(),
)
def test_the_optimum_under_a_cost_is_scipys(alpha, beta, worth, log_compute, share, transformer):
    # Terms that are alike at a usual run, and serving of the order of the budget.
    compute = np.exp(log_compute)
    size = np.sqrt(compute / 120)
    values = {"E": 1.0, "A": np.exp(worth) * size**alpha, "B": (20 * size) ** beta}
    values |= {"alpha": alpha, "beta": beta}
    served = share * 20 * size
    with jax.enable_x64(True):
        cost = (TRANSFORMER if transformer else sb.costs.Proportional()).serve(served, 1.3)
        arrays = jax.tree.map(jnp.asarray, values)
        found = allocation.optimum(get_law("chinchilla"), arrays, jnp.asarray([compute]), {}, cost)
    log_size = np.log(float(found["params"][0]))
    assume(-4 < log_size < 55)
    expected = root_by_scipy(values, compute, served, 1.3, transformer)
    np.testing.assert_allclose(log_size, expected, atol=1e-8)


@pytest.mark.parametrize("name", CLOSED)
@pytest.mark.parametrize("served", [0.0, 1e12])
def test_newton_agrees_with_the_search_for_every_closed_form(name, served, rng):
    law = get_law(name)
    exponent = dict.fromkeys(("alpha", "beta", "eta", "alpha_N", "alpha_D"), (0.1, 0.5))
    ranges = {**exponent, "k": (0.5, 2.0), "E": (1.0, 2.0)}
    values = {
        p: jnp.asarray(
            np.exp(rng.uniform(3, 7, 20)) if p not in ranges else rng.uniform(*ranges[p], 20)
        )
        for p in law.parameters
    }
    training = (
        allocation.Proportional.of(law.budget) if law.budget.size != "params" else TRANSFORMER
    )
    cost = training.serve(served) if served else training
    compute = jnp.asarray([1e20, 1e22, 1e24])
    closed, searched = (
        allocation.optimum(each, values, compute, {}, cost)
        for each in (law, replace(law, optimum=None))
    )
    for key, value in closed.items():
        np.testing.assert_allclose(searched[key], value, rtol=1e-6, err_msg=key)


def test_interpolated_budgets_equal_solved_ones(post):
    budgets = np.geomspace(1e18, 1e26, 150)
    cost = TRANSFORMER.serve(1e12)
    together = post.allocate(budgets, cost).draws
    alone = post.allocate(budgets[[3, 70, 149]], cost).draws
    for name, values in alone.items():
        np.testing.assert_allclose(together[name][..., [3, 70, 149]], values, rtol=1e-7)


def test_many_budgets_of_serving_have_the_least_loss_by_brute_force(post):
    """FLOPs and params are those of a transformer, in NumPy."""
    budgets, served = np.geomspace(1e19, 1e25, 200), 1e12
    found = post.allocate(budgets, TRANSFORMER.serve(served)).draws.isel(chain=0)

    def loss(log_d, budget, at):
        d = np.exp(log_d)
        n_layer, heads = d / 128, d / 128
        forward = n_layer * (24 * d**2 + 4 * 2048 * d + 3 * heads * 2048) + 2 * 32_000 * d
        params = 12 * n_layer * d**2 + 32_000 * d
        tokens = (budget - forward * served) / (3 * forward)
        if tokens <= 0:
            return np.inf
        return at["E"] + at["A"] / params ** at["alpha"] + at["B"] / tokens ** at["beta"]

    for draw in (0, 7, 311):
        at = {name: float(x[0, draw]) for name, x in post.values.items()}
        for budget in (0, 40, 101, 199):
            here = found.isel(draw=draw, compute=budget)
            given = (budgets[budget], at)
            about = np.arange(1, 12, 0.05)
            about = about[np.argmin([loss(x, *given) for x in about])]
            ends = (about - 0.05, about + 0.05)
            best = minimize_scalar(loss, bounds=ends, args=given, options={"xatol": 1e-11})
            d = np.exp(best.x)
            params = 12 / 128 * d**3 + 32_000 * d
            assert float(here["params"]) == pytest.approx(params, rel=1e-5)
            assert float(here["loss"]) <= best.fun * (1 + 1e-14)


def test_exponents_are_slopes_of_the_optimum(post):
    step = 1e-4
    for cost in (TRANSFORMER, sb.costs.Proportional().serve(1e12)):
        budgets = 1e22 * np.exp([-step, 0.0, step])
        found = post.allocate(budgets, cost).draws
        for name, size in {"a": "params", "b": "tokens"}.items():
            slope = np.diff(np.log(found[size][..., [0, 2]]))[..., 0] / (2 * step)
            np.testing.assert_allclose(found[name][..., 1], slope, rtol=1e-5)
    # Serving pays for size alone: at budgets that it dominates, N grows as C does.
    small = post.allocate(1e18, sb.costs.Proportional().serve(1e13)).draws
    assert (small["a"] > 0.9).all()


def test_serving_gives_smaller_models_and_more_data(post):
    # Sardana & Frankle 2023 (arXiv:2401.00448): for one loss, more serving means a smaller
    # model that is trained for longer.
    found = [sb.cheapest_run(post, 2.2).draws]
    found += [
        sb.cheapest_run(post, 2.2, sb.costs.Proportional().serve(tokens)).draws
        for tokens in (1e10, 1e11, 1e12, 1e13)
    ]
    for less, more in pairwise(found):
        assert (more["params"] < less["params"]).all()
        assert (more["tokens"] > less["tokens"]).all()
        assert (more["compute"] > less["compute"]).all()


def test_the_cheapest_run_is_that_of_brute_force(post):
    cost = sb.costs.Proportional().serve(3e11)
    found = sb.cheapest_run(post, 2.3, cost).draws.isel(loss=0)
    v = post.values
    sizes = np.exp(np.log(found["params"].to_numpy())[..., None] + np.linspace(-0.5, 0.5, 1001))
    E, A, B, alpha, beta = (v[n][..., None] for n in ("E", "A", "B", "alpha", "beta"))
    left = 2.3 - E - A * sizes**-alpha
    tokens = np.where(left > 0, (np.maximum(left, 1e-9) / B) ** (-1 / beta), np.inf)
    total = 6 * sizes * tokens + 2 * sizes * 3e11
    np.testing.assert_allclose(found["compute"], total.min(-1), rtol=1e-6)
    np.testing.assert_allclose(np.log(found["params"]), np.log(sizes[..., 500]), atol=1e-9)
    assert (np.abs(total.argmin(-1) - 500) <= 1).all()


def test_a_loss_out_of_reach_has_a_note_with_the_share_of_draws(post):
    floor = float(np.quantile(post.values["E"], 0.7))
    found = sb.cheapest_run(post, [floor, 2.5])
    share = float((post.values["E"] >= floor).mean())
    assert (
        f"No budget reaches the loss in {share:.0%} of the draws: these are infinite."
        in found.notes
    )
    lost = np.isinf(found.draws["compute"].sel(loss=floor))
    np.testing.assert_array_equal(lost, post.values["E"] >= floor)
    table = found.summary()
    assert not table.isna().any().any()
    assert np.isinf(table["eti90_ub"].iloc[0])
    with pytest.raises(sb.InputError, match=r"No draw of the posterior reaches a loss of 0\.5"):
        sb.cheapest_run(post, [0.5, 2.5])


def test_limits_bind_only_where_they_are_exceeded(post):
    free = post.allocate(1e23).draws
    loose = post.allocate(1e23, limits=sb.Limits(max_params=1e15, min_tokens_per_param=1e-6)).draws
    for name, values in free.items():
        np.testing.assert_allclose(loose[name], values, rtol=1e-12)
    largest = post.allocate(1e23, limits=sb.Limits(max_params=1e9)).draws
    np.testing.assert_allclose(largest["params"], 1e9)
    np.testing.assert_allclose(largest["tokens"], 1e23 / 6e9)
    np.testing.assert_allclose(largest["a"], 0, atol=1e-8)
    np.testing.assert_allclose(largest["b"], 1, atol=1e-8)
    fewest = post.allocate(1e23, limits=sb.Limits(max_tokens=1e11)).draws
    np.testing.assert_allclose(fewest["tokens"], 1e11)
    np.testing.assert_allclose(fewest["a"], 1, atol=1e-8)
    ratio = post.allocate(1e23, limits=sb.Limits(min_tokens_per_param=200)).draws
    np.testing.assert_allclose(ratio["tokens_per_param"], 200)
    np.testing.assert_allclose(ratio["a"], 0.5, atol=1e-8)
    # With both, some of the budget is left over.
    both = post.allocate(1e23, limits=sb.Limits(max_params=1e9, max_tokens=1e11)).draws
    np.testing.assert_allclose(both["params"], 1e9)
    np.testing.assert_allclose(both["tokens"], 1e11)
    three = sb.Limits(max_params=1e9, max_tokens=1e11, min_tokens_per_param=1000)
    np.testing.assert_allclose(post.allocate(1e23, limits=three).draws["params"], 1e8)


def test_the_best_of_a_list_of_shapes_is_the_least_loss(post):
    shapes = [(24, 2048), (32, 4096), (40, 5120), (80, 8192)]
    budgets = np.array([1e21, 1e23])
    found = post.allocate(budgets, TRANSFORMER, sb.Limits(shapes=shapes)).draws
    v = {name: x[..., None, None] for name, x in post.values.items()}
    n_layer, d = np.array(shapes, float).T
    sizes = 12 * n_layer * d**2 + 32_000 * d
    forward = n_layer * (24 * d**2 + 4 * d * 2048 + 3 * d / 128 * 2048) + 2 * 32_000 * d
    tokens = budgets[:, None] / (3 * forward)
    losses = v["E"] + v["A"] * sizes ** -v["alpha"] + v["B"] * tokens ** -v["beta"]
    np.testing.assert_allclose(found["loss"], losses.min(-1), rtol=1e-12)
    np.testing.assert_allclose(found["params"], sizes[losses.argmin(-1)])
    assert "a" not in found
    nothing = sb.Limits(max_params=1e6, shapes=shapes)
    with pytest.raises(sb.InputError, match="None of the 4 shapes fits the limits"):
        post.allocate(1e21, TRANSFORMER, nothing)


@pytest.mark.slow
def test_epochs_of_scarce_data_and_the_gain_of_the_next():
    law = get_law("data_constrained")
    values = {"E": 1.87, "A": 521.0, "B": 1488.0, "alpha": 0.35, "beta": 0.35}
    values |= {"R_D_star": 15.0, "R_N_star": 5.0}
    values = jax.tree.map(jnp.asarray, values)
    rng = np.random.default_rng(3)
    params, tokens = np.exp(rng.uniform(18, 23, 60)), np.exp(rng.uniform(21, 26, 60))
    unique = tokens / np.exp(rng.uniform(0, 3, 60))
    inputs = {"params": params, "tokens": tokens, "unique_tokens": unique}
    expected = np.asarray(law(jax.tree.map(jnp.asarray, inputs), values))
    table = {**inputs, "loss": expected * np.exp(0.003 * rng.standard_normal(60))}
    post = fit(table, law=law, engine="laplace", draws=300)
    found = post.allocate(1e22, unique_tokens=1e10).draws
    np.testing.assert_allclose(found["epochs"], found["tokens"] / 1e10)
    later = post.predict(
        params=float(found["params"][0, 0, 0]),
        tokens=float(found["tokens"][0, 0, 0]) + 1e10,
        unique_tokens=1e10,
    ).draws["expected"]
    worth = float(found["loss"][0, 0, 0] - later[0, 0, 0])
    np.testing.assert_allclose(found["next_epoch"][0, 0, 0], worth, rtol=1e-6)


def test_far_extrapolation_has_a_note(post):
    largest = float(post.compute.max())
    assert post.allocate(largest).notes == ()
    (note,) = post.allocate(1000 * largest).notes
    assert "3.0 decades beyond the largest run" in note
    assert note in repr(post.allocate(1000 * largest))
    (note,) = post.allocate([largest, post.compute.min() / 100]).notes
    assert "is 2.0 decades below the smallest run" in note
    # Where limits drive size and tokens apart, they are what is extrapolated.
    (note,) = post.allocate(largest, limits=sb.Limits(min_tokens_per_param=1e6)).notes
    assert "tokens is" in note
    notes = post.allocate(largest, limits=sb.Limits(max_params=1e9, max_tokens=1e10)).notes
    assert "The limits leave some of the budget unspent." in notes
    (note,) = post.predict(params=70e9, tokens=1.4e12).notes
    assert f"{np.log10(6 * 70e9 * 1.4e12 / largest):.1f} decades beyond" in note
