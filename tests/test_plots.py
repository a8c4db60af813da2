"""Tests of figures: they show the numbers of the results."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

import scalingbayes as sb
from scalingbayes import plots
from scalingbayes.results import Check, Verdict


@pytest.fixture(autouse=True)
def close():
    yield
    plt.close("all")


def test_the_overview_has_both_panels(post):
    left, right = plots.overview(post)
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


def test_axes_reach_the_budget_that_is_asked(post):
    largest = 1e4 * post.compute.max()
    frontier = plots.overview(post, compute=largest)[1]
    for ax in (frontier, plots.plot_fit(post, compute=largest)):
        lines = {str(line.get_label()): line for line in ax.lines}
        line = lines.get("compute-optimal") or lines[r"$N_\mathrm{opt}$, median"]
        assert line.get_xdata().max() == pytest.approx(largest)
    with pytest.raises(sb.InputError, match=r"compute must be a largest budget .* got 1e\+10"):
        plots.plot_frontier(post, compute=1e10)


def test_a_result_of_another_kind_is_refused(post):
    with pytest.raises(sb.InputError, match=r"the result of sb\.check; got a Posterior"):
        plots.plot_residuals(post)
    with pytest.raises(sb.InputError, match=r"plot_fit draws a Posterior, .* got a Runs"):
        plots.plot_fit(post.runs)


def test_some_quantities_are_drawn_into_one_axes(post):
    _, ax = plt.subplots()
    (drawn,) = plots.plot_draws(post.allocate([1e20, 1e21]), names=["tokens"], ax=ax)
    assert drawn is ax
    assert ax.get_title() == "tokens"
    with pytest.raises(sb.InputError, match="no quantity 'token'"):
        plots.plot_draws(post, names=["token"])


def test_long_labels_are_wrapped_to_their_axes(post):
    _, axes = plt.subplots(1, 4, figsize=(5, 2))
    for ax in axes:
        ax.set(
            xlabel=r"exponent $a$ of $N_\mathrm{opt} \propto C^{\,a}$ of a law", ylabel="a b " * 9
        )
        plots.style.finish(ax)
        assert "\n" in ax.get_xlabel()
        assert r"$N_\mathrm{opt} \propto C^{\,a}$" in ax.get_xlabel()
        assert ax.yaxis.label.get_window_extent().height <= ax.bbox.height


def test_overtraining_is_plotted_down_to_the_smallest_size(post):
    ax = sb.overtrain(post, np.geomspace(0.1, 3, 120), 1e21).plot()
    (line,) = [line for line in ax.lines if "overhead" in str(line.get_label())]
    factors, overhead = line.get_data()
    expected = sb.overtrain(post, factors, 1e21).median()["overhead"]
    np.testing.assert_allclose(overhead, expected)
    assert np.isinf(overhead[0])
    span = next(patch for patch in ax.patches if "smallest size" in str(patch.get_label()))
    lower, upper = sb.smallest_size(post, 1e21).interval()["size_factor"].to_numpy()
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


def test_a_failed_fit_is_marked(post):
    failed = post.thin(100)
    failed.verdict = Verdict((Check(False, "it did not converge", "fit again"),))
    for ax in (*plots.overview(failed), plots.plot_fit(failed), plots.plot_isoflop(failed)):
        assert any("failed its checks" in text.get_text() for text in ax.texts)


def test_a_figure_of_any_estimate_has_a_panel_a_quantity(post):
    numbers, curves, cases = (
        post.exponents(),
        post.allocate([1e20, 1e21, 1e22]),
        post.predict(params=[1e9, 7e9], tokens=1e11),
    )
    for estimate in (numbers, curves, cases):
        drawn = estimate.plot()
        assert [ax.get_title().split(" = ")[0] for ax in drawn] == list(estimate)
    middle = curves.plot()[0].lines[0].get_ydata()
    np.testing.assert_allclose(middle, curves.median()["params"], rtol=1e-6)
    labels = [text.get_text() for text in cases.plot()[0].get_yticklabels()]
    assert labels == ["1B, 100B", "7B, 100B"]


def test_results_plot_themselves(post):
    assert len(post.plot()) == 2
    _, axes = plt.subplots(1, 2)
    assert post.plot(axes).tolist() == axes.tolist()
    with pytest.raises(sb.InputError, match="has 2 panels: give 2 axes, not 1"):
        post.plot(axes[0])
    assert sb.plots is plots


def test_draws_that_are_infinite_are_drawn(post):
    found = sb.overtrain(post, [0.1, 1.0], 1e21)
    assert np.isinf(found.draws["overhead"]).any()
    plots.plot_draws(found)
