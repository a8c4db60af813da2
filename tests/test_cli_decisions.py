"""The command line's answers from a saved posterior, in this process."""

import re
from dataclasses import replace

import numpy as np
import numpyro.distributions as dist
import pandas as pd
import pytest
from plain import fit

import scalingbayes as sb
from scalingbayes._core.numbers import write
from scalingbayes.cli.budgets import BudgetOptions


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Save three posteriors: of Chinchilla's law, of a failed fit, of a law with unique_tokens."""
    folder = tmp_path_factory.mktemp("saved")
    runs = sb.datasets.load("chinchilla")
    fitted = fit(runs, engine="laplace", draws=1000)
    fitted.save(folder / "post.nc")
    failed = sb.load(folder / "post.nc")
    record = replace(failed.record, facts={**failed.record.facts, "pareto_k": 2.0})
    failed.tree.attrs["scalingbayes"] = record.to_json()
    failed.save(folder / "failed.nc")
    # Draws from narrow priors suffice here, and take a tenth of the time of a fit.
    narrow = {name: dist.LogNormal(-1.0, 0.1) for name in ("alpha", "beta")}
    fit(
        sb.datasets.load("datablations"),
        "data_constrained",
        engine="prior",
        draws=200,
        priors=narrow,
    ).save(folder / "repeated.nc")
    return folder


@pytest.fixture(scope="module")
def post(folder):
    return sb.load(folder / "post.nc")


@pytest.fixture
def shell(folder, monkeypatch, command):
    """Run a command in the folder of saved posteriors."""
    monkeypatch.chdir(folder)
    return command


def numbers(line: str) -> list[float]:
    unit = {"": 1, "M": 1e6, "B": 1e9, "T": 1e12, "%": 0.01}
    found = re.findall(r"([-+]?\d[\d.,]*\d|\d)(e[-+]?\d+)?([MBT%]?)", line)
    return [float(x.replace(",", "") + power) * unit[suffix] for x, power, suffix in found]


def row(printed: str, name: str) -> list[float]:
    """Read the numbers of a table's first row of a name."""
    (line, *_) = [x for x in printed.splitlines() if x.strip().startswith(f"{name} ")]
    return numbers(line.strip().removeprefix(name))


def test_allocate_agrees_with_python(shell, post):
    status, out, err = shell("allocate", "post.nc", "--compute", "1e24", "--prob", "0.8")
    assert (status, err) == (0, "")
    frame = post.allocate(1e24).summary(0.8).loc[1e24]
    for name in ("params", "tokens", "loss", "a"):
        said = frame.loc[name, ["median", "eti80_lb", "eti80_ub"]]
        np.testing.assert_allclose(row(out, name), said, rtol=0.05)
    for word in ("C = 6 N D", "80% equal-tailed", "Extrapolated: 1e24 FLOPs", "passed its"):
        assert word in out
    assert max(map(len, out.splitlines()[:-1])) <= 100


def test_written_runs_spend_the_budget(shell, folder, post):
    budgets = [3e23, 1e22]
    flags = [word for each in budgets for word in ("--compute", each)]
    status, out, _ = shell(
        "allocate", "post.nc", *flags, "--plan", "--regret", "0.02", "--out", "a.csv"
    )
    assert status == 0
    assert "Written to a.csv." in out
    table = pd.read_csv(folder / "a.csv").set_index(["compute", "quantity"])
    assert set(table["verdict"]) == {"passed"}
    assert list(table.index.unique("compute")) == budgets
    best = post.allocate(budgets).summary()
    np.testing.assert_allclose(table.loc[best.index, best.columns], best, rtol=1e-12)
    for budget in budgets:
        run = table["median"].loc[budget, ["plan_params", "plan_tokens"]]
        assert 6 * run.prod() == pytest.approx(budget, rel=1e-9)
        # Along a budget tokens fall as params rise: their medians are those of one draw.
        medians = table["median"].loc[budget]
        assert 6 * medians["params"] * medians["tokens"] == pytest.approx(budget, rel=0.01)
        chosen = sb.plan(post, budget, regret=0.02)
        assert table.loc[(budget, "plan_regret"), "mean"] == pytest.approx(
            float(chosen.outcome.draws["regret"].mean())
        )
        within = table["median"].loc[budget, ["plan_smallest_params", "plan_largest_params"]]
        np.testing.assert_allclose(within, chosen.within)
        low, high = (write(size, "count") for size in chosen.within)
        assert f"at most 0.02 for params from {low} to {high}" in out


