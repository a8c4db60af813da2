"""The allowance for a law's error: the mixture of posteriors, and how its weights are chosen."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from plain import PLAIN, bind_default, fit_default, fit_many_default
from scipy.special import logsumexp

import scalingbayes as sb
from scalingbayes._core.precision import precision
from scalingbayes.inference.allowance import choose_allowances
from scalingbayes.inference.allowance.choose import mixture_weights
from scalingbayes.model.allowance import LIKELIHOOD_POWERS, ROW_EXPONENTS, Allowance
from scalingbayes.posterior.extrapolation import ERROR_PER_DECADE, shared_error


def bent(rng, rows=120, bend=0.0, noise=0.002):
    """Return runs of ten budgets around a surface that deviates from Chinchilla's law."""
    budgets = np.repeat(np.geomspace(1e18, 1e21, 10), rows // 10)
    params = np.sqrt(budgets / 120) * 10 ** rng.uniform(-0.5, 0.5, len(budgets))
    tokens = budgets / 6 / params
    loss = 1.69 + 406.4 / params**0.34 + 410.7 / tokens**0.28
    wave = np.sin(np.log(budgets) * 2.5)  # the same for all runs of a budget
    loss *= np.exp(bend * wave + noise * rng.standard_normal(len(budgets)))
    return sb.Runs({"params": params, "tokens": tokens, "loss": loss})


def models(tables):
    return [bind_default(table, **PLAIN) for table in tables]


def choose(tables, seeds=None):
    bound = models(tables)
    return choose_allowances(bound, seeds or [0] * len(bound), "float64")


def test_the_mixture_is_the_weighted_sum_of_discounted_posteriors(rng):
    """The oracle is the sum of the densities one by one, each with weights and noise by hand."""
    model = models([bent(rng, rows=40)])[0]
    shape = len(ROW_EXPONENTS), len(LIKELIHOOD_POWERS)
    weights = rng.dirichlet(np.ones(shape[0] * shape[1])).reshape(shape)
    log_evidence = rng.normal(size=shape)
    noise = {"sigma": np.array([0.01, 0.02, 0.03]), "nu": np.array([3.0, 5.0, 9.0])}
    allowance = Allowance(weights, log_evidence, noise, 0.5, np.zeros((0, *shape)))
    with precision("float64"):
        mixture = replace(model, allowance=allowance).mixture("float64")
        full = model.density("float64")
        point = full.coordinates.center("float64")[:5] + 0.1
        total = []
        compute = np.asarray(model.run_scale)
        for i, exponent in enumerate(ROW_EXPONENTS):
            values = full.coordinates.at_reference(full.coordinates.center("float64"))
            law = mixture.density.coordinates.at_reference(point)
            at = {**values, **law, **{name: jnp.asarray(x[i]) for name, x in noise.items()}}
            location = full.likelihood.law_location(at)
            rows = full.likelihood.log_likelihood_at(location, at)[: len(compute)]
            summed = rows @ (compute / compute.max()) ** exponent
            for j, power in enumerate(LIKELIHOOD_POWERS):
                total.append(np.log(weights[i, j]) - log_evidence[i, j] + power * summed)
        expected = logsumexp(total) + mixture.density.prior(point)
        assert float(mixture(point)) == pytest.approx(float(expected), rel=1e-10)


@pytest.mark.slow
def test_the_evidence_of_each_posterior_is_its_integral():
    """The oracle is a sum over a grid of the three parameters of a power law."""
    rng = np.random.default_rng(4)
    compute = np.geomspace(1e18, 1e21, 14)
    loss = (1.7 + 3 * (compute / 1e18) ** -0.2) * np.exp(0.01 * rng.standard_normal(14))
    model = bind_default(sb.Runs({"compute": compute, "loss": loss}), "power_law(x=compute)")
    (allowed,) = choose_allowances([model], [0], "float64")
    with precision("float64"):
        allowance = allowed.allowance
        mixture = replace(model, allowance=allowance).mixture("float64")
        density = mixture.density
        # A grid on the coordinates of the density, around the draws of power 1.
        around = allowed.exact.points[0, :, :3]
        axes = [
            np.linspace(m - 12 * s, m + 12 * s, 100)
            for m, s in zip(around.mean(0), around.std(0), strict=True)
        ]
        grid = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3)
        bare = replace(
            mixture, log_weights=jnp.where(jnp.arange(21).reshape(3, 7) == 1, 0.0, -jnp.inf)
        )
        log_density = np.asarray(jax.jit(jax.vmap(bare))(jnp.asarray(grid)))
        assert density.location_size == 3
    cell = np.prod([axis[1] - axis[0] for axis in axes])
    integral = logsumexp(np.where(np.isfinite(log_density), log_density, -np.inf)) + np.log(cell)
    # 900 proposals: the error of the log evidence is about .05.
    assert allowance.log_evidence[0, 1] == pytest.approx(integral, abs=0.2)


