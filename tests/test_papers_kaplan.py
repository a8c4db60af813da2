"""Kaplan's allocation of compute against appendix B of the paper and a direct search."""

import numpy as np
import numpyro.distributions as dist
import pytest
from scipy.optimize import brentq, minimize_scalar

import scalingbayes as sb

KAPLAN = {"N_c": 6.5e13, "S_c": 2.1e3, "alpha_N": 0.077, "alpha_S": 0.76}
KAPLAN |= {"B_star": 2e8, "alpha_B": 0.21}
LAW = "kaplan_steps(batch=True)"


@pytest.fixture(scope="module")
def published():
    """Return a posterior that is the paper's constants, to a relative width of 1e-9."""
    rng = np.random.default_rng(2001)
    table = {
        "params": 10 ** rng.uniform(6, 9, 40),
        "steps": 10 ** rng.uniform(3, 5, 40),
        "batch_size": 2.0 ** rng.uniform(17, 21, 40),
    }
    table["loss"] = 9 * table["params"] ** -0.04 * table["steps"] ** -0.04
    priors = {name: dist.LogNormal(np.log(x), 1e-9) for name, x in KAPLAN.items()}
    model = sb.Model(LAW, "student_t", priors=priors)
    return sb.fit(table, model, engine=sb.PriorDraws(draws=20), exact=True)


def medians(estimate):
    return {name: np.asarray(x) for name, x in estimate.median().items()}


def test_the_allocation_is_the_closed_form_of_appendix_b(published):
    c_min = np.array([1e19, 1e21])
    found = medians(sb.critical_training(published, 2 * c_min))  # C = 2 C_min at the critical batch
    N_c, S_c, alpha_N, alpha_S, B_star, alpha_B = KAPLAN.values()
    alpha_C = 1 / (1 / alpha_S + 1 / alpha_B + 1 / alpha_N)  # B.7
    above = 1 + alpha_N / alpha_S
    C_c = 6 * N_c * B_star * S_c * above ** (1 / alpha_S + 1 / alpha_N)  # B.8
    C_c *= (alpha_S / alpha_N) ** (1 / alpha_S)
    params = N_c * (c_min / C_c) ** (alpha_C / alpha_N) * above ** (1 / alpha_N)  # B.9
    steps = C_c / (6 * N_c * B_star) * above ** (-1 / alpha_N)  # B.10
    steps *= (c_min / C_c) ** (alpha_C / alpha_S)
    np.testing.assert_allclose(found["loss"], (C_c / c_min) ** alpha_C, rtol=1e-6)  # B.6
    np.testing.assert_allclose(found["params"], params, rtol=1e-6)
    np.testing.assert_allclose(found["steps"], 2 * steps, rtol=1e-6)
    np.testing.assert_allclose(found["tokens"], found["steps"] * found["batch_size"], rtol=1e-6)
    np.testing.assert_allclose(6 * found["params"] * found["tokens"], 2 * c_min, rtol=1e-6)
    assert alpha_C == pytest.approx(0.052, abs=0.0005)  # as printed
    assert found["above_converged"] == pytest.approx(0.10, abs=0.005)  # "about 10 %"
    assert found["a"][0] == pytest.approx(0.71, abs=0.05)  # section 6.2: matches to a few per cent


@pytest.mark.parametrize("batch", [1.0, 0.1])
def test_the_allocation_is_the_least_loss_of_the_law_of_steps(published, batch):
    # By search over the size, for the loss that solves the law at this batch and budget.
    compute = 1e20
    N_c, S_c, alpha_N, alpha_S, B_star, alpha_B = KAPLAN.values()

    def loss(log_params):
        params = np.exp(log_params)

        def gap(level):
            tokens = compute / 6 / params
            least_steps = tokens / (1 + batch) / (B_star / level ** (1 / alpha_B))
            return (N_c / params) ** alpha_N + (S_c / least_steps) ** alpha_S - level

        return brentq(gap, 0.5, 50, xtol=1e-13)

    best = minimize_scalar(loss, bounds=(16, 25), options={"xatol": 1e-9})
    found = medians(sb.critical_training(published, compute, batch=batch))
    assert np.log(found["params"].item()) == pytest.approx(best.x, abs=1e-4)
    assert found["loss"].item() == pytest.approx(best.fun, rel=1e-8)
    # The law of the posterior expects this loss of this run.
    run = {name: found[name].item() for name in ("params", "steps", "batch_size")}
    assert np.median(published.expected(**run)) == pytest.approx(best.fun, rel=1e-6)


