"""Files are written completely or not at all."""

import errno
import os
import re

import pytest

import scalingbayes as sb
from scalingbayes._core import atomic_files
from scalingbayes._core.atomic_files import atomic_write, atomic_write_all, made_folder, sweep


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(errno.EIO, "Input/output error")])
@pytest.mark.parametrize("before", [None, "the old file"])
def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch, error, before):
    def fail(*_):
        raise error

    path = tmp_path / "table.csv"
    if before is not None:
        path.write_text(before)
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(type(error)):
        atomic_write(path, "all of it")
    assert [entry.name for entry in tmp_path.iterdir()] == ([] if before is None else ["table.csv"])
    assert before is None or path.read_text() == before


def test_a_full_disk_says_how_much_is_needed_and_free(tmp_path, monkeypatch):
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_text("old")
    written = []

    def full(handle, content):
        if len(written) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        written.append(len(content))
        return write(handle, content)

    write = os.write
    monkeypatch.setattr(os, "write", full)
    monkeypatch.setattr(atomic_files.shutil, "disk_usage", Usage)
    with pytest.raises(OSError, match=re.escape("3,003 bytes are needed and 1,234 bytes are")):
        atomic_write_all({first: b"new", second: bytes(2000), tmp_path / "third": bytes(1000)})
    assert first.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["first"]


class Usage:
    """A disk that is almost full."""

    free = 1234

    def __init__(self, folder):
        assert folder.is_dir()


def test_an_error_names_the_users_file(tmp_path):
    with pytest.raises(FileNotFoundError) as error:
        atomic_write(tmp_path / "nowhere" / "table.csv", "x")
    assert error.value.filename == str(tmp_path / "nowhere" / "table.csv")
    with pytest.raises(IsADirectoryError, match=re.escape(f"'{tmp_path}'")):
        atomic_write(tmp_path, "x")
    assert not list(tmp_path.iterdir())
    with pytest.raises(FileExistsError, match="A device or a pipe"):
        atomic_write("/dev/null", "x")


def test_permissions_are_the_users(tmp_path):
    (tmp_path / "plain").touch()
    atomic_write(tmp_path / "whole", "all of it")
    assert (tmp_path / "whole").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_links_stay_links(tmp_path):
    (tmp_path / "far").mkdir()
    link = tmp_path / "table.csv"
    link.symlink_to(tmp_path / "far" / "table.csv")
    atomic_write(link, "new")
    assert link.is_symlink()
    assert (tmp_path / "far" / "table.csv").read_text() == "new"


@pytest.mark.parametrize("name", ["a", "[*?].csv", "ä" * 120, "x" * 255])
def test_names_of_any_kind(tmp_path, name):
    atomic_write(tmp_path / name, "1")
    atomic_write(tmp_path / name, "2")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(name, "2")]


def test_temporary_files_of_killed_processes_are_swept(tmp_path):
    killed = tmp_path / ".table.csv.killed.scalingbayes-tmp"
    other = tmp_path / ".other.csv.killed.scalingbayes-tmp"
    for path in (killed, other, tmp_path / ".table.csv.mine"):
        path.touch()
    atomic_write(tmp_path / "table.csv", "new")
    assert not killed.exists()
    assert other.exists()
    with atomic_files._temporary_file(tmp_path / "other.csv") as (living, _):
        assert not other.exists()
        sweep(tmp_path)
        assert living.exists()
    assert {path.name for path in tmp_path.iterdir()} == {"table.csv", ".table.csv.mine"}


def test_a_new_folder_goes_if_it_stays_empty(tmp_path):
    with pytest.raises(KeyError), made_folder(tmp_path / "a" / "b"):
        raise KeyError
    assert not list(tmp_path.iterdir())
    with pytest.raises(KeyError), made_folder(tmp_path / "a" / "b"):
        (tmp_path / "a" / "kept").touch()
        raise KeyError
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["kept"]


def test_a_missing_folder_is_an_error(post, tmp_path):
    with pytest.raises(FileNotFoundError):
        post.save(tmp_path / "nowhere" / "post.nc")
    assert isinstance(sb.InputError("x"), ValueError)
