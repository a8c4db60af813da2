"""The command line, in this process or, where it matters, in a process of its own."""

import inspect
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest

import scalingbayes as sb
from scalingbayes.cli.fit import fit_command
from scalingbayes.model.model import DEFAULT_LAW
from scalingbayes.model.noise_models import NOISE_MODELS

EXACT = (
    *("--law", "chinchilla", "--noise", "student_t"),
    *("--weak-priors", "--exact"),
)


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """Return an environment with an empty home folder, and so without compiled programs."""
    home = tmp_path_factory.mktemp("home")
    ours = {"HOME": str(home), "XDG_CACHE_HOME": str(home / "cache"), "SCALINGBAYES_CACHE": ""}
    return {**os.environ, **ours}


@pytest.fixture
def shell(environment, tmp_path):
    def run(*arguments):
        return subprocess.run(
            [sys.executable, "-m", "scalingbayes", *map(str, arguments)],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env=environment,
        )

    return run


@pytest.fixture
def table(tmp_path, small_table, rng):
    """Write a table whose columns have other names, with a little noise."""
    noise = np.exp(0.003 * rng.standard_normal(12))
    frame = pd.DataFrame({**small_table, "loss": small_table["loss"] * noise})
    path = tmp_path / "sweep.csv"
    frame.rename(columns={"params": "n_params", "loss": "val_loss"}).to_csv(path, index=False)
    return path


def test_options_say_what_there_is(command):
    assert inspect.signature(fit_command).parameters["law"].default == DEFAULT_LAW
    noises = command("fit", "--help").stdout
    assert all(name in noises for name in NOISE_MODELS)
    stocks = command("data-exhaustion", "--help").stdout
    named = [name for name in sb.token_stock().index if name in stocks]
    assert {"effective_2024", "high_quality_2022"} <= set(named)


def test_fit_prints_and_writes_a_bundled_table(shell, tmp_path, all_runs):
    done = shell("fit", "chinchilla", *EXACT, "--out", "results")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""  # no progress bar where there is no terminal
    for word in (
        "alpha",
        "90% equal-tailed credible interval",
        "N_opt ∝ C^a",
        "LogNormal",
        "R-hat",
        "THE MODEL FAILED ITS CHECKS",  # as in sb.check's example
    ):
        assert word in done.stdout
    assert "passed its checks" in done.stdout
    written = sorted(path.name for path in (tmp_path / "results").iterdir())
    assert written == ["exponents.csv", "posterior.nc", "summary.csv"]
    post = sb.load(tmp_path / "results" / "posterior.nc")
    assert post.record.data.digest == all_runs.digest
    exponents = pd.read_csv(tmp_path / "results" / "exponents.csv", index_col="quantity")
    assert exponents.loc["a", "median"] == pytest.approx(0.514, abs=0.003)
    assert set(exponents["verdict"]) == {"passed"}
    summary = pd.read_csv(tmp_path / "results" / "summary.csv", index_col=0)
    assert summary.loc["E", "median"] == pytest.approx(np.median(post.values["E"]))


@pytest.mark.slow
def test_columns_engine_and_noise_are_options(command, table):
    done = command(
        *("fit", table, "--params", "n_params", "--loss", "val_loss"),
        *("--prob", "0.5", "--seed", "3", "--exact"),
        *("--engine", "laplace(draws=1500)"),
        *("--noise", "student_t(varying=tokens)"),
    )
    assert done.returncode in (0, 3), done.stderr
    assert "50% equal-tailed" in done.stdout
    assert "sigma falling as tokens" in done.stdout
    assert "seed 3" in done.stdout


def test_laws_lists_laws_and_shows_one(command):
    listed = command("laws")
    assert listed.returncode == 0, listed.stderr
    for name, equation in sb.list_laws()["equation"].items():
        assert f"{name}: {equation}" in listed.stdout
    shown = command("laws", "power_law(x=tokens)")
    assert "x = tokens" in shown.stdout
    assert "alpha ~ LogNormal(loc=-1, scale=0.8)" in shown.stdout


