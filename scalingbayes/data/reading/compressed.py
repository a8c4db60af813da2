"""Compressed files, and archives that hold one file."""

import bz2
import gzip
import importlib
import io
import lzma
import zipfile
import zlib
from pathlib import PurePath

from scalingbayes._core.errors import InputError
from scalingbayes.data.reading.kinds import NUMPY, TORCH, not_read
from scalingbayes.data.reading.optional import optional_import
from scalingbayes.data.reading.raw_table import listing

COMPRESSIONS = ("gzip", "bzip2", "xz", "zstandard")
"""The kinds of compressed files."""


def decompress(content: bytes, kind: str, path: PurePath) -> tuple[bytes, PurePath]:
    """Return the content of a compressed file, and its name without the suffix.

    Raises
    ------
    InputError
        If the file is damaged, or its compression needs a package that is not installed.
    """
    try:
        if kind == "gzip":
            found = gzip.decompress(content)
        elif kind == "bzip2":
            found = bz2.decompress(content)
        elif kind == "xz":
            found = lzma.decompress(content)
        else:
            found = _decompress_zstandard(content, path)
    except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError) as error:
        raise InputError(
            f"{path} is compressed with {kind} and damaged ({error}): copy or download it again."
        ) from error
    packed = path.suffix.lower() in (".gz", ".bz2", ".xz", ".zst", ".z")
    return found, path.with_suffix("") if packed else path


def _decompress_zstandard(content: bytes, path: PurePath) -> bytes:
    try:
        module = importlib.import_module("compression.zstd")  # from Python 3.14 on
        return bytes(module.decompress(content))
    except ImportError:
        zstandard = optional_import("zstandard", "zstandard", f"Reading {path}")
    with zstandard.ZstdDecompressor().stream_reader(io.BytesIO(content)) as stream:
        return bytes(stream.read())


def kind_of_zip(content: bytes, path: PurePath) -> str:
    """Return what a ZIP archive is: ``"workbook"``, or ``"archive"`` of files.

    Raises
    ------
    InputError
        If the archive is damaged.
    """
    names = _archive(content, path).namelist()
    sheets = any(name.startswith("xl/") for name in names)
    return "workbook" if sheets or {"mimetype", "content.xml"} <= {*names} else "archive"


def unpack(content: bytes, path: PurePath) -> tuple[bytes, PurePath]:
    """Return the one file of a ZIP archive, and its name.

    Raises
    ------
    InputError
        If the archive holds several files, or weights or arrays.
    """
    archive = _archive(content, path)
    names = [
        name
        for name in archive.namelist()
        if not name.endswith("/") and not name.startswith("__MACOSX/") and "/." not in f"/{name}"
    ]
    if names and all(name.endswith(".npy") for name in names):
        raise not_read(NUMPY, path)
    if any(name.endswith("/data.pkl") for name in names):
        raise not_read(TORCH, path)
    if len(names) != 1:
        raise InputError(
            f"{path} is a ZIP archive of {len(names)} files ({listing(sorted(names))}): unpack it, "
            f"and give one file, or the folder if it has one file for each run."
        )
    try:
        return archive.read(names[0]), PurePath(names[0])
    except (RuntimeError, NotImplementedError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(f"{path} cannot be unpacked ({error}): unpack it by hand.") from error


def _archive(content: bytes, path: PurePath) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(io.BytesIO(content))
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError) as error:
        raise InputError(
            f"{path} is a damaged ZIP archive or workbook ({error}): save or copy it again."
        ) from error
