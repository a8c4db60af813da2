"""Write a tree as netCDF."""

import io
from pathlib import Path

import h5netcdf
import xarray as xr

from scalingbayes._core.atomic_files import atomic_write
from scalingbayes._core.errors import InputError
from scalingbayes._core.netcdf.digest import ATTRIBUTE, digest_of
from scalingbayes._core.netcdf.read import read_open
from scalingbayes._core.netcdf.seal import sealed

_FORMAT = "v108"  # of HDF5: the oldest that has checksums of everything but the values


def write_tree(tree: xr.DataTree, path: str | Path) -> None:
    """Write a tree as netCDF, completely or not at all, with a digest of its values.

    Raises
    ------
    InputError
        If the tree holds something that :func:`read_tree` could not read back, such as complex
        numbers.
    OSError
        If the file cannot be written.
    """
    atomic_write(path, as_netcdf(tree))


def as_netcdf(tree: xr.DataTree) -> bytes:
    """Return a tree as netCDF, with a digest of its values.

    The file is made in memory: HDF5 ends the process with a segmentation fault if it cannot close a
    file on a full disk.

    Raises
    ------
    InputError
        As :func:`write_tree` does.
    """
    buffer = io.BytesIO()
    digest = digest_of(tree)
    with h5netcdf.File(buffer, "w", libver=_FORMAT) as file:
        root = xr.backends.H5NetCDFStore(file)
        for node in tree.subtree:
            store = root if node is tree else root.get_child_store(node.path)
            node.to_dataset(inherit=node is tree).dump_to_store(store)
        file.attrs[ATTRIBUTE] = digest
    try:
        read_open(buffer)
    except InputError as error:
        raise InputError(f"The tree cannot be saved, as it could not be read. {error}") from error
    return sealed(buffer.getbuffer())
