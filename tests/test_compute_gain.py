"""The compute-equivalent gain of a recipe: closed forms, simulation and brute force."""

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from plain import draw_near, fit
from scipy.optimize import brentq

import scalingbayes as sb
from scalingbayes.laws import get_law
from scalingbayes.laws.recipe import of_one_recipe

TRUTH = {"E": 1.7, "A": 406.0, "B": 410.0, "alpha": 0.34, "beta": 0.28, "k": 1.0}


def table(gain_N=1.0, gain_D=1.0, seed=0, sigma=0.003):
    """Runs of Hoffmann's surface whose effective params and tokens are multiplied."""
    rng = np.random.default_rng(seed)
    budgets = np.repeat(np.geomspace(1e18, 1e21, 5), 7)
    ratios = np.tile(np.geomspace(3, 150, 7), 5)
    params = np.sqrt(budgets / 6 / ratios)
    tokens = ratios * params
    loss = 1.7 + 406 / (gain_N * params) ** 0.34 + 410 / (gain_D * tokens) ** 0.28
    loss *= np.exp(sigma * rng.standard_normal(len(loss)))
    return {"params": params, "tokens": tokens, "loss": loss}


@pytest.fixture(scope="module")
def apart():
    how = {"engine": "laplace", "draws": 300}
    return fit(table(1.5, 1.2), **how), fit(table(seed=1), **how)


@pytest.fixture(scope="module")
def together():
    new, old = table(1.5, 1.2), table(seed=1)
    both = {name: np.concatenate([new[name], old[name]]) for name in new}
    both["recipe"] = np.repeat([1.0, 0.0], len(new["loss"]))
    return fit(both, law="recipe", engine="laplace", draws=300)


def least_loss(v, compute):
    """The compute-optimal loss of the coupled law, whose optimum is Chinchilla's."""
    G = (v["alpha"] * v["A"] / (v["beta"] * v["B"])) ** (1 / (v["alpha"] + v["beta"]))
    size = G * (compute / 6) ** (v["beta"] / (v["alpha"] + v["beta"]))
    terms = v["A"] * size ** -v["alpha"] + v["B"] * (compute / 6 / size) ** -v["beta"]
    return v["E"] + terms ** v.get("k", 1.0)


def gain_of(new, old, compute):
    """The gain by SciPy."""
    aim = least_loss(new, compute)
    return np.exp(brentq(lambda x: least_loss(old, np.exp(x)) - aim, -400, 400)) / compute


def one_recipe(values, recipe):
    """The parameters of one recipe, as numbers."""
    with jax.enable_x64(True):
        return {name: float(x) for name, x in of_one_recipe(values, recipe).items()}


def test_the_gain_brings_the_baseline_to_the_new_recipes_loss(apart):
    found = sb.compute_gain(*apart, compute=[1e20, 1e22], seed=3)
    values = [{name: x.ravel() for name, x in post.values.items()} for post in apart]
    order = np.random.default_rng([3, 25]).permutation(300)
    gain = found["gain"].transpose(..., "compute").to_numpy().reshape(300, 2)
    for i in range(0, 300, 60):
        new, old = ({n: v[j] for n, v in each.items()} for each, j in
                    zip(values, (i, order[i]), strict=True))  # fmt: skip
        for k, compute in enumerate((1e20, 1e22)):
            assert gain[i, k] == pytest.approx(gain_of(new, old, compute), rel=1e-6)


def test_the_gain_of_a_known_recipe_is_in_the_interval(apart):
    found = sb.compute_gain(*apart, compute=[1e19, 1e20, 1e22])
    low, high = found.interval()["gain"].transpose("bound", "compute").to_numpy()
    assert (low < 1.8).all()
    assert (high > 1.8).all()
    assert (found.probability().to_numpy() > 0.9).all()
    assert found.fitted == pytest.approx((1e18, 1e21))


