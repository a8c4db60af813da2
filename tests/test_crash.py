"""Writers that are killed, disks that are full, two writers at once, folders that go; forks."""

import json
import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

import scalingbayes as sb
from scalingbayes.fitting.chunks import ChunkFolder
from scalingbayes.inference import Draws

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
    # Each task opens and writes a file: fewer calls would mean that calls are not seen.
    assert min(count for count, _ in found.values()) >= 2


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


CHUNKS = [[0, 1], [2, 3], [4]]


def draws_of(fits):
    return [Draws(np.full((1, 9, 2), float(fit)), {"lp": np.ones((1, 9))}) for fit in fits]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of a batch whose three chunks are finished."""
    batch = ChunkFolder(tmp_path_factory.mktemp("batch") / "out", "mine")
    for number, fits in enumerate(batch.open(CHUNKS)):
        batch.write(number, fits, draws_of(fits))
    return batch.path


@pytest.fixture
def batch(finished, tmp_path):
    return ChunkFolder(Path(shutil.copytree(finished, tmp_path / "out")), "mine")


def damage(path, kind):
    content = path.read_bytes()
    changed = bytearray(content)
    changed[len(content) // 2] ^= 4
    by_kind = {"cut": content[:-100], "empty": b"", "flipped": changed, "text": b"{}"}
    path.write_bytes(by_kind[kind])


@pytest.mark.parametrize("kind", ["cut", "empty", "flipped", "text"])
def test_a_damaged_chunk_is_computed_again(batch, kind):
    damage(batch.path / "chunk-00001.nc", kind)
    with pytest.warns(sb.InputWarning, match=r"chunk-00001.nc cannot be read.*Its 2 fits are comp"):
        assert batch.read(1, CHUNKS[1]) is None
    for number in (0, 2):
        pairs = zip(batch.read(number, CHUNKS[number]), draws_of(CHUNKS[number]), strict=True)
        for found, made in pairs:
            np.testing.assert_array_equal(found.points, made.points)
    batch.write(1, CHUNKS[1], draws_of(CHUNKS[1]))
    assert batch.read(1, CHUNKS[1]) is not None


def test_a_chunk_of_other_fits_is_not_taken(batch):
    shutil.copy(batch.path / "chunk-00000.nc", batch.path / "chunk-00001.nc")
    with pytest.warns(sb.InputWarning, match="chunk-00001.nc holds other fits. Its 2 fits"):
        assert batch.read(1, CHUNKS[1]) is None
    with pytest.warns(sb.InputWarning, match="holds other fits"):
        assert ChunkFolder(batch.path, "other").read(2, CHUNKS[2]) is None


def test_a_missing_chunk_is_said(batch):
    (batch.path / "chunk-00001.nc").unlink()
    with pytest.warns(sb.InputWarning, match="chunk-00001.nc is missing"):
        assert batch.read(1, CHUNKS[1]) is None
    (batch.path / "chunk-00002.nc").unlink()
    assert batch.read(2, CHUNKS[2]) is None  # not finished


@pytest.mark.parametrize("kind", ["cut", "empty", "flipped", "text"])
def test_a_damaged_record_is_written_again(batch, kind):
    path = batch.path / "batch.json"
    damage(path, kind)
    with pytest.raises(sb.InputError, match="holds another batch"):
        ChunkFolder(batch.path, "other").open(CHUNKS)
    with pytest.warns(sb.InputWarning, match=r"batch.json is damaged: it is written again"):
        assert batch.open(CHUNKS) == CHUNKS
    assert batch.open([[0], [1, 2, 3, 4]]) == CHUNKS  # as it was begun


def test_a_lost_record_keeps_the_chunks(batch):
    (batch.path / "batch.json").unlink()
    with pytest.raises(sb.InputError, match="holds another batch"):
        ChunkFolder(batch.path, "other").open(CHUNKS)
    assert batch.open(CHUNKS) == CHUNKS
    assert batch.read(0, CHUNKS[0]) is not None


def test_temporary_files_of_killed_batches_go(batch):
    stray = batch.path / ".chunk-00007.nc.killed.scalingbayes-tmp"
    stray.touch()
    batch.open(CHUNKS)
    assert not stray.exists()