@pytest.mark.slow
def test_fit_of_a_law_that_predicts_another_column(command, tmp_path, rng):
    loss = np.linspace(2.4, 3.6, 20)
    rate = 0.85 - 2.1 * np.exp(-0.75 * loss) + 0.002 * rng.standard_normal(20)
    pd.DataFrame({"val_loss": loss, "err": rate}).to_csv(tmp_path / "evals.csv", index=False)
    done = command(
        *("fit", "evals.csv", "--law", "downstream", "--loss", "val_loss"),
        *("--column", "error=err", "--engine", "nuts(draws=500)"),
    )
    assert done.returncode in (0, 3), done.stderr
    assert "logit error" in done.stdout
    assert "gamma" in done.stdout
    assert "N_opt" not in done.stdout


@pytest.mark.slow
def test_compare_prints_scores_and_weights(command):
    laws = "chinchilla, chinchilla(tied=True)"
    done = command(
        "compare", "chinchilla", "--laws", laws, "--engine", "laplace", "--by", "largest"
    )
    assert done.returncode == 0, done.stderr
    for word in (
        "2 laws compared, the 82 runs with the most compute left out in 4 folds",
        "chinchilla(tied=True)",
    ):
        assert word in done.stdout
    assert "Weights by stacking of the largest fold" in " ".join(done.stdout.split())
    assert "all 2 fits passed their checks" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("fit", "sweep.csv", "--loss", "val_los"), "Did you mean 'val_loss'?"),
        (("fit", "sweep.csv", "--column", "loss"), "--column must be NAME=VALUE"),
        (("fit", "sweep.csv", "--column", "self=loss"), "cannot name a quantity 'self'"),
        (("fit", "sweep.csv", "--where", "val_loss < 0"), "No row meets"),
        (("fit", "sweep.csv", "--unit", "loss=apples"), "The unit of loss must be one of"),
        (("fit", "sweep.csv", "--keep", "first"), "keep must be 'best' or 'last'"),
        (("laws", "kaplun"), "Did you mean 'kaplan'?"),
        (("fit", "missing.csv"), "no file or bundled data set 'missing.csv'"),
        (("fit", "chinchila"), "Did you mean 'chinchilla'?"),
        (("fit", "empty"), "no file or bundled"),
        (("fit", "chinchilla", "--law", "kaplun"), "no law 'kaplun'"),
        (("fit", "chinchilla", "--prob", "90"), "prob must be between 0 and 1"),
        (("fit", "chinchilla", "--engine", "nuts(chains=1)"), "chains must be"),
        (("fit", "chinchilla", "--engine", "nuts(chain=2)"), "Did you mean 'chains'?"),
        (("fit", "chinchilla", "--engine", "optimize"), "a best fit without intervals"),
        (("fit", "chinchilla", "--noise", "normal(vary=params)"), "Did you mean 'varying'?"),
        (("fit", "chinchilla", "--out", "sweep.csv"), "cannot be a folder that is written to"),
        (("compare", "chinchilla", "--laws", "kaplan"), "--laws must name two or more laws"),
        (("compare", "chinchilla", "--laws", "kaplan,kaplun"), "Did you mean 'kaplan'?"),
        (("compare", "chinchilla", "--by", "corpus"), "no column 'corpus'"),
        (("compare", "chinchilla", "--engine", "optimize"), "--engine optimize computes none"),
        (("compare", "chinchilla", "--engine", "bootstrap(resamples=9)"), "computes none"),
        (("fit", "chinchilla", "--seed", "many"), "Invalid value for '--seed'"),
    ],
)
def test_unusable_input_gives_one_message_and_status_2(command, table, arguments, message):
    done = command(*arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


@pytest.mark.slow
def test_brackets_in_names_and_fractional_percentages_are_printed(command, tmp_path, all_runs):
    all_runs.frame.to_csv(tmp_path / "runs[v2].csv", index=False)
    done = command(
        *("fit", "runs[v2].csv", "--prob", "0.955"),
        *("--engine", "nuts(draws=400)", "--out", "o[b]"),
    )
    assert done.returncode == 0, done.stderr
    assert "'runs[v2].csv'" in done.stdout
    assert "95.5% equal-tailed" in done.stdout
    assert "Written to o[b]" in done.stdout


@pytest.mark.slow
def test_a_folder_may_have_the_name_of_a_data_set(command):
    for _ in range(2):
        done = command("fit", "chinchilla", "--engine", "nuts(draws=400)", "--out", "chinchilla")
        assert done.returncode == 0, done.stderr


def test_a_warning_is_printed_on_one_line(shell, tmp_path, all_runs):
    frame = all_runs.frame.drop(columns="compute").assign(params=lambda f: f["params"] / 1e9)
    frame.to_csv(tmp_path / "billions.csv", index=False)
    done = shell("fit", "billions.csv", *EXACT, "--engine", "prior(draws=50)")
    assert done.returncode in (0, 3), done.stderr
    assert done.stderr.startswith("warning: Column 'params' has a median of")
    assert done.stderr.count("\n") == 1


def test_a_fit_that_fails_its_checks_is_still_written(command, tmp_path):
    few = "nuts(draws=20, warmup=50)"
    done = command("fit", "chinchilla", *EXACT, "--engine", few, "--out", "results")
    assert done.returncode == 3, done.stderr
    assert "THE FIT FAILED ITS CHECKS" in done.stdout
    assert set(pd.read_csv(tmp_path / "results" / "summary.csv")["verdict"]) == {"failed"}
    assert not sb.load(tmp_path / "results" / "posterior.nc").verdict.passed


@pytest.mark.slow
def test_an_interrupted_fit_leaves_no_file(environment, tmp_path):
    # A shell that runs the tests in the background makes its children ignore interrupts.
    run = (
        "import runpy, signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "runpy.run_module('scalingbayes', run_name='__main__')"
    )
    # Compiling cannot be interrupted; a test above has compiled the same programs.
    process = subprocess.Popen(
        [
            *(sys.executable, "-c", run, "fit", "chinchilla"),
            *EXACT,
            *("--engine", "nuts(draws=300000)", "--out", "results"),
        ],
        cwd=tmp_path,
        env=environment,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            while not (tmp_path / "results").exists():  # made just before sampling begins
                time.sleep(0.1)
                assert process.poll() is None
            time.sleep(5)
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=120)
        finally:
            process.kill()
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert not (tmp_path / "results").exists()


@pytest.mark.slow
def test_programs_are_compiled_once_and_can_be_deleted(shell, environment):
    arguments = ("fit", "chinchilla", *EXACT, "--engine", "nuts(draws=100)")
    shell(*arguments)
    folder = Path(environment["XDG_CACHE_HOME"]) / "scalingbayes" / "programs"
    written = {path.name: path.stat().st_ino for path in folder.iterdir()}
    assert written
    shell(*arguments)
    assert {path.name: path.stat().st_ino for path in folder.iterdir()} == written
    assert f"{len(written)} programs" in shell("cache").stdout
    assert f"Deleted {len(written)} programs" in shell("cache", "clear").stdout
    assert not list(folder.iterdir())


def test_the_cache_can_be_shown_and_is_off_if_asked(command, tmp_path, monkeypatch):
    monkeypatch.setenv("SCALINGBAYES_CACHE", str(tmp_path / "programs"))
    assert "0 programs, 0.0 MB" in command("cache").stdout
    done = command("cache", "sweep")
    assert done.returncode == 2
    assert "show, clear or warm" in done.stderr
    monkeypatch.setenv("SCALINGBAYES_CACHE", "off")
    assert "are not kept" in command("cache").stdout


def test_datasets_lists_licences(command):
    done = command("datasets")
    assert done.returncode == 0
    assert "licence  MIT" in done.stdout
