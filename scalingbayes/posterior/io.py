"""Files of posteriors: netCDF, with the table of runs inside."""

from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Int

from scalingbayes._core.atomic_files import atomic_write
from scalingbayes._core.errors import InputError
from scalingbayes.posterior.record import ATTRIBUTE, Record

_ROW = "row"
_NUMERIC = "biuf"  # numpy's kinds of numbers


def write_tree(tree: xr.DataTree, path: str | Path) -> None:
    """Write the tree of a posterior as netCDF, whole or not at all.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    with atomic_write(path) as temporary:
        tree.to_netcdf(temporary, engine="h5netcdf")


def read_tree(path: str | Path) -> tuple[xr.DataTree, Record]:
    """Read the tree and the record of a posterior.

    Raises
    ------
    InputError
        If there is no such file, or it is not a posterior that this version can read.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"There is no file {path}: give one that Posterior.save wrote.")
    try:
        with xr.open_datatree(path, engine="h5netcdf") as tree:
            # DataTree.load leaves out variables that have the name of a group.
            for node in tree.subtree:
                for variable in node.variables.values():
                    variable.load()
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is not a netCDF file: {error}") from error
    if ATTRIBUTE not in tree.attrs:
        raise InputError(f"{path} was not written by Posterior.save of scalingbayes.")
    try:
        return tree, Record.from_json(tree.attrs[ATTRIBUTE])
    except InputError as error:
        raise InputError(f"{path} cannot be read. {error}") from error


def pack_table(frame: pd.DataFrame, rows: Int[np.ndarray, " runs"]) -> xr.Dataset:
    """Return a table as netCDF can hold it.

    Columns are numbered, because netCDF allows no name such as ``loss/byte``. Columns that are not
    numeric become text, which is empty where a value is missing.
    """
    columns = {}
    for number, (name, values) in enumerate(frame.items()):
        if isinstance(values.dtype, np.dtype) and values.dtype.kind in _NUMERIC:
            array = values.to_numpy()
        else:
            pairs = zip(values.isna(), values, strict=True)
            array = np.array(["" if missing else str(x) for missing, x in pairs], object)
        columns[f"column_{number}"] = (("run",), array, {"name": str(name)})
    columns[_ROW] = (("run",), frame.index.to_numpy(), {})
    return xr.Dataset(columns, coords={"run": rows})


def unpack_table(table: xr.Dataset) -> pd.DataFrame:
    """Return the table that :func:`pack_table` packed."""
    columns = {}
    index = pd.Index(table[_ROW].to_numpy())
    for number in range(len(table.data_vars) - 1):  # a file may list them in another order
        column = table[f"column_{number}"]
        values = pd.Series(column.to_numpy(), index)
        if values.dtype.kind not in _NUMERIC:
            values = pd.Series(column.to_numpy().astype(object), index).replace("", None)
        columns[column.attrs["name"]] = values
    return pd.DataFrame(columns, index)