def test_a_recipe_over_itself_has_a_gain_of_one(apart, together):
    same = sb.compute_gain(apart[0], apart[0], compute=1e22, tokens_per_param=20)
    assert float(same.median()["gain"].item()) == pytest.approx(1, abs=0.1)
    # Along a ratio the FLOPs are 6 r N^2: brute force with the draws of the joint fit.
    found = sb.compute_gain(together, compute=1e22, tokens_per_param=20)
    v = {name: x.ravel()[7] for name, x in together.values.items()}

    def loss(compute, r):
        size = np.sqrt(compute / 120)
        N = np.exp(v["g_N"] * r) * size ** (1 + v["h_N"] * r)
        D = np.exp(v["g_D"] * r) * (20 * size) ** (1 + v["h_D"] * r)
        return v["E"] + (v["A"] / N ** v["alpha"] + v["B"] / D ** v["beta"]) ** v["k"]

    needed = brentq(lambda x: loss(np.exp(x), 0.0) - loss(1e22, 1.0), 20, 100)
    assert found["gain"].to_numpy().ravel()[7] == pytest.approx(np.exp(needed) / 1e22, rel=1e-4)


def test_a_joint_fit_is_narrower_and_of_shared_exponents_constant(apart, together):
    free, shared = (sb.compute_gain(*posts, compute=1e22) for posts in (apart, [together]))
    widths = [float(np.log(x.interval()["gain"]).diff("bound").item()) for x in (free, shared)]
    assert widths[1] < widths[0]
    low, high = shared.interval()["gain"].to_numpy().ravel()
    assert low < 1.8 < high


def test_shared_exponents_give_the_product_of_both_gains():
    # g_N + g_D in the law is the log of the gain at every budget.
    law = get_law("recipe(grows=False)")
    values = {**TRUTH, "g_N": np.log(1.5), "g_D": np.log(1.2)}
    new, old = (one_recipe(values, r) for r in (1.0, 0.0))
    for compute in (1e19, 1e24):
        assert least_loss(new, compute) == pytest.approx(least_loss(old, 1.8 * compute), rel=1e-6)
    run = {"params": 3e8, "tokens": 1e10}
    for recipe, each in ((1.0, new), (0.0, old)):
        terms = each["A"] / 3e8 ** each["alpha"] + each["B"] / 1e10 ** each["beta"]
        with jax.enable_x64(True):
            found = law(*jax.tree.map(jnp.asarray, ({**run, "recipe": recipe}, values)))
        assert float(found) == pytest.approx(each["E"] + terms, rel=1e-12)


def test_a_floor_that_the_baseline_does_not_reach_makes_the_gain_infinite(apart):
    lower = {**table(), "loss": table()["loss"] - 0.4}
    better = fit(lower, engine="laplace", draws=300)
    found = sb.compute_gain(better, apart[1], compute=1e25)
    assert np.isinf(found["gain"]).any()
    assert any("No budget of the baseline" in note for note in found.notes)
    assert not found.summary().isna().any().any()
    repr(found)


def test_a_law_of_compute_alone():
    table = {"compute": np.geomspace(1e18, 1e21, 12), "loss": np.linspace(3, 2, 12)}
    values = {"E": 1.5, "A": 40.0, "alpha": 0.08}
    new = draw_near(table, "power_law(x=compute)", {**values, "A": 40 * 1.3**-0.08})
    old = draw_near(table, "power_law(x=compute)", values)
    found = sb.compute_gain(new, old, compute=1e20, seed=3)["gain"].to_numpy().ravel()
    order = np.random.default_rng([3, 25]).permutation(300)
    v, w = ({n: x.ravel() for n, x in each.values.items()} for each in (new, old))
    above = v["E"] + v["A"] * 1e20 ** -v["alpha"] - w["E"][order]
    needed = (w["A"][order] / above) ** (1 / w["alpha"][order])
    np.testing.assert_allclose(found, needed / 1e20, rtol=1e-6)


def test_bad_arguments_are_refused(apart, together):
    with pytest.raises(sb.InputError, match="does not read the column 'recipe'"):
        sb.compute_gain(apart[0])
    with pytest.raises(sb.InputError, match="new is a fit of both recipes"):
        sb.compute_gain(together, apart[0])
    with pytest.raises(sb.InputError, match="baseline must be a posterior"):
        sb.compute_gain(apart[0], 3.0)