@pytest.mark.slow
def test_two_engines_agree_on_the_mixture():
    table = bent(np.random.default_rng(3), bend=0.01)
    posts = [fit_default(table, engine=name) for name in ("nuts", "laplace")]
    one, two = (post.exponents()["a"] for post in posts)
    assert float(one.median()) == pytest.approx(float(two.median()), abs=0.15 * float(one.std()))
    assert float(one.std()) == pytest.approx(float(two.std()), rel=0.15)
    assert posts[0].verdict, posts[0].verdict


def test_an_exact_law_looks_more_exact_than_a_wrong_one():
    rng = np.random.default_rng(7)
    tables = [bent(rng, bend=bend) for bend in (0.0, 0.0, 0.0, 0.02, 0.02, 0.02)]
    found = [each.allowance for each in choose(tables)]
    assert max(each.exactness for each in found[3:]) < 0.3
    assert min(each.exactness for each in found[:3]) > 0.5
    powers = [each.likelihood_power for each in found]
    assert max(powers[3:]) < min(powers[:3])


def test_weights_follow_exactness_and_folds():
    none = np.zeros((0, 3, 7))
    exact, wrong = (mixture_weights(v, none) for v in (1.0, 0.0))
    for weights in (exact, wrong):
        assert weights.sum() == pytest.approx(1)
    log = np.log(LIKELIHOOD_POWERS)
    assert np.exp(exact.sum(0) @ log) > 0.6
    assert 0.15 < np.exp(wrong.sum(0) @ log) < 0.27
    assert exact.sum(1)[0] > 0.9
    np.testing.assert_allclose(wrong.sum(1), 1 / 3)
    # A fold that a power predicts worse by 2 nats moves its odds by e^-4.
    scores = np.zeros((1, 3, 7))
    scores[0, 0, 0] = -2
    moved = mixture_weights(1.0, scores)
    odds = (moved[0, 0] / moved[0, 1]) / (exact[0, 0] / exact[0, 1])
    assert odds == pytest.approx(np.exp(-4))


@pytest.mark.slow
def test_the_choice_does_not_depend_on_the_other_tables_of_a_batch(rng):
    tables, seeds = [bent(rng, bend=0.01), bent(rng, bend=0.01)], [3, 8]
    together = choose(tables, seeds)
    for table, seed, chosen in zip(tables, seeds, together, strict=True):
        (alone,) = choose([table], [seed])
        np.testing.assert_allclose(
            chosen.allowance.weights, alone.allowance.weights, rtol=1e-6, atol=1e-12
        )


def test_the_choice_depends_on_no_units_and_no_order(rng):
    table = bent(rng, bend=0.01).frame[["params", "tokens", "loss"]]
    shuffled = table.sample(frac=1, random_state=1)
    scaled = table.assign(params=table["params"] / 1e6, loss=table["loss"] * 1.44)
    tables = [sb.Runs(each) for each in (table, shuffled)]
    with pytest.warns(sb.InputWarning):
        tables.append(sb.Runs(scaled))
    found = [each.allowance for each in choose(tables)]
    for each in found[1:]:
        assert each.exactness == pytest.approx(found[0].exactness, rel=1e-5)
        np.testing.assert_allclose(each.weights, found[0].weights, atol=1e-5)


