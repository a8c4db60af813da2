"""Read a tree from a netCDF file, which may be damaged or made to do harm."""

from io import BytesIO
from pathlib import Path

import h5py
import xarray as xr

from scalingbayes._core.errors import InputError
from scalingbayes._core.netcdf.digest import ATTRIBUTE, digest_of
from scalingbayes._core.netcdf.plain import (
    Found,
    attributes_of,
    dims_of,
    find_plain,
    is_variable,
    values_of,
)
from scalingbayes._core.netcdf.seal import CHANGED, check_bytes

_SIGNATURE = b"\x89HDF\r\n\x1a\n"


def read_tree(path: str | Path) -> xr.DataTree:
    """Read a tree that :func:`write_tree` wrote.

    Only numbers and texts that the file itself holds are read; no other file is opened.

    Raises
    ------
    InputError
        If there is no such file, it is not netCDF, it is damaged, it was edited after it was
        written, or it holds anything but groups of plain arrays.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"There is no file {path}.")
    try:
        with path.open("rb") as file:
            if file.read(len(_SIGNATURE)) != _SIGNATURE:
                raise InputError("It is not a netCDF file.")
        check_bytes(path)
        return read_open(path)
    except InputError as error:
        raise InputError(f"{path} cannot be read. {error}") from error
    except Exception as error:  # HDF5 and Python raise many errors at files that are damaged
        raise InputError(
            f"{path} cannot be read: the file is damaged or incomplete, or its disk fails "
            f"({type(error).__name__}: {error}). Restore a copy of the file, or make it again."
        ) from error


def read_open(source: Path | BytesIO) -> xr.DataTree:
    """Read a tree from a file or from its content; errors may be of any kind.

    Raises
    ------
    InputError
        As :func:`read_tree` does, and without the name of the file.
    """
    # Files are replaced and not changed, so that a reader needs no lock.
    with h5py.File(source, "r", locking=False) as file:
        found = find_plain(file)
        groups = {path: _read_group(found, path) for path in found.groups}
    tree = xr.DataTree.from_dict(groups)
    written = tree.attrs.pop(ATTRIBUTE, None)
    if written is None:
        raise InputError("It was not written by this version of scalingbayes.")
    if written != digest_of(tree):
        raise InputError(CHANGED)
    return tree


def _read_group(found: Found, path: str) -> xr.Dataset:
    """Return the arrays of a group as a dataset."""
    variables = {}
    coordinates: set[str] = set()
    for parent, name, array in found.arrays.values():
        if parent != path or not is_variable(array):
            continue
        attributes = attributes_of(found, array)
        values = values_of(found, array)
        if attributes.pop("dtype", None) == "bool":  # netCDF has no such type
            values = values.astype(bool)
        coordinates.update(attributes.pop("coordinates", "").split())
        variables[name] = (dims_of(found, array), values, attributes)
    dataset = xr.Dataset(variables, attrs=attributes_of(found, found.groups[path]))
    return dataset.set_coords(coordinates & variables.keys())
