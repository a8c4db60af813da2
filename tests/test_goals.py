"""Runs that reach an accuracy: closed forms, and a way back through both laws."""

import numpy as np
import pandas as pd
import pytest
from plain import draw_near

import scalingbayes as sb


@pytest.fixture(scope="module")
def post():
    return sb.published("besiroglu_2024").thin(300)


@pytest.fixture(scope="module")
def by_loss():
    loss = np.linspace(2.0, 3.2, 25)
    p = 0.25 + 0.75 / (1 + np.exp(3 * (loss - 2.2)))
    table = {"loss": loss, "accuracy": p}
    return draw_near(table, "accuracy(chance=0.25)", {"x_0": 2.2, "s": 3.0})


@pytest.fixture(scope="module")
def errors():
    loss = np.linspace(2.0, 3.2, 25)
    table = {"loss": loss, "error": 0.8 - 2.0 * np.exp(-0.9 * loss)}
    return draw_near(table, "downstream", {"epsilon": 0.8, "k": 2.0, "gamma": 0.9})


@pytest.fixture(scope="module")
def passing():
    compute, attempts = np.repeat(np.geomspace(1e20, 1e22, 6), 4), np.tile([1, 4, 16, 64], 6)
    p = np.exp(-((compute / 1e21) ** -0.2) * attempts**-0.3)
    table = {"compute": compute, "attempts": attempts, "pass_rate": p}
    values = {"A": 1e21**0.2, "alpha": 0.2, "beta": 0.3}
    return draw_near(table, "pass_rate(attempts=True)", values)


def paired(downstream, seed=0):
    """The draws of the second fit in the order in which they are paired."""
    order = np.random.default_rng([seed, 3]).permutation(300)
    return {name: x.ravel()[order] for name, x in downstream.values.items()}


def chinchilla(post, found, i):
    v = {name: x.ravel() for name, x in post.values.items()}
    N, D = (found[name].to_numpy().reshape(300, -1)[:, i] for name in ("params", "tokens"))
    return v["E"] + v["A"] / N ** v["alpha"] + v["B"] / D ** v["beta"]


def test_the_run_has_the_accuracy_draw_by_draw(post, by_loss):
    asked = [0.4, 0.55]
    found = sb.cheapest_run(post, accuracy=asked, downstream=by_loss)
    w = paired(by_loss)
    for i, accuracy in enumerate(asked):
        loss = chinchilla(post, found, i)
        reached = 0.25 + 0.75 / (1 + np.exp(w["s"] * (loss - w["x_0"])))
        np.testing.assert_allclose(reached, accuracy, rtol=1e-6)
    # The closed form of the loss that is needed, and the run that reaches it.
    needed = w["x_0"] + np.log(0.75 / (0.55 - 0.25) - 1) / w["s"]
    one = sb.cheapest_run(post, float(needed[7]))["compute"].to_numpy().ravel()[7]
    assert found["compute"].to_numpy().reshape(300, 2)[7, 1] == pytest.approx(one, rel=1e-6)


@pytest.mark.slow
def test_the_allowance_of_the_second_fit_stays_beside_exact_constants():
    loss = np.linspace(2.0, 3.2, 25)
    p = 0.25 + 0.75 / (1 + np.exp(3 * (loss - 2.2)))
    table = {"loss": loss, "accuracy": p + 0.01 * np.sin(6 * loss)}  # a smooth error of the law
    wide = sb.fit(table, "accuracy(chance=0.25)", engine="laplace", seed=1)
    constants = sb.published("hoffmann_2022")
    widths = []
    for downstream in (wide, wide.as_exact):
        found = sb.cheapest_run(constants, accuracy=0.45, downstream=downstream)
        low, high = found.interval()["compute"].to_numpy().ravel()
        widths.append(np.log(high / low))
    assert constants.exact
    assert not wide.exact
    assert widths[0] > 1.2 * widths[1]


def test_an_error_is_one_less_the_accuracy(post, errors):
    found = sb.cheapest_run(post, accuracy=0.45, downstream=errors, seed=2)
    w = paired(errors, 2)
    error = w["epsilon"] - w["k"] * np.exp(-w["gamma"] * chinchilla(post, found, 0))
    np.testing.assert_allclose(1 - error, 0.45, rtol=1e-6)


def test_a_pass_rate_says_the_compute(post, passing):
    found = sb.cheapest_run(post, accuracy=[0.5, 0.7], downstream=passing, attempts=10)
    w = paired(passing)
    for i, p in enumerate((0.5, 0.7)):
        closed = (w["A"] / (-np.log(p) * 10 ** w["beta"])) ** (1 / w["alpha"])
        compute = found["compute"].to_numpy().reshape(300, 2)[:, i]
        np.testing.assert_allclose(compute, closed, rtol=1e-8)
        N, D = (found[n].to_numpy().reshape(300, 2)[:, i] for n in ("params", "tokens"))
        np.testing.assert_allclose(6 * N * D, compute, rtol=1e-8)
    # More attempts need less compute.
    fewer = sb.cheapest_run(post, accuracy=0.5, downstream=passing, attempts=1)
    assert float(fewer["compute"].median()) > float(found["compute"].sel(accuracy=0.5).median())


