"""Count parameters another way: with or without embeddings."""

from typing import Literal

import numpy as np
import pandas as pd

from scalingbayes._core.domains import POSITIVE
from scalingbayes._core.errors import InputError
from scalingbayes.data.architecture import FLOPS_PER_PARAM_TOKEN
from scalingbayes.data.columns import check_column
from scalingbayes.data.units import COUNTED

Counted = Literal["total", "non_embedding"]
"""Parameters with embeddings, or without them."""

_WIDTHS = ("d_model", "hidden_size", "width", "n_embd", "hidden_dim")
_VOCABS = ("n_vocab", "vocab_size", "vocab")


def recount(
    frame: pd.DataFrame, now: str, counted: Counted, vocab: float | None, matrices: int
) -> tuple[pd.DataFrame, str]:
    """Return the table with params counted another way, and a sentence.

    Parameters
    ----------
    frame
        A table with ``params``, and the width of each model.
    now
        What ``params`` counts now.
    counted
        What it should count.
    vocab
        Size of the vocabulary; by default a column of the table.
    matrices
        Number of embedding matrices: 1 if input and output share one, 2 if they do not.

    Raises
    ------
    InputError
        If the table lacks a column, or embeddings have more parameters than the model.
    """
    if counted not in ("total", "non_embedding"):
        raise InputError(f"counted must be 'total' or 'non_embedding'; got {counted!r}.")
    if now not in ("total", "non_embedding"):
        raise InputError(
            "It is not known whether params counts embeddings: read the table with "
            "units={'params': 'total'} or units={'params': 'non_embedding'}."
        )
    if now == counted:
        return frame, f"Column 'params' counts parameters {COUNTED[counted]} already."
    width = _column(frame, _WIDTHS, "the width of each model")
    size = vocab if vocab is not None else _column(frame, _VOCABS, "vocab=, the vocabulary's size")
    embedding = matrices * size * width
    change = embedding if counted == "total" else -embedding
    params = frame["params"] + change
    if (params <= 0).any():
        row = int(np.argmax(params <= 0))
        raise InputError(
            f"Column 'params', row {int(frame.index[row]) + 1}: the embeddings have "
            f"{embedding.iloc[row]:.4g} parameters, and the model has "
            f"{frame['params'].iloc[row]:.4g}. Correct vocab, the width, or the unit of params."
        )
    found = frame.assign(params=params)
    if {"tokens", "compute"} <= set(frame.columns):
        derived = FLOPS_PER_PARAM_TOKEN * frame["params"] * frame["tokens"]
        if np.allclose(frame["compute"], derived, rtol=1e-9):
            found["compute"] = FLOPS_PER_PARAM_TOKEN * params * frame["tokens"]
    verb = "added to" if counted == "total" else "subtracted from"
    return found, f"Embeddings (vocabulary x width) were {verb} params."


def _column(frame: pd.DataFrame, names: tuple[str, ...], what: str) -> pd.Series:
    """Return the first column that has one of the names."""
    for name in names:
        if name in frame:
            return check_column(frame, name, POSITIVE)
    raise InputError(
        f"To count parameters another way the table needs {what}: a column called one of "
        f"{', '.join(names)}."
    )
