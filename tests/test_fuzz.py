"""Odd input ends in the right answer or in an error that names it: functions, commands and files.

``--fuzz 5000`` runs more cases, in which some calls fit tables too.
"""

import signal
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
from fuzz.calls import Case, Target, make_case, run_case, targets
from fuzz.commands import all_commands, make_run, run_command
from fuzz.files import FORMATS, read_file, write_file
from fuzz.values import Objects
from plain import fit

import scalingbayes as sb

LIMIT = 60  # seconds of one case, on a busy machine
FEW = 300  # cases with which no case fits a table
OFTEN = 0.1  # share of the calls that fit tables, of many cases
PARTS = {"calls": 0.6, "commands": 0.2, "files": 0.2}


@pytest.fixture(scope="module")
def post(tmp_path_factory):
    rng = np.random.default_rng(1)
    params, tokens = np.geomspace(1e7, 1e10, 24), np.geomspace(1e9, 3e11, 24)[rng.permutation(24)]
    loss = (1.7 + 400 / params**0.34 + 410 / tokens**0.28) * np.exp(rng.normal(0, 0.004, 24))
    table = {"params": params, "tokens": tokens, "loss": loss}
    return fit(table, engine="laplace", draws=100, seed=1)


@pytest.fixture
def number_of_cases(request) -> int:
    return request.config.getoption("--fuzz")


class Violations(list[str]):
    """What was wrong with cases."""

    def judge(self, case: Any, run: Callable[[], str | None]) -> None:
        """Run a case within the limit of time, and note what is wrong with how it ended."""

        def stop(*_: object) -> None:
            raise TimeoutError

        before = signal.signal(signal.SIGALRM, stop)
        signal.alarm(LIMIT)
        try:
            problem = run()
        except TimeoutError:
            problem = f"ran for more than {LIMIT} s"
        except (Exception, SystemExit) as error:
            frame = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{Path(frame.filename).name}:{frame.lineno}"
            problem = f"{type(error).__name__} at {where}: {str(error)[:200]}"
        finally:
            signal.alarm(0)
            signal.signal(signal.SIGALRM, before)
            plt.close("all")
        if problem is not None:
            self.append(f"{case}\n    {problem}")

    def report(self) -> None:
        kinds = Counter(each.partition("\n")[2] for each in self)
        assert not self, f"{len(self)} violations, {len(kinds)} kinds:\n" + "\n".join(self)


def test_calls(post, tmp_path, monkeypatch, number_of_cases):
    monkeypatch.chdir(tmp_path)
    random, found = Random(26), Violations()
    objects = Objects(
        post, post.runs, sb.Limits(max_params=1e12), sb.costs.Proportional(), post.allocate(1e21)
    )
    objects.add(sb.costs.Hardware(1e15, price_per_hour=2.0, devices=8, watts=700))
    done = 0
    while done < PARTS["calls"] * number_of_cases:
        for target in random.sample(pool := [*targets(objects)], len(pool)):
            case = _case(target, objects, random, tmp_path, number_of_cases)
            if case is not None:
                found.judge(case, lambda case=case: run_case(case, objects))
                done += 1
            if done >= PARTS["calls"] * number_of_cases:
                break
    found.report()


def _case(
    target: Target, objects: Objects, random: Random, folder: Path, number: int
) -> Case | None:
    """Return a call; one that fits tables only among many cases, and seldom."""
    may_fit = target.is_cheap or (number > FEW and random.random() < OFTEN)
    for _ in range(20):
        case = make_case(target, objects, random, str(folder), odd=random.random() < 0.9)
        if may_fit or case.must_fail:
            return case
    return None


def test_commands(post, tmp_path, monkeypatch, capsys, number_of_cases):
    monkeypatch.setenv("JAX_NUM_CPU_DEVICES", "2")
    monkeypatch.chdir(tmp_path)
    post.save("post.nc")
    random, found = Random(27), Violations()
    commands = all_commands()
    for _ in range(int(PARTS["commands"] * number_of_cases)):
        name = random.choice([*commands])
        run = make_run(name, commands[name], random, "post.nc", "runs.csv")
        found.judge(run, lambda run=run: run_command(run))
        capsys.readouterr()
    found.report()


def test_files(post, tmp_path, number_of_cases):
    random, found = Random(28), Violations()
    frame = post.runs.frame[["params", "tokens", "loss"]]
    for i in range(int(PARTS["files"] * number_of_cases)):
        folder = tmp_path / str(i)
        folder.mkdir()
        path = write_file(random.choice([*FORMATS]), frame, folder, random)
        found.judge(path, lambda path=path: read_file(path))
    found.report()
