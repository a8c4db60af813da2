"""Published constants as posteriors: hand arithmetic, published errors, and what needs runs."""

import numpy as np
import pytest

import scalingbayes as sb
from scalingbayes.literature import constants_file

NAMES = constants_file.names()


@pytest.fixture(scope="module")
def hoffmann():
    return sb.published("hoffmann_2022")


@pytest.fixture(scope="module")
def besiroglu():
    return sb.published("besiroglu_2024")


@pytest.mark.parametrize("name", NAMES)
def test_constants_predict_and_say_where_they_are_from(name):
    post = sb.published(name)
    middle = {each: post.record.reference[each] for each in post.law.inputs}
    found = post.predict(**middle)
    target = post.record.reference[post.law.target.column]
    assert float(found["expected"].median()) == pytest.approx(target, rel=0.01)
    assert "not a fit of your runs" in found.notes[0]
    assert ("intervals leave them out" in found.notes[0]) != sb.list_published().loc[name, "errors"]
    assert len(post.runs) == 0
    if post.law.allocates and post.law.target.column == "loss" and len(seen := post.compute):
        inside = post.allocate(np.sqrt(seen.min() * seen.max()), **_others(post))
        beyond = [note for note in inside.notes if "beyond the largest run" in note]
        assert not any("FLOPs" in note for note in beyond)  # params or tokens may be beyond


def _others(post):
    beside = set(post.law.inputs) - {post.law.budget.size, "tokens"}
    return {name: post.record.reference[name] for name in beside}


def test_optima_are_those_of_the_closed_form(hoffmann):
    E, A, B = np.exp([0.5267228, 6.0073404, 6.0179186])
    alpha, beta = 0.33917084, 0.2849083
    G = (alpha * A / beta / B) ** (1 / (alpha + beta))
    params = G * (5.76e23 / 6) ** (beta / (alpha + beta))
    tokens = 5.76e23 / 6 / params
    best = hoffmann.allocate(5.76e23).median().squeeze()
    assert float(best["params"]) == pytest.approx(params, rel=1e-6)
    loss = E + A / params**alpha + B / tokens**beta
    assert float(best["loss"]) == pytest.approx(loss, rel=1e-6)
    assert sb.plan(hoffmann, 5.76e23).run["params"] == pytest.approx(params, rel=1e-2)
    reached = sb.cheapest_run(hoffmann, loss).median().squeeze()
    assert float(reached["compute"]) == pytest.approx(5.76e23, rel=1e-4)
    low, high = hoffmann.allocate(5.76e23).interval()["params"].to_numpy().ravel()
    assert low == high


def test_errors_are_those_that_were_published(besiroglu):
    # Standard errors of the notebook of epoch-research/analyzing-chinchilla.
    published = {"A": 124.5, "E": 0.02566, "alpha": 0.0154, "beta": 0.0206}
    for name, error in published.items():
        assert besiroglu[name].std() == pytest.approx(error, rel=0.08), name
    assert 900 < besiroglu["B"].std() < 1293  # the bootstraps have a longer upper tail
    a = besiroglu.exponents()["a"]
    assert a.std() == pytest.approx(0.020, rel=0.05)
    # Figure 5: the 80 % interval of tokens per param at 1e26 FLOPs and more is from 4 to 40.
    ratio = besiroglu.allocate(1e27).interval(0.8)["tokens_per_param"].to_numpy().ravel()
    assert 4 < ratio[0] < 20 < ratio[1] < 50
    # Independent errors would make the interval of the optimum several times as wide.
    params = np.log(besiroglu.allocate(1e21)["params"].to_numpy())
    assert params.std() < 0.1


def test_extrapolation_is_judged_by_the_range_of_the_paper(hoffmann):
    largest = sb.datasets.load("chinchilla").column("compute").max()
    assert hoffmann.compute.max() == pytest.approx(largest, rel=0.01)
    notes = hoffmann.allocate(1e24).notes
    assert "1.9 decades beyond the largest run (1.3e22 FLOPs)" in notes[-1]


def test_answers_state_units_and_what_the_paper_does_otherwise():
    batch = sb.published("zhang_2024").predict(params=1e9)
    assert any("in sequences of 512 tokens" in note for note in batch.notes)
    batch_law = sb.published("li_2025_batch_size")
    tuned = sb.plan(sb.published("hoffmann_2022"), 1e22, hyperparameters=[batch_law])
    assert "batch_size is in tokens." in tuned.notes
    steps = sb.published("kaplan_2020_steps")
    assert any("its constants imply .68" in n for n in sb.critical_training(steps, 1e20).notes)
    with pytest.raises(sb.InputError, match=r"sb\.critical_training"):
        steps.allocate(1e20)


def test_equal_draws_leave_no_regret_and_no_room(hoffmann):
    plan = sb.plan(hoffmann, 1e22)
    assert not plan.draws["regret"].any()
    assert not plan.draws["wasted"].any()
    text = repr(sb.overtrain(hoffmann, [0.5]))
    assert "(the middle of the runs)" in text
    assert "%  of" not in text
    with pytest.raises(sb.InputError, match="law's E, whose median is"):
        sb.cheapest_run(hoffmann, 1.5)
    with pytest.raises(sb.InputError, match=r"post\.allocate\(compute, experts="):
        sb.plan(sb.published("ludziejewski_2025"), 1e22, experts=[1, 2])


