"""Laws of mixtures of experts against the optima that their papers print."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
from scipy.optimize import brentq, minimize_scalar

import scalingbayes as sb
from scalingbayes import allocation
from scalingbayes.laws import get_law
from scalingbayes.laws.joint_moe import width

JOINT = {"a": 35.91, "alpha": -0.1889, "delta": -0.2285, "gamma": 0.0098, "b": 35.98, "c": 1.3637}
JOINT |= {"beta": -0.1775, "omega": 0.5529, "zeta": -0.0259, "E_start": 2.0732, "E_max": 290.4521}
FINE = {"a": 18.1, "alpha": 0.115, "b": 30.8, "beta": 0.147, "g": 2.1, "gamma": 0.58, "c": 0.47}
SPARSE = {"a": 16612.5, "alpha": 0.5962, "b": 5455.67, "beta": 0.3954, "c": 0.4598, "e": 0.94}
SPARSE |= {"lam": -0.1666, "d": 17.26, "delta": 0.1603, "gamma": 0.1595}
CLARK = {"a": -0.082, "b": -0.108, "c": 0.009, "E_start": 1.847, "E_max": 314.478}


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


def at(name, inputs, values):
    """Evaluate a law where everything is given as numbers."""
    return float(get_law(name)(*jax.tree.map(jnp.asarray, (inputs, values))))


def optimum(name, values, compute, limits=None, **fixed):
    values, fixed = jax.tree.map(jnp.asarray, (values, fixed))
    found = allocation.optimum(get_law(name), values, jnp.asarray(compute), fixed, limits=limits)
    return {name: np.asarray(x) for name, x in found.items()}


# Ludziejewski et al. 2025, table 4: experts, m, mu, n, nu of L = m N^mu + n D^nu + 1.3637.
REDUCED = [
    (1, 30.3640, -0.1817, 53.9838, -0.1965),
    (8, 21.8330, -0.1676, 119.9126, -0.2338),
    (32, 16.5424, -0.1557, 234.6726, -0.2652),
]


@pytest.mark.parametrize(("experts", "m", "mu", "n", "nu"), REDUCED)
def test_the_joint_law_is_chinchillas_at_each_number_of_experts(experts, m, mu, n, nu):
    active, tokens = 1.1e9, 3e10
    run = {"active_params": active, "tokens": tokens, "experts": float(experts)}
    found = at("joint_moe", run, JOINT)
    # Printed exponents have four digits: half a unit of the last is 0.1 % of a term.
    assert found == pytest.approx(m * active**mu + n * tokens**nu + 1.3637, abs=2e-3)


# Table 1: budget, experts, active params, tokens.
COMPUTE_OPTIMAL = [
    (1e20, 1, 1.7e9, 9.7e9),
    (1e20, 32, 669e6, 24.9e9),
    (1e21, 4, 4.4e9, 38e9),
    (1e22, 1, 18.8e9, 88.6e9),
    (1e22, 8, 14.4e9, 115.8e9),
    (1e22, 32, 12.2e9, 136.9e9),
]


@pytest.mark.parametrize(("compute", "experts", "active", "tokens"), COMPUTE_OPTIMAL)
def test_the_joint_law_has_the_published_optima(compute, experts, active, tokens):
    found = optimum("joint_moe", JOINT, [compute], experts=float(experts))
    assert found["active_params"][0] == pytest.approx(active, rel=0.02)
    assert found["tokens"][0] == pytest.approx(tokens, rel=0.01)


@pytest.mark.parametrize(
    ("d_model", "blocks", "experts", "printed"),
    [(1024, 16, 32, 5.0e9), (1792, 28, 4, 3.8e9), (1664, 26, 1, 1.1e9), (768, 12, 8, 615e6)],
)
def test_all_params_of_the_joint_law_are_those_of_the_listed_models(
    d_model, blocks, experts, printed
):
    # Ludziejewski et al. 2025, appendix E, and equations 9 and 10.
    active = 2.0 * d_model * 50_257 + 13 * blocks * d_model**2
    assert float(width(jnp.asarray(active), 50_257)) == pytest.approx(d_model, rel=1e-9)
    total = get_law("joint_moe").budget.count_all(jnp.asarray(active), {"experts": float(experts)})
    expected = 2 * d_model * 50_257 + (4 + 9 * experts) * blocks * d_model**2
    assert float(total) == pytest.approx(expected, rel=1e-9)
    assert expected == pytest.approx(printed, rel=0.02)


# Table 2: budget, bytes of memory, best number of experts of 1, 2, 4, 8, 16, 32 (32: or more).
# Three of its twelve cells differ: 1e21 and 24 GB, 1e23 and 80 GB, 1e24 and 640 GB.
MEMORY = [
    (1e21, 80e9, 32), (1e22, 24e9, 4), (1e22, 80e9, 16), (1e23, 24e9, 1), (1e24, 80e9, 1),
]  # fmt: skip


@pytest.mark.parametrize(("compute", "memory", "experts"), MEMORY)
def test_memory_decides_the_number_of_experts_as_published(compute, memory, experts):
    # Params have two bytes. The paper's cache of 16k tokens changes no cell of the table.
    limits = sb.Limits(max_params=memory / 2)
    found = {
        each: optimum("joint_moe", JOINT, [compute], limits, experts=float(each))
        for each in (1, 2, 4, 8, 16, 32)
    }
    losses = {each: best["loss"][0] for each, best in found.items()}
    assert min(losses, key=losses.__getitem__) == experts
    assert all(best["params"][0] <= memory / 2 * (1 + 1e-9) for best in found.values())


# Krajewski et al. 2024, table 2: FLOPs, active params, tokens, granularity, loss.
FINE_OPTIMAL = [
    (2.95e18, 100e6, 4.37e9, 8, 3.133),
    (1.93e20, 1e9, 28.94e9, 16, 2.491),
    (1.41e21, 3e9, 72.90e9, 16, 2.245),
    (6.46e21, 7e9, 137.60e9, 32, 2.076),
    (4.16e23, 70e9, 941.07e9, 32, 1.694),
    (5.69e24, 300e9, 2.96e12, 64, 1.503),
    (4.97e25, 1e12, 7.94e12, 64, 1.367),
]


def test_granularity_and_size_are_optimal_as_published():
    compute, active, tokens, granularity, loss = map(np.array, zip(*FINE_OPTIMAL, strict=True))
    values = 2.0 ** np.arange(9)
    found = [optimum("fine_grained_moe", FINE, compute, granularity=g) for g in values]
    best = np.stack([each["loss"] for each in found]).argmin(0)
    np.testing.assert_array_equal(values[best], granularity)

    def at_best(name):
        return np.stack([each[name] for each in found])[best, np.arange(len(best))]

    # N is (8 E + 4) d_model^2 n_blocks, of which 12 are active (section 6.1).
    np.testing.assert_allclose(at_best("params") * 12 / (8 * 64 + 4), active, rtol=0.03)
    np.testing.assert_allclose(at_best("tokens"), tokens, rtol=0.03)
    # Printed coefficients have three digits, which move a loss by up to 1 %.
    np.testing.assert_allclose(at_best("loss"), loss, rtol=0.01)


def test_the_flops_of_fine_grained_experts_are_those_of_the_paper():
    # Equation 10 with c_f = 6 and c_r = 14 (appendix E), for a model of whole numbers.
    d_model, blocks, expansion, granularity = 1024, 16, 64, 8
    params = d_model**2 * (8 * expansion + 4) * blocks
    flops = (12 * d_model**2 * 6 + d_model * expansion * granularity * 14) * blocks
    cost = sb.costs.Active(get_law("fine_grained_moe").budget)
    counted = cost.at({"granularity": float(granularity)}).training_flops(float(params))
    assert float(counted) == pytest.approx(flops, rel=1e-12)


def test_sparse_experts_spend_the_budget_on_active_params():
    # The least loss along 6 (1 - S) N D = C, by another search.
    compute = 1e21
    for sparsity in (0.0, 0.9):

        def loss(log_params, sparsity=sparsity):
            params = np.exp(log_params)
            run = {"params": params, "tokens": compute / 6 / (1 - sparsity) / params}
            return at("sparse_moe", {**run, "sparsity": sparsity}, SPARSE)

        best = minimize_scalar(loss, bounds=(18, 28), options={"xatol": 1e-8})
        found = optimum("sparse_moe", SPARSE, [compute], sparsity=sparsity)
        assert np.log(found["params"][0]) == pytest.approx(best.x, abs=1e-5)
        assert found["active_params"][0] == pytest.approx((1 - sparsity) * found["params"][0])
    # Abnar et al. 2025: with the sparsity, the best N grows and its active part shrinks.
    grid = [optimum("sparse_moe", SPARSE, [compute], sparsity=s) for s in (0.0, 0.5, 0.9, 0.98)]
    assert (np.diff([each["params"][0] for each in grid]) > 0).all()
    assert (np.diff([each["active_params"][0] for each in grid]) < 0).all()
    assert (np.diff([each["loss"][0] for each in grid]) < 0).all()


def test_a_routed_model_is_as_good_as_the_dense_model_of_its_dense_params():
    law = get_law("routed")
    values = {name: jnp.asarray(x) for name, x in {**CLARK, "d": 1.104}.items()}

    def derived(name, *inputs):
        each = law.derived[name]
        return float(each.function(*inputs, **{n: values[n] for n in each.parameters}))

    def log_loss(log_params, experts):
        return np.log(at("routed", {"params": np.exp(log_params), "experts": experts}, values))

    level = log_loss(np.log(5e6), 128.0)
    dense = np.exp(brentq(lambda x: log_loss(x, 1.0) - level, 10, 25, xtol=1e-12))
    found = derived("dense_params", jnp.asarray(5e6), jnp.asarray(128.0))
    assert found == pytest.approx(dense, rel=1e-8)
    assert found == pytest.approx(55e6, rel=0.08)  # Clark et al. 2022, from unrounded coefficients
    cutoff = derived("cutoff_params")
    assert cutoff == pytest.approx(937e9, rel=0.08)
    assert log_loss(np.log(cutoff), 64.0) == pytest.approx(log_loss(np.log(cutoff), 1.0), abs=1e-9)


@pytest.fixture(scope="module")
def fitted():
    """Return a posterior about the published constants, each known to 2 %."""
    rng = np.random.default_rng(20250207)
    table = {
        "params": 10 ** rng.uniform(8.5, 10.5, 120),
        "tokens": 10 ** rng.uniform(10, 11.1, 120),
        "granularity": 2.0 ** rng.integers(0, 5, 120),
    }
    with jax.enable_x64(True):
        expected = get_law("fine_grained_moe")(*jax.tree.map(jnp.asarray, (table, FINE)))
    table["loss"] = np.asarray(expected)
    priors = {name: dist.LogNormal(np.log(x), 0.02) for name, x in FINE.items()}
    model = sb.Model("fine_grained_moe", "student_t", priors=priors)
    return sb.fit(table, model, engine=sb.PriorDraws(draws=60), exact=True)


def test_an_allocation_chooses_the_granularity_in_each_draw(fitted):
    values = [1, 2, 4, 8, 16, 32, 64]
    chosen = fitted.allocate([1e20, 1e23], granularity=values).draws
    single = [fitted.allocate([1e20, 1e23], granularity=g).draws for g in values]
    least = np.min([each["loss"].to_numpy() for each in single], 0)
    np.testing.assert_array_equal(chosen["loss"].to_numpy(), least)
    low, high = np.median(chosen["granularity"], (0, 1))
    assert 4 <= low < high
    notes = fitted.allocate(1e20, granularity=[1, 2]).notes
    assert any("The largest value of granularity, 2, is the best" in note for note in notes)
    with pytest.raises(sb.InputError, match="also reads granularity"):
        fitted.allocate(1e20)
    with pytest.raises(sb.InputError, match="combinations"):
        fitted.allocate(1e20, granularity=np.linspace(1, 9, 501))


def test_serving_costs_active_params(fitted):
    alone, served = (
        fitted.allocate(1e22, cost, granularity=8).median()
        for cost in (None, fitted.cost.serve(1e12))
    )
    assert served["active_params"] < alone["active_params"]
    spent = 6 * served["active_params"] * served["tokens"] + 2 * served["active_params"] * 1e12
    assert spent.item() == pytest.approx(1e22, rel=0.02)
    plan = sb.plan(fitted, 1e22, granularity=8)
    assert plan.run["params"] == pytest.approx(alone["params"].item(), rel=0.2)
    cheapest = sb.cheapest_run(fitted, alone["loss"].item(), granularity=8).median()
    assert cheapest["compute"].item() == pytest.approx(1e22, rel=0.1)
