"""The best training mixture: against SciPy, closed forms, and its own promises."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
from scipy.optimize import minimize

import scalingbayes as sb
from scalingbayes._core.precision import precision
from scalingbayes.allocation.simplex import Bounds, minimise_on_simplex, onto_simplex

DOMAINS = ("web", "code", "books")
USEFUL = {"web": 0.9, "code": 0.3, "books": 0.5}


@pytest.fixture(scope="module")
def runs():
    rng = np.random.default_rng(5)
    shares = rng.dirichlet([2.0, 2.0, 2.0], 60)
    table = {
        "params": rng.choice([1e8, 3e8, 1e9], 60),
        "tokens": rng.uniform(2e9, 4e10, 60),
        **dict(zip(DOMAINS, shares.T, strict=True)),
    }
    usefulness = sum(USEFUL[each] * table[each] ** 0.5 for each in DOMAINS)
    loss = 1.2 + 1 / usefulness + 30 / table["params"] ** 0.2 + 900 / table["tokens"] ** 0.35
    return sb.Runs({**table, "loss": loss * np.exp(rng.normal(0, 0.003, 60))})


@pytest.fixture(scope="module")
def fits(runs):
    """Return draws from priors of a joint law, which searches must cope with."""
    law = sb.get_law("scaled_mixture", domains=DOMAINS, joint=True)
    priors = {f"gamma_{each}": dist.LogNormal(-1.0, 0.2) for each in DOMAINS}
    engine = sb.PriorDraws(draws=50)
    return sb.fit(runs, sb.Model(law, priors=priors), engine=engine, exact=True)


def least(loss, bounds):
    """Return the least loss on the simplex within bounds by SciPy, from several starts."""
    sums_to_one = {"type": "eq", "fun": lambda h: h.sum() - 1}
    starts = np.vstack([np.full(3, 1 / 3), 0.7 * np.eye(3) + 0.1])
    return min(
        minimize(loss, start, bounds=bounds, constraints=sums_to_one, tol=1e-12).fun
        for start in starts
    )


def test_the_best_of_each_draw_is_scipys(fits):
    found = sb.best_mixture(fits, params=7e9, tokens=1e12)
    best = found.mixture.to_numpy()[0]
    for chain, draw in [(0, 0), (0, 7), (0, 33)]:
        drawn = {name: x[chain, draw] for name, x in fits.values.items()}

        def loss(h, drawn=drawn):
            at = {"params": 7e9, "tokens": 1e12, **dict(zip(DOMAINS, h, strict=True))}
            with precision("float64"):
                return float(fits.law(*jax.tree.map(jnp.asarray, (at, drawn))))

        own = np.array([found[name][chain, draw] for name in DOMAINS])
        lowest = least(loss, found.seen.to_numpy())
        assert loss(own) == pytest.approx(lowest, rel=1e-6)
        assert float(found["loss"][chain, draw]) == pytest.approx(loss(best), rel=1e-6)
        regret = float(found["regret"][chain, draw])
        assert regret == pytest.approx(loss(best) - lowest, abs=1e-5 * lowest)


def test_shares_add_up_and_keep_their_bounds(fits):
    limits = {"web": (0.05, 0.3), "books": (0.25, 1.0)}
    found = sb.best_mixture(fits, bounds=limits, params=[1e8, 1e10], tokens=1e11)
    assert found["web"].dims == ("chain", "draw", "case")
    shares = np.stack([found[name].to_numpy() for name in DOMAINS])
    np.testing.assert_allclose(shares.sum(0), 1.0, atol=1e-4)
    for name, (low, high) in limits.items():
        assert (found[name] >= low - 1e-6).all()
        assert (found[name] <= high + 1e-6).all()
    assert (found["regret"] >= -1e-9).all()
    assert list(found.summary().columns[:2]) == ["mixture", "median"]
    ax = found.plot()
    assert [label.get_text() for label in ax.get_yticklabels()] == list(DOMAINS)
    assert "params 10B" in [text.get_text() for text in ax.figure.legends[0].get_texts()]


def test_an_additive_law_meets_its_closed_form(runs):
    # C_i gamma_i h_i^(gamma_i - 1) is the same for all domains: with one gamma, h_i ~ C_i^2.
    law = sb.get_law("scaled_mixture", domains=DOMAINS)
    exact = {f"C_{each}": dist.Normal(USEFUL[each], 1e-6) for each in DOMAINS}
    exact |= {f"gamma_{each}": dist.Normal(0.5, 1e-6) for each in DOMAINS}
    engine = sb.PriorDraws(draws=20)
    post = sb.fit(runs, sb.Model(law, priors=exact), engine=engine, exact=True)
    small, large = (sb.best_mixture(post, params=n, tokens=1e11).mixture for n in (1e8, 1e12))
    closed = np.square(list(USEFUL.values()))
    np.testing.assert_allclose(small.to_numpy()[0], closed / closed.sum(), atol=1e-4)
    np.testing.assert_allclose(small, large, atol=1e-4)  # the same at every size


def test_an_exponential_law_has_its_best_mixture_at_a_corner(runs):
    law = sb.get_law("mixture", domains=DOMAINS)
    priors = {"t_web": dist.Normal(-1.0, 0.01), "t_code": dist.Normal(1.0, 0.01)}
    model = sb.Model(law, priors={**priors, "t_books": dist.Normal(0.0, 0.01)})
    post = sb.fit(runs, model, engine=sb.PriorDraws(draws=20), exact=True)
    free = {"code": (0.0, 1.0), "books": (0.0, 1.0)}
    found = sb.best_mixture(post, bounds={"web": (0.0, 0.6), **free})
    np.testing.assert_allclose(found.mixture.to_numpy()[0], [0.6, 0.0, 0.4], atol=1e-4)

    # By default shares keep to those of the runs.
    found = sb.best_mixture(post)
    most, least_code = runs.frame["web"].max(), runs.frame["code"].min()
    np.testing.assert_allclose(found.mixture["web"], most, atol=1e-4)
    np.testing.assert_allclose(found.mixture["code"], least_code, atol=1e-4)
    assert f"web (at most {most:.2g}), code (at least {least_code:.2g})" in found.notes[-1]


def test_several_targets_are_averaged(fits):
    one = sb.best_mixture(fits, params=1e9, tokens=1e11)
    two = sb.best_mixture({"a": fits, "b": fits}, params=1e9, tokens=1e11)
    np.testing.assert_allclose(two.mixture, one.mixture, atol=1e-3)
    np.testing.assert_allclose(two["loss"].mean(), one["loss"].mean(), rtol=1e-4)


def test_projection_keeps_ratios_of_free_shares():
    with precision("float64"):
        shares, low, high = jnp.asarray([[4.0, 2.0, 1.0]]), jnp.zeros(3), jnp.ones(3)
        free = onto_simplex(shares, Bounds(low, high))
        np.testing.assert_allclose(free, np.array([[4, 2, 1]]) / 7, rtol=1e-12)
        capped = onto_simplex(shares, Bounds(low, jnp.asarray([0.4, 1.0, 1.0])))
        np.testing.assert_allclose(capped, [[0.4, 0.4, 0.2]], rtol=1e-12)


def test_mirror_descent_minimises_a_relative_entropy():
    target = jnp.asarray([0.7, 0.25, 0.05])
    with precision("float64"):
        start = jnp.full((1, 3), 1 / 3)
        found = minimise_on_simplex(
            lambda h: (h * (jnp.log(h + 1e-300) - jnp.log(target))).sum(-1),
            start,
            Bounds(jnp.zeros(3), jnp.ones(3)),
        )
    np.testing.assert_allclose(found[0], target, atol=1e-5)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"tokens": 1e11}, "give params=..., tokens=...; got tokens"),
        ({"params": 1e9, "tokens": 1e11, "bounds": {"web": (0.0, 1.2)}}, "from 0 to 1"),
        ({"params": 1e9, "tokens": 1e11, "bounds": {"webs": (0.0, 0.2)}}, "no domain 'webs'"),
        (
            {"params": 1e9, "tokens": 1e11, "bounds": {"web": (0.6, 1.0), "code": (0.6, 1.0)}},
            "leave no mixture",
        ),
        ({"params": 1e9, "tokens": 1e11, "baseline": {"web": 0.4}}, "must add up to 1"),
        ({"params": 1e9, "tokens": 1e11, "importance": {"b": 1.0}}, "no target 'b'"),
    ],
)
def test_what_cannot_be_asked_is_refused(fits, how, message):
    with pytest.raises(sb.InputError, match=message):
        sb.best_mixture(fits, **how)


def test_a_law_without_shares_is_refused(runs):
    post = sb.fit(runs, "chinchilla", engine=sb.PriorDraws(draws=20), exact=True)
    with pytest.raises(sb.InputError, match="reads no shares of domains"):
        sb.best_mixture(post, params=1e9, tokens=1e11)
