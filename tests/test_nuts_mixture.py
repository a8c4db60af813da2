"""Jumps against SciPy's densities, and on posteriors that NUTS without jumps cannot sample."""

import arviz_stats
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from plain import bind, simulate_tables
from scipy import stats
from scipy.special import logsumexp

from scalingbayes._core.precision import precision
from scalingbayes._core.progress import silent
from scalingbayes.inference import NUTS
from scalingbayes.inference.nuts.jumps import jump
from scalingbayes.inference.nuts.proposal_mixture import Mixture, learn, with_modes
from scalingbayes.model.stacking import stack_densities

WEIGHTS = np.array([0.7, 0.3])
CENTERS = np.array([[-2.0, 0.0], [3.0, 1.0]])
SHAPES = np.array([[[1.0, 0.3], [0.3, 0.5]], [[0.2, 0.0], [0.0, 2.0]]])


@pytest.fixture
def mixture():
    roots = np.linalg.cholesky(SHAPES)
    parts = np.log(WEIGHTS), CENTERS, roots, np.linalg.inv(roots)
    with precision("float64"):
        yield Mixture(*map(jnp.asarray, parts))


PARTS = [stats.multivariate_t(m, s, df=4) for m, s in zip(CENTERS, SHAPES, strict=True)]


def scipys_log_density(points):
    return logsumexp([part.logpdf(points) for part in PARTS], axis=0, b=WEIGHTS[:, None])


def test_the_density_is_scipys(mixture, rng):
    points = 3 * rng.standard_normal((50, 2))
    found = jax.vmap(mixture.log_density)(jnp.asarray(points))
    np.testing.assert_allclose(np.ptp(found - scipys_log_density(points)), 0, atol=1e-10)


def test_draws_are_from_it(mixture):
    count = 40_000
    draws = np.asarray(jax.vmap(mixture.draw)(jax.random.split(jax.random.key(0), count)))
    second = draws[:, 0] > 0.5
    cuts = [
        stats.t(4, m[0], np.sqrt(s[0, 0])).cdf(0.5) for m, s in zip(CENTERS, SHAPES, strict=True)
    ]
    share = WEIGHTS @ (1 - np.array(cuts))
    assert abs(second.mean() - share) < 4 * np.sqrt(share * (1 - share) / count)
    # Marginals of a multivariate t are t; so are the draws' by the part.
    far = draws[draws[:, 0] > 1.5]
    whole = stats.t(4, CENTERS[1, 1], np.sqrt(SHAPES[1, 1, 1]))
    beyond = WEIGHTS[0] * stats.t(4, -2.0, 1.0).sf(1.5)
    assert beyond < 0.01  # of the other part
    assert stats.kstest(far[:, 1], whole.cdf).statistic < 4 / np.sqrt(len(far))


def test_a_mixture_is_learnt(rng):
    part = rng.random(2000) < 0.25
    draws = np.where(part[:, None], [2.0, 1.0], [-1.0, 0.0]) + 0.2 * rng.standard_normal((2000, 2))
    with precision("float64"):
        found = learn(draws[None], "float64")
    weights = np.exp(found.log_weights[0])
    right = found.centers[0, :, 0] > 0.5
    assert weights.sum() == pytest.approx(1)
    # 960 draws are used; a share of them is binomial. Each part adds one draw's worth.
    assert abs(weights[right].sum() - 0.25) < 4 * np.sqrt(0.25 * 0.75 / 960) + 12 / 972
    np.testing.assert_allclose(weights[right] @ found.centers[0, right] / 0.25, [2, 1], rtol=0.35)
    shapes = found.roots[0] @ np.swapaxes(found.roots[0], 1, 2)
    assert (np.linalg.det(shapes) < 4 * 0.2**4).all()


@pytest.mark.parametrize("count", [2, 7])
def test_modes_are_not_forgotten(count, rng):
    # No draw of a mode was seen, yet a quarter of the proposals are from modes.
    centers = np.array([[50.0 * (mode + 1), 0.0] for mode in range(count)])
    skewed = rng.standard_normal((count, 2, 2))
    kept = min(count, 4)
    with precision("float64"):
        learnt = jax.tree.map(lambda x: x[0], learn(rng.standard_normal((1, 500, 2)), "float64"))
        found = with_modes(learnt, centers, skewed)
        keys = jax.random.split(jax.random.key(0), 20_000)
        draws = np.asarray(jax.vmap(jax.tree.map(jnp.asarray, found).draw)(keys))
    nearest = np.rint(draws[:, 0] / 50).astype(int)
    for mode in range(count):
        share = 0.25 / kept if mode < kept else 0.0
        own = draws[nearest == mode + 1]
        error = 4 * np.sqrt(share * (1 - share) / len(draws))
        assert abs(len(own) / len(draws) - share) <= error + 0.002  # and some that strayed far
        if mode < kept:  # of a t, 4 degrees of freedom: its median distance, in its own shape
            x = np.linalg.solve(skewed[mode], (own - centers[mode]).T)
            assert abs(stats.f(2, 4).cdf((x**2).sum(0) / 2).mean() - 0.5) < 0.05
    assert learnt.log_weights.max() <= 0
    np.testing.assert_allclose(logsumexp(found.log_weights), 0, atol=1e-12)


