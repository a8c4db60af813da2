"""Trees as netCDF files that show when they are damaged, and that are read without trust.

A file holds a digest of all values. ``write_tree`` writes a file whole or not at all, ``read_tree``
reads plain arrays and texts of that file alone.
"""

from scalingbayes._core.netcdf.read import read_tree
from scalingbayes._core.netcdf.write import as_netcdf, write_tree

__all__ = ["as_netcdf", "read_tree", "write_tree"]
