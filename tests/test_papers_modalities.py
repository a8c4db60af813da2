"""Laws and costs of modalities, mixtures and repetition: hand arithmetic and SciPy."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import minimize_scalar

import scalingbayes as sb
from scalingbayes.allocation import optimum, table_cost
from scalingbayes.laws import get_law

SURFACE = {"E": 1.9, "A": 400.0, "B": 900.0, "alpha": 0.34, "beta": 0.3}
TOWERS = {"A_image": 4e5, "A_text": 1e12, "B": 5e5, "alpha_image": 0.44, "alpha_text": 1.3}
TOWERS |= {"beta": 0.5, "E": 0.3, "k": 0.27}


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


def at(law, inputs, values):
    """Evaluate a law where everything is given as Python numbers."""
    return float(law(*jax.tree.map(jnp.asarray, (inputs, values))))


def test_a_model_of_one_tower_has_the_coupled_law():
    coupled = {**SURFACE, "k": 0.8}
    one = {"A_image": 400.0, "A_text": 1e-200, "alpha_image": 0.34, "alpha_text": 0.34}
    one |= {"E": 1.9, "B": 900.0, "beta": 0.3, "k": 0.8}
    run = {"image_params": 3e8, "text_params": 6e7, "tokens": 2e10}
    expected = at(get_law("coupled"), {"params": 3e8, "tokens": 2e10}, coupled)
    assert at(get_law("two_tower"), run, one) == pytest.approx(expected, rel=1e-12)


def test_towers_by_hand():
    run = {"image_params": 8.6e7, "text_params": 6.3e7, "tokens": 3e9, "image_tokens": 196.0}
    terms = 4e5 / (8.6e7**0.44 * 196**0.5) + 1e12 / 6.3e7**1.3 + 5e5 / 3e9**0.5
    law = get_law("two_tower", image_tokens=True)
    assert at(law, run, {**TOWERS, "gamma": 0.5}) == pytest.approx(0.3 + terms**0.27, rel=1e-12)


def test_a_contrastive_model_that_knows_nothing_guesses_in_its_batch():
    # One term of the sum is 1 and the others vanish: each other sample is as likely as the right.
    values = {"T": 1.0, "A_image": 1e-200, "A_text": 1e-200, "B": 1.0, "k": 1.0, "delta": 1.0}
    values |= {"alpha_image": 0.5, "alpha_text": 0.5, "beta": 0.5}
    run = {"image_params": 1e8, "text_params": 1e8, "tokens": 1.0, "batch_size": 1023.0}
    assert at(get_law("contrastive"), run, values) == pytest.approx(np.log(1024), rel=1e-12)


def test_a_mixture_with_scale_by_hand():
    law = get_law("scaled_mixture", domains=("web", "code"), joint=True)
    values = {"E": 1.1, "C_web": 0.9, "C_code": 0.4, "gamma_web": 0.5, "gamma_code": 0.8}
    values |= {"A_web": 20.0, "A_code": 35.0, "p_A": 0.7, "B_web": 800.0, "B_code": 500.0}
    values |= {"p_B": 1.5, "alpha": 0.2, "beta": 0.35}
    run = {"params": 7e9, "tokens": 1.5e11, "web": 0.8, "code": 0.2}
    # Equation 2.5 with the paper's constants C_i^A = A_i^(1/p_A).
    A = (0.8 * 20.0 ** (1 / 0.7) + 0.2 * 35.0 ** (1 / 0.7)) ** 0.7
    B = (0.8 * 800.0 ** (1 / 1.5) + 0.2 * 500.0 ** (1 / 1.5)) ** 1.5
    mixed = 1 / (0.9 * 0.8**0.5 + 0.4 * 0.2**0.8)
    expected = 1.1 + mixed + A / 7e9**0.2 + B / 1.5e11**0.35
    assert at(law, run, values) == pytest.approx(expected, rel=1e-12)


def test_a_bounded_loss_is_chinchillas_where_it_is_low_and_a_guess_where_it_is_high():
    law, span = get_law("bounded"), 1e6
    small = {"E": 1.9, "L_0": 1.9 + span, "a": 400 / span, "b": 900 / span, "c": 1e-200}
    small |= {"alpha": 0.34, "beta": 0.3, "gamma": 0.5, "delta": 0.5}
    run = {"params": 1e9, "tokens": 2e10, "unique_tokens": 2e10}
    low = at(get_law("chinchilla"), {"params": 1e9, "tokens": 2e10}, SURFACE)
    assert at(law, run, small) == pytest.approx(low, rel=1e-5)
    guess = {**small, "L_0": 10.8, "c": 1e3}
    assert at(law, {**run, "unique_tokens": 1.0}, guess) == pytest.approx(10.8, rel=1e-5)
    larger = {**run, "unique_tokens": 1e8, "params": 1e10}
    over = {**small, "L_0": 10.8, "a": 40.0, "b": 90.0, "c": 1e-2}
    assert at(law, larger, over) > at(law, {**larger, "params": 1e9}, over)


def test_late_fusion_counts_what_passes_the_encoder():
    cost = sb.costs.LateFusion(0.544, vision_params=3e8)
    params, tokens = 1.14e9, 2e11
    by_hand = 6 * (3e8 * 0.544 * tokens + (params - 3e8) * tokens)
    log_flops = float(cost.log_training(jnp.log(params)))
    assert np.exp(log_flops) * tokens == pytest.approx(by_hand, rel=1e-12)
    none = sb.costs.LateFusion(0.544)
    assert float(none.log_training(jnp.log(params))) == pytest.approx(np.log(6 * params))
    assert "+ 300M" in sb.costs.LateFusion(0.5, 0.2, 3e8).equation


@pytest.mark.parametrize(
    "cost", [sb.costs.LateFusion(0.544, vision_params=3e8), sb.costs.LateFusion(0.5, 0.3)]
)
def test_late_fusion_is_allocated_as_scipy_does(cost):
    values = {name: jnp.asarray(x) for name, x in SURFACE.items()}
    found = optimum(get_law("chinchilla"), values, jnp.asarray([1e21]), {}, cost)

    def loss(log_params):
        per_token = float(jnp.exp(cost.log_training(jnp.asarray(log_params))))
        params, tokens = np.exp(log_params), 1e21 / per_token
        return 1.9 + 400 / params**0.34 + 900 / tokens**0.3

    best = minimize_scalar(loss, bounds=(np.log(4e8), np.log(1e12)), method="bounded")
    assert float(found["loss"][0]) == pytest.approx(best.fun, rel=1e-9)


def test_two_towers_are_allocated_as_scipy_does():
    law = get_law("two_tower", image_tokens=True)
    values = {name: jnp.asarray(x) for name, x in {**TOWERS, "gamma": 0.5}.items()}
    fixed = {"text_params": 6.3e7, "image_tokens": 196.0}
    cost = sb.costs.TwoTower(image_tokens=196, text_params=6.3e7)
    found = optimum(law, values, jnp.asarray([1e21]), fixed, cost)

    def loss(log_params):
        params = np.exp(log_params)
        samples = 1e21 / (6 * (params * 196 + 6.3e7 * 77))
        terms = 4e5 / (params**0.44 * 196**0.5) + 1e12 / 6.3e7**1.3 + 5e5 / samples**0.5
        return 0.3 + terms**0.27

    best = minimize_scalar(loss, bounds=(np.log(1e6), np.log(1e11)), method="bounded")
    assert float(found["loss"][0]) == pytest.approx(best.fun, rel=1e-8)
    assert float(found["image_params"][0]) == pytest.approx(np.exp(best.x), rel=1e-3)


def test_a_budget_of_two_towers_needs_their_flops():
    law, table = get_law("two_tower"), {"image_params": [1e8, 2e8], "tokens": [1e9, 3e9]}
    values = {name: jnp.asarray(x) for name, x in TOWERS.items()}
    with pytest.raises(sb.InputError, match=r"Pass cost=sb\.costs\.TwoTower\(image_tokens="):
        optimum(law, values, jnp.asarray([1e21]), {"text_params": 6e7})
    # A column of compute states the FLOPs; 6 params tokens is not derived.
    table |= {"text_params": [1e8, 1e8], "params": [2e8, 3e8], "loss": [3.0, 2.5]}
    assert "compute" not in sb.Runs(table).frame
    compute = [6 * s * n * 250 for s, n in zip(table["tokens"], table["image_params"], strict=True)]
    cost = table_cost(law, sb.Runs({**table, "compute": compute}))
    assert (cost.size, cost.training) == ("image_params", pytest.approx(1500))


@pytest.mark.slow
def test_answers_of_two_towers_count_the_flops_that_are_given():
    rng = np.random.default_rng(4)
    image, text, samples = np.exp(
        rng.uniform([[17.0], [17.0], [20.0]], [[20.0], [20.0], [23.0]], (3, 30))
    )
    table = {"image_params": image, "text_params": text, "params": image + text, "tokens": samples}
    table["loss"] = 0.3 + (2e4 / image**0.44 + 1e3 / text**0.35 + 5e5 / samples**0.5) ** 0.5
    post = sb.fit(table, "two_tower", engine=sb.PriorDraws(draws=20), exact=True)
    for ask in (
        post.allocate,
        post.exponents,
        partial(sb.plan, post),
        partial(sb.overtrain, post, [0.5]),
    ):
        with pytest.raises(sb.InputError, match=r"Pass cost=sb\.costs\.TwoTower\(image_tokens="):
            ask(compute=1e21, text_params=6e7)
    cost = sb.costs.TwoTower(image_tokens=196, text_params=6e7)
    found = post.allocate(1e26, cost, text_params=6e7)
    spent = 6 * found["tokens"] * (196 * found["image_params"] + 77 * 6e7)
    np.testing.assert_allclose(spent, 1e26, rtol=1e-9)
    largest = (6 * samples * (196 * image + 77 * 6e7)).max()
    assert f"{np.log10(1e26 / largest):.1f} decades beyond the largest run" in str(found)


def test_the_competition_barrier_is_the_cheapest_run_without_excess():
    rng = np.random.default_rng(3)
    params, tokens = np.exp(rng.uniform([[17.0], [21.5]], [[22.5], [25.0]], (2, 40)))
    excess = -0.12 + 2000 / params**0.45 + 400 / tokens**0.35 + rng.normal(0, 0.002, 40)
    runs = sb.Runs({"params": params, "tokens": tokens, "excess": excess})
    post = sb.fit(runs, "mixed_modal", engine=sb.PriorDraws(draws=40), exact=True)
    found = sb.competition_barrier(post)
    checked = 0
    for draw in range(40):
        C, A, B, alpha, beta = (
            float(post.values[name][0, draw]) for name in ("C", "A", "B", "alpha", "beta")
        )
        if C <= 0:
            assert np.isinf(found["compute"][0, draw])
            continue

        def compute(log_N, C=C, A=A, B=B, alpha=alpha, beta=beta):
            left = C - A * np.exp(-alpha * log_N)
            return log_N + np.log(B / left) / beta if left > 0 else 1e300

        least = np.log(A / C) / alpha  # the size that competes away all synergy
        best = minimize_scalar(compute, bounds=(least + 1e-9, least + 60), method="bounded")
        ours = float(np.log(found["compute"][0, draw] / 6))
        assert ours == pytest.approx(best.fun, rel=1e-5)
        checked += 1
    assert checked > 5


def test_costs_of_several_parts_have_no_shapes():
    with pytest.raises(sb.InputError, match="Remove shapes"):
        sb.costs.LateFusion(0.5).of_shapes(jnp.asarray(2.0), jnp.asarray(64.0))
