"""The digest of a tree: it changes with any value, name, shape or type."""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import xarray as xr

ATTRIBUTE = "scalingbayes_digest"
"""The attribute of a file's root that holds the digest."""


def digest_of(tree: xr.DataTree) -> str:
    """Return the SHA-256 of everything that a tree holds, in hexadecimal digits.

    The digest is of values, not of a file's bytes: a file that is copied by another program keeps
    it. The order of variables, which a file may change, does not matter.
    """
    hashed = hashlib.sha256()
    for part in _parts(tree):
        # The length marks where a part ends: ("ab", "c") and ("a", "bc") differ.
        hashed.update(len(part).to_bytes(8, "little"))
        hashed.update(part)
    return hashed.hexdigest()


def _parts(tree: xr.DataTree) -> Iterator[bytes]:
    """Yield each group, variable and attribute as bytes."""
    for path, node in sorted(tree.to_dict().items()):
        yield path.encode()
        yield from _of_attributes(node.attrs)
        for name in sorted(node.variables, key=str):
            variable = node.variables[name]
            yield str(name).encode()
            yield " ".join(map(str, variable.dims)).encode()
            yield from _of_array(variable.to_numpy())
            yield from _of_attributes(variable.attrs)


def _of_attributes(attributes: Mapping[Any, Any]) -> Iterator[bytes]:
    for name in sorted(attributes, key=str):
        if name != ATTRIBUTE:
            yield str(name).encode()
            yield from _of_array(np.atleast_1d(attributes[name]))


def _of_array(values: np.ndarray) -> Iterator[bytes]:
    """Yield the type, the shape and the values; texts of all kinds have one type."""
    if values.dtype.kind in "biuf":
        yield f"{values.dtype.newbyteorder('<').str} {values.shape}".encode()
        yield np.ascontiguousarray(values, values.dtype.newbyteorder("<")).tobytes()
        return
    yield f"text {values.shape}".encode()
    for text in values.ravel():
        yield str(text).encode("utf-8", "surrogatepass")
