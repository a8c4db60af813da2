"""The influence of runs: compared with fits without the run."""

import numpy as np
import pytest
from plain import fit, fit_default
from simulation import simulate

import scalingbayes as sb

ROWS = 40


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(2)
    table = dict(simulate(rng, ROWS))
    table["loss"] = np.where(np.arange(ROWS) == 7, 1.05 * table["loss"], table["loss"])
    return {**table, "run_id": [f"run {i}" for i in range(ROWS)]}


@pytest.fixture(scope="module")
def post(table):
    return fit(table, noise="normal", engine="laplace", draws=4000)


@pytest.fixture(scope="module")
def found(post):
    return sb.influence(post, rows=3)


def test_shifts_are_those_of_fits_without_the_run(found, post):
    frame = found.summary()
    reliable = frame[frame["pareto_k"] < 0.5]
    assert len(reliable) > ROWS / 2
    rows = [*reliable.index[:3], reliable.index[-1]]
    weights = {row: (np.arange(ROWS) != row - 1).astype(float) for row in rows}
    refits = sb.refit(post, weights)
    budget = 10 * post.compute.max()

    def decide(each):
        draws = each.allocate(budget).draws
        return np.array([draws["a"].to_numpy().mean(), np.log(draws["params"].to_numpy()).mean()])

    sd = np.array([frame[c].iloc[0] / frame[f"{c}_in_sd"].iloc[0] for c in SHIFTS])
    for row in rows:
        shift = decide(refits[row]) - decide(post)
        # Both means have a Monte Carlo error of 0.02 sd or less; priors move with the reference.
        np.testing.assert_allclose(frame.loc[row, SHIFTS].astype(float) / sd, shift / sd, atol=0.15)


SHIFTS = ["a_shift", "ln_N_opt_shift"]


def test_the_bad_run_comes_first_by_its_number_in_the_table(found):
    frame = found.summary()
    assert frame.index.name == "row"
    assert frame.index[0] == 8
    assert frame.iloc[0]["run_id"] == "run 7"
    assert frame.iloc[0]["residual"] > 2
    assert sorted(frame.index) == list(range(1, ROWS + 1))
    assert found.left_out[0] == 8
    assert "With and without rows 8, " in repr(found)


def test_the_decision_without_the_runs_is_a_fit_without_them(found, post):
    kept = ~np.isin(np.arange(ROWS) + 1, found.left_out)
    other = fit(post.runs.frame[kept], noise="normal", engine="laplace", draws=4000, seed=3)
    budget = 10 * post.compute.max()
    theirs = other.allocate(budget).draws.squeeze()
    frame = found.decisions()
    assert list(frame.index.get_level_values("quantity").unique()) == [
        "a",
        "params",
        "tokens",
        "loss",
    ]
    for name in ("a", "params", "loss"):
        sd = float(theirs[name].std())
        assert frame.loc[(name, "without"), "median"] == pytest.approx(
            float(theirs[name].median()), abs=0.15 * sd
        )


def test_row_numbers_are_those_of_the_users_table(table):
    runs = sb.Runs(table).filter(np.arange(ROWS) >= 5)
    frame = sb.influence(fit(runs, noise="normal", engine="laplace", draws=500), rows=1).summary()
    assert sorted(frame.index) == list(range(6, ROWS + 1))
    assert list(frame["run_id"]) == [f"run {row - 1}" for row in frame.index]


@pytest.mark.slow
def test_a_law_that_does_not_allocate(rng):
    compute = 10 ** rng.uniform(18, 22, 30)
    loss = (1 + 30 / compute**0.1) * np.exp(0.01 * rng.standard_normal(30))
    post = fit_default({"compute": compute, "loss": loss}, "power_law(x=compute)", engine="laplace")
    found = sb.influence(post, rows=2)
    assert "expected_shift_in_sd" in found.summary()
    assert list(found.decisions().index) == [("expected", "all runs"), ("expected", "without")]
    assert "take the law as exact" in repr(found)
    with pytest.raises(sb.InputError, match="leave compute out"):
        sb.influence(post, compute=1e22)


def test_perplexities_have_the_influence_of_their_losses(table, found):
    runs = sb.Runs({**table, "loss": np.exp(table["loss"])}, units={"loss": "perplexity"})
    other = sb.influence(fit(runs, noise="normal", engine="laplace", draws=4000), rows=3)
    assert other.left_out == found.left_out
    theirs, losses = (each.decisions()["median"].xs("all runs", level=1) for each in (other, found))
    assert theirs["perplexity"] == pytest.approx(np.exp(losses["loss"]), rel=1e-4)
    listed, of_losses = other.summary().sort_index(), found.summary().sort_index()
    np.testing.assert_allclose(listed["perplexity"], np.exp(of_losses["loss"].astype(float)))


def test_unusable_arguments_are_refused(post):
    with pytest.raises(sb.InputError, match="rows must be a whole number of 1 or more; got 0"):
        sb.influence(post, rows=0)
