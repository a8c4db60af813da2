"""Every result has a figure, which shows the numbers of its table."""

import importlib
import inspect
import pkgutil

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from plain import fit, fit_many, priors_near

import scalingbayes as sb
from scalingbayes import plots
from scalingbayes.results import Check, DrawsResult, Result, Verdict

PASSED = Verdict((Check(True, "it passed", ""),))
MODELS = {"model": ["A", "B"], "params": [280e9, 70e9], "tokens": [300e9, 1.4e12]}
SWEEP = {"E": 1.69, "A": 406.4, "B": 410.7, "alpha": 0.34, "beta": 0.28}


@pytest.fixture(autouse=True)
def close():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def posteriors(runs):
    folds = sb.folds.largest(runs, folds=2)
    weights = {label: 1.0 * fold.fitted for label, fold in folds.items()}
    near = {"E": 1.82, "A": 482.0, "B": 2085.0, "alpha": 0.348, "beta": 0.366}
    how = {"engine": "prior", "draws": 400, "priors": priors_near(near, 0.003)}
    return fit_many(dict.fromkeys(folds, runs), weights=weights, **how)


@pytest.fixture(scope="module")
def results(post, runs, posteriors):
    """One result of each class, by class. Some are made from their tables, without the work."""
    frontier = sb.isoflop(sb.isoflop_sweep(SWEEP))
    best = fit(runs, engine="optimize", starts=8)
    held_out = {
        label: sb.score(posteriors[label], runs.filter(fold.held_out))
        for label, fold in sb.folds.largest(runs, folds=2).items()
    }
    scores = pd.DataFrame(
        {"elpd_diff": [0.0, -9.0], "dse": [0.0, 3.0], "weight": [0.9, 0.1]}, ["one", "two"]
    )
    pulls = pd.DataFrame(
        {"a_shift_in_sd": [0.5, -0.2], "ln_N_opt_shift_in_sd": [-0.3, 0.1], "pareto_k": [0.9, 0.1]},
        pd.Index([7, 3], name="row"),
    )
    methods = pd.DataFrame(
        {
            "a": [0.5, np.nan],
            "a_lower": [0.4, np.nan],
            "a_upper": [0.6, np.nan],
            "used": ["9 budgets", ""],
        },
        ["one", "two"],
    )
    found = [
        post,
        posteriors,
        best,
        frontier,
        frontier.exponents,
        post.exponents(),
        sb.plan(post, 1e23),
        sb.overtrain(post),
        sb.data_exhaustion(post),
        sb.frontier_gap(post, MODELS),
        sb.compute_gain(post, post, 1e22),
        sb.average({"one": post, "two": post}, weights={"one": 0.4, "two": 0.6}),
        sb.check(post),
        sb.sensitivity(post),
        sb.Comparison(scores, pd.DataFrame(), "in turn", "stacking", PASSED),
        sb.Influence("Influence", pulls, post.exponents(), post.exponents(), (7,), PASSED, ()),
        sb.Backtest(pd.concat(held_out, names=["fold", "run"]), posteriors),
        sb.Parametric(frontier.exponents, best, post),
        sb.ApproachComparison(methods, {}, {}, "sweep"),
    ]
    return {type(each): each for each in found}


def subclasses(base: type) -> set[type]:
    below = set(base.__subclasses__())
    return below.union(*(subclasses(each) for each in below))


