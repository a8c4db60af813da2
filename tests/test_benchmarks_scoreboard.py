"""The scoreboard's own numbers: optima, exact laws, least sds, standard errors over studies."""

import json

import numpy as np
import pandas as pd
import pytest
from clean import SPREAD, TYPICAL, ExactLaw, choose_rows, fit_truth, simulate
from methods import Approach2, Case, Settings, law_forecast
from scipy.optimize import least_squares
from scoreboard import clean_cells, weighted
from sweeps import Sweep, find_vertex, public_sweeps
from test_benchmarks import run
from trials import beyond, losses, optima

import scalingbayes as sb

CHINCHILLA = {"E": 1.69, "A": 406.4, "B": 410.7, "alpha": 0.34, "beta": 0.28}
LAW = ExactLaw(TYPICAL + 0.1, np.log(1e9), np.log(2e10), np.log(2.0))


def isoflop_frame(scatter=0.002, budgets=(1e18, 1e19, 1e20, 1e21, 1e22), seed=0):
    sweep = sb.isoflop_sweep(CHINCHILLA, budgets=budgets, points=9).frame
    frame = sweep.rename(columns={"isoflop_budget": "budget"})
    noise = np.random.default_rng(seed).standard_normal(len(frame))
    return frame.assign(loss=frame["loss"] * np.exp(scatter * noise))


def isoflop_sweep(**how):
    frame = isoflop_frame(**how)
    level = pd.factorize(-frame["budget"], sort=True)[0]
    return Sweep("study", "sweep", frame, level)


def true_log_params(budget):
    alpha, beta = CHINCHILLA["alpha"], CHINCHILLA["beta"]
    ratio = alpha * CHINCHILLA["A"] / (beta * CHINCHILLA["B"])
    return (np.log(ratio) + beta * np.log(budget / 6)) / (alpha + beta)


def test_vertex_of_a_noisy_parabola_and_its_standard_error():
    x = np.linspace(19, 22, 13)
    random = np.random.default_rng(0)
    found = [
        find_vertex(x, 0.7 + 0.02 * (x - 20.4) ** 2 + 0.001 * random.standard_normal(13))
        for _ in range(40)
    ]
    errors = np.array([each.log_params - 20.4 for each in found])
    reported = np.median([each.sd for each in found])
    assert abs(errors.mean()) < 4 * errors.std() / np.sqrt(40)
    assert 0.5 < reported / errors.std() < 1.8  # the sd of 40 errors is known to 11 per cent


def test_a_vertex_outside_of_the_points_or_a_maximum_is_none():
    x = np.linspace(19, 20, 7)
    assert find_vertex(x, (x - 23) ** 2) is None
    assert find_vertex(x, -((x - 19.5) ** 2)) is None


def test_exact_law_is_the_packages_coupled_law():
    alpha, beta, k = np.exp(LAW.point[3:])
    log_a, log_b = LAW.point[1:3]
    scale = np.exp(LAW.log_loss / k)
    values = {
        "E": np.exp(LAW.log_loss + LAW.point[0]),
        "A": scale * np.exp(log_a + alpha * LAW.log_params),
        "B": scale * np.exp(log_b + beta * LAW.log_tokens),
        "alpha": alpha,
        "beta": beta,
        "k": k,
    }
    sweep = sb.isoflop_sweep(values, "coupled", budgets=[1e21, 1e23], points=41, width=1.2)
    frame = sweep.frame
    logs = np.log(frame["params"].to_numpy()), np.log(frame["tokens"].to_numpy())
    np.testing.assert_allclose(LAW.log_loss_at(*logs), np.log(frame["loss"]), atol=1e-5)
    for budget in (1e21, 1e23):
        own = frame[frame["isoflop_budget"] == budget]
        middle = np.log(own["params"]).mean()  # runs are centred on the optimum
        assert LAW.log_params_opt(budget) == pytest.approx(middle, abs=1e-5)


def test_least_sds_are_those_of_least_squares():
    frame = isoflop_frame()
    logs = np.log(frame["params"].to_numpy()), np.log(frame["tokens"].to_numpy())
    least = LAW.least_sds(*logs, 0.001, 1e23)
    found = []
    for seed in range(60):
        observed = np.log(simulate(LAW, frame, 0.001, seed)["loss"].to_numpy())

        def error(point, observed=observed):
            law = ExactLaw(point, LAW.log_params, LAW.log_tokens, LAW.log_loss)
            return (law.log_loss_at(*logs) - observed) / 0.001

        best = ExactLaw(least_squares(error, LAW.point).x, *list(vars(LAW).values())[1:])
        found.append((best.a, best.log_params_opt(1e23)))
    np.testing.assert_allclose(np.std(found, axis=0), least, rtol=4 / np.sqrt(2 * 60))
    with_prior = LAW.least_sds(*logs, 0.001, 1e23, SPREAD)
    assert with_prior[0] < least[0]
    assert with_prior[1] < least[1]


def test_designs_keep_levels_and_sizes_spread():
    sweep = isoflop_sweep()
    for count, levels in ((12, 3), (20, 5), (36, 5)):
        rows = choose_rows(sweep, count, seed=3)
        assert len(set(rows)) == count
        assert len(set(sweep.level[rows])) == levels
        counts = np.bincount(sweep.level[rows])
        assert np.ptp(counts[counts > 0]) <= 1
        assert np.ptp(np.log(sweep.frame["params"].to_numpy()[rows])) > 6