def test_the_answer_says_whether_the_gain_holds(apart, together):
    answer = sb.compute_gain(*apart, compute=1e23).answer()
    assert "At 1e23 FLOPs the baseline needs" in answer
    assert "each decade multiplies the gain by" in answer
    assert "Extrapolated" in repr(sb.compute_gain(together, compute=1e23))
    assert sb.compute_gain(together).draws["compute"].to_numpy() == pytest.approx(
        [1e18, 1e21, 1e22]
    )


def test_a_note_says_that_errors_beyond_the_runs_cancel(apart, monkeypatch):
    def noted(compute):
        return any("cancels" in note for note in sb.compute_gain(*apart, compute=compute).notes)

    assert not noted(1e23)  # these laws are taken as exact
    monkeypatch.setattr(sb.Posterior, "exact", property(lambda post: False))
    monkeypatch.setattr(sb.Posterior, "as_exact", property(lambda post: post))
    assert noted(1e23)
    assert not noted(1e20)


def test_the_command_reads_two_fits_or_a_table(command, apart, tmp_path):
    for name, post in zip(("new", "old"), apart, strict=True):
        post.save(tmp_path / f"{name}.nc")
    found = command("compute-gain", "new.nc", "old.nc", "--compute", "1e22")
    assert found.returncode in (0, 3)
    assert "At 1e22 FLOPs the baseline needs" in found.stdout
    both = pd.concat([pd.DataFrame(table(2.0)).assign(recipe="new"),
                      pd.DataFrame(table(seed=1)).assign(recipe="old")])  # fmt: skip
    both.to_csv(tmp_path / "runs.csv", index=False)
    refused = command("compute-gain", "runs.csv", "older", "--by", "recipe")
    assert refused.returncode == 2
    assert "must have two labels" in refused.stderr


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::scalingbayes.InputWarning")  # a prior's losses may be any
def test_intervals_of_the_gain_hold_at_their_rate():
    """Tables from the priors of the law ``recipe``: the gain 10-fold beyond the runs is held."""
    one = table()
    design = {name: np.tile(one[name], 2) for name in ("params", "tokens")}
    design["recipe"] = np.repeat([0.0, 1.0], len(one["loss"]))
    model = sb.Model("recipe", default_priors="weak")
    simulation = sb.simulate(design, model, count=200, seed=4)
    same = model.with_reference(simulation.model.reference)
    posts = sb.fit_many(simulation.tables, same, engine=sb.NUTS(draws=500), exact=True, seed=4)
    held = {0.5: 0, 0.9: 0}
    for i, post in enumerate(posts.values()):
        found = sb.compute_gain(post, compute=1e22)
        true = {str(name): float(x[i]) for name, x in simulation.truths.items()}
        truth = gain_of(*(one_recipe(true, r) for r in (1.0, 0.0)), 1e22)
        for prob in held:
            low, high = found.interval(prob)["gain"].to_numpy().ravel()
            held[prob] += low <= truth <= high
    for prob, count in held.items():
        assert abs(count / 200 - prob) < 3 * np.sqrt(prob * (1 - prob) / 200), held


def test_one_set_of_constants_gains_nothing_over_itself():
    post = sb.published("abnar_2025")
    found = sb.compute_gain(post, post, 1e21, tokens_per_param=20, sparsity=0.5)
    assert (found["gain"] == 1).all()
    with pytest.raises(sb.InputError, match="give compute"):
        sb.compute_gain(post, post, sparsity=0.5)


def test_arguments_that_no_law_reads_are_refused():
    post = sb.published("kaplan_2020_compute")
    for given in ({"tokens_per_param": 20}, {"params": 1e9}, {"cost": sb.costs.Proportional()}):
        with pytest.raises(sb.InputError, match="leave"):
            sb.compute_gain(post, post, 1e21, **given)
