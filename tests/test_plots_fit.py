"""Tests of figures of a fit against its runs: they show the law's own numbers."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.collections import PathCollection
from plain import fit

import scalingbayes as sb
from scalingbayes import plots


@pytest.fixture(autouse=True)
def close():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def perplexities():
    """Twelve runs in a table with foreign names, one of which looks like a formula."""
    rng = np.random.default_rng(3)
    params, tokens = np.array([1e8, 3e8, 1e9, 3e9] * 3), np.repeat([3e9, 1e10, 3e10], 4)
    loss = 1.69 + 406.4 / params**0.34 + 410.7 / tokens**0.28 + 0.01 * rng.standard_normal(12)
    table = {"n$_x$": params, "seen": tokens, "ppl": np.exp(loss)}
    names = {"params": "n$_x$", "tokens": "seen", "loss": "ppl"}
    units = {"loss": "perplexity", "params": "non_embedding"}
    return fit(sb.Runs(table, name="mine", units=units, **names), engine="laplace")


def law(post, params, tokens):
    """Chinchilla's law for each of the draws that figures use."""
    values = {name: x.ravel()[:, None] for name, x in post.thin(1000).values.items()}
    rise = values["A"] / params ** values["alpha"] + values["B"] / tokens ** values["beta"]
    return values["E"] + rise


def lines_of(ax):
    return {str(line.get_label()): line for line in ax.lines}


def test_curves_are_the_law_at_the_sizes_of_the_legend(perplexities):
    ax = plots.plot_fit(perplexities)
    lines = lines_of(ax)
    assert {"100M", "300M", "1B", "3B", "compute-optimal"} <= set(lines)
    for label, params in {"100M": 1e8, "3B": 3e9}.items():
        compute, shown = lines[label].get_data()
        expected = np.exp(np.median(law(perplexities, params, compute / (6 * params)), axis=0))
        np.testing.assert_allclose(shown, expected, rtol=1e-6)
    compute, shown = lines["compute-optimal"].get_data()
    median = perplexities.allocate(compute).median()["perplexity"]
    np.testing.assert_allclose(shown, median)


def test_a_band_has_the_quantiles_of_the_law(perplexities):
    ax = plots.plot_fit(perplexities, prob=0.5)
    compute = lines_of(ax)["100M"].get_xdata()
    corners = ax.collections[0].get_paths()[0].vertices
    lower, upper = np.exp(np.quantile(law(perplexities, 1e8, compute / 6e8), [0.25, 0.75], axis=0))
    np.testing.assert_allclose(corners[:, 1].min(), lower.min(), rtol=1e-6)
    np.testing.assert_allclose(corners[:, 1].max(), upper.max(), rtol=1e-6)
    assert "50% band of the law" in [text.get_text() for text in ax.get_legend().get_texts()]


def test_axes_have_the_units_of_the_user(perplexities):
    ax = plots.plot_fit(perplexities)
    assert ax.get_ylabel() == "perplexity"
    ax.figure.canvas.draw()
    ticks = [label.get_text() for label in ax.get_xticklabels()]
    assert {"1e19", "1e20"} <= set(ticks)
    surface = plots.plot_surface(perplexities)
    assert surface.get_xlabel() == "model size $N$ (parameters without embeddings)"
    assert surface.get_ylabel() == "training data $D$ (tokens)"
    surface.figure.canvas.draw()
    assert "1B" in [label.get_text() for label in surface.get_xticklabels()]


def test_every_run_is_drawn_once(post):
    ax = plots.plot_fit(post)
    points = [c for c in ax.collections if isinstance(c, PathCollection)]
    drawn = np.concatenate([np.asarray(each.get_offsets()) for each in points])
    order = np.argsort(drawn[:, 0], kind="stable")
    expected = np.sort(post.compute)
    np.testing.assert_allclose(drawn[order, 0], expected)
    assert np.sort(drawn[:, 1]).tolist() == np.sort(post.runs.frame["loss"]).tolist()
    assert len([line for line in ax.lines if str(line.get_label())[-1] in "MB"]) <= 8


def test_a_law_of_one_input_is_drawn_against_it(runs):
    found = fit(runs, "power_law(x=compute)", engine="laplace")
    ax = plots.plot_fit(found)
    compute, shown = lines_of(ax)["law, median"].get_data()
    values = {name: x.ravel()[:, None] for name, x in found.thin(1000).values.items()}
    expected = values["E"] + values["A"] / compute ** values["alpha"]
    np.testing.assert_allclose(shown, np.median(expected, axis=0), rtol=1e-6)
    assert ax.get_xlabel() == "training compute $C$ (FLOPs)"
    for kind in ("isoflop", "surface", "frontier", "exponent"):
        with pytest.raises(sb.InputError, match=r"does not divide compute .* use sb\.plots\."):
            plots.KINDS[kind](found)