def test_dollars_and_gpu_hours_are_converted_to_flops(shell):
    machine = ("--peak-flops", "1e15", "--utilisation", "0.5", "--price-per-hour", "2")
    flops = 1e4 * 3600 * 0.5 * 1e15
    outs = [
        shell("allocate", "post.nc", flag, value, *machine)[1]
        for flag, value in (("--gpu-hours", 1e4), ("--dollars", 2e4), ("--compute", flops))
    ]
    assert outs[0] == outs[1] == outs[2]
    assert "1.8e22 FLOPs: 10,000 GPU hours, $20,000" in outs[0]


def test_days_of_a_cluster_are_a_budget_and_have_energy_and_carbon(shell):
    machine = ("--peak-flops", "1e15", "--utilisation", "0.5", "--devices", "1000")
    energy = ("--watts", "700", "--pue", "1.1", "--carbon-intensity", "400")
    status, out, err = shell("allocate", "post.nc", "--days", "10", *machine, *energy)
    assert (status, err) == (0, "")
    told = "4.32e23 FLOPs: 240,000 GPU hours, 10 days, 184,800 kWh, 73,920 kg CO2e"
    assert told in " ".join(out.split())
    options = BudgetOptions(None, None, None, [10.0], 1000.0, 1e15, 0.5, None)
    amounts, unit = options.stated()  # as a report states it
    assert (amounts, unit) == (pytest.approx([240_000]), "GPU hours")


def test_allocate_with_costs_limits_and_serving(shell, post):
    ask = ("allocate", "post.nc", "--compute", "1e23")
    transformer = sb.costs.Transformer(4096, 128_000)
    proportional = sb.costs.Proportional()
    cases = {
        ("--cost", "6ND"): (None, None),
        ("--cost", "transformer", "--context", "4096", "--vocab", "128000"): (transformer, None),
        ("--inference-tokens", "1e13"): (proportional.serve(1e13), None),
        ("--inference-tokens", "1e13", "--serving-price", "2"): (
            proportional.serve(1e13, 2.0),
            None,
        ),
        ("--max-params", "1e10"): (None, sb.Limits(max_params=1e10)),
        ("--max-unique-tokens", "2e11"): (None, sb.Limits(max_tokens=2e11)),
        ("--max-tokens", "1e11", "--max-unique-tokens", "2e11"): (
            None,
            sb.Limits(max_tokens=1e11),
        ),
        ("--min-tokens-per-param", "100"): (None, sb.Limits(min_tokens_per_param=100.0)),
    }
    for options, (cost, limits) in cases.items():
        status, out, err = shell(*ask, *options)
        assert (status, err) == (0, "")
        middle = post.allocate(1e23, cost, limits).median()
        for name in ("params", "tokens"):
            assert row(out, name)[0] == pytest.approx(float(middle[name][0]), rel=0.02)
        assert ("used at most once" in out) == ("--max-unique-tokens" in options)
    assert "min_tokens_per_param 100" in out
    assert row(out, "tokens_per_param")[0] == pytest.approx(100)


def test_unique_tokens_are_an_input_of_a_law_that_reads_them(shell, folder):
    status, out, _ = shell(
        *("allocate", "repeated.nc", "--compute", "1e22", "--max-unique-tokens", "1e10")
    )
    post = sb.load(folder / "repeated.nc")
    assert status == 0
    middle = post.allocate(1e22, unique_tokens=1e10).median()
    assert row(out, "epochs")[0] == pytest.approx(float(middle["epochs"][0]), rel=0.02)
    status, again, _ = shell(
        *("allocate", "repeated.nc", "--compute", "1e22", "--input", "unique_tokens=1e10")
    )
    assert again == out