def test_both_uncertainties_are_in_the_interval(post, by_loss):
    whole = sb.cheapest_run(post, accuracy=0.5, downstream=by_loss)
    middle = float(np.median(paired(by_loss)["x_0"])), float(np.median(paired(by_loss)["s"]))
    needed = middle[0] + np.log(0.75 / 0.25 - 1) / middle[1]
    alone = sb.cheapest_run(post, needed)
    sds = [float(np.log(x["compute"]).std()) for x in (whole, alone)]
    assert sds[0] > sds[1]


def test_out_of_reach_and_reached_by_guessing(post, by_loss):
    some = sb.cheapest_run(post, accuracy=0.818, downstream=by_loss)
    share = float(np.isinf(some["params"]).mean())
    v, w = {n: x.ravel() for n, x in post.values.items()}, paired(by_loss)
    best = 0.25 + 0.75 / (1 + np.exp(w["s"] * (v["E"] - w["x_0"])))
    assert share == pytest.approx(float((best <= 0.818).mean()), abs=0.01)
    assert 0 < share < 1
    assert any("No budget reaches the accuracy in" in note for note in some.notes)
    assert any("the accuracy needs a loss of" in note for note in some.notes)
    assert not some.summary().isna().any().any()
    with pytest.raises(
        sb.InputError, match=r"No draw of the posterior reaches an accuracy of 0\.9"
    ):
        sb.cheapest_run(post, accuracy=0.99, downstream=by_loss)
    with pytest.raises(sb.InputError, match="it is what guessing gives"):
        sb.cheapest_run(post, accuracy=0.2, downstream=by_loss)


def test_few_draws_in_which_guessing_suffices_are_zero(post, errors):
    floor = 1 - paired(errors)["epsilon"]  # a parameter of the law
    asked, many = (float(np.quantile(floor, x)) for x in (0.96, 0.9))
    found = sb.cheapest_run(post, accuracy=asked, downstream=errors)
    for name in ("compute", "params", "tokens"):
        np.testing.assert_array_equal(found[name].to_numpy().ravel() == 0, floor >= asked)
    assert any("Any run has the accuracy in 4% of the draws" in note for note in found.notes)
    assert (found.interval()["compute"] > 0).all()
    with pytest.raises(sb.InputError, match=r"% of the draws of .*guessing gives"):
        sb.cheapest_run(post, accuracy=many, downstream=errors)


def test_losses_must_be_comparable_and_accuracies_within_the_runs(post, by_loss, passing):
    inside, above, below = (
        sb.cheapest_run(post, accuracy=each, downstream=by_loss).notes for each in (0.5, 0.78, 0.26)
    )
    assert any("of one text, under one tokenizer" in note for note in inside)
    assert not any("Extrapolated: the accuracy" in note for note in inside)
    for notes, where in ((above, "below the smallest"), (below, "above the largest")):
        (note,) = (each for each in notes if "Extrapolated: the accuracy" in each)
        assert f"nats, {where} of the runs" in note
        assert "Nothing is added to the interval" in note
    of_compute = sb.cheapest_run(post, accuracy=0.5, downstream=passing, attempts=1).notes
    assert not any("tokenizer" in note for note in of_compute)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "Give a loss to reach"),
        ({"loss": 2.0, "accuracy": 0.5}, "Give a loss to reach"),
        ({"accuracy": 0.5}, "Give a loss to reach"),
        ({"accuracy": 0.5, "downstream": "acc.nc"}, "downstream must be a posterior"),
        ({"accuracy": 50, "downstream": "by_loss"}, "strictly between 0 and 1"),
        ({"accuracy": 0.5, "downstream": "post"}, "downstream must predict an accuracy"),
        ({"accuracy": 0.5, "downstream": "passing"}, "also reads attempts: give attempts"),
        (
            {"accuracy": 0.5, "downstream": "passing", "attempts": 1,
             "cost": sb.costs.Proportional().serve(1e12)},
            "includes serving",
        ),
    ],
)  # fmt: skip
def test_bad_goals_are_refused(post, by_loss, passing, given, message):
    fits = {"post": post, "by_loss": by_loss, "passing": passing}
    given = {name: fits.get(x, x) if isinstance(x, str) else x for name, x in given.items()}
    with pytest.raises(sb.InputError, match=message):
        sb.cheapest_run(post, **given)


def test_the_command_agrees_with_python(command, post, by_loss, tmp_path):
    post.save(tmp_path / "post.nc")
    by_loss.save(tmp_path / "acc.nc")
    ended = command("cheapest-run", "post.nc", "--accuracy", "0.5", "--downstream", "acc.nc",
                    "--out", "run.csv")  # fmt: skip
    assert ended.returncode in (0, 3)
    found = sb.cheapest_run(post, accuracy=0.5, downstream=by_loss).summary()
    written = pd.read_csv(tmp_path / "run.csv", index_col=["accuracy", "quantity"])
    np.testing.assert_allclose(written["median"], found["median"], rtol=1e-6)
    assert command("cheapest-run", "post.nc").returncode == 2


def test_the_mmlu_table_is_hoffmanns():
    table = sb.published_benchmarks().set_index("result")["accuracy"]
    # Hoffmann et al. 2022, table 6.
    assert table["random guessing"] == 0.25
    assert table["Chinchilla"] == 0.676
    assert table["Chinchilla"] > table["forecast for June 2023"]
    models = sb.datasets.load("base_llms").frame
    assert models["tokens"].max() < 2e13  # btlm-3b is corrected