@pytest.mark.parametrize(
    ("name", "size", "others"),
    [
        ("abnar_2025", "params", {"sparsity": 0.9}),
        ("ludziejewski_2025", "active_params", {"experts": 8}),
    ],
)
def test_a_cost_that_tells_no_experts_apart_is_refused(name, size, others):
    post, limits = sb.published(name), sb.Limits(max_params=1e10)
    with pytest.raises(sb.InputError, match=r"use sb\.costs\.Active\(post\.law\.budget\)"):
        post.allocate(1e22, sb.costs.Proportional(size=size), limits, **others)
    found = post.allocate(1e22, sb.costs.Active(post.law.budget), limits, **others)
    assert found["params"].max() < 1e10 * (1 + 1e-9)


def test_a_file_has_all_of_it(hoffmann, tmp_path):
    hoffmann.save(tmp_path / "post.nc")
    again = sb.load(tmp_path / "post.nc")
    assert again.tree.identical(hoffmann.tree)
    assert repr(again.allocate(1e22)) == repr(hoffmann.allocate(1e22))
    assert "Published constants of L = E" in repr(again)


@pytest.mark.parametrize(
    "ask",
    [
        sb.check,
        sb.influence,
        sb.sensitivity,
        lambda post: sb.refit(post, {"all": np.ones(3)}),
        lambda post: post.report("report.html"),
        sb.plots.plot_predicted,
    ],
)
def test_what_needs_runs_says_so(hoffmann, ask):
    with pytest.raises(sb.InputError, match=r"needs .*runs"):
        ask(hoffmann)


def test_constants_are_scored_on_runs_of_ones_own(hoffmann, besiroglu):
    runs = sb.datasets.load("chinchilla")
    errors = [sb.score(post, runs)["error"].abs().median() for post in (hoffmann, besiroglu)]
    assert errors[1] < errors[0] < 0.005


def test_wrong_names_are_answered_with_the_near_ones():
    with pytest.raises(sb.InputError, match="Did you mean 'hoffmann_2022'"):
        sb.published("hofmann_2022")
    with pytest.raises(sb.InputError, match="Did you mean 'besiroglu_2024' or 'hoffmann_2022'"):
        sb.published("Chinchilla")
    with pytest.raises(sb.InputError, match="no law of the loss"):
        sb.published("llama3_2024")


def test_a_point_answers_as_a_posterior_of_equal_draws():
    runs = sb.datasets.load("chinchilla")
    point = sb.fit(runs, "chinchilla", engine=sb.Optimize(starts=8))
    values = point.values
    a = values["beta"] / (values["alpha"] + values["beta"])
    G = (values["alpha"] * values["A"] / values["beta"] / values["B"]) ** (
        1 / (values["alpha"] + values["beta"])
    )
    params = G * (1e22 / 6) ** a
    for answer in (point.allocate(1e22), sb.plan(point, 1e22).outcome, sb.overtrain(point)):
        assert "A point estimate has no errors" in answer.notes[0]
    assert float(point.allocate(1e22)["params"].median()) == pytest.approx(params, rel=1e-5)
    assert sb.plan(point, 1e22).run["params"] == pytest.approx(params, rel=0.02)
    assert float(point.exponents()["a"].median()) == pytest.approx(a, rel=1e-5)
    loss = float(point.allocate(1e22)["loss"].median())
    assert float(sb.cheapest_run(point, loss)["compute"].median()) == pytest.approx(1e22, rel=1e-3)
    years = sb.data_exhaustion(point)["year"].to_numpy()
    assert len(np.unique(years)) > 100  # the assumptions are uncertain
    low, high = point.predict(params=1e9, tokens=2e10).interval()["observed"].to_numpy().ravel()
    assert low < high
    with pytest.raises(sb.InputError, match="this is a point"):
        sb.check(point.posterior)


def test_commands_take_the_name_of_published_constants(command):
    answered = command("allocate", "hoffmann_2022", "--compute", "5.76e23")
    assert answered.returncode == 0
    assert "40.4B" in answered.stdout
    assert answered.stdout.count("intervals leave them out") == 1
    assert "90% equal-tailed" not in answered.stdout
    shown = command("show", "hoffmann_2022")
    assert "Published constants of L = E" in shown.stdout
    mistyped = command("predict", "hofmann_2022", "--params", "1e9")
    assert "Did you mean 'hoffmann_2022'" in mistyped.stderr
    several = command(
        "allocate", "ludziejewski_2025", "--compute", "1e22", "--input", "experts=1,2"
    )
    assert "repeat --input" in several.stderr
    dense = command("allocate", "abnar_2025", "--compute", "1e22", "--cost", "6ND")
    assert "leave --cost out" in dense.stderr
    refused = command("check", "hoffmann_2022")
    assert refused.returncode == 2
    assert "needs a fit and its runs" in refused.stderr
