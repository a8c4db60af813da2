"""The seal of a file: a digest of all bytes, behind what HDF5 reads.

HDF5 can loop for ever on a file in which one bit is wrong. The seal shows damage before HDF5 opens
the file. A program that copies or edits the file as netCDF drops the seal; the digest of the values
then shows whether they are those that were written.
"""

import hashlib
import struct
from pathlib import Path

from scalingbayes._core.errors import InputError

_MARK = b"scalingbayes seal:"
_LENGTH = len(_MARK) + hashlib.sha256().digest_size
_AT_ONCE = 1 << 20  # bytes
_HEAP = b"GCOL\x01\0\0\0"
_LENGTH_OF_HEAP = struct.Struct("<8xQ")
_OBJECT = struct.Struct("<H6xQ")

CHANGED = (
    "Its content is not what was written: the file was damaged or edited afterwards. Restore a "
    "copy of the file, or make it again."
)


def sealed(content: bytes | memoryview) -> bytes:
    """Return the content of a file with a seal."""
    return b"".join([content, _MARK, hashlib.sha256(content).digest()])


def check_bytes(path: Path) -> None:
    """Check a file before HDF5 opens it: its seal, or its heaps if it has no seal.

    Raises
    ------
    InputError
        If the file is not what was written.
    """
    if not _has_seal(path):
        _check_heaps(path.read_bytes())


def _has_seal(path: Path) -> bool:
    """Return whether a file has a seal, and check it.

    Raises
    ------
    InputError
        If the file is not what was written.
    """
    with path.open("rb") as file:
        left = path.stat().st_size - _LENGTH
        if left < 0:
            return False
        file.seek(left)
        seal = file.read(_LENGTH)
        if not seal.startswith(_MARK):
            return False
        file.seek(0)
        hashed = hashlib.sha256()
        while left > 0 and (part := file.read(min(_AT_ONCE, left))):
            hashed.update(part)
            left -= len(part)
    if hashed.digest() != seal.removeprefix(_MARK):
        raise InputError(CHANGED)
    return True


def _check_heaps(content: bytes) -> None:
    """Check the lengths of the objects in HDF5's global heaps, which have no checksum.

    HDF5 steps from one object to the next, and stays at one of no length for ever.

    Raises
    ------
    InputError
        If a heap is damaged.
    """
    start = content.find(_HEAP)
    while start >= 0:
        (length,) = _LENGTH_OF_HEAP.unpack_from(content, start)
        place, end = start + _LENGTH_OF_HEAP.size, start + length
        while place + _OBJECT.size <= end <= len(content):
            index, length = _OBJECT.unpack_from(content, place)
            # Free space counts its header, and an object fills whole words.
            place += length if index == 0 else _OBJECT.size + (length + 7) // 8 * 8
            if length < _OBJECT.size and index == 0:
                break
        if not end - _OBJECT.size < place <= end <= len(content):
            raise InputError(CHANGED)
        start = content.find(_HEAP, start + 1)