def test_predict_agrees_with_python(shell, folder, post):
    status, out, err = shell(
        *("predict", "post.nc", "--params", "7e10", "--params", "1e9", "--tokens", "1.4e12"),
        *("--out", "p.csv", "--seed", "3"),
    )
    assert (status, err) == (0, "")
    found = post.predict(params=[7e10, 1e9], tokens=1.4e12, seed=3).summary()
    for start, params in ((0, "70B"), (2, "1B")):
        run = found.iloc[start : start + 2]
        said = run[["median", "eti90_lb", "eti90_ub"]].to_numpy().ravel()
        np.testing.assert_allclose(row(out, params), [1.4e12, *said], rtol=2e-3)
    written = pd.read_csv(folder / "p.csv", index_col=[0, 1, 2])
    np.testing.assert_allclose(written["median"], found["median"])


def test_frontier_gap_agrees_with_python(shell, folder, post):
    status, out, _ = shell("frontier-gap", "post.nc", "--prob", "0.5")
    assert status == 0
    for name, cells in sb.frontier_gap(post).by_model(0.5).iterrows():
        assert re.search(re.escape(name) + r" +" + r" +".join(map(re.escape, cells)), out)
    mine = pd.DataFrame({"model": ["mine"], "params": [7e9], "tokens": [1e12]})
    mine.to_csv(folder / "mine.csv", index=False)
    status, out, _ = shell("frontier-gap", "post.nc", "--models", "mine.csv", "--out", "s.csv")
    assert status == 0
    assert "mine" in out
    assert "Gopher" not in out
    written = pd.read_csv(folder / "s.csv", index_col=["model", "quantity"])
    best = float(post.allocate(4.2e22).median()["params"][0])
    assert written["median"]["mine", "params_ratio"] == pytest.approx(7e9 / best, rel=1e-3)


def test_data_exhaustion_agrees_with_python(shell, folder, post):
    assumed = ("--stock", "3e14", "--stock-growth", "1.05", "--compute-growth", "2,3,4")
    status, out, err = shell(
        "data-exhaustion", "post.nc", *assumed, "--horizon", "2035", "--out", "x.csv"
    )
    assert (status, err) == (0, "")
    found = sb.data_exhaustion(
        post, 3e14, stock_growth=1.05, compute_growth=(2, 3, 4), horizon=2035
    )
    table = found.summary()
    assert row(out, "demand meets the stock")[0] == pytest.approx(
        table.loc["year", "median"], abs=0.05
    )
    assert "\n".join(found.notes) in out
    assert "after 2035" in out
    assert row(out, "compute_growth") == [2, 3, 4]
    written = pd.read_csv(folder / "x.csv", index_col=0)
    np.testing.assert_allclose(written["median"], table["median"])


def test_data_exhaustion_without_a_posterior_fits_a_bundled_table(shell, post, monkeypatch):
    monkeypatch.setattr("scalingbayes.fit", lambda *_, **__: post)
    status, out, _ = shell("data-exhaustion")
    assert status == 0
    assert "to 245 runs of 'chinchilla'" in out


@pytest.mark.parametrize(
    "arguments",
    [
        ("allocate", "failed.nc", "--compute", "1e24"),
        ("predict", "failed.nc", "--params", "1e9", "--tokens", "1e11"),
        ("frontier-gap", "failed.nc"),
        ("data-exhaustion", "failed.nc"),
    ],
)
def test_a_failed_fit_is_reported(shell, arguments, tmp_path):
    status, out, _ = shell(*arguments, "--out", tmp_path / "t.csv")
    assert status == 3
    assert "THE FIT FAILED ITS CHECKS" in out
    assert set(pd.read_csv(tmp_path / "t.csv")["verdict"]) == {"failed"}


