"""Bundled public tables of training runs, each with its source and licence.

A data set is three files in this folder: the table ``NAME.csv``, the title, source, licence, unit
and notes ``NAME.toml``, and the licence's text ``NAME.LICENSE``.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from scalingbayes._core.checked import checked
from scalingbayes._core.errors import unknown

if TYPE_CHECKING:
    from scalingbayes.data.runs import Runs

__all__ = ["Dataset", "info", "load", "names"]

_FOLDER = files(__name__)


@dataclass(frozen=True)
class Dataset:
    """The description of a bundled table.

    Parameters
    ----------
    name
        The name that :func:`load` takes.
    title
        What the table holds.
    source
        The papers and the files that it comes from.
    licence
        The terms of its use.
    loss
        The unit of its losses.
    notes
        What a row is, how columns were made, and what to know before fitting.
    """

    name: str
    title: str
    source: str
    licence: str
    loss: str
    notes: str

    def __str__(self) -> str:
        return (
            f"{self.name}: {self.title}\n\nsource   {self.source}\nlicence  {self.licence}\n"
            f"loss     in {self.loss}\n\n{self.notes.strip()}"
        )

    __repr__ = __str__


def names() -> list[str]:
    """Return the names of the bundled tables.

    Examples
    --------
    >>> "chinchilla" in names()
    True
    """
    entries = (entry.name for entry in _FOLDER.iterdir())
    return sorted(entry.removesuffix(".toml") for entry in entries if entry.endswith(".toml"))


@checked
def info(name: str) -> Dataset:
    """Return the description of a bundled table.

    Raises
    ------
    InputError
        If there is no table of that name.

    Examples
    --------
    >>> info("chinchilla").name
    'chinchilla'
    """
    if name not in names():
        raise unknown("data set", name, names())
    return Dataset(name=name, **tomllib.loads((_FOLDER / f"{name}.toml").read_text("utf-8")))


@checked
def load(name: str, **options: Any) -> Runs:
    """Return a bundled table of runs.

    Parameters
    ----------
    name
        The name of the table.
    **options
        Fields of :class:`~scalingbayes.data.prepare.Options`, such as ``where="dataset == 'c4'"``.

    Raises
    ------
    InputError
        If there is no table of that name.

    Examples
    --------
    >>> len(load("chinchilla"))
    245
    """
    import pandas as pd

    from scalingbayes.data.prepare import Options, prepare
    from scalingbayes.data.reading.raw_table import RawTable
    from scalingbayes.data.runs import Runs

    dataset = info(name)
    with (_FOLDER / f"{name}.csv").open("rb") as file:
        table = RawTable(pd.read_csv(file))
    # Warnings are not shown: the notes of the data set describe oddities of the table.
    prepared = prepare(table, Options(propose=False, **options))
    return Runs.of_frame(
        prepared.frame, dataset.name, prepared.notes, prepared.units, prepared.sources
    )