def test_a_table_too_small_for_folds_gets_weights_all_the_same(small_table):
    few = sb.Runs({name: values[:8] for name, values in small_table.items()})
    (chosen,) = choose([few])
    assert len(chosen.allowance.fold_scores) == 0
    assert chosen.allowance.weights.sum() == pytest.approx(1)


def test_a_table_without_a_scale_is_fitted(rng):
    web = rng.uniform(0.1, 0.9, 30)
    losses = 2 + 0.3 * np.exp(-1.5 * web) + 0.003 * rng.standard_normal(30)
    post = fit_default({"web": web, "code": 1 - web, "loss": losses}, "mixture", engine="laplace")
    assert post.allowance is not None
    np.testing.assert_allclose(post.allowance.weights.sum(), 1)


@pytest.mark.slow
def test_both_intervals_are_shown(rng):
    table = bent(rng, bend=0.01)
    post = fit_default(table, engine="laplace", draws=300)
    assert post.law.name == "coupled"
    assert post.noise.name == "student_t(varying=compute)"
    exact = fit_default(table, engine="laplace", exact=True)
    own = exact.exponents().interval()["a"].to_numpy()
    frame = post.exponents().summary()
    # 1,000 draws: the ends of a 90 % interval have an error of .08 sd.
    error = 0.3 * float(exact.exponents().draws["a"].std())
    np.testing.assert_allclose(frame.loc["a", ["exact_lb", "exact_ub"]], own, atol=error)
    assert frame["eti90_ub"]["a"] - frame["eti90_lb"]["a"] > own[1] - own[0]
    for result in (post, post.allocate(1e22), post.predict(params=1e9, tokens=2e10)):
        assert {"exact_lb", "exact_ub"} <= set(result.summary())
        assert "if law exact" in repr(result)
    assert "exact_lb" not in exact.summary()
    assert post.as_exact.exact
    assert exact.as_exact is exact


@pytest.mark.slow
def test_the_noise_is_that_of_the_fit_at_power_one():
    table = bent(np.random.default_rng(5), noise=0.004)
    post, exact = (fit_default(table, engine="laplace", exact=how) for how in (False, True))
    found, expected = (each.draws["sigma"] for each in (post, exact))
    assert post.allowance.row_exponent < 0.1
    assert float(found.mean()) == pytest.approx(float(expected.mean()), rel=0.1)


@pytest.mark.slow
def test_refits_and_files_keep_the_allowance(rng, tmp_path):
    table = bent(rng, bend=0.01)
    post = fit_default(table, engine="laplace", draws=300)
    post.save(tmp_path / "post.nc")
    loaded = sb.load(tmp_path / "post.nc")
    (tmp_path / "post.nc").unlink()  # the whole posterior is in memory
    assert loaded.tree.identical(post.tree)
    np.testing.assert_allclose(loaded.allowance.weights, post.allowance.weights)
    assert repr(loaded.exponents()) == repr(post.exponents())
    again = sb.refit(loaded, {"all": np.ones(len(table))})["all"]
    assert again.allowance.exactness == pytest.approx(post.allowance.exactness)
    np.testing.assert_allclose(post.weights, 1)


@pytest.mark.slow
def test_a_batch_with_a_folder_keeps_the_allowance(rng, tmp_path):
    tables = [bent(rng, bend=0.02), bent(rng)]
    how = {"engine": "laplace", "draws": 200, "out": tmp_path / "batch", **PLAIN}
    first, second = fit_many_default(tables, **how), fit_many_default(tables, **how)
    for place in range(2):
        assert repr(first[place].exponents()) == repr(second[place].exponents())
    assert first[0].allowance.exactness < first[1].allowance.exactness
    assert not first.exact
    exponents, summary = first.exponents().summary(), first.summary()
    for place in range(2):
        alone, both = first[place], exponents.loc[place]
        ends = ["exact_lb", "exact_ub"]
        np.testing.assert_allclose(both[ends], alone.exponents().summary()[ends], rtol=1e-9)
        np.testing.assert_allclose(summary.loc[place][ends], alone.summary()[ends], rtol=1e-6)