@pytest.mark.parametrize("count", [1, 3, 20])
def test_jumps_leave_any_density_as_it_is(mixture, count, rng):
    # Exact draws of a skewed density stay such, though the mixture is nothing like it.
    draws = 20_000
    target = stats.gamma(3.0)
    points = np.stack(
        [target.rvs(draws, random_state=1), stats.norm.rvs(size=draws, random_state=2)], 1
    )

    def log_density(x):
        inside = x[0] > 0
        first = 2 * jnp.log(jnp.where(inside, x[0], 1.0)) - x[0]
        return jnp.where(inside, first, jnp.nan) - x[1] ** 2 / 2

    def move(x, key):
        return jump(mixture, log_density, x, log_density(x), jnp.asarray(count), key)

    moved, there, did = jax.vmap(move)(
        jnp.asarray(points), jax.random.split(jax.random.key(3), draws)
    )
    # One of weights is chosen in proportion to them: a point stays with its share.
    drawn = np.where(
        (rng.random((count, draws)) < WEIGHTS[1])[..., None],
        *(part.rvs((count, draws), random_state=rng) for part in PARTS[::-1]),
    )
    weights = np.exp(
        [
            target.logpdf(x[:, 0]) + stats.norm.logpdf(x[:, 1]) - scipys_log_density(x)
            for x in (points, *drawn)
        ]
    )
    goes = 1 - (weights[0] / weights.sum(0)).mean()
    assert abs(np.mean(did) - goes) < 4 * np.sqrt(2 * goes * (1 - goes) / draws)
    np.testing.assert_allclose(there, jax.vmap(log_density)(moved))
    # Kolmogorov's statistic is beyond 1.95 / sqrt(n) once in a thousand.
    assert stats.kstest(moved[:, 0], target.cdf).statistic < 1.95 / np.sqrt(draws)
    assert stats.kstest(moved[:, 1], stats.norm.cdf).statistic < 1.95 / np.sqrt(draws)


@pytest.mark.slow
def test_chains_in_modes_far_apart_agree():
    # A table of a broken power law that a floor, or a last exponent near 0, describes as well.
    simulation = simulate_tables(law="broken", count=13, seed=5)
    model = bind(simulation.tables[12], "broken", reference=simulation.model.reference)

    def worst(**settings):
        seeds = range(5)
        fits = NUTS(draws=300, **settings).run([model] * 5, seeds, "float64", silent)
        assert all(each.stats["jumped"].any() == settings.get("jumps", True) for each in fits)
        return [max(map(arviz_stats.rhat, np.moveaxis(each.points, -1, 0))) for each in fits]

    assert min(worst(jumps=False, max_tree_depth=7)) > 1.2
    assert max(worst()) < 1.05


@pytest.mark.slow
def test_modes_have_their_weights():
    # The same table. One mode is higher, the other wider: each alone would pass every check. Their
    # weights by importance sampling, from a mixture learnt of draws in both.
    simulation = simulate_tables(law="broken", count=13, seed=5)
    model = bind(simulation.tables[12], "broken", reference=simulation.model.reference)
    fits = NUTS(draws=300).run([model] * 4, range(4), "float64", silent)
    points = np.concatenate([each.points.reshape(-1, each.points.shape[-1]) for each in fits])
    with precision("float64"):
        root = np.linalg.cholesky(np.cov(points.T))
        x = np.linalg.solve(root, (points - points.mean(0)).T).T
        proposal = jax.tree.map(lambda part: jnp.asarray(part[0]), learn(x[None], "float64"))
        density = jax.tree.map(
            lambda part: jnp.asarray(part[0]), stack_densities([model], "float64")
        )
        drawn = jax.vmap(proposal.draw)(jax.random.split(jax.random.key(0), 300_000))
        there = points.mean(0) + np.asarray(drawn) @ root.T
        log_density = jax.vmap(density)(jnp.asarray(there))
        log_weights = np.asarray(log_density - jax.vmap(proposal.log_density)(drawn))
    weights = np.exp(log_weights - logsumexp(log_weights))
    effective = 1 / (weights**2).sum()
    assert effective > 1000
    share = weights @ (there[:, 0] > -1.7)
    assert 0.2 < share < 0.8
    spread = share * (1 - share)
    found = np.array([(each.points[..., 0] > -1.7).mean() for each in fits])
    # At least 100 effective draws in each fit.
    assert (np.abs(found - share) < 4 * np.sqrt(spread * (1 / 100 + 1 / effective))).all()
    assert abs(found.mean() - share) < 4 * np.sqrt(spread * (1 / 400 + 1 / effective)), (
        share,
        found,
    )
