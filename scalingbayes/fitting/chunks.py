"""Chunks: fits that run together, and the folder that keeps finished chunks of a batch."""

import hashlib
import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import xarray as xr

from scalingbayes._core.atomic_files import atomic_write, made_folder, sweep
from scalingbayes._core.devices import agree, side_by_side
from scalingbayes._core.errors import InputError, InputWarning
from scalingbayes._core.netcdf import read_tree, write_tree
from scalingbayes.inference import Draws
from scalingbayes.model.allowance import Allowance

_FITS_AT_ONCE = 8  # on a CPU core: a few seconds of work, so that an interruption loses little
_FITS_SIDE_BY_SIDE = 256  # on an accelerator
_ROWS_AT_ONCE = 1 << 22  # of all tables of a chunk, on one device
_RECORD = "batch.json"
_DIMS = ("fit", "chain", "draw")
_STAT = "stat_"  # prefix of a statistic's name in a file

type Chunks = list[list[int]]
"""For each chunk, the positions of its fits in the batch."""


def make_chunks(lengths: Sequence[int]) -> Chunks:
    """Return chunks of fits whose tables have the same padded length, of about equal size.

    Parameters
    ----------
    lengths
        The padded length of each table.
    """
    devices = len(jax.devices())
    fits = _FITS_SIDE_BY_SIDE if side_by_side() else _FITS_AT_ONCE
    chunks = []
    for length in sorted(set(lengths)):
        positions = np.flatnonzero(np.asarray(lengths) == length)
        largest = max(1, min(fits, _ROWS_AT_ONCE // length)) * devices
        parts = np.array_split(positions, -(-len(positions) // largest))
        chunks += [[int(i) for i in part] for part in parts]
    return chunks


@dataclass(frozen=True)
class ChunkFolder:
    """A folder with a file for each finished chunk, and a record of the batch.

    A chunk's file holds the batch's fingerprint, the chunk's fits and a digest. A file that is
    damaged, or that belongs elsewhere, counts as absent.

    Parameters
    ----------
    path
        The folder.
    fingerprint
        A text that identifies the batch.
    """

    path: Path
    fingerprint: str

    def open(self, chunks: Chunks) -> Chunks:
        """Return the chunks of the batch in the folder; create the folder if there is none.

        Parameters
        ----------
        chunks
            The chunks of a new batch. A batch that was begun on other devices has its own.

        Raises
        ------
        InputError
            If the folder holds a batch with another fingerprint, or the path is a file.

        Warns
        -----
        InputWarning
            If the record of the batch is damaged.
        """
        path = self.path / _RECORD
        try:
            with made_folder(self.path):
                sweep(self.path)
                if (found := _read_record(path)) is not None:
                    if found["fingerprint"] != self.fingerprint:
                        raise self._foreign()
                    return found["chunks"]
                self._refuse_chunks_of_others()
                if path.exists():
                    _warn(f"{path} is damaged: it is written again. Chunks that fit it are kept.")
                record = {"fingerprint": self.fingerprint, "chunks": chunks}
                atomic_write(path, json.dumps({**record, "digest": _digest(record)}))
        except (FileExistsError, NotADirectoryError) as error:
            raise InputError(f"out must be a folder, but {self.path} is a file.") from error
        return chunks

    def write(self, number: int, fits: Sequence[int], draws: Sequence[Draws]) -> None:
        """Write the draws of a chunk to its file.

        Parameters
        ----------
        number
            The chunk's number.
        fits
            The positions of its fits in the batch.
        draws
            The draws of its fits.
        """
        tree = pack_draws(draws)
        tree.attrs |= {"batch": self.fingerprint, "fits": json.dumps(list(fits))}
        write_tree(tree, self._file(number))

    def read(self, number: int, fits: Sequence[int]) -> list[Draws] | None:
        """Return the draws of a chunk; None if it is not finished, on any of several hosts.

        Parameters
        ----------
        number, fits
            As for :meth:`write`.

        Warns
        -----
        InputWarning
            If the chunk's file is damaged or holds other fits.
        """
        draws = None
        path = self._file(number)
        if not path.exists():
            if self._file(number + 1).exists():
                _warn(f"{path} is missing. Its {len(fits)} fits are computed again.")
        else:
            try:
                tree = read_tree(path)
                if (tree.attrs.get("batch"), tree.attrs.get("fits")) != (
                    self.fingerprint,
                    json.dumps(list(fits)),
                ):
                    raise InputError(f"{path} holds other fits.")
                draws = unpack_draws(tree)
            except InputError as error:
                _warn(f"{error} Its {len(fits)} fits are computed again.")
        return draws if agree(draws is not None) else None

    def _refuse_chunks_of_others(self) -> None:
        """Refuse a folder without a record whose chunks are of another batch.

        Raises
        ------
        InputError
            If it is such a folder.
        """
        for path in sorted(self.path.glob("chunk-*.nc")):
            try:
                batch = read_tree(path).attrs.get("batch")
            except InputError:  # damaged: it is computed again
                continue
            if batch != self.fingerprint:
                raise self._foreign()

    def _foreign(self) -> InputError:
        return InputError(
            f"{self.path} holds another batch: its tables, law, priors, settings, seed or version "
            f"of scalingbayes differ. Choose another folder, or delete this one."
        )

    def _file(self, number: int) -> Path:
        return self.path / f"chunk-{number:05}.nc"


def pack_draws(draws: Sequence[Draws]) -> xr.DataTree:
    """Return the draws of several fits of one shape as a tree."""
    variables: dict[str, Any] = {
        "points": ((*_DIMS, "coordinate"), np.stack([each.points for each in draws]))
    }
    for name in draws[0].stats:
        variables[f"{_STAT}{name}"] = (_DIMS, np.stack([each.stats[name] for each in draws]))
    attrs = {"facts": json.dumps([dict(each.facts) for each in draws]), "of": draws[0].of}
    exact = [each.exact for each in draws if each.exact is not None]
    if exact:
        dims = ("fit", "exact_chain", "exact_draw", "coordinate")
        variables["exact_points"] = (dims, np.stack([each.points for each in exact]))
        variables["exact_lp"] = (dims[:-1], np.stack([each.stats["lp"] for each in exact]))
        allowances = [each.allowance.as_record() for each in draws if each.allowance]
        attrs["allowances"] = json.dumps(allowances)
        attrs["exact_facts"] = json.dumps([dict(each.facts) for each in exact])
    return xr.DataTree(xr.Dataset(variables, attrs=attrs))


def unpack_draws(tree: xr.DataTree) -> list[Draws]:
    """Return the draws of a tree that :func:`pack_draws` returned."""
    points, attrs = tree["points"].to_numpy(), tree.attrs
    stats = {
        str(name).removeprefix(_STAT): values.to_numpy()
        for name, values in tree.data_vars.items()
        if str(name).startswith(_STAT)
    }
    plain = [
        Draws(points[fit], {name: x[fit] for name, x in stats.items()}, facts, attrs["of"])
        for fit, facts in enumerate(json.loads(attrs["facts"]))
    ]
    if "allowances" not in attrs:
        return plain
    exact_points, exact_lp = (tree[f"exact_{n}"].to_numpy() for n in ("points", "lp"))
    allowances, exact_facts = (json.loads(attrs[name]) for name in ("allowances", "exact_facts"))
    return [
        replace(
            draws,
            allowance=Allowance.from_record(allowances[fit]),
            exact=Draws(exact_points[fit], {"lp": exact_lp[fit]}, exact_facts[fit]),
        )
        for fit, draws in enumerate(plain)
    ]


def _read_record(path: Path) -> dict[str, Any] | None:
    """Return the record of a batch; None if there is none, or if it is damaged."""
    try:
        record = json.loads(path.read_bytes())
        digest = record.pop("digest")
    except (OSError, ValueError, KeyError, AttributeError, TypeError, RecursionError):
        return None
    return record if digest == _digest(record) else None


def _digest(record: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()


def _warn(message: str) -> None:
    warnings.warn(message, InputWarning, stacklevel=2)
