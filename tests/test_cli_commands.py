"""The command line: JSON, tables in place of posteriors, and commands that show and check fits."""

import json
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from plain import fit

import scalingbayes as sb
from scalingbayes.cli.json_output import as_json, rows
from scalingbayes.results import Check, Verdict


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Save a posterior in a folder as `fit --out` does, one that failed, and the table."""
    folder = tmp_path_factory.mktemp("saved")
    runs = sb.datasets.load("chinchilla")
    (folder / "results").mkdir()
    fitted = fit(runs, engine="laplace", draws=1000)
    fitted.save(folder / "results" / "posterior.nc")
    failed = sb.load(folder / "results" / "posterior.nc")
    record = replace(failed.record, facts={**failed.record.facts, "pareto_k": 2.0})
    failed.tree.attrs["scalingbayes"] = record.to_json()
    failed.save(folder / "failed.nc")
    runs.frame.to_csv(folder / "runs.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def post(folder):
    return sb.load(folder / "results" / "posterior.nc")


@pytest.fixture
def shell(folder, monkeypatch, command):
    monkeypatch.chdir(folder)
    return command


def parse(ended):
    """Read standard output as JSON without NaN and Infinity, which JSON does not have."""

    def refuse(constant):
        raise AssertionError(constant)

    return json.loads(ended.stdout, parse_constant=refuse)


def test_values_become_json():
    given = {"a": [np.float64(np.nan), -np.inf, np.int64(3), np.bool_(True)], 2: (None, "é")}
    expected = {"a": [None, "-inf", 3, True], "2": [None, "é"]}
    assert as_json(given) == expected
    assert json.loads(json.dumps(as_json(given), allow_nan=False)) == expected
    table = pd.DataFrame({"x": [1.0, 2.0]}, pd.MultiIndex.from_tuples([("a", 1), ("b", 2)]))
    assert rows(table) == [
        {"name": "a", "name_": 1, "x": 1.0},
        {"name": "b", "name_": 2, "x": 2.0},
    ]
    assert rows(pd.DataFrame({"name": ["a"]})) == [{"name_": 0, "name": "a"}]


def test_allocate_and_predict_as_json(shell, post):
    ended = shell("allocate", "results", "--compute", "1e24", "--plan", "--json", "--out", "a.csv")
    assert ended.returncode == 0
    assert "Written to a.csv" in ended.stderr
    found = parse(ended)
    table = post.allocate(1e24).summary().reset_index()
    written = pd.DataFrame(found["results"]["allocate"]["rows"])
    pd.testing.assert_frame_equal(written, table, check_column_type=False)
    assert found["command"] == "allocate"
    assert found["verdict"]["passed"] is True
    assert any("Extrapolated: 1e24 FLOPs is" in x for x in found["results"]["allocate"]["notes"])
    assert len(found["results"]) == 2
    ended = shell("predict", "results", "--params", "7e10", "--tokens", "1.4e12", "--json")
    (each, _) = parse(ended)["results"]["predict"]["rows"]
    assert each["median"] == post.predict(params=7e10, tokens=1.4e12).summary()["median"].iloc[0]


@pytest.mark.parametrize(
    "arguments",
    [
        ("show", "failed.nc"),
        ("check", "failed.nc"),
        ("plot", "failed.nc", "overview", "--out", "failed.png"),
        ("allocate", "failed.nc", "--compute", "1e22"),
    ],
)
def test_a_failed_fit_has_status_3(shell, folder, arguments):
    ended = shell(*arguments, "--json")
    assert ended.returncode == 3
    verdict = parse(ended)["verdict"]
    assert verdict["passed"] is False
    assert "use engine 'nuts'" in str(verdict["checks"])
    assert arguments[0] != "plot" or (folder / "failed.png").read_bytes().startswith(b"\x89PNG")


def test_show_a_posterior(shell, post):
    ended = shell("show", "results")
    assert ended.returncode == 0
    for text in ("alpha", "N_opt ∝ C^a", "LogNormal", post.record.data.digest, "passed its checks"):
        assert text in ended.stdout
    found = parse(shell("show", "results/posterior.nc", "--json"))
    assert found["record"]["engine"] == "laplace"
    medians = {row["parameter"]: row["median"] for row in found["results"]["summary"]["rows"]}
    assert medians["E"] == pytest.approx(np.median(post.values["E"]))
    assert {row["quantity"] for row in found["results"]["exponents"]["rows"]} == {"a", "b"}


def test_show_a_table(shell, all_runs):
    ended = shell("show", "runs.csv")
    assert ended.returncode == 0
    assert "245 rows" in ended.stdout
    found = parse(shell("show", "runs.csv", "--where", "loss < 2.5", "--json"))
    assert len(found["rows"]) == (all_runs.frame["loss"] < 2.5).sum()


def test_check_agrees_with_python(shell, post):
    found = parse(shell("check", "results", "--json"))
    table = sb.check(post).summary()
    assert [row["p_value"] for row in found["results"]["check"]["rows"]] == list(table["p_value"])


@pytest.mark.parametrize("kind", ["svg", "png", "pdf"])
def test_plot_writes_a_figure(shell, folder, kind):
    begins = {"svg": b"<?xml", "png": b"\x89PNG", "pdf": b"%PDF"}
    ended = shell("plot", "results", "exponent", "--out", f"a.{kind}")
    assert ended.returncode == 0, ended.stderr
    assert (folder / f"a.{kind}").read_bytes().startswith(begins[kind])


def test_plot_takes_a_budget_and_a_probability(shell, folder):
    ended = shell("plot", "results", "--out", "b.svg", "--compute", "1e30", "--prob", "0.5")
    assert ended.returncode == 0, ended.stderr
    assert (folder / "b.svg").is_file()
    refused = shell("plot", "results", "residuals", "--compute", "1e30")
    assert refused.returncode == 2
    assert "has no --compute: leave it out, or choose overview, fit" in " ".join(
        refused.stderr.split()
    )


def test_a_table_is_fitted_by_default(shell, post, monkeypatch, all_runs):
    fitted = []

    def fake(runs, **options):
        fitted.append((len(runs), options))
        return post

    monkeypatch.setattr("scalingbayes.fit", fake)
    for source in ("runs.csv", "chinchilla"):
        ended = shell("predict", source, "--params", "1e9", "--tokens", "1e11", "--seed", "4")
        assert ended.returncode == 0
        assert f"`scalingbayes fit {source} --out FOLDER`" in ended.stdout
    assert fitted == [(len(all_runs), {"seed": 4})] * 2
    ended = shell("allocate", "runs.csv", "--compute", "1e22", "--json")
    assert "to 245 runs" in ended.stderr
    assert parse(ended)["verdict"]["passed"]


def test_saved_posteriors_are_compared(shell, folder, post, monkeypatch):
    seen = []

    def fake(posts, by, **_):
        seen.append((list(posts), by))
        return comparison

    scores = pd.DataFrame(
        {"rank": [0, 1], "elpd": [3.0, 1.0], "elpd_diff": [0.0, -2.0], "weight": [0.6, 0.4]},
        ["one", "two"],
    ).assign(se=1.0, dse=[0.0, np.inf], p_worse=[np.nan, 0.9])
    pointwise = pd.DataFrame({"one": [1.0, 2.0], "two": [0.5, 0.5]}, pd.RangeIndex(2, name="run"))
    verdict = Verdict((Check(False, "1 refit failed", "fit it with engine 'nuts(draws=9)'"),))
    comparison = sb.Comparison(scores, pointwise, "each run", "stacking", verdict)
    monkeypatch.setattr("scalingbayes.compare", fake)
    ended = shell("compare", "results", "failed.nc", "--by", "largest")
    assert ended.returncode == 3
    assert "fit it with --engine 'nuts(draws=9)'" in ended.stdout  # the shell's own option
    assert seen == [(["results", "failed.nc"], "largest")]
    ended = shell("compare", "results", "failed.nc", "--json")
    assert ended.returncode == 3
    first, second = parse(ended)["results"]["compare"]["rows"]
    assert (first["p_worse"], second["dse"]) == (None, "inf")


@pytest.mark.slow
def test_backtest_agrees_with_python(shell):
    options = ("--law", "chinchilla", "--engine", "laplace", "--exact", "--json")
    found = parse(shell("backtest", "chinchilla", *options))
    runs = sb.datasets.load("chinchilla")
    table = sb.backtest(runs, "chinchilla", engine="laplace", exact=True).summary()
    assert [row["crps"] for row in found["results"]["backtest"]["rows"]] == list(table["crps"])


def test_lists_as_json(shell):
    laws = {each["law"] for each in parse(shell("laws", "--json"))["laws"]}
    assert laws == set(sb.list_laws().index)
    assert parse(shell("laws", "kaplan", "--json"))["equation"] == sb.get_law("kaplan").equation
    sets = parse(shell("datasets", "--json"))["datasets"]
    assert [each["name"] for each in sets] == sb.datasets.names()
    papers = parse(shell("papers", "--json"))["papers"]
    assert [each["name"] for each in papers] == sb.list_published().index.tolist()
    assert parse(shell("cache", "--json"))["programs"] >= 0


def test_a_control_sequence_in_a_name_does_not_reach_the_terminal(shell, folder, all_runs):
    all_runs.frame.assign(**{"x\x1b[31m": 1.0}).to_csv(folder / "odd.csv", index=False)
    ended = shell("show", "odd.csv")
    assert ended.returncode == 0
    assert "x[31m" in ended.stdout
    assert "\x1b" not in ended.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("show", "none.nc"), "There is no file 'none.nc'"),
        (("show", "none.csv"), "no file, bundled data set or published law 'none.csv'"),
        (("plot", "results", "overvew"), "Did you mean 'overview'?"),
        (("plot", "results", "--out", "a.gif"), "must be a file of type svg, png, pdf"),
        (("plot", "results", "--out", "absent/a.svg"), "name a figure in a folder that exists"),
        (("compare", "results", "--by", "compute"), "Give one table, or two or more saved"),
        (("compare", "results", "failed.nc", "--laws", "kaplan"), "leave out --laws"),
        (("compare", "results", "failed.nc", "--engine", "grid"), "leave out --engine"),
        (("show", "results", "--loss", "nonsense"), "leave out --loss"),
        (("backtest", "chinchilla", "--engine", "optimize"), "computes none"),
        (("check", "bad.csv"), "--loss COLUMN --out FOLDER`, then give FOLDER"),
    ],
)
def test_unusable_input_gives_one_message_and_no_json(shell, folder, arguments, message):
    (folder / "bad.csv").write_text("size,val\n1,2\n3,4\n")
    ended = shell(*arguments, "--json")
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert message in ended.stderr


def test_version_and_completion():
    def run(*arguments, **environment):
        command = [sys.executable, "-c", "from scalingbayes.cli import main; main()", *arguments]
        environment = {**os.environ, **environment}
        return subprocess.run(command, capture_output=True, text=True, env=environment).stdout

    assert run("--version") == f"scalingbayes {sb.__version__}\n"
    assert "_SCALINGBAYES" in run("--show-completion") or "complete" in run("--show-completion")


def test_show_says_which_columns_a_table_lacks(shell, folder):
    (folder / "foreign.csv").write_text("width,val\n1,2\n3,4\n")
    ended = shell("show", "foreign.csv")
    assert ended.returncode == 0
    assert "No column of params or tokens or loss was found" in ended.stdout
    assert "--params COLUMN, --tokens COLUMN, --loss COLUMN" in ended.stdout
