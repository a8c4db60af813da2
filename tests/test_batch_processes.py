"""fit_many in several processes: after a kill, on other devices, and on two hosts."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import pytest
from plain import EXACT, fit_many
from simulation import simulate

from scalingbayes.inference import NUTS

FEW = {**EXACT, "chains": 2, "draws": 60, "warmup": 60}  # fast; far too few to converge
ROUNDING = 1e-6  # programs for different devices round differently, and chains amplify that

# A child process fits a batch, and writes the draws and the summary.
CHILD = """
import json, sys
import jax
import numpy as np

task = json.loads(sys.argv[1])
jax.config.update("jax_num_cpu_devices", task["devices"])
if "host" in task:
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    jax.distributed.initialize(task["coordinator"], 2, task["host"])

import scalingbayes as sb
import scalingbayes.fitting.chunks

scalingbayes.fitting.chunks._FITS_AT_ONCE = task["at_once"]
tables = json.load(open(task["tables"]))
from plain import fit_many_default

posts = fit_many_default(tables, **task["options"])
np.savez(task["found"], **{name: x.to_numpy() for name, x in posts.draws.items()})
posts.summary().to_csv(task["found"] + ".csv")
print(len(jax.devices()), jax.process_count())
"""


def write_tables(path, tables):
    listed = {n: {c: list(x) for c, x in each.items()} for n, each in tables.items()}
    path.write_text(json.dumps(listed))
    return str(path)


@pytest.fixture
def begin():
    """Start child processes; they are killed at the end of the test."""
    if jax.default_backend() != "cpu":
        pytest.skip("compares with processes on a CPU")
    started = []

    def start(task):
        command = [sys.executable, "-c", CHILD, json.dumps(task)]
        pipe, env = subprocess.PIPE, {**os.environ, "JAX_PLATFORMS": "cpu"}
        started.append(subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=env))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        with process:
            pass


def finish(process):
    """Wait for a process to end; return the last line that it printed."""
    output, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors[-3000:]
    return output.splitlines()[-1]


@pytest.mark.slow
def test_a_batch_killed_on_one_device_continues_on_two(tmp_path, monkeypatch, begin):
    tables = {f"table {seed}": simulate(np.random.default_rng(seed), 64) for seed in range(40)}
    out = tmp_path / "batch"
    task = {
        "devices": 1,
        "at_once": 4,  # tables on a device, so that there are ten chunks
        "tables": write_tables(tmp_path / "tables.json", tables),
        "options": {"seed": 5, "out": str(out), **FEW},
        "found": str(tmp_path / "found.npz"),
    }
    process = begin(task)
    deadline = time.monotonic() + 300
    while not list(out.glob("chunk-*")) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    _, errors = process.communicate()
    assert process.returncode == -signal.SIGKILL, errors[-3000:]
    finished = {path: path.stat() for path in out.glob("chunk-*")}
    assert 0 < len(finished) < 10
    # Partial temporary files, as a kill during writing leaves them.
    (out / ".chunk-00009.nc.abcdefgh").write_bytes(b"\x89HDF half of it")
    (out / ".batch.json.abcdefgh").write_text("{")

    calls, run = [], NUTS.run
    monkeypatch.setattr(NUTS, "run", lambda *args: calls.append(1) or run(*args))
    resumed = fit_many(tables, seed=5, out=out, **FEW)
    assert len(calls) == 10 - len(finished)
    for path, stat in finished.items():
        assert (path.stat().st_ino, path.stat().st_mtime_ns) == (stat.st_ino, stat.st_mtime_ns)
    assert len(list(out.glob("chunk-*"))) == 10
    monkeypatch.setattr("scalingbayes.fitting.chunks._FITS_AT_ONCE", 2)
    whole = fit_many(tables, seed=5, **FEW)
    assert len(calls) == 20 - len(finished)
    for name, expected in whole.draws.items():
        found = resumed.draws[name].to_numpy()
        np.testing.assert_array_equal(found[-4:], expected[-4:])
        # The first chunks were fitted on one device.
        np.testing.assert_allclose(found, expected, rtol=ROUNDING)


@pytest.mark.slow
def test_two_hosts_give_the_draws_of_two_devices(tmp_path, begin):
    small = {f"table {seed}": simulate(np.random.default_rng(seed), 50 + seed) for seed in range(4)}
    sampled = fit_many(small, seed=7, **FEW)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        coordinator = f"127.0.0.1:{free.getsockname()[1]}"
    task = {
        "devices": 1,
        "at_once": 4,
        "tables": write_tables(tmp_path / "tables.json", small),
        "options": {"seed": 7, **FEW},
    }
    found = [str(tmp_path / f"{name}.npz") for name in ("first", "second")]
    pair = [
        begin({**task, "coordinator": coordinator, "host": host, "found": found[host]})
        for host in (0, 1)
    ]
    assert [finish(process) for process in pair] == ["2 2", "2 2"]
    draws = []
    for path in found:
        with np.load(path) as arrays:
            draws.append(dict(arrays))
    first, second = draws
    assert Path(found[0] + ".csv").read_text() == Path(found[1] + ".csv").read_text()
    for name, expected in sampled.draws.items():
        np.testing.assert_array_equal(first[name], second[name])
        np.testing.assert_allclose(first[name], expected, rtol=ROUNDING)