def test_optima_of_isoflop_curves_are_the_minima_of_the_curves(post):
    ax = plots.plot_isoflop(post)
    (optima,) = [c for c in ax.containers if "optimum" in str(c.get_label())]
    sizes, losses = optima.lines[0].get_data()
    curves = [line for line in ax.lines if not str(line.get_label()).startswith("_")]
    assert len(sizes) == len(curves) <= 8
    for curve, size, loss in zip(curves, sizes, losses, strict=True):
        x, y = curve.get_data()
        assert y.min() == pytest.approx(loss, rel=2e-3)
        budget = float(str(curve.get_label()))
        expected = post.allocate(budget).median()["params"].item()
        assert size == pytest.approx(expected, rel=0.01)
        assert x.min() < size < x.max()
        assert np.interp(size, x, y) == pytest.approx(loss, rel=2e-3)


def test_an_isoflop_sweep_has_a_curve_a_budget():
    params = np.array([1e8, 3e8, 1e9, 3e9] * 3)
    tokens = np.repeat([1e19, 1e20, 1e21], 4) / (6 * params)
    noise = 0.01 * np.random.default_rng(3).standard_normal(12)
    loss = 1.69 + 406.4 / params**0.34 + 410.7 / tokens**0.28 + noise
    sweep = fit({"params": params, "tokens": tokens, "loss": loss}, engine="laplace")
    ax = plots.plot_isoflop(sweep)
    assert {"1e19", "1e20", "1e21"} <= set(lines_of(ax))
    assert "within" not in ax.get_title()


def test_the_surface_has_the_frontier_and_the_plan(post):
    plan = sb.plan(post, 1e22)
    ax = plots.plot_surface(post, plan=plan)
    sizes, tokens = lines_of(ax)["compute-optimal, median"].get_data()
    budgets = 6 * sizes * tokens
    np.testing.assert_allclose(sizes, post.allocate(budgets).median()["params"], rtol=1e-6)
    star = next(c for c in ax.collections if "plan for 1e22" in str(c.get_label()))
    np.testing.assert_allclose(star.get_offsets()[0], [plan.run["params"], plan.run["tokens"]])
    sizes, tokens = lines_of(ax)["expected regret at most 0.01"].get_data()
    np.testing.assert_allclose([sizes.min(), sizes.max()], plan.within)
    np.testing.assert_allclose(6 * sizes * tokens, 1e22, rtol=1e-9)


def test_predictions_are_compared_with_what_runs_reached(post, runs):
    held_out = runs.filter(runs.frame["compute"] > 1e21)
    ax = plots.plot_predicted(post, held_out=held_out)
    fitted, other = ax.containers
    x, y = fitted.lines[0].get_data()
    np.testing.assert_allclose(x, post.runs.frame["loss"])
    observed, predicted = other.lines[0].get_data()
    np.testing.assert_allclose(observed, held_out.frame["loss"])
    inputs = {name: held_out.column(name) for name in ("params", "tokens")}
    np.testing.assert_allclose(predicted, np.median(law(post, **inputs), axis=0), rtol=0.01)
    ends = np.array([path.vertices[:, 1] for path in fitted.lines[2][0].get_paths()])
    held = int(((ends[:, 0] <= x) & (x <= ends[:, 1])).sum())
    assert f"90% intervals hold {held} of {len(x)}" in fitted.get_label()
    assert held == pytest.approx(0.9 * len(x), abs=3 * np.sqrt(0.09 * len(x)))
    assert f"median error {np.median(abs(y / x - 1)):.2%}" in fitted.get_label()


@pytest.mark.parametrize("kind", plots.KINDS)
def test_every_kind_draws_into_new_axes_and_into_those_of_the_caller(post, kind):
    found = plots.KINDS[kind](post)
    axes = np.ravel(found)
    assert len(plt.get_fignums()) == 1
    _, own = plt.subplots(1, len(axes))
    again = plots.KINDS[kind](post, ax=own)
    assert len(plt.get_fignums()) == 2
    assert np.ravel(again).tolist() == np.ravel(own).tolist()


def test_thinned_draws_are_those_of_the_posterior(post):
    thinned = post.thin(100)
    assert thinned.draws.sizes == {"chain": 4, "draw": 25}
    assert set(thinned["alpha"].to_numpy().ravel()) <= set(post["alpha"].to_numpy().ravel())
    assert thinned.verdict is post.verdict
    found = thinned.expected(params=[1e9, 7e10], tokens=[2e10, 1.4e12])
    assert found.shape == (4, 25, 2)
    expected = thinned.predict(params=[1e9, 7e10], tokens=[2e10, 1.4e12])["expected"]
    np.testing.assert_allclose(found, expected)
