"""Published tables other than training runs: sizes of models, stocks of data, exponents.

A table is two files in this folder: ``NAME.csv``, and its source and notes ``NAME.toml``.
"""

import tomllib
from importlib.resources import files

import pandas as pd

__all__ = ["published_benchmarks", "published_exponents", "published_models", "token_stock"]

_FOLDER = files(__name__)


def published_models() -> pd.DataFrame:
    """Return the sizes and training tokens of published models.

    Returns
    -------
    pandas.DataFrame
        One model a row: ``model``, ``family``; ``params``, ``active_params``, those that a token
        passes, and ``tokens``, as counts; ``year``, and the ``source`` of the numbers.
        ``attrs["notes"]`` describes how they were read.

    Examples
    --------
    >>> models = published_models().set_index("model")
    >>> float(models.loc["Gopher", "params"])
    280000000000.0
    """
    return _read("published_models")


def published_exponents() -> pd.DataFrame:
    """Return published exponents of compute-optimal training.

    Returns
    -------
    pandas.DataFrame
        One result a row: the ``name`` of its paper, ``study`` and ``approach``; ``a`` and ``b`` of
        N_opt ∝ C^a and D_opt ∝ C^b, as far as they are stated; the ends ``a_low``, ``a_high``,
        ``b_low`` and ``b_high`` of their intervals, which ``interval`` describes; k of
        N_opt = k C^a and D_opt = k C^b, ``params_coefficient`` and ``tokens_coefficient``, with C
        in FLOPs, as far as they are stated; ``constants``, the name of the study's loss law in
        :func:`list_published`, if it has one; and the ``source``.

    Examples
    --------
    >>> exponents = published_exponents().set_index("study")
    >>> float(exponents.loc["Kaplan et al. 2020", "a"])
    0.73
    """
    return _read("published_exponents")


def published_benchmarks() -> pd.DataFrame:
    """Return published accuracies on MMLU: of models, of people and of forecasts.

    Returns
    -------
    pandas.DataFrame
        One result a row: ``benchmark`` and ``result``; its ``kind``, which is model, reference or
        forecast; ``model``, its name in :func:`published_models`, and ``shots``, if it is one;
        ``accuracy``, a fraction; ``year``, of the model or of the date that is forecast; and the
        ``source``. The data set ``base_llms`` has more models and benchmarks.

    Examples
    --------
    >>> benchmarks = published_benchmarks().set_index("result")
    >>> float(benchmarks.loc["Chinchilla", "accuracy"])
    0.676
    """
    return _read("published_benchmarks")


def token_stock() -> pd.DataFrame:
    """Return estimates of the stock of language data (Villalobos et al., arXiv:2211.04325).

    Returns
    -------
    pandas.DataFrame
        One stock a row: its ``amount`` with the interval ``low`` to ``high``, in ``unit``, words or
        tokens, in ``year``; ``growth_per_year`` with ``growth_low`` and ``growth_high``, as
        fractions; and its ``source``. ``attrs["notes"]`` describes what each stock is.

    Examples
    --------
    >>> float(token_stock().loc["effective_2024", "amount"])
    300000000000000.0
    """
    return _read("token_stock").set_index("stock")


def _read(name: str) -> pd.DataFrame:
    with (_FOLDER / f"{name}.csv").open("rb") as file:
        frame = pd.read_csv(file)
    frame.attrs.update(tomllib.loads((_FOLDER / f"{name}.toml").read_text("utf-8")))
    return frame
