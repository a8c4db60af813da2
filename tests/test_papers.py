"""Each law against its paper: printed values, published constants, and other ways to the answer."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import brentq, minimize_scalar

import scalingbayes as sb
from scalingbayes.data import architecture
from scalingbayes.laws import get_law
from scalingbayes.laws.kaplan_steps import critical_batch_size

KAPLAN = {"N_c": 6.4e13, "D_c": 1.8e13, "alpha_N": 0.076, "alpha_D": 0.103}
KAPLAN_STEPS = {"N_c": 6.5e13, "S_c": 2.1e3, "alpha_N": 0.077, "alpha_S": 0.76}
BATCH = {"B_star": 2e8, "alpha_B": 0.21}


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


def at(name, inputs, values):
    """Evaluate a law where everything is given as Python numbers."""
    law = get_law(name)
    return float(law(*jax.tree.map(jnp.asarray, (inputs, values))))


@pytest.mark.parametrize(
    ("params", "tokens", "printed"),
    [(6.34e9, 242e9, 2.2256440889984477), (8.67e9, 178e9, 2.2269634075087867)],
)
def test_data_constrained_prints_what_its_authors_print(params, tokens, printed):
    # Constants and printed losses of huggingface/datablations.
    values = {
        "E": np.exp(0.6254804),
        "A": np.exp(6.255414),
        "B": np.exp(7.3049974),
        "alpha": 0.3526596,
        "beta": 0.3526596,
        "R_D_star": 15.387756,
        "R_N_star": 5.309743,
    }
    inputs = {"params": params, "tokens": tokens, "unique_tokens": 25e9}
    assert at("data_constrained", inputs, values) == pytest.approx(printed, rel=1e-14)


def test_data_seen_once_is_chinchillas():
    values = {"E": 1.8, "A": 500.0, "B": 1500.0, "alpha": 0.35, "beta": 0.36}
    run = {"params": 1e9, "tokens": 2e10}
    whole = {**values, "R_D_star": 15.0, "R_N_star": 5.0}
    # Unique tokens are so many that neither they nor the params are in excess.
    assert at("data_constrained", {**run, "unique_tokens": 2e10}, whole) == pytest.approx(
        at("chinchilla", run, values), rel=1e-12
    )


def test_kaplans_limits_are_his_laws_of_one_quantity():
    # Equations 1.1 and 1.2 with the constants of the joint fit.
    much = {"params": 1e8, "tokens": 1e40}
    assert at("kaplan", much, KAPLAN) == pytest.approx((6.4e13 / 1e8) ** 0.076, rel=1e-3)
    large = {"params": 1e60, "tokens": 1e9}
    assert at("kaplan", large, KAPLAN) == pytest.approx((1.8e13 / 1e9) ** 0.103, rel=1e-3)
    bare = {"A": 8.8e13**0.076, "alpha": 0.076}
    assert at("power_law(floor=False)", {"params": 1e9}, bare) == pytest.approx(
        (8.8e13 / 1e9) ** 0.076
    )


def test_coupled_contains_kaplan_and_chinchilla():
    run = {"params": 3e8, "tokens": 7e9}
    as_coupled = {
        "E": 0.0,
        "A": KAPLAN["N_c"] ** (0.076 / 0.103),
        "B": KAPLAN["D_c"],
        "alpha": 0.076 / 0.103,
        "beta": 1.0,
        "k": 0.103,
    }
    assert at("coupled", run, as_coupled) == pytest.approx(at("kaplan", run, KAPLAN), rel=1e-12)
    hoffmann = {"E": 1.69, "A": 406.4, "B": 410.7, "alpha": 0.34, "beta": 0.28}
    assert at("coupled", run, {**hoffmann, "k": 1.0}) == pytest.approx(
        at("chinchilla", run, hoffmann), rel=1e-12
    )


def test_deepseek_and_overtrained_are_chinchillas_surface():
    values = {"E": 1.7, "A": 400.0, "B": 900.0, "alpha": 0.34, "beta": 0.3}
    run = {"params": 1e9, "tokens": 3e10}
    as_compute = {"flops_per_token": 6e9, "tokens": 3e10}
    assert at("deepseek", as_compute, {**values, "A": 400.0 * 6**0.34}) == pytest.approx(
        at("chinchilla", run, values), rel=1e-12
    )
    eta = 0.12
    tied = {"E": 1.5, "A": 141 * 6**-eta, "B": 190 * 6**-eta, "alpha": 2 * eta}
    assert at("overtrained", run, {"E": 1.5, "a": 141.0, "b": 190.0, "eta": eta}) == pytest.approx(
        at("chinchilla(tied=True)", run, tied), rel=1e-12
    )


def test_the_loss_at_a_batch_size_solves_kaplans_equations():
    params, steps, batch = 1e8, 3e4, 5e5

    def excess(loss):
        # Equations 5.4 and 5.6, by another root finder.
        s_min = steps / (1 + BATCH["B_star"] / loss ** (1 / BATCH["alpha_B"]) / batch)
        of_size = (KAPLAN_STEPS["N_c"] / params) ** KAPLAN_STEPS["alpha_N"]
        return of_size + (KAPLAN_STEPS["S_c"] / s_min) ** KAPLAN_STEPS["alpha_S"] - loss

    found = at(
        "kaplan_steps(batch=True)",
        {"params": params, "steps": steps, "batch_size": batch},
        {**KAPLAN_STEPS, **BATCH},
    )
    assert found == pytest.approx(brentq(excess, 1, 20, xtol=1e-13), rel=1e-11)
    # A batch far above the critical one wastes no steps.
    huge = {"params": params, "steps": steps, "batch_size": 1e15}
    assert at("kaplan_steps(batch=True)", huge, {**KAPLAN_STEPS, **BATCH}) == pytest.approx(
        at("kaplan_steps", huge, KAPLAN_STEPS), rel=1e-6
    )


def test_the_critical_batch_size_doubles_as_the_loss_falls_by_13_per_cent():
    # Kaplan et al. 2020 say that it about doubles for every 13 % that the loss falls.
    constants = {name: jnp.asarray(each) for name, each in BATCH.items()}
    at_loss, lower, at_one = (
        float(critical_batch_size(loss, **constants)) for loss in jnp.array([2.0, 1.74, 1.0])
    )
    assert lower / at_loss == pytest.approx(2, rel=0.05)
    assert at_one == pytest.approx(2e8)


def test_kaplans_frontier_follows_from_the_law_of_steps():
    # Section 6.1: N_opt ∝ C_min^(alpha_C / alpha_N), 1/alpha_C = 1/alpha_S + 1/alpha_B + 1/alpha_N,
    # where C_min = 6 N B_crit(L) S_min.
    def log_loss(log_params, log_compute):
        of_size = (KAPLAN_STEPS["N_c"] / np.exp(log_params)) ** KAPLAN_STEPS["alpha_N"]

        def excess(log_level):
            of_steps = np.exp(log_level) - of_size
            log_steps = np.log(KAPLAN_STEPS["S_c"]) - np.log(of_steps) / KAPLAN_STEPS["alpha_S"]
            log_batch = np.log(BATCH["B_star"]) - log_level / BATCH["alpha_B"]
            return np.log(6) + log_params + log_batch + log_steps - log_compute

        return brentq(excess, np.log(of_size) + 1e-12, 10.0, xtol=1e-15)

    def best_log_params(log_compute):
        found = minimize_scalar(
            log_loss, bounds=(14, 30), args=(log_compute,), options={"xatol": 1e-9}
        )
        return found.x

    # The law's own terms give the same levels.
    level = at("kaplan_steps", {"params": 1e8, "steps": 1e5}, KAPLAN_STEPS)
    expected = (6.5e13 / 1e8) ** 0.077 + (2.1e3 / 1e5) ** 0.76
    assert level == pytest.approx(expected, rel=1e-12)
    slope = (best_log_params(50.0) - best_log_params(45.0)) / 5
    alpha_C = 1 / (1 / 0.76 + 1 / 0.21 + 1 / 0.077)
    assert slope == pytest.approx(alpha_C / 0.077, abs=0.005)


@pytest.mark.parametrize("alpha", [0.3, 1.0, 2.5])
def test_m4_solves_its_equation(alpha):
    values = {"e_inf": 0.2, "e_0": 0.95, "beta": 30.0, "alpha": alpha, "c": 0.4}
    for x in (1.0, 1e3, 1e6, 1e9):
        found = at("m4", {"params": x}, values)
        assert (found - 0.2) / (0.95 - found) ** alpha == pytest.approx(30 * x**-0.4, rel=1e-8)


def test_derivatives_of_a_root_are_those_of_finite_differences():
    law = get_law("m4")
    point = jnp.array([0.2, 0.95, 30.0, 0.7, 0.4])

    def loss(point):
        return law({"params": jnp.asarray(1e5)}, dict(zip(law.parameters, point, strict=True)))

    gradient, hessian = jax.grad(loss)(point), jax.hessian(loss)(point)
    for i, h in enumerate(1e-5 * np.asarray(point)):
        step = jnp.zeros(5).at[i].set(h)
        difference = (loss(point + step) - loss(point - step)) / (2 * h)
        np.testing.assert_allclose(gradient[i], difference, rtol=1e-6)
        differences = (jax.grad(loss)(point + step) - jax.grad(loss)(point - step)) / (2 * h)
        np.testing.assert_allclose(hessian[i], differences, rtol=1e-4, atol=1e-9)


def test_routed_saturates_and_a_dense_model_has_its_effective_experts():
    # S-BASE, table 3 of Clark et al. 2022.
    published = {"a": -0.082, "b": -0.108, "c": 0.009, "d": 1.104}
    ends = {"E_start": 1.847, "E_max": 314.478}
    for experts, effective in [(1.0, 1.847), (1e12, 314.478)]:
        found = at("routed", {"params": 1e9, "experts": experts}, {**published, **ends})
        log = np.log10(effective)
        expected = 10 ** (-0.082 * 9 - 0.108 * log + 0.009 * 9 * log + 1.104)
        assert found == pytest.approx(expected, rel=1e-9)


def test_surfaces_of_experts_are_their_equations():
    found = at(
        "fine_grained_moe",
        {"params": 1e9, "tokens": 2e10, "granularity": 8.0},
        {"a": 18.1, "alpha": 0.115, "b": 30.8, "beta": 0.147, "g": 2.1, "gamma": 0.58, "c": 0.47},
    )
    expected = 0.47 + (2.1 / 8**0.58 + 18.1) / 1e9**0.115 + 30.8 / 2e10**0.147
    assert found == pytest.approx(expected, rel=1e-12)
    abnar = {"a": 16612.5, "alpha": 0.5962, "b": 5455.67, "beta": 0.3954, "c": 0.4598}
    abnar |= {"lam": -0.1666, "d": 17.26, "delta": 0.1603, "gamma": 0.1595, "e": 0.94}
    found = at("sparse_moe", {"params": 1e9, "tokens": 2e10, "sparsity": 0.9}, abnar)
    expected = 16612.5 / 1e9**0.5962 + 5455.67 / 2e10**0.3954 + 0.4598 / 0.1**-0.1666
    expected += 17.26 / (0.1**0.1603 * 1e9**0.1595) + 0.94
    assert found == pytest.approx(expected, rel=1e-12)


def test_broken_turns_from_one_exponent_to_the_next():
    values = {"a": 0.0, "b": 5.0, "c_0": 0.1, "c_1": 0.4, "d_1": 1e6, "f_1": 0.2}
    values |= {"c_2": -0.3, "d_2": 1e9, "f_2": 0.2}

    def slope(x):
        ends = (at("broken(breaks=2)", {"params": each}, values) for each in (x, 1.01 * x))
        return np.diff(np.log(list(ends)))[0] / np.log(1.01)

    for x, exponent in [(1e3, -0.1), (3e7, -0.5), (1e12, -0.2)]:
        assert slope(x) == pytest.approx(exponent, abs=1e-3)
    one = {name: value for name, value in values.items() if not name.endswith("2")}
    assert at("broken", {"params": 1e6}, one) == pytest.approx(5 * 1e6**-0.1 * 2 ** (-0.4 * 0.2))


def test_farseers_constants_fit_its_runs():
    # As carried by PlanarG/active-sl; the runs are those of ScaleBench.
    values = {"s": -0.062465473, "q": 0.13, "S": 0.1284880679, "B": 230.7343708, "b": -0.1729}
    values |= {"Q": -1.544209554, "A": -1.665630816, "a": 0.0459, "E": 3.133347199}
    runs = sb.datasets.load("farseer")
    inputs = {name: jnp.asarray(runs.column(name)) for name in ("params", "tokens")}
    expected = get_law("farseer")(inputs, jax.tree.map(jnp.asarray, values))
    residuals = np.log(runs.column("loss")) - np.log(np.asarray(expected))
    assert np.sqrt(np.mean(residuals**2)) < 0.004


def test_hyperparameters_are_the_published_power_laws():
    step_law = {"c": 1.79, "alpha_params": -0.713, "alpha_tokens": 0.307}
    found = at("hyperparameters", {"params": 1e9, "tokens": 1e11}, step_law)
    assert found == pytest.approx(1.79 * 1e9**-0.713 * 1e11**0.307, rel=1e-12)
    # The bowl has its lowest point there.
    law = get_law("hyperparameter_bowl")
    values = {"E": 1.7, "A": 400.0, "B": 900.0, "alpha": 0.34, "beta": 0.3, "c_lr": 1.79}
    values |= {"lr_N": -0.713, "lr_D": 0.307, "c_bs": 0.58, "bs_N": 0.0, "bs_D": 0.571}
    values |= {"h_lr": 0.05, "h_bs": 0.03, "tilt": 0.4}
    run = {"params": 1e9, "tokens": 1e11, "learning_rate": found, "batch_size": 0.58 * 1e11**0.571}
    lowest = at("hyperparameter_bowl", run, values)
    assert lowest == pytest.approx(
        at("chinchilla", run, {n: values[n] for n in ("E", "A", "B", "alpha", "beta")})
    )
    for name in ("learning_rate", "batch_size"):
        for factor in (0.5, 2.0):
            assert at(law.name, {**run, name: run[name] * factor}, values) > lowest


def test_downstream_and_accuracy_are_their_curves():
    gadre = {"epsilon": 0.85, "k": 2.08, "gamma": 0.756}
    found = at("downstream", {"loss": 2.8}, gadre)
    assert found == pytest.approx(0.85 - 2.08 * np.exp(-0.756 * 2.8))
    half = {"x_0": 2.5, "s": 3.0}
    assert at("accuracy(chance=0.25)", {"loss": 2.5}, half) == pytest.approx(0.625)
    assert at("accuracy(chance=0.25)", {"loss": 50.0}, half) == pytest.approx(0.25)
    grown = at("accuracy(x=compute)", {"compute": 1e22}, {"x_0": 1e21, "s": 0.7})
    assert grown == pytest.approx(1 / (1 + 10**-0.7))


def test_progress_is_chinchilla_with_growing_params_and_tokens():
    values = {"E": 0.0, "A": 400.0, "B": 900.0, "alpha": 0.34, "beta": 0.3}
    run = {"params": 1e9, "tokens": 3e10, "year": 2017.0}
    growth = {"g_N": 0.4, "g_D": 0.6}
    grown = {"params": 1e9 * np.exp(5 * 0.4), "tokens": 3e10 * np.exp(5 * 0.6)}
    assert at("algorithmic_progress", run, {**values, **growth}) == pytest.approx(
        at("chinchilla", grown, values), rel=1e-12
    )


def test_the_rest_are_their_equations():
    found = at("parallel", {"params": 1e9, "streams": 4.0},
               {"E": 0.7, "A": 30.0, "alpha": 0.2, "k": 0.39})  # fmt: skip
    assert found == pytest.approx(0.7 + 30 / (1e9 * (0.39 * np.log(4) + 1)) ** 0.2)
    tao = {"E": 5.533, "A1": 1.831, "A2": 0.196, "B": 2.124}
    tao |= {"alpha1": 0.447, "alpha2": 0.671, "beta": 0.447}
    run = {"params_non_vocab": 302.0, "params_vocab": 33.0, "tokens": 4.0}  # in millions, billions
    expected = -5.533 + 1.831 / 302**0.447 + 0.196 / 33**0.671 + 2.124 / 4**0.447
    assert at("vocabulary", run, tao) == pytest.approx(expected)
    mixed = at("mixture", {"web": 0.7, "code": 0.3},
               {"c": 2.0, "k": 0.5, "t_web": -1.0, "t_code": 0.4})  # fmt: skip
    assert mixed == pytest.approx(2 + 0.5 * np.exp(-0.7 + 0.12))
    steps = at("critical_batch", {"batch_size": 512.0}, {"S_min": 2834.0, "B_crit": 1024.0})
    assert steps == pytest.approx(2834 * 3)


def test_the_shape_of_a_model_says_its_size():
    # DeepSeek LLM 7B: 30 layers, width 4096, sequences of 4096, vocabulary 102400.
    flops = architecture.flops_per_token(30, 4096, 4096)
    assert flops == 72 * 30 * 4096**2 + 12 * 30 * 4096 * 4096
    assert architecture.params_non_embedding(30, 4096) == pytest.approx(6.04e9, rel=1e-3)
    runs = sb.Runs({"n_layer": [30.0], "d_model": [4096.0], "seq_len": [4096.0], "loss": [2.0]})
    assert runs.column("flops_per_token")[0] == flops
