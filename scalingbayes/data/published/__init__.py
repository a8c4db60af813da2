"""Small published facts, each with its source.

A table is two files here: ``NAME.csv``, and ``NAME.toml`` that says where it comes from.
"""

import tomllib
from importlib.resources import files

import pandas as pd

__all__ = ["published_models", "token_stock"]

_FOLDER = files(__name__)


def published_models() -> pd.DataFrame:
    """Return the sizes and training tokens of published models.

    Returns
    -------
    pandas.DataFrame
        A row a model: ``model``, ``family``, ``params`` and ``tokens`` as counts, ``year``, and
        the ``source`` that states them. ``attrs["notes"]`` says how they were read.
    """
    return _read("published_models")


def token_stock() -> pd.DataFrame:
    """Return the stocks of language data by Villalobos et al. 2022 (arXiv:2211.04325).

    Returns
    -------
    pandas.DataFrame
        A row a stock: ``stock_words`` with its 90 % interval ``stock_low`` and ``stock_high``, in
        words, and ``growth_per_year`` with ``growth_low`` and ``growth_high``, as fractions.
        ``attrs["source"]`` and ``attrs["notes"]`` say where they come from.
    """
    return _read("token_stock").set_index("stock")


def _read(name: str) -> pd.DataFrame:
    with (_FOLDER / f"{name}.csv").open("rb") as file:
        frame = pd.read_csv(file)
    frame.attrs.update(tomllib.loads((_FOLDER / f"{name}.toml").read_text("utf-8")))
    return frame