def all_results() -> list[type]:
    """Return the classes of results of the package that can be instantiated."""
    for module in pkgutil.walk_packages(sb.__path__, "scalingbayes."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    mine = [each for each in subclasses(Result) if each.__module__.startswith("scalingbayes.")]
    concrete = [each for each in mine if not inspect.isabstract(each) and each is not DrawsResult]
    return sorted(concrete, key=lambda each: each.__name__)


ELSEWHERE = {"BestMixture", "Calibration", "CriticalTraining", "Forecast", "Pooled"}
"""Results whose figures are tested beside what makes them."""


@pytest.mark.parametrize("kind", all_results(), ids=lambda kind: kind.__name__)
def test_every_result_draws_itself_into_new_axes_and_into_those_of_the_caller(results, kind):
    if kind.__name__ in ELSEWHERE:
        return
    result = results[kind]
    found = result.plot()
    assert len(plt.get_fignums()) == 1
    drawn = np.ravel(found)
    assert all(ax.has_data() for ax in drawn)
    plt.gcf().canvas.draw()
    _, own = plt.subplots(1, len(drawn))
    again = result.plot(ax=own)
    assert np.ravel(again).tolist() == np.ravel(own).tolist()
    assert len(plt.get_fignums()) == 2


def test_every_function_takes_ax_and_is_public():
    for name in plots.__all__:
        if name != "KINDS":
            parameters = inspect.signature(getattr(plots, name)).parameters
            assert parameters["ax"].default is None, name


def test_the_title_of_the_exhaustion_has_the_numbers_of_its_table(results):
    exhaustion = results[sb.DataExhaustion]
    ax = exhaustion.plot()
    row = exhaustion.view().table.loc["year"]
    assert ax.get_title() == f"Demand meets the stock in {row.iloc[0]} {row.iloc[1]}"
    assert "year in which they meet, 90% interval" in ax.get_legend_handles_labels()[1]


def test_the_title_of_the_exponent_has_the_numbers_of_its_table(post):
    title = plots.plot_exponent(post).get_title()
    row = next(line for line in repr(post.exponents()).splitlines() if line.startswith("a "))
    median, *interval = row.split()[1:4]
    assert f"a = {median}, 90% interval {' '.join(interval)}" in title


def test_a_plan_shows_its_run_and_its_range(results):
    plan = results[sb.Plan]
    sizes, _, regret = plan.plot()
    assert sizes.lines[0].get_xdata() == pytest.approx(plan.within)
    assert sizes.lines[1].get_xdata() == pytest.approx([plan.run["params"]])
    mean = regret.lines[-1].get_xdata()[0]
    assert mean == pytest.approx(float(plan["regret"].mean()))


def test_gaps_have_a_row_a_model(results):
    ratio, *_ = results[sb.FrontierGap].plot()
    expected = results[sb.FrontierGap].median()["params_ratio"].to_numpy()
    assert ratio.lines[0].get_xdata() == pytest.approx(expected)
    assert [label.get_text() for label in ratio.get_yticklabels()] == ["A", "B"]


def test_laws_are_drawn_side_by_side(post, results):
    left, right = results[sb.Average].plot()
    assert {"one, weight 40%", "two, weight 60%"} <= set(left.get_legend_handles_labels()[1])
    budgets, sizes = right.lines[0].get_data()
    np.testing.assert_allclose(sizes, post.allocate(budgets).median()["params"])
    with pytest.raises(sb.InputError, match="plot_laws needs laws that divide compute"):
        plots.plot_laws({})


def test_posteriors_are_drawn_side_by_side(posteriors):
    (ax,) = plots.plot_posteriors(posteriors, quantities=["alpha"])
    medians = [float(np.median(posteriors[name]["alpha"])) for name in posteriors]
    assert ax.lines[0].get_xdata() == pytest.approx(medians)
    with pytest.raises(sb.InputError, match="got gamma, and they share E, A, B, alpha, beta"):
        plots.plot_posteriors(posteriors, quantities=["gamma"])


def test_a_backtest_shows_the_runs_of_each_fold(results):
    backtest = results[sb.Backtest]
    ax = backtest.plot()
    for container, (_, scores) in zip(
        ax.containers, backtest.pointwise.groupby(level="fold", sort=False), strict=True
    ):
        observed, predicted = container.lines[0].get_data()
        np.testing.assert_allclose(np.log(predicted / observed), scores["error"], atol=0.02)


def test_a_point_estimate_shows_what_its_law_expects(results, runs):
    ax = results[sb.PointEstimate].plot()
    observed, predicted = ax.containers[0].lines[0].get_data()
    np.testing.assert_allclose(observed, runs.column("loss"))
    inputs = {name: runs.column(name) for name in ("params", "tokens")}
    np.testing.assert_allclose(predicted, results[sb.PointEstimate].expected(**inputs))


def test_power_laws_go_through_the_optima(results):
    frontier = results[sb.Frontier]
    ax = frontier.plot()
    compute, optima = ax.lines[0].get_data()
    np.testing.assert_allclose(optima, frontier.optima["params"])
    ends, sizes = ax.lines[1].get_data()
    slope = np.log(sizes[1] / sizes[0]) / np.log(ends[1] / ends[0])
    assert slope == pytest.approx(frontier.exponents.a)
    assert compute.min() == pytest.approx(ends[0])


def test_influence_marks_rough_shifts(results):
    ax = results[sb.Influence].plot()
    (rough,) = [line for line in ax.lines if "rough" in str(line.get_label())]
    assert rough.get_xydata().tolist() == [[0.5, 1.0]]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["7", "3"]


def test_a_table_is_drawn_with_its_losses(runs):
    ax = plots.plot_runs(runs)
    drawn = np.asarray(ax.collections[0].get_offsets())
    np.testing.assert_allclose(drawn, runs.frame[["params", "tokens"]])
    np.testing.assert_allclose(ax.collections[0].get_array(), runs.frame["loss"])
    with pytest.raises(sb.InputError, match="'runs' has no loss"):
        plots.plot_runs({"params": [1e8], "tokens": [1e9]})