@pytest.mark.parametrize("engine", ["bootstrap", "grid"])
def test_engines_without_an_allowance_take_the_law_as_exact(small_table, engine):
    post = fit_default(small_table, engine=engine, law="chinchilla", noise="normal")
    assert post.exact
    assert post.allowance is None


def test_noise_with_shared_errors_takes_the_law_as_exact(small_table):
    table = {**small_table, "family": np.arange(len(small_table["loss"])) % 4}
    post = fit_default(table, "chinchilla", engine="laplace", draws=200, groups="family")
    assert post.exact


@pytest.mark.slow
def test_the_error_beyond_the_runs_grows_with_the_distance():
    """The oracle is the law itself, evaluated in NumPy at the draws of the parameters."""
    table = bent(np.random.default_rng(2))
    post = fit_default(table, "chinchilla", engine="laplace", draws=4000)
    largest = float(post.compute.max())
    compute = np.array([0.1, 10.0, 100.0]) * largest
    params = np.full(3, 1e10)
    tokens = compute / 6 / params
    v = post.draws.isel(chain=0)
    law = [
        v["E"] + v["A"] * n ** -v["alpha"] + v["B"] * d ** -v["beta"]
        for n, d in zip(params, tokens, strict=True)
    ]
    expected = post.predict(params=params, tokens=tokens)["expected"].isel(chain=0)
    shift = np.log(expected.transpose("draw", "run").to_numpy()) - np.log(np.array(law).T)
    np.testing.assert_allclose(shift[:, 0], 0, atol=1e-12)
    np.testing.assert_allclose(shift[:, 2], 2 * shift[:, 1], rtol=1e-6, atol=1e-10)
    # 4,000 normal draws: the error of their sd is 1.1 %.
    assert shift[:, 1].std() == pytest.approx(ERROR_PER_DECADE, rel=0.05)
    assert shared_error(post.as_exact, {"params": params, "tokens": tokens}) is None
    budget = post.allocate(compute)["loss"].isel(chain=0).transpose("draw", "compute")
    assert (budget.std("draw")[2] > budget.std("draw")[1]).item()
    # In each draw, the cheapest run of the loss that a budget reaches costs this budget.
    wanted = float(budget.isel(compute=2, draw=7))
    cheapest = sb.cheapest_run(post, wanted)["compute"].isel(chain=0, draw=7, loss=0)
    np.testing.assert_allclose(cheapest, compute[2], rtol=1e-3)


@pytest.mark.slow
def test_six_runs_on_a_smooth_law_have_intervals_near_their_scatter():
    """Six rows within 0.1 % of 1.3 + 90 C^-0.0936, which is 2.085 at 1e22."""
    compute = np.array([1e17, 3e17, 1e18, 3e18, 1e19, 3e19])
    loss = [3.6046, 3.3809, 3.1650, 2.9799, 2.7946, 2.6526]
    post = sb.fit({"compute": compute, "loss": loss}, "power_law(x=compute)", engine="laplace")
    frame = post.predict(compute=[3e19, 1e22]).summary().xs("expected", level="quantity")
    assert frame["eti90_lb"].iloc[1] < 2.085 < frame["eti90_ub"].iloc[1]
    width = frame["eti90_ub"] - frame["eti90_lb"]
    assert width.iloc[0] < 0.03  # 1 % of the loss: ten times the scatter
    assert width.iloc[1] < 0.3
    text = " ".join(repr(post).split())
    assert "6 runs cannot tell whether the law is exact" in text
    assert "no runs could be held out" in text
