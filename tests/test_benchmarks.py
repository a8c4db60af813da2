"""Benchmarks run, and say what they should; what they measure is not tested."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


def run(script, *options):
    command = [sys.executable, BENCHMARKS / script, *map(str, options)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr[-2000:]
    return ran.stdout


@pytest.mark.parametrize(
    "job",
    [
        "cells",
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in ("starts", "bootstrap", "dense", "many", "agreement")
        ),
    ],
)
def test_the_suite_runs(job, tmp_path):
    results, figure = tmp_path / "suite.json", tmp_path / "suite.png"
    run("suite.py", "--quick", "--only", job, "--json", results, "--figure", figure)
    rows = json.loads(results.read_text())[job]
    assert all(row["seconds"] > 0 for row in rows if "seconds" in row)
    if job == "cells":
        assert rows[0]["worst error"] < 1e-8
        assert figure.stat().st_size > 5000
    if job == "starts":
        assert rows[0]["sum of Huber"] < 0.0010183


@pytest.mark.slow
def test_platforms_are_compared_and_the_absent_named(tmp_path):
    results = tmp_path / "platforms.json"
    printed = run("platforms.py", "--quick", "--json", results)
    found = json.loads(results.read_text())
    assert {row["job"] for row in found["rows"]} == {
        "limits",
        "gradients",
        "grid",
        "one table",
        "tables",
    }
    assert all(row["a second"] > 0 for row in found["rows"] if row["job"] != "limits")
    assert all(platform in printed for platform in found["absent"])


@pytest.mark.slow
def test_laws_are_calibrated_part_by_part(tmp_path):
    results, page = tmp_path / "calibration.json", tmp_path / "calibration.md"
    options = ("--only", "critical_batch", "--tables", 40, "--part", 20, "--draws", 100)
    run("calibration.py", *options, "--json", results, "--write", page)
    found = json.loads(results.read_text())
    assert [len(part["ranks"]["S_min"]) for part in found["parts"]] == [20, 20]
    assert found["rows"][0]["tables"] == 40
    assert "| `critical_batch` | 40 |" in page.read_text()