def test_truth_of_a_sweep_predicts_its_losses():
    sweep = isoflop_sweep(scatter=0.0)
    law = fit_truth(sweep)
    logs = np.log(sweep.frame[["params", "tokens", "loss"]].to_numpy()).T
    assert np.abs(law.log_loss_at(*logs[:2]) - logs[2]).max() < 0.005


def test_approach_2_finds_the_optimum_and_the_trial_scores_it():
    (trial,) = optima([isoflop_sweep(scatter=0.0005)])
    assert len(trial.case.frame) == 27
    rows = trial.score(Approach2().fit(trial.case, Settings(draws=50)))
    assert len(rows) == 2
    for row in rows:
        assert row["vertex"] == pytest.approx(true_log_params(row["budget"]), abs=0.08)
        assert row["error"] < 0.2
    assert (
        Approach2().fit(Case("s", "t", trial.case.frame.drop(columns="budget")), Settings()) is None
    )


def test_scores_of_the_true_law_hold_their_probabilities():
    board = [isoflop_sweep(seed=seed) for seed in range(20)]
    values = np.array([list(CHINCHILLA.values())] * 1000)
    forecast = law_forecast(values, 0.002)
    rows = [row for trial in losses(board) for row in trial.score(forecast)]
    scores = pd.DataFrame(rows)
    assert scores["in90"].mean() == pytest.approx(0.9, abs=0.06)
    assert scores["in50"].mean() == pytest.approx(0.5, abs=0.1)
    # Of a normal: CRPS is sd / sqrt(pi), and minus the log score is its entropy.
    assert scores["crps"].mean() == pytest.approx(0.002 / np.sqrt(np.pi), rel=0.1)
    assert scores["log_score"].mean() == pytest.approx(-0.5 - np.log(0.002 * 2.5066), abs=0.12)
    budgets = np.array([1e21, 1e24])
    np.testing.assert_allclose(forecast.log_params_opt(budgets)[0], true_log_params(budgets))


def test_runs_beyond_are_a_decade_from_those_fitted():
    sweep = isoflop_sweep()
    values = np.array([list(CHINCHILLA.values())] * 100)
    for trial in beyond([sweep]):
        fitted = trial.case.frame["budget"].max()
        rows = trial.score(law_forecast(values, 0.002))
        assert [row["budget"] for row in rows] == list(range(1, round(np.log10(1e22 / fitted)) + 1))
        assert all(row["runs"] == 9 for row in rows)


def test_standard_errors_count_studies():
    studies = pd.DataFrame({"in90": [0.8, 0.9, 1.0]})
    found = weighted(studies, np.ones(3))
    assert found["in90"] == pytest.approx(0.9)
    assert found["in90 +-"] == pytest.approx(0.1 / np.sqrt(3))
    assert weighted(studies, np.array([2.0, 1.0, 1.0]))["in90"] == pytest.approx(0.875)


def test_cells_of_clean_tables_have_medians_of_ratios():
    row = {"rows": 12, "scatter": 0.003, "in90 a": 1.0, "in90 N": 0.0, "ratio N": 1.0}
    (cell,) = clean_cells([{**row, "ratio a": ratio} for ratio in (1.0, 2.0, 9.0)])
    assert cell["tables"] == 3
    assert cell["ratio a, median"] == 2.0
    assert cell["in90 N"] == 0.0


@pytest.fixture
def public(tmp_path):
    """Tables with the names and columns of the public ones; runs of Chinchilla's law."""
    frame = isoflop_frame(budgets=np.geomspace(1e18, 1e22, 6)).rename(
        columns={"budget": "isoflop_budget"}
    )
    frame["params"] *= 1 + 1e-4 * np.arange(len(frame))
    frame["compute"] = 6 * frame["params"] * frame["tokens"]
    tables = {
        "chinchilla_epoch": frame,
        "chinchilla_scalefit_isoflop": frame,
        "llama3_isoflop": frame,
        "porian_isoflop": frame.assign(group="one"),
        "gemstones": frame.assign(group="two"),
        "misfitting": frame,
        "overtraining_gadre": frame.assign(dataset="three"),
    }
    for name, table in tables.items():
        table.to_csv(tmp_path / f"{name}.csv", index=False)
    return tmp_path


@pytest.mark.parametrize(
    ("method", "parts"),
    [
        ("approach 2", ["optima"]),
        pytest.param(
            "exact", ["losses", "optima", "clean", "beyond", "seconds"], marks=pytest.mark.slow
        ),
    ],
)
def test_the_scoreboard_runs(method, parts, public, tmp_path):
    assert len(public_sweeps(public)) == 7
    out = tmp_path / "board.json"
    options = ("--only", "llama3", "--engine", "laplace", "--draws", 100, "--json", out)
    chosen = ("--methods", method, "--parts", ",".join(parts))
    printed = run("scoreboard.py", "--data", public, *options, *chosen)
    found = json.loads(out.read_text())
    assert "optima, each optimum counts alike" in printed
    assert set(found["scores"][method]) == {"fits", *parts}
    optima_rows = found["summary"]["optima, each optimum counts alike"]
    assert all(row["optima"] == 2 and row["error"] < 0.3 for row in optima_rows)
    assert all(row["method"] == method for rows in found["summary"].values() for row in rows)