def test_convergence_is_inefficient_as_published(published):
    # Appendix B.3: 2.7 times the params, 7.7 times fewer steps, 65 % less compute.
    found = medians(sb.critical_training(published, 1e20).converged(0.02))
    assert found["params_ratio"] == pytest.approx(2.7, abs=0.05)
    assert 1 / found["steps_ratio"] == pytest.approx(7.7, abs=0.15)
    assert 1 - found["compute_ratio"] == pytest.approx(0.65, abs=0.01)


def test_larger_models_save_samples_as_published(published):
    # Appendix B.4: 20 % more compute between 0.6 and 2.2 times the size, 45 % fewer steps at 2.2.
    training = sb.critical_training(published, 1e20)
    found = medians(training.sizes([0.6, 1.0, 2.2]))
    np.testing.assert_allclose(found["compute_ratio"], [1.2, 1.0, 1.2], atol=0.04)
    assert found["steps_ratio"][2] == pytest.approx(0.55, abs=0.01)
    np.testing.assert_allclose(found["tokens_ratio"], found["steps_ratio"])
    # Equation B.15: compute of a size at the loss of the optimal one.
    best = medians(training)
    derived = medians(
        sb.derived_quantities(
            published, params=best["params"].item() * 2.2, loss=best["loss"].item()
        )
    )
    tokens = 2 * derived["E_min"].item()  # at the critical batch
    assert tokens / best["tokens"].item() == pytest.approx(found["tokens_ratio"][2], rel=1e-4)
    # No size below some share of the optimal one reaches the loss.
    assert np.isinf(medians(training.sizes([0.1]))["compute_ratio"]).all()


def test_derived_quantities_are_those_of_the_paper(published):
    # Equations 5.3 and 5.6.
    found = medians(sb.derived_quantities(published, params=1e9, loss=2.5))
    batch = 2e8 / 2.5 ** (1 / 0.21)
    steps = 2.1e3 / (2.5 - (6.5e13 / 1e9) ** 0.077) ** (1 / 0.76)
    assert found["B_crit"].item() == pytest.approx(batch, rel=1e-6)
    assert found["S_min"].item() == pytest.approx(steps, rel=1e-5)
    assert found["E_min"].item() == pytest.approx(batch * steps, rel=1e-5)
    alone = medians(sb.derived_quantities(published, loss=[2.5, 3.0]))
    assert {name: x.shape for name, x in alone.items()} == {"B_crit": (2,)}
    # A loss that the model never reaches takes infinitely many steps.
    assert np.isinf(medians(sb.derived_quantities(published, params=1e6, loss=2.0))["S_min"])
    with pytest.raises(sb.InputError, match=r"derives S_min from params and loss, B_crit from"):
        sb.derived_quantities(published, params=1e9)
    with pytest.raises(sb.InputError, match="got loss, tokens"):
        sb.derived_quantities(published, loss=2.0, tokens=1e9)


def test_the_figure_has_the_optimum_and_other_sizes(published):
    drawn = sb.critical_training(published, 1e20).plot()
    assert [axes.get_xlabel() for axes in drawn][:1] == ["compute $C$ (FLOPs)"]
    (compute,) = (line for line in drawn[2].lines if line.get_label() == "compute")
    assert compute.get_ydata().min() == pytest.approx(1, abs=1e-3)
    with pytest.raises(sb.InputError, match="kaplan_steps"):
        sb.critical_training(3, 1e20)
