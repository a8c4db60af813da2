"""The seal of a file: a digest of all bytes, behind what HDF5 reads.

HDF5 can loop for ever on a file in which one bit is wrong. The seal shows damage before HDF5 opens
the file. A program that copies or edits the file as netCDF drops the seal; the digest of the values
then shows whether they are those that were written.
"""

import hashlib
from pathlib import Path

from scalingbayes._core.errors import InputError

_MARK = b"scalingbayes seal:"
_LENGTH = len(_MARK) + hashlib.sha256().digest_size
_AT_ONCE = 1 << 20  # bytes

CHANGED = (
    "Its content is not what was written: the file was damaged or edited afterwards. Restore a "
    "copy of the file, or make it again."
)


def sealed(content: bytes | memoryview) -> bytes:
    """Return the content of a file with a seal."""
    return b"".join([content, _MARK, hashlib.sha256(content).digest()])


def check_seal(path: Path) -> None:
    """Check that a file with a seal is what was written; accept a file without a seal.

    Raises
    ------
    InputError
        If the file is not what was written.
    """
    with path.open("rb") as file:
        left = path.stat().st_size - _LENGTH
        if left < 0:
            return
        file.seek(left)
        seal = file.read(_LENGTH)
        if not seal.startswith(_MARK):
            return
        file.seek(0)
        hashed = hashlib.sha256()
        while left > 0 and (part := file.read(min(_AT_ONCE, left))):
            hashed.update(part)
            left -= len(part)
    if hashed.digest() != seal.removeprefix(_MARK):
        raise InputError(CHANGED)
