"""Write files completely or not at all."""

import errno
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_SUFFIX = ".scalingbayes-tmp"
_LONGEST_NAME = 200  # bytes of the file's name in the name of a temporary file; systems allow 255
_ABANDONED_SECONDS = 3600.0  # without locks, an older temporary file is taken for a killed writer's
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def atomic_write(
    path: str | Path, content: bytes | memoryview | str, mode: int | None = None, sync: bool = True
) -> None:
    """Write a file completely or not at all.

    After an error, an interrupt or a full disk, the file is as before. A temporary file that a
    killed process left is deleted by the next write of the same file.

    Parameters
    ----------
    path
        The file, in a folder that exists. The target of a symbolic link is replaced, not the link.
    content
        The content; text is written as UTF-8.
    mode
        The file's permissions; by default the user's default permissions.
    sync
        Whether the file must survive a crash of the system right after it was written.

    Raises
    ------
    OSError
        If the file cannot be written. If no space is left, the message says how many bytes are
        needed and how many are free.
    """
    atomic_write_all({Path(path): content}, mode, sync)


def atomic_write_all(
    contents: Mapping[Path, bytes | memoryview | str], mode: int | None = None, sync: bool = True
) -> None:
    """Write several files. All contents are on the disk before the first file is replaced.

    The parameters and errors are those of :func:`atomic_write`.
    """
    encoded = {Path(os.path.realpath(path)): _as_bytes(x) for path, x in contents.items()}
    path = next(iter(encoded), Path())
    try:
        with ExitStack() as stack:
            staged = []
            for path, content in encoded.items():
                temporary, handle = stack.enter_context(_temporary_file(path))
                _fill(temporary, handle, content, mode, sync)
                staged.append((temporary, path))
            for temporary, path in staged:
                temporary.replace(path)
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise _no_room(error, path, sum(map(len, encoded.values()))) from error
        # The name of the temporary file would tell the user nothing.
        raise OSError(error.errno, error.strerror, str(path)) from error
    for folder in {path.parent for path in encoded} if sync else ():
        _sync_folder(folder)


def sweep(folder: Path, name: str | None = None) -> None:
    """Delete the temporary files that killed processes left in a folder.

    A temporary file is locked as long as its writer lives.

    Parameters
    ----------
    folder
        The folder.
    name
        The name of the file whose temporary files are deleted; by default those of all files.
    """
    prefix = "." if name is None else _prefix(name)
    for path in folder.iterdir():
        if not (path.name.startswith(prefix) and path.name.endswith(_SUFFIX)):
            continue
        with suppress(OSError):  # a writer lives, or another process was faster
            if fcntl is None:
                if time.time() - path.stat().st_mtime > _ABANDONED_SECONDS:
                    path.unlink()
                continue
            with path.open("r+b") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()


@contextmanager
def made_folder(path: Path) -> Iterator[None]:
    """Make a folder and its parents; delete those that are new and empty if the block fails.

    Raises
    ------
    OSError
        If the folder cannot be made.
    """
    new = [folder for folder in (path, *path.parents) if not folder.exists()]
    try:
        path.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException:
        for folder in new:
            with suppress(OSError):  # it is not empty, or was not made
                folder.rmdir()
        raise


@contextmanager
def _temporary_file(path: Path) -> Iterator[tuple[Path, int]]:
    """Yield a new locked file in the folder of a path and its handle; delete it at the end."""
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise FileExistsError(errno.EEXIST, "A device or a pipe cannot be replaced by a file")
    with suppress(OSError):  # a folder that may be written to, but not listed
        sweep(path.parent, path.name)
    temporary, handle = _create(path)
    try:
        yield temporary, handle
    finally:
        temporary.unlink(missing_ok=True)
        if fcntl is not None:
            os.close(handle)


def _create(path: Path) -> tuple[Path, int]:
    """Create a temporary file and lock it."""
    while True:
        handle, name = tempfile.mkstemp(_SUFFIX, _prefix(path.name), path.parent)
        if fcntl is None:
            return Path(name), handle
        with suppress(OSError):  # a file system without locks
            fcntl.flock(handle, fcntl.LOCK_EX)
        if os.fstat(handle).st_nlink:
            return Path(name), handle
        os.close(handle)  # another process deleted it before it was locked


def _prefix(name: str) -> str:
    shortened = os.fsencode(name)[:_LONGEST_NAME].decode(errors="ignore")
    return f".{shortened}."


def _as_bytes(content: bytes | memoryview | str) -> bytes | memoryview:
    return content.encode("utf-8", "backslashreplace") if isinstance(content, str) else content


def _fill(
    temporary: Path, handle: int, content: bytes | memoryview, mode: int | None, sync: bool
) -> None:
    """Write the content of a temporary file, and set its permissions."""
    try:
        left = memoryview(content)
        while left:
            left = left[os.write(handle, left) :]
        # mkstemp makes a file that its owner alone may read: restore the user's default.
        temporary.chmod(0o666 & ~_umask() if mode is None else mode)
        if sync:
            os.fsync(handle)
    finally:
        if fcntl is None:  # Windows deletes and renames no open file
            os.close(handle)


def _sync_folder(folder: Path) -> None:
    """Make new names in a folder survive a crash of the system, where the system can do so."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:  # Windows, or a folder that may not be read
        return
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.EACCES):
            raise
    finally:
        os.close(handle)


def _no_room(error: OSError, path: Path, needed: int) -> OSError:
    free = 0
    with suppress(OSError):
        free = shutil.disk_usage(path.parent).free
    return OSError(
        error.errno,
        f"{error.strerror}: {path} was not written. {needed:,} bytes are needed and {free:,} bytes "
        f"are free in {path.parent}. Free some space, or name another folder.",
    )


def _umask() -> int:
    """Return the process's umask, which can only be read by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