BUDGET = ("allocate", "post.nc", "--compute", "1e23")
RUN = ("predict", "post.nc", "--params", "1e9")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("allocate", "none.nc", "--compute", "1e23"), "There is no file 'none.nc'"),
        (("allocate", "text.nc", "--compute", "1e23"), "is not a netCDF file"),
        (("allocate", "post.nc"), "--gpu-hours, --days; got none"),
        ((*BUDGET, "--dollars", "5"), "got --compute and --dollars"),
        (("allocate", "post.nc", "--dollars", "5"), "add it, such as --peak-flops"),
        (("allocate", "post.nc", "--dollars", "5", "--peak-flops", "1e15"), "--price-per-hour 2"),
        ((*BUDGET, "--price-per-hour", "2"), "--price-per-hour need --peak-flops"),
        (("allocate", "post.nc", "--days", "5", "--peak-flops", "1e15"), "--devices 1024"),
        ((*BUDGET, "--peak-flops", "1e15", "--utilisation", "40"), "at most 1; got 40"),
        (("allocate", "post.nc", "--compute", "1e2x"), "Invalid value for '--compute'"),
        (("allocate", "post.nc", "--compute", "-1e24"), "compute must be finite numbers"),
        (("allocate", "post.nc", "--compute", "nan"), "'nan' is no number"),
        ((*BUDGET, "--cost", "6nd"), "Did you mean '6ND'?"),
        ((*BUDGET, "--cost", "transformer"), "needs --context and --vocab"),
        ((*BUDGET, "--cost", "transformer", "--context", "-1", "--vocab", "9"), "--context must"),
        ((*BUDGET, "--vocab", "9"), "need --cost transformer"),
        ((*BUDGET, "--serving-price", "2"), "--serving-price needs --inference-tokens"),
        ((*BUDGET, "--inference-tokens", "0"), "tokens must be positive"),
        ((*BUDGET, "--max-params", "0"), "max_params must be positive"),
        ((*BUDGET, "--regret", "0.1"), "add --plan"),
        ((*BUDGET, "--plan", "--regret", "-1"), "regret must be positive"),
        ((*BUDGET, "--prob", "90"), "prob must be between 0 and 1"),
        ((*BUDGET, "--input", "depth"), "--input must be NAME=VALUE"),
        ((*BUDGET, "--input", "depth=3"), "also reads nothing"),
        ((*BUDGET, "--out", "t.txt"), "--out must be the name of a CSV file"),
        ((*BUDGET, "--out", "absent/t.csv"), "cannot be written"),
        (("allocate", "repeated.nc", "--compute", "1e23"), "also reads unique_tokens"),
        (RUN, "predicts from params and tokens; got params"),
        ((*RUN, "--params", "2e9", *("--tokens", "1e9") * 3), "got 2 params and 3 tokens"),
        ((*RUN, "--tokens", "0"), "tokens must be finite numbers"),
        (("frontier-gap", "repeated.nc"), "predicts loss from params and tokens alone"),
        (("frontier-gap", "post.nc", "--models", "absent.csv"), "There is no file absent.csv"),
        (
            ("data-exhaustion", "post.nc", "--stock", "efective_2024"),
            "mean 'effective_2024'?",
        ),
        (
            ("data-exhaustion", "post.nc", "--compute-growth", "4,x"),
            "--compute-growth must be a number",
        ),
        (
            ("data-exhaustion", "post.nc", "--compute-growth", "5,4,3"),
            "in increasing order; got (5.0, 4.0, 3.0)",
        ),
        (
            ("data-exhaustion", "post.nc", "--stock", "1e15"),
            "stock_growth is needed if stock is a number",
        ),
        (("data-exhaustion", "post.nc", "--horizon", "1990"), "horizon must be after compute_year"),
    ],
)
def test_unusable_input_gives_one_message(shell, folder, arguments, message):
    (folder / "text.nc").write_text("not a posterior")
    status, out, err = shell(*arguments)
    assert status == 2
    assert out == ""
    assert message in " ".join(re.sub("[│╭╮╰╯─]", " ", err).split())


@pytest.mark.slow
def test_approaches_agrees_with_python(shell, folder):
    status, printed, _ = shell("approaches", "chinchilla", "--out", "approaches.csv", "--seed", "3")
    assert status == 0
    written = pd.read_csv(folder / "approaches.csv", index_col=0)
    table = sb.compare_approaches(sb.datasets.load("chinchilla"), seed=3).summary()
    np.testing.assert_allclose(written["a"], table["a"])
    for name in written.index:
        assert str(name) in printed


def test_approaches_refuses_a_missing_column(shell):
    status, _, complaint = shell("approaches", "chinchilla", "--budgets", "flops")
    assert status == 2
    assert complaint.startswith("error:")
    assert "flops" in complaint
