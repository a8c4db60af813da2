"""Writers that are killed, disks that are full, two writers at once, folders that go; forks."""

import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

import scalingbayes as sb

DRIVER = Path(__file__).with_name("crashing.py")
CHEAP = ("Report", "Save")


def run_driver(folder, *tasks):
    """Return for each check of each task the number of trials and the problems."""
    folder.mkdir()
    environment = {**os.environ, "JAX_PLATFORMS": "cpu", "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, str(DRIVER), str(folder), *tasks]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=900)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("tasks", [CHEAP, pytest.param((), marks=pytest.mark.slow)])
def test_nothing_is_lost_and_nothing_is_left(tmp_path, tasks):
    if not hasattr(os, "fork"):
        pytest.skip("needs fork")
    found = run_driver(tmp_path / "files", *tasks)
    assert not {name: problems for name, (_, problems) in found.items() if problems}
    # Each task opens, writes, syncs, renames: fewer calls would mean that they are not seen.
    assert min(count for count, _ in found.values()) >= 3


@pytest.mark.slow
def test_a_full_disk_leaves_the_old_posterior(post, tmp_path):
    mounted = tmp_path / "small"
    mounted.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(mounted)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("needs the right to mount a small disk")
    try:
        with pytest.raises(OSError, match=r"bytes are needed and .* bytes are free"):
            post.save(mounted / "post.nc")
        assert not list(mounted.iterdir())
    finally:
        subprocess.run(["umount", str(mounted)], check=True)


def test_a_forked_process_is_refused_in_place_of_waiting_for_ever(runs):
    if not hasattr(os, "fork"):
        pytest.skip("needs fork")
    post = sb.published("hoffmann_2022")
    post.predict(params=1e9, tokens=1e10)  # JAX begins
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of JAX and Python
        child = os.fork()
    if child:
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        return
    try:
        post.summary()  # needs no JAX
        post.predict(params=2e9, tokens=1e10)
    except sb.InputError as error:
        os._exit(7 if "get_context('spawn')" in str(error) else 1)
    except BaseException:
        os._exit(2)
    os._exit(3)
