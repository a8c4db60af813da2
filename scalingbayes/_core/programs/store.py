"""The folder of compiled programs: private, bounded in size, safe for many processes at once."""

import hashlib
import os
import stat
import warnings
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_cache_path

from scalingbayes._core.atomic_files import atomic_write, sweep
from scalingbayes._core.errors import InputWarning

VARIABLE = "SCALINGBAYES_CACHE"
"""The environment variable that names the folder; ``off`` turns the store off."""

MOST_BYTES = 1 << 30
_DIGEST_BYTES = hashlib.sha256().digest_size
_SUFFIX = ".program"


@dataclass(frozen=True)
class Store:
    """Programs on disk, each in a file that is named by the program's digest.

    A file holds the SHA-256 of its content, then the content. A file is renamed into place when it
    is complete. A file that is damaged counts as absent.

    Parameters
    ----------
    folder
        The folder. It belongs to the user, and nobody else may write to it.
    most_bytes
        Size of the folder above which programs that were not used for longest are deleted.
    """

    folder: Path
    most_bytes: int = MOST_BYTES

    def read(self, key: str) -> bytes | None:
        """Return the content of a program; None if there is none, or if it is damaged."""
        path = self._path(key)
        try:
            opened = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
            with open(opened, "rb") as file:
                if not _private(os.fstat(file.fileno())):
                    return None
                content = file.read()
            os.utime(path)
        except OSError:
            return None
        digest, content = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
        return content if hashlib.sha256(content).digest() == digest else None

    def write(self, key: str, content: bytes) -> None:
        """Store a program. A full disk or a folder without write access is not an error."""
        with suppress(OSError):
            whole = hashlib.sha256(content).digest() + content
            # A program that a crash of the system damages counts as absent: it needs no sync.
            atomic_write(self._path(key), whole, mode=0o600, sync=False)
            self._bound()

    def programs(self) -> list[Path]:
        """Return the files of programs, the last used first."""
        found = [(_used(path), path) for path in self.folder.glob(f"*{_SUFFIX}")]
        return [path for _, path in sorted(found, reverse=True)]

    def size(self) -> int:
        """Return the size of all programs in bytes."""
        return sum(_size(path) for path in self.programs())

    def clear(self) -> int:
        """Delete all programs, and return their number."""
        found = self.programs()
        for path in found:
            path.unlink(missing_ok=True)
        sweep(self.folder)
        return len(found)

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}{_SUFFIX}"

    def _bound(self) -> None:
        """Delete what is too much, and what killed processes left."""
        total = 0
        for path in self.programs():
            total += _size(path)
            if total > self.most_bytes:
                path.unlink(missing_ok=True)
        sweep(self.folder)


def open_store() -> Store | None:
    """Return the user's store, and make its folder if there is none.

    Returns
    -------
    Store or None
        None if the environment variable ``SCALINGBAYES_CACHE`` is ``off``, if the folder cannot be
        made, or, with a warning, if another user could put a program into it.
    """
    named = os.environ.get(VARIABLE, "")
    if named.lower() in ("off", "0"):
        return None
    try:
        cache = user_cache_path("scalingbayes") / "programs"
        folder = Path(named).expanduser().absolute() if named else cache
        folder.mkdir(parents=True, mode=0o700, exist_ok=True)
        found = folder.stat()
    except (OSError, RuntimeError):  # RuntimeError: the user has no home folder
        return None
    if _private(found):
        return Store(folder)
    warnings.warn(
        f"Compiled programs are not kept: {folder} belongs to another user, or others may write to "
        f"it. Loading a program runs its code. Make the folder your own (chmod 700), or name "
        f"another folder in the environment variable {VARIABLE}.",
        InputWarning,
        stacklevel=2,
    )
    return None


def _private(found: os.stat_result) -> bool:
    """Return whether nobody but the user and the administrator could have written a file."""
    if not hasattr(os, "getuid"):  # Windows: the user's folders are private
        return True
    return found.st_uid == os.getuid() and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _used(path: Path) -> float:
    """Return when a file was last used; 0 if it is gone."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
