"""Figures show what the posterior says."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from plain import fit

import scalingbayes as sb
from scalingbayes import plots


@pytest.fixture(autouse=True)
def close():
    yield
    plt.close("all")


def test_the_overview_has_both_panels(post):
    left, right = plots.overview(post).axes
    assert "90%" in left.get_title()
    assert right.get_xscale() == right.get_yscale() == "log"


def test_the_frontier_follows_the_allocation(post):
    ax = plots.plot_frontier(post, compute=(1e18, 1e24), prob=0.5)
    (line,) = [line for line in ax.lines if "median" in str(line.get_label())]
    compute, params = line.get_data()
    table = post.allocate(compute).summary(prob=0.5).xs("params", level="quantity")
    np.testing.assert_allclose(params, table["median"])
    band = ax.collections[-1].get_paths()[0].vertices[:, 1]
    assert band.min() == pytest.approx(table["eti50_lb"].min())
    assert band.max() == pytest.approx(table["eti50_ub"].max())


def test_overtraining_is_drawn_up_to_the_critical_size(post):
    ax = plots.plot_overtraining(post, compute=1e21)
    (line,) = [line for line in ax.lines if "overhead" in str(line.get_label())]
    factors, overhead = line.get_data()
    expected = sb.overtrain(post, factors, 1e21).median()["overhead"]
    np.testing.assert_allclose(overhead, expected)
    assert np.isinf(overhead[0])
    span = next(patch for patch in ax.patches if patch.get_label() == "critical size")
    lower, upper = sb.critical_size(post, 1e21).interval()["size_factor"].to_numpy()
    assert span.get_x() == pytest.approx(lower)
    assert span.get_width() == pytest.approx(upper - lower)


def test_the_density_of_the_exponent_integrates_to_one(post):
    ax = plots.plot_exponent(post)
    x, y = ax.lines[0].get_data()
    assert np.trapezoid(y, x) == pytest.approx(1, abs=0.02)


def test_axes_of_the_caller_are_used(post):
    _, (left, right) = plt.subplots(1, 2)
    assert plots.plot_frontier(post, ax=left) is left
    assert plots.plot_exponent(post, ax=right) is right


def test_a_failed_fit_is_marked(small_table):
    post = fit(small_table, draws=10, warmup=50)
    for ax in plots.overview(post).axes:
        assert any("failed its checks" in text.get_text() for text in ax.texts)
