"""Chunks: fits that run together, and the folder that keeps finished chunks of a batch."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import xarray as xr

from scalingbayes._core.atomic_files import atomic_write
from scalingbayes._core.devices import agree, side_by_side
from scalingbayes._core.errors import InputError
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

    Parameters
    ----------
    path
        The folder.
    """

    path: Path

    def open(self, fingerprint: str, make: Callable[[], Chunks]) -> Chunks:
        """Return the chunks of the batch in the folder; create the folder if there is none.

        Parameters
        ----------
        fingerprint
            A text that identifies the batch.
        make
            A function that returns the chunks of a new batch.

        Raises
        ------
        InputError
            If the folder holds a batch with another fingerprint, or the path is a file.
        """
        record_path = self.path / _RECORD
        if record_path.is_file():
            record = json.loads(record_path.read_text())
            if record["fingerprint"] != fingerprint:
                raise InputError(
                    f"{self.path} holds another batch: its tables, law, priors, settings, seed or "
                    f"version of scalingbayes differ. Choose another folder, or delete this one."
                )
            return record["chunks"]
        chunks = make()
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except FileExistsError as error:
            raise InputError(f"out must be a folder, but {self.path} is a file.") from error
        with atomic_write(record_path) as path:
            path.write_text(json.dumps({"fingerprint": fingerprint, "chunks": chunks}))
        return chunks

    def has(self, number: int) -> bool:
        """Return whether a chunk is finished; on several hosts, whether all of them have it."""
        return agree(self._file(number).is_file())

    def write(self, number: int, draws: Sequence[Draws]) -> None:
        """Write the draws of a chunk's fits to its file."""
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
        dataset = xr.Dataset(variables, attrs=attrs)
        with atomic_write(self._file(number)) as temporary:
            dataset.to_netcdf(temporary, engine="h5netcdf")

    def read(self, number: int) -> list[Draws]:
        """Return the draws of a finished chunk's fits."""
        with xr.open_dataset(self._file(number), engine="h5netcdf") as opened:
            dataset = opened.load()
        points = dataset["points"].to_numpy()
        stats = {
            str(name).removeprefix(_STAT): values.to_numpy()
            for name, values in dataset.items()
            if str(name).startswith(_STAT)
        }
        plain = [
            Draws(
                points[fit],
                {name: values[fit] for name, values in stats.items()},
                facts,
                dataset.attrs["of"],
            )
            for fit, facts in enumerate(json.loads(dataset.attrs["facts"]))
        ]
        if "allowances" not in dataset.attrs:
            return plain
        exact_points, exact_lp = (dataset[f"exact_{n}"].to_numpy() for n in ("points", "lp"))
        allowances, exact_facts = (
            json.loads(dataset.attrs[name]) for name in ("allowances", "exact_facts")
        )
        return [
            replace(
                draws,
                allowance=Allowance.from_record(allowances[fit]),
                exact=Draws(exact_points[fit], {"lp": exact_lp[fit]}, exact_facts[fit]),
            )
            for fit, draws in enumerate(plain)
        ]

    def _file(self, number: int) -> Path:
        return self.path / f"chunk-{number:05}.nc"
