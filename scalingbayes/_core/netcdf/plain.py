"""Find the plain arrays of an HDF5 file, and refuse everything else that HDF5 can do.

A file that was made to do harm may link to other files, contain itself, unpack to terabytes or name
a filter whose code is loaded. Everything is checked before the first array is read.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import h5py
import numpy as np
from h5py import h5d, h5o, h5z

from scalingbayes._core.errors import InputError

_MOST_GROUPS = 100
_MOST_ARRAYS = 100_000
_MOST_ATTRIBUTES = 1_000  # of one array or group
_MOST_NUMBERS_IN_ATTRIBUTE = 10_000
_MOST_DIMENSIONS = 8
_EXPANSION = 100  # largest ratio of the size in memory to the size of the file
_LEAST_BYTES = 1 << 26  # that a small file may take in memory
_LAYOUTS = (h5d.COMPACT, h5d.CONTIGUOUS, h5d.CHUNKED)
_FILTERS = (h5z.FILTER_DEFLATE, h5z.FILTER_SHUFFLE, h5z.FILTER_FLETCHER32)
_NUMBERS = "biuf"  # numpy's kinds of numbers
_LARGEST_NUMBER = 8  # bytes
_OF_NETCDF = ("CLASS", "DIMENSION_LIST", "NAME", "REFERENCE_LIST")
_NO_VARIABLE = b"This is a netCDF dimension but not a netCDF variable"


class Found(NamedTuple):
    """The arrays of a file, all of them plain.

    Parameters
    ----------
    groups
        Groups by path.
    arrays
        For each address in the file, the path of the array's group, its name, and the array.
    most_bytes
        How many bytes all texts of the file may take in memory.
    texts_at_once
        How many texts may be read at once: each may be as long as the file.
    """

    groups: dict[str, h5py.Group]
    arrays: dict[int, tuple[str, str, h5py.Dataset]]
    most_bytes: int
    texts_at_once: int


def find_plain(file: h5py.File) -> Found:
    """Return the groups and arrays of a file.

    Raises
    ------
    InputError
        If the file holds anything but groups of plain arrays.
    """
    size = max(1, file.id.get_filesize())
    most = max(_LEAST_BYTES, _EXPANSION * size)
    groups: dict[str, h5py.Group] = {}
    arrays: dict[int, tuple[str, str, h5py.Dataset]] = {}
    seen = {address(file)}
    left: list[tuple[str, h5py.Group]] = [("/", file)]
    total = 0
    while left:
        path, group = left.pop()
        groups[path] = group
        for name, item in _members(group):
            if (at := address(item)) in seen:
                raise InputError(f"{name!r} is linked to from two places.")
            seen.add(at)
            if isinstance(item, h5py.Group):
                left.append((f"{path.rstrip('/')}/{name}", item))
            else:
                total += _bytes_of(name, item)
                arrays[at] = path, name, item
        if len(groups) + len(left) > _MOST_GROUPS or len(arrays) > _MOST_ARRAYS:
            raise InputError(f"There are more than {_MOST_GROUPS} groups or {_MOST_ARRAYS} arrays.")
        if total > most:
            raise InputError(f"A file of {size:,} bytes would take {total:,} bytes in memory.")
    return Found(groups, arrays, most, most // size)


def address(item: h5py.HLObject) -> int:
    """Return the place of a group or an array in its file."""
    return int(h5o.get_info(item.id).addr)


def is_variable(array: h5py.Dataset) -> bool:
    """Return whether an array has values, or only gives a dimension its name."""
    name = array.attrs["NAME"] if _is_scale(array) else b""
    return not (isinstance(name, bytes) and name.startswith(_NO_VARIABLE))


def dims_of(found: Found, array: h5py.Dataset) -> tuple[str, ...]:
    """Return the names of an array's dimensions.

    Raises
    ------
    InputError
        If a dimension has no name.
    """
    if _is_scale(array):
        return (found.arrays[address(array)][1],)
    if not array.ndim:
        return ()
    if "DIMENSION_LIST" not in array.attrs:
        raise InputError(f"{array.name!r} has dimensions without names.")
    if array.attrs.get_id("DIMENSION_LIST").shape != (array.ndim,):
        raise InputError(f"{array.name!r} has another number of dimensions than of their names.")
    scales = [address(array.file[each[0]]) for each in array.attrs["DIMENSION_LIST"]]
    return tuple(found.arrays[each][1] for each in scales)


def values_of(found: Found, array: h5py.Dataset) -> np.ndarray:
    """Return an array's numbers, or its texts as objects.

    Raises
    ------
    InputError
        If the texts take too much memory.
    """
    if h5py.check_string_dtype(array.dtype) is None:
        return np.asarray(array[()])
    texts: list[str] = []
    total = 0
    for start in range(0, len(array), found.texts_at_once):
        part = array.asstr()[start : start + found.texts_at_once]
        total += sum(map(len, part))
        if total > found.most_bytes:
            raise InputError(f"The texts of {array.name!r} would take {total:,} bytes in memory.")
        texts.extend(part)
    return np.array(texts, object)


def attributes_of(found: Found, item: h5py.HLObject) -> dict[str, Any]:
    """Return the attributes of a group or an array that are not netCDF's own.

    Raises
    ------
    InputError
        If an attribute is neither text nor a few numbers.
    """
    if len(item.attrs) > _MOST_ATTRIBUTES:
        raise InputError(f"{item.name!r} has more than {_MOST_ATTRIBUTES} attributes.")
    read = {}
    for name in item.attrs:
        if name.startswith("_") or name in _OF_NETCDF:
            continue
        header = item.attrs.get_id(name)
        size = int(np.prod(header.shape, dtype=object)) if header.shape else 1
        text = h5py.check_string_dtype(header.dtype) is not None
        most = found.texts_at_once if text else _MOST_NUMBERS_IN_ATTRIBUTE
        if size > most or not (text or _is_number(header.dtype)):
            raise InputError(f"The attribute {name!r} is neither a text nor a few numbers.")
        value = item.attrs[name]
        if isinstance(value, h5py.Empty):
            value = ""
        if isinstance(value, np.ndarray) and value.size == 1:
            value = value.reshape(())[()]
        read[name] = value.decode() if isinstance(value, bytes) else value
    return read


def _members(group: h5py.Group) -> Iterator[tuple[str, h5py.Group | h5py.Dataset]]:
    """Yield the groups and arrays of a group."""
    for count, name in enumerate(group):
        if count > _MOST_ARRAYS:
            raise InputError(f"A group has more than {_MOST_ARRAYS} members.")
        # Other links lead to other files, or to another place in the file.
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise InputError(f"{name!r} is a link.")
        item = group[name]
        if not isinstance(item, h5py.Group | h5py.Dataset):
            raise InputError(f"{name!r} is neither a group nor an array.")
        yield name, item


def _bytes_of(name: str, array: h5py.Dataset) -> int:
    """Check that an array is plain, and return its size in memory."""
    created = array.id.get_create_plist()
    filters = [created.get_filter(i)[0] for i in range(created.get_nfilters())]
    layout = created.get_layout()
    if layout not in _LAYOUTS or created.get_external_count() or {*filters} - {*_FILTERS}:
        raise InputError(f"{name!r} is stored in another file, or in a way that is not read.")
    text = h5py.check_string_dtype(array.dtype) is not None
    if not (text or _is_number(array.dtype)) or array.shape is None:
        raise InputError(f"{name!r} holds neither numbers nor texts.")
    if len(array.shape) > (1 if text else _MOST_DIMENSIONS):
        raise InputError(f"{name!r} has {len(array.shape)} dimensions.")
    numbers = 1
    for length, chunk in zip(array.shape, array.chunks or array.shape, strict=True):
        numbers *= -(-length // chunk) * chunk if length else 0
    return numbers * array.dtype.itemsize


def _is_number(dtype: np.dtype) -> bool:
    return (
        dtype.kind in _NUMBERS
        and dtype.itemsize <= _LARGEST_NUMBER
        and h5py.check_enum_dtype(dtype) is None
    )


def _is_scale(array: h5py.Dataset) -> bool:
    """Return whether an array holds the values of the dimension of its own name."""
    return array.attrs.get("CLASS") == b"DIMENSION_SCALE"
