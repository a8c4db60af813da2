"""Random effects: errors of groups, and discrepancies along the scale."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pandas as pd
import pytest
from numpyro.infer.util import log_density
from plain import bind, fit, fit_many_default
from scipy import stats

import scalingbayes as sb
from scalingbayes._core.precision import precision
from scalingbayes.inference.whitening import whiten_at_mode
from scalingbayes.model.discrepancy import STEP_COUNT, Discrepancy
from scalingbayes.model.marginal import MarginalDensity
from scalingbayes.model.random_effects import DenseDesign, EffectsDesign, design_of_groups
from scalingbayes.model.stacking import stack_densities


def matrix(design):
    """Return how far a unit of each effect moves each row."""
    return np.asarray(design.apply(np.eye(design.count))).T


def curves(rng, tau=0.02, sigma=0.003):
    """Draw twelve training curves with a shared error each."""
    params = np.repeat(10 ** rng.uniform(7, 10, 12), 8)
    tokens = np.tile(np.geomspace(2e9, 2e11, 8), 12)
    loss = 1.69 + 406.4 / params**0.34 + 410.7 / tokens**0.28
    shared = np.repeat(tau * rng.standard_normal(12), 8)
    loss *= np.exp(shared + sigma * rng.standard_normal(96))
    names = np.repeat([f"run {i:02}" for i in range(12)], 8)
    return pd.DataFrame({"params": params, "tokens": tokens, "loss": loss, "run": names}), shared


@pytest.mark.slow
def test_group_effects_are_recovered_and_widen_intervals():
    table, shared = curves(np.random.default_rng(3))
    aware = fit(table, groups="run", noise="normal", seed=1, draws=500)
    blind = fit(table.drop(columns="run"), noise="normal", engine="laplace", seed=1)
    frame = aware.summary(0.99)
    assert frame.loc["tau", "eti99_lb"] < 0.02 < frame.loc["tau", "eti99_ub"]
    assert frame.loc["sigma", "eti99_lb"] < 0.003 < frame.loc["sigma", "eti99_ub"]
    assert blind.summary().loc["sigma", "median"] > 0.01
    found = aware.tree["random_effects"]["loss"].mean(("chain", "draw"))
    assert list(found["effect"].to_numpy()) == [f"run {i:02}" for i in range(12)]
    # The law absorbs part of the errors of curves of one size; their differences remain.
    assert stats.pearsonr(found, shared[::8]).statistic > 0.7
    # A new run has an error of its own.
    scores = aware.predict(params=1e9, tokens=2e10).draws
    scatter = np.log(scores["observed"] / scores["expected"]).std()
    assert scatter > 3 * frame.loc["sigma", "median"]


def test_prior_draws_include_random_effects(rng):
    priors = {"tau": dist.LogNormal(-3.0, 0.1), "sigma": dist.LogNormal(-5.0, 0.1)}
    post = fit(curves(rng)[0], engine="prior", groups="run", noise="normal", priors=priors)
    shared = post.tree["random_effects"]["loss"]
    assert shared.shape == (1, 4000, 12)
    # Over tau, in the same draw, they are standard normal: so are all of them together.
    over_tau = shared.to_numpy()[0] / post.values["tau"][0][:, None]
    assert stats.kstest(over_tau.ravel(), "norm").pvalue > 1e-3


def log_density_of_errors(density, point, count):
    """Log density of the coordinates of random effects: normal with sd tau, and a volume."""
    effects = slice(count, count + density.effects)

    def errors(part):
        return density.coordinates.random_effects(
            jnp.concatenate([point[:count], part, point[effects.stop :]])
        )

    tau = float(density.coordinates.in_units(point)["tau"])
    volume = jnp.linalg.slogdet(jax.jacfwd(errors)(point[effects]))[1]
    return stats.norm(0, tau).logpdf(errors(point[effects])).sum() + volume


@pytest.mark.parametrize("noise", ["normal(groups=run)", "student_t(discrepancy=compute)"])
def test_the_density_is_numpyros(noise, rng):
    table, _ = curves(rng)
    model = bind(sb.Runs(table), noise=noise)
    count = len(model.law.parameters)
    with precision("float64"):
        density = model.density("float64")
        dim = len(model.parameters) + density.effects
        points = density.coordinates.center(float) + jnp.asarray(rng.normal(0, 0.1, (2, dim)))
        ours, theirs = [], []
        for point in points:
            ours.append(float(density.weights @ density.log_likelihood(point)))
            values = dict(density.coordinates.in_units(point))
            values["shared_error_over_tau"] = (
                density.coordinates.random_effects(point) / values["tau"]
            )
            site = log_density(model.numpyro_model(), (), {}, values)[1]["loss"]
            theirs.append(float(site["fn"].log_prob(site["value"]).sum()))
            # The mode search uses the same density, given the location.
            about = density.log_likelihood_at(density.location(point), point)
            assert ours[-1] == pytest.approx(
                float(density.weights @ (about - jnp.log(density.likelihood.observed))), rel=1e-9
            )
        # Random effects over tau are standard normal, whatever their coordinates are.
        moved = points[0] + jnp.eye(dim)[count]
        step = density.prior(moved) - density.prior(points[0])
        tau = float(density.coordinates.in_units(points[0])["tau"])
        before, after = (
            float(density.coordinates.random_effects(p)[0]) / tau for p in (points[0], moved)
        )
        wider = points[0] + 0.3 * jnp.eye(dim)[count + density.effects]
        alone = [
            density.prior.of_coordinates(density.coordinates.prior_coordinates(p))[
                : len(model.parameters)
            ].sum()
            for p in (points[0], wider)
        ]
        errors = [log_density_of_errors(density, p, count) for p in (points[0], wider)]
        spread = density.prior(wider) - density.prior(points[0])
    assert ours[0] - ours[1] == pytest.approx(theirs[0] - theirs[1], rel=1e-9)
    assert step == pytest.approx(-(after**2 - before**2) / 2, rel=1e-9)
    expected = alone[1] + errors[1] - alone[0] - errors[0]
    assert spread == pytest.approx(float(expected), rel=1e-9)


@pytest.mark.parametrize("noise", ["normal(groups=run)", "normal(discrepancy=compute)"])
def test_integrated_effects_are_those_of_a_joint_normal(noise, rng):
    table, _ = curves(rng)
    weights = np.where(np.arange(96) % 5 == 0, 0.0, rng.uniform(0.2, 1.0, 96))
    model = bind(sb.Runs(table), noise=noise, weights=weights)
    counted = weights > 0
    with precision("float64"):
        density = model.density("float64")
        marginal = MarginalDensity(density)
        middle = density.coordinates.center(float)[density.coordinates.parameter_indices]
        gaps = []
        for named in middle + jnp.asarray(rng.normal(0, 0.1, (3, len(middle)))):
            bare = density.coordinates.with_random_effects(named, jnp.zeros(density.effects))
            values = density.coordinates.at_reference(bare)
            tau, sigma = float(values["tau"]), float(values["sigma"])
            design = matrix(density.likelihood.random_effects.design)[:96][counted]
            rows = np.diag(sigma**2 / weights[counted])
            together = stats.multivariate_normal(
                np.asarray(density.location(bare))[:96][counted], tau**2 * design @ design.T + rows
            )
            observed = np.asarray(density.likelihood.observed_on_scale)[:96][counted]
            # A power of a normal density is one of another spread, and a factor.
            factor = (1 - weights[counted]).sum() * np.log(sigma)
            found = marginal(named) - density.prior.of_parameters(bare)
            gaps.append(float(found) - together.logpdf(observed) - factor)

            def errors(normals, named=named):
                return density.coordinates.random_effects(marginal.complete(named, normals))

            # Given the parameters they are normal, as in linear regression.
            gain = tau**2 * design.T @ np.linalg.inv(together.cov)
            none = jnp.zeros(density.effects)
            np.testing.assert_allclose(
                errors(none), gain @ (observed - together.mean), rtol=1e-7, atol=1e-12
            )
            root = np.asarray(jax.jacfwd(errors)(none))
            covariance = tau**2 * (np.eye(density.effects) - gain @ design)
            np.testing.assert_allclose(root @ root.T, covariance, rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(gaps, gaps[0], rtol=0, atol=1e-8)


def few_rows(rng):
    """Draw nine rows with a random walk: fewer rows than a discrepancy has steps."""
    x = np.geomspace(1e6, 2.56e8, 9)
    wander = np.cumsum(0.01 * rng.standard_normal(9))
    return sb.Runs({"params": x, "loss": (0.4 + 200 * x**-0.4) * np.exp(wander)})


def test_the_marginal_density_is_exact_for_tiny_sigma(rng):
    model = bind(few_rows(rng), "power_law", noise="normal(discrepancy=params)")
    with precision("float64"):
        density = model.density("float64")
        marginal = MarginalDensity(density)
        named = density.coordinates.center(float)[density.coordinates.parameter_indices]
        bare = density.coordinates.without_random_effects(named)
        tau = float(density.coordinates.at_reference(bare)["tau"])
        design = matrix(density.likelihood.random_effects.design)[:9]
        discrepancy_draws = stats.multivariate_normal(
            np.asarray(density.location(bare))[:9], tau**2 * design @ design.T
        )
        expected = discrepancy_draws.logpdf(np.asarray(density.likelihood.observed_on_scale)[:9])
        expected += 9 / 2 * np.log(2 * np.pi)  # a constant, which the density is without
        gaps = []
        for log_sigma in np.log([1e-6, 1e-9]):  # the last coordinate
            small = jnp.append(named[:-1], log_sigma)
            prior = density.prior.of_parameters(density.coordinates.without_random_effects(small))
            gaps.append(float(marginal(small) - prior) - expected)
    np.testing.assert_allclose(gaps, 0, atol=1e-3)


def test_searches_end_at_the_mode_of_the_marginal_density(rng):
    model = bind(sb.Runs(curves(rng)[0]), noise="normal(groups=run)")
    with precision("float64"):
        densities = stack_densities([model], "float64")
        modes, _ = whiten_at_mode(densities, [rng], 4, "float64")
        marginal = MarginalDensity(model.density("float64"))
        at = jnp.asarray(
            modes.point[0, modes.log_density[0].argmax(), densities.coordinates.parameter_indices]
        )
        best = float(marginal(at))
        steps = 0.05 * np.concatenate([np.eye(at.size), -np.eye(at.size)])
        near = [float(marginal(at + step)) for step in steps]
        slope = jax.grad(marginal)(at)
    assert max(near) < best
    np.testing.assert_allclose(slope, 0.0, atol=0.02)  # nats over a unit


@pytest.mark.slow
def test_chains_agree_with_few_rows_and_a_discrepancy(rng):
    post = fit(few_rows(rng), "power_law", noise="normal(discrepancy=params)", draws=500, seed=1)
    assert post.verdict.passed
    # Where tau is small the posterior of the law is narrow: longer steps would diverge there.
    assert post.tree["sample_stats"]["acceptance_rate"].mean() > 0.96


def test_a_discrepancy_is_a_random_walk():
    discrepancy = Discrepancy(-2.0, 6.0)
    ends = np.linspace(-2.0, 6.0, STEP_COUNT + 1)
    with precision("float64"):
        basis = np.asarray(discrepancy.basis(jnp.asarray(ends)))
        beyond = np.asarray(discrepancy.extra_sd(jnp.asarray([-3.0, 0.0, 6.0, 10.0])))
    gone = ends + 2.0
    np.testing.assert_allclose(basis @ basis.T, 0.25 + np.minimum.outer(gone, gone), rtol=1e-6)
    np.testing.assert_allclose(beyond, [1.0, 0.0, 0.0, 2.0])


@pytest.mark.slow
def test_a_discrepancy_widens_predictions_further_out():
    rng = np.random.default_rng(5)
    x = np.geomspace(1e6, 1e9, 60)
    wander = np.cumsum(0.004 * rng.standard_normal(60))
    loss = (0.5 + 40 * x**-0.3) * np.exp(wander + 0.001 * rng.standard_normal(60))
    table = {"params": x, "loss": loss}
    post = fit(table, "power_law", noise="normal(discrepancy=params)", draws=4000)
    where = np.array([1e9, 4e9, 1.6e10])
    draws = post.predict(params=where).draws
    sd = np.log(draws["observed"]).std(("chain", "draw")).to_numpy()
    assert sd[0] < sd[1] < sd[2]
    # Beyond the runs the walk adds tau^2 for each factor of e; 35 % are three Monte Carlo errors.
    tau = post.values["tau"]
    added = np.log(draws["observed"] / draws["expected"]).var(("chain", "draw")).to_numpy()
    assert added[2] - added[1] == pytest.approx(np.log(4) * (tau**2).mean(), rel=0.35)
    exact = fit(table, "power_law", noise="normal", engine="laplace")
    plain = np.log(exact.predict(params=where).draws["observed"]).std(("chain", "draw"))
    assert sd[2] > 1.5 * float(plain[2])


@pytest.mark.slow
def test_a_discrepancy_survives_a_file(tmp_path, rng):
    table, _ = curves(rng)
    post = fit(table, noise="normal(discrepancy=compute)", engine="laplace", draws=100)
    post.save(tmp_path / "post.nc")
    again = sb.load(tmp_path / "post.nc")
    where = {"params": 1e9, "tokens": [1e10, 1e12]}
    pair = post.predict(**where), again.predict(**where)
    np.testing.assert_array_equal(*(each.draws["observed"] for each in pair))
    model = bind(sb.Runs(table), noise="normal(discrepancy=compute)")
    np.testing.assert_allclose(
        matrix(again.effects_design), matrix(model.effects_labels_and_design[1]), rtol=1e-12
    )
    assert sb.check(again).summary()["p_value"].between(0, 1).all()
    scores = sb.score(again, table.iloc[:5])
    assert np.isfinite(scores).all(axis=None)


def test_training_curves_are_warned_of(rng):
    table, _ = curves(rng)
    with pytest.warns(sb.InputWarning, match="'run' names 12 training curves with 96 rows"):
        bind(sb.Runs(table))
    bind(sb.Runs(table), groups="run")  # no warning if they are groups


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"groups": "run", "engine": "grid"}, "'grid' cannot fit errors that runs share"),
        ({"groups": "run", "engine": "bootstrap"}, "a bootstrap of whole groups such as"),
        ({"groups": "curve"}, "no column 'curve'"),
        (
            {"groups": "run", "noise": "normal(discrepancy=compute)"},
            "not both: give groups or discrepancy",
        ),
        ({"noise": "normal(discrepancy=flops)"}, "There is no input 'flops' of law 'chinchilla'"),
    ],
)
def test_random_effects_that_cannot_be_fitted_are_refused(options, message, rng):
    with pytest.raises(sb.InputError, match=message):
        fit(curves(rng)[0], **options)


def test_a_design_of_groups_is_that_of_its_matrix(rng):
    labels = rng.integers(0, 5, 30)
    weights = np.where(labels == 2, 0.0, rng.uniform(0.5, 1.0, 30))
    with precision("float64"):
        names, design = design_of_groups(labels)
        assert list(names) == ["0", "1", "2", "3", "4"]
        design = design.padded(40, 7)
        np.testing.assert_array_equal(matrix(design)[:30, :5], np.eye(5)[labels])
        dense = DenseDesign(matrix(design))
        weights = np.pad(weights, (0, 10))
        rows, effects = rng.standard_normal(40), rng.standard_normal((3, 7))
        np.testing.assert_allclose(design.project(rows), dense.project(rows), rtol=1e-12)
        np.testing.assert_allclose(design.apply(effects), dense.apply(effects), rtol=1e-12)
        groups, rotated = (EffectsDesign.of(each, weights, "float64") for each in (design, dense))
        np.testing.assert_allclose(
            sorted(groups.information), sorted(rotated.information), rtol=1e-9, atol=1e-12
        )
        ratio = jnp.asarray(0.7)
        assert groups.log_volume(ratio) == pytest.approx(float(rotated.log_volume(ratio)))


def test_millions_of_rows_of_many_groups_fit_in_memory():
    rows, count = 2_400_000, 1000
    _, design = design_of_groups(np.arange(rows) % count)
    with precision("float64"):
        effects = EffectsDesign.of(design, np.ones(rows), "float64")
        assert sum(leaf.nbytes for leaf in jax.tree.leaves(effects)) < 10 * rows
        moved = effects.design.apply(jnp.arange(float(count)))
        assert moved.shape == (rows,)
        np.testing.assert_array_equal(effects.information, rows / count)
        np.testing.assert_allclose(
            effects.rotated_design.project(moved), effects.information * np.arange(count)
        )


@pytest.mark.slow
def test_tables_of_few_and_many_groups_go_into_one_batch(rng):
    table, _ = curves(rng)
    few = table[table["run"] < "run 06"]
    how = {"law": "chinchilla", "noise": "normal", "exact": True, "groups": "run"}
    posts = fit_many_default({"all": table, "few": few}, chains=2, draws=20, warmup=50, **how)
    assert posts["all"].tree["random_effects"].sizes["effect"] == 12
    assert posts["few"].tree["random_effects"].sizes["effect"] == 6
    assert jax.tree.all(jax.tree.map(np.isfinite, dict(posts["few"].summary()["median"])))
