"""Distillation, precision, reinforcement learning and pass rates against their papers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from plain import fit
from scipy.optimize import brentq, minimize

import scalingbayes as sb
from scalingbayes.decisions.optimal_precision import _solve
from scalingbayes.laws import get_law

# Busbridge et al. 2025, table 6.
SUPERVISED = {"E": 1.220, "A": 3355.0, "B": 18186.0, "alpha": 0.408, "beta": 0.431, "k": 0.452}
BUSBRIDGE = {"A": 2243.0, "B": 24181.0, "alpha": 0.321, "beta": 0.637, "gamma": 0.764}
BUSBRIDGE |= {"c0": 2.549, "c1": 522.6, "d1": 1.315, "f1": 0.090}
# Kumar et al. 2024, table 2.
KUMAR = {"E": 2.7648, "A": 4299.0, "B": 18060.0, "alpha": 0.4965, "beta": 0.4965}
KUMAR |= {"gamma_w": 2.6745, "n_w": 0.3037, "gamma_a": 2.2102, "n_a": 1.4072}
KUMAR |= {"gamma_kv": 0.9578, "n_kv": 2.4185}
PARTS = ("w", "a", "kv")


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


def at(name, inputs, values):
    return float(get_law(name)(*jax.tree.map(jnp.asarray, (inputs, values))))


def student(N, D, teacher):
    alone = at("coupled", {"params": N, "tokens": D}, SUPERVISED)
    run = {"params": N, "tokens": D, "teacher_loss": teacher, "supervised_loss": alone}
    return at("distillation", run, BUSBRIDGE), alone


def test_a_student_is_busbridges_equation():
    found, alone = student(546e6, 20 * 546e6, 2.1)
    assert alone == pytest.approx(1.220 + (3355 / 546e6**0.408 + 18186 / 1.092e10**0.431) ** 0.452)
    ability = (1 + (2.1 / (alone * 1.315)) ** (1 / 0.09)) ** (-522.6 * 0.09)
    finite = (2243 / 546e6**0.321 + 24181 / 1.092e10**0.637) ** 0.764
    assert found == pytest.approx(2.1 + 2.1**-2.549 * ability * finite)


def test_the_best_teacher_of_a_student_is_neither_the_weakest_nor_the_strongest():
    # The capacity gap (section 4.3): the student's loss is least at a teacher in between, which is
    # better than the student alone; teachers that are better still make worse students.
    teachers = np.linspace(1.6, 2.8, 121)
    losses = np.array([student(300e6, 100e9, each)[0] for each in teachers])
    best = int(losses.argmin())
    assert 0 < best < len(teachers) - 1
    assert teachers[best] < student(300e6, 100e9, 2.0)[1]
    # A larger student has a better best teacher (figure 7).
    larger = np.array([student(3e9, 100e9, each)[0] for each in teachers])
    assert teachers[larger.argmin()] < teachers[best]


def loss_of(bits, values=KUMAR):
    run = {"params": 1e8, "tokens": 1e10, **dict.fromkeys(PARTS, float(bits))}
    return at("precision(columns=(w, a, kv), offset=True)", run, values)


def test_precision_is_chinchilla_in_effective_params():
    share = np.prod([1 - np.exp(KUMAR[f"n_{p}"] - 6 / KUMAR[f"gamma_{p}"]) for p in PARTS])
    terms = 4299 / (1e8 * share) ** 0.4965 + 18060 / 1e10**0.4965
    assert loss_of(6) == pytest.approx(2.7648 + terms, rel=1e-12)
    # One column for three equal parts, eq. 5.
    values = {**{n: KUMAR[n] for n in ("E", "A", "B", "alpha", "beta")}, "gamma_bits": 2.0}
    run = {"params": 1e8, "tokens": 1e10, "bits": 6.0}
    three = at("precision(parts=3)", run, values)
    effective = 1e8 * (1 - np.exp(-3)) ** 3
    plain = 2.7648 + 4299 / effective**0.4965 + 18060 / 1e10**0.4965
    assert three == pytest.approx(plain, rel=1e-12)


def test_quantization_after_training_is_eq_9():
    after = {"C_T": 0.0598, "gamma_D": 0.5068, "gamma_N": 0.3439, "gamma_post": 0.5907}
    robust = {"C_w": 0.9, "C_a": 1.3, "C_kv": 0.4}  # the paper prints none
    trained = {"w": 8.0, "a": 6.0, "kv": 5.0}
    run = {"params": 1e8, "tokens": 1e10, **trained}
    law = "precision(columns=(w, a, kv), offset=True{})"
    plain = at(law.format(""), run, KUMAR)
    share = np.prod(
        [1 - np.exp(KUMAR[f"n_{p}"] - b / KUMAR[f"gamma_{p}"]) for p, b in trained.items()]
    )
    scale = 0.0598 * 1e10**0.5068 / (1e8 * share) ** 0.3439

    def found(post_bits):
        values = {**KUMAR, **after, **robust}
        return at(law.format(", post=True"), {**run, "post_bits": post_bits}, values) - plain

    for left in (2.0, 3.0, 4.5):
        factor = np.prod([1 - np.exp(-robust[f"C_{p}"] * (b - left)) for p, b in trained.items()])
        want = scale * np.exp(-left / 0.5907) * factor
        assert found(left) == pytest.approx(want, rel=1e-9)
    # "We assume training precision is strictly greater than inference precision, and define
    # degradation as identically zero if they are equal" (section 5).
    assert found(5.0) == found(8.0) == 0
    # One column for three equal parts has the factor three times.
    values = {**{n: KUMAR[n] for n in ("E", "A", "B", "alpha", "beta")}, "gamma_bits": 2.0}
    run = {"params": 1e8, "tokens": 1e10, "bits": 6.0}
    three = at("precision(parts=3)", run, values)
    values |= {**after, "C_bits": 0.7}
    both = at("precision(parts=3, post=True)", {**run, "post_bits": 3.0}, values)
    effective = 1e8 * (1 - np.exp(-3)) ** 3
    harm = 0.0598 * 1e10**0.5068 / effective**0.3439 * np.exp(-3 / 0.5907)
    assert both - three == pytest.approx(harm * (1 - np.exp(-0.7 * 3)) ** 3, rel=1e-9)


def solve(values, compute, size=None, columns=PARTS, parts=1):
    draws = {name: jnp.asarray([[x]]) for name, x in values.items()}
    fixed = None if size is None else jnp.asarray(size)
    found = _solve(draws, jnp.atleast_1d(compute), fixed, columns, parts)
    return {name: float(x.ravel()[0]) for name, x in found.items()}


def test_seven_to_eight_bits_are_optimal_at_every_budget():
    # Kumar et al. 2024, section 4.3.2.
    low, high = (solve(KUMAR, compute) for compute in (1e20, 1e24))
    assert 6.95 < low["bits"] < 8
    assert low["bits"] == pytest.approx(high["bits"], rel=1e-9)
    # Brute force: the least loss of 6 N D P / 16 over N and P.

    def loss(x):
        N, P = np.exp(x)
        D = 1e20 * 16 / (6 * N * P)
        run = {"params": N, "tokens": D, **dict.fromkeys(PARTS, P)}
        return at("precision(columns=(w, a, kv), offset=True)", run, KUMAR)

    start = np.log([1e9, 8.0])
    best = minimize(loss, start, method="Nelder-Mead", options={"xatol": 1e-7, "fatol": 1e-12})
    assert low["loss"] == pytest.approx(best.fun, rel=1e-9)
    assert low["bits"] == pytest.approx(np.exp(best.x[1]), rel=1e-3)
    assert low["params"] == pytest.approx(np.exp(best.x[0]), rel=1e-3)


def test_equal_parts_have_the_closed_form_of_eq_7():
    # e^x = 1 + 3 x with x = P / gamma, for eq. 7 with three parts.
    x = brentq(lambda x: np.exp(x) - 1 - 3 * x, 0.5, 5)
    values = {**{n: KUMAR[n] for n in ("E", "A", "B", "alpha", "beta")}, "gamma_bits": 2.6}
    found = solve(values, 1e21, columns=("bits",), parts=3)
    assert found["bits"] == pytest.approx(2.6 * x, rel=1e-9)


def test_bits_grow_with_the_logarithm_of_the_budget_of_a_given_size():
    bits = [solve(KUMAR, compute, 1e9)["bits"] for compute in (1e21, 1e22, 1e23)]
    assert bits[0] < bits[1] < bits[2]
    assert bits[2] - bits[1] == pytest.approx(bits[1] - bits[0], rel=0.25)


def test_a_fit_of_precision_says_the_best_bits():
    rng = np.random.default_rng(3)
    runs = {"params": np.exp(rng.uniform(17.2, 19.2, 60)),
            "tokens": np.exp(rng.uniform(21, 24, 60)),
            "bits": rng.choice([3.0, 4.0, 6.0, 8.0, 16.0], 60)}  # fmt: skip
    effective = runs["params"] * (1 - np.exp(-runs["bits"] / 2.6)) ** 3
    law = 2.7648 + 4299 / effective**0.4965 + 18060 / runs["tokens"] ** 0.4965
    runs["loss"] = law * np.exp(0.002 * rng.standard_normal(60))
    post = fit(runs, law="precision(parts=3)", engine="laplace", draws=300)
    low, high = sb.optimal_precision(post).interval()["bits"].to_numpy()
    x = brentq(lambda x: np.exp(x) - 1 - 3 * x, 0.5, 5)
    assert low < 2.6 * x < high
    found = sb.optimal_precision(post, compute=[1e20, 1e21], params=1e9)
    assert found["bits"].dims == ("chain", "draw", "compute")
    assert (found["bits"].median(("chain", "draw")).diff("compute") > 0).all()
    with pytest.raises(sb.InputError, match="depends on the budget: give compute"):
        sb.optimal_precision(post, params=1e9)


def test_optimal_precision_refuses_other_laws(post):
    with pytest.raises(sb.InputError, match="must be a fit of the law 'precision'"):
        sb.optimal_precision(post)


def test_the_rewards_of_reinforcement_learning():
    # Khatri et al. 2025: half of the gain at C_mid, nearly all of it at 100,000 GPU hours.
    values = {"R_0": 0.2, "A": 0.61, "B": 1.92, "C_mid": 2542.0}
    assert at("reinforcement", {"gpu_hours": 2542.0}, values) == pytest.approx((0.2 + 0.61) / 2)
    expected = 0.2 + 0.41 / (1 + (2542 / 16000) ** 1.92)
    assert at("reinforcement", {"gpu_hours": 16000.0}, values) == pytest.approx(expected)


def test_pass_rates_are_a_power_law_of_their_logarithm():
    run = {"compute": 1e21, "attempts": 100.0}
    p = at("pass_rate(attempts=True)", run, {"A": 1e4, "alpha": 0.2, "beta": 0.3})
    assert -np.log(p) == pytest.approx(1e4 / (1e21**0.2 * 100**0.3))
