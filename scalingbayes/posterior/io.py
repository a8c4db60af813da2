"""Files of posteriors: netCDF, with the table of runs inside."""

from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Int

from scalingbayes._core.errors import InputError
from scalingbayes.posterior.record import ATTRIBUTE, Record

_ROW = "row"
_NUMERIC = "biuf"  # numpy's kinds of numbers


def read_posterior(path: str | Path) -> tuple[xr.DataTree, Record]:
    """Read the tree and the record of a posterior.

    Raises
    ------
    InputError
        If there is no such file, it is damaged, or it is not a posterior that this version reads.
    """
    from scalingbayes._core.netcdf import read_tree  # slow to import

    tree = read_tree(path)
    if ATTRIBUTE not in tree.attrs:
        raise InputError(f"{path} was not written by Posterior.save of scalingbayes.")
    try:
        return tree, Record.from_json(tree.attrs[ATTRIBUTE])
    except InputError as error:
        raise InputError(f"{path} cannot be read. {error}") from error
    except Exception as error:
        raise InputError(
            f"{path} cannot be read: its record is not one that scalingbayes writes "
            f"({type(error).__name__}: {error})."
        ) from error


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
