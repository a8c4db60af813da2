"""Public tables of training runs, each with its source and licence.

A data set is two files here: ``NAME.csv``, and ``NAME.toml`` that says where it comes from.
"""

import tomllib
import warnings
from dataclasses import dataclass
from importlib.resources import files

import pandas as pd

from scalingbayes._core.errors import InputWarning, unknown
from scalingbayes.data.runs import Runs

__all__ = ["Dataset", "info", "load", "names"]

_FOLDER = files(__name__)


@dataclass(frozen=True)
class Dataset:
    """Where a bundled table comes from, and on what terms."""

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
    """Return the names of the bundled tables."""
    entries = (entry.name for entry in _FOLDER.iterdir())
    return sorted(entry.removesuffix(".toml") for entry in entries if entry.endswith(".toml"))


def info(name: str) -> Dataset:
    """Return where a bundled table comes from.

    Raises
    ------
    InputError
        If there is no table of that name.
    """
    if name not in names():
        raise unknown("data set", name, names())
    return Dataset(name=name, **tomllib.loads((_FOLDER / f"{name}.toml").read_text("utf-8")))


def load(name: str) -> Runs:
    """Load a bundled table of runs.

    Raises
    ------
    InputError
        If there is no table of that name.
    """
    dataset = info(name)
    with (_FOLDER / f"{name}.csv").open("rb") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore", InputWarning)  # what is odd in a table, its notes say
        return Runs(pd.read_csv(file), name=dataset.name)
