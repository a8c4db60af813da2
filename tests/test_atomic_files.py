"""Files are written completely or not at all."""

import errno

import pytest

import scalingbayes as sb
from scalingbayes._core.atomic_files import atomic_write


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(errno.ENOSPC, "No space left")])
@pytest.mark.parametrize("before", [None, "the old file"])
def test_a_failed_write_leaves_the_old_file(tmp_path, error, before):
    path = tmp_path / "table.csv"
    if before is not None:
        path.write_text(before)
    with pytest.raises(type(error)), atomic_write(path) as temporary:
        temporary.write_text("half of it")
        raise error
    assert [entry.name for entry in tmp_path.iterdir()] == ([] if before is None else ["table.csv"])
    assert before is None or path.read_text() == before


def test_a_full_disk_leaves_no_posterior(post, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("xarray.DataTree.to_netcdf", full)
    with pytest.raises(OSError, match="No space left"):
        post.save(tmp_path / "post.nc")
    assert not list(tmp_path.iterdir())


def test_permissions_are_the_users(tmp_path):
    (tmp_path / "plain").touch()
    with atomic_write(tmp_path / "whole") as temporary:
        temporary.write_text("all of it")
    assert (tmp_path / "whole").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_missing_folder_is_an_error(post, tmp_path):
    with pytest.raises(FileNotFoundError):
        post.save(tmp_path / "nowhere" / "post.nc")
    assert isinstance(sb.InputError("x"), ValueError)
