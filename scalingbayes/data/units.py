"""Units of a table's columns: converted to counts and FLOPs, and kept for the output."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from scalingbayes._core.errors import InputError
from scalingbayes.data.column_choice import DATA_UNITS
from scalingbayes.data.unit_names import FLOPS_UNITS, LOGARITHMS, MULTIPLES, units_of_name

PERPLEXITY = "perplexity"
"""The unit of a loss column that holds exp(loss)."""

COUNTED = {
    "total": "with embeddings",
    "non_embedding": "without embeddings",
    "active": "active in a forward pass",
}
"""Which parameters ``params`` counts: the units of params, each as output names it."""

LOSS_UNITS = {
    PERPLEXITY: PERPLEXITY,
    "nats": "nats",
    "bits": "bits",
    "bits_per_byte": "bits per byte",
    "bits_per_character": "bits per character",
}
"""Units of a loss, each as output names it."""

_FACTORS = {**MULTIPLES, **FLOPS_UNITS}
_BASES = {"log10": 10.0, "ln": np.e, "log2": 2.0}
_LARGEST = {"params": 1e14, "tokens": 1e17, "compute": 1e29}
"""Medians above these are not in the multiple that a column's name states."""


@dataclass(frozen=True)
class Units:
    """The units of a table's columns, as its user counts them.

    Parameters
    ----------
    params
        A key of :data:`COUNTED`, or "" if it is not known which parameters were counted.
    tokens
        What the column of tokens counts, such as ``"samples"``.
    loss
        ``"perplexity"`` if answers are perplexities; otherwise the unit that the loss has, or "".
    """

    params: str = ""
    tokens: str = "tokens"
    loss: str = ""

    @property
    def is_perplexity(self) -> bool:
        """Whether the user's loss is a perplexity, so that the table holds its logarithm."""
        return self.loss == PERPLEXITY

    def name_of(self, column: str) -> str:
        """Return the name of a column in answers: a loss may be a perplexity."""
        return PERPLEXITY if column == "loss" and self.is_perplexity else column

    def describe(self) -> str:
        """Return what N and D count and the loss's unit, for titles; "" if nothing is known."""
        parts = []
        if self.params:
            parts.append(f"N counts parameters {COUNTED[self.params]}")
        if self.tokens != "tokens":
            parts.append(f"D counts {self.tokens}")
        if self.loss:
            parts.append(f"loss in {LOSS_UNITS.get(self.loss, self.loss)}")
        return ", ".join(parts)


def read_units(given: Mapping[str, str], sources: Mapping[str, str]) -> dict[str, list[str]]:
    """Return the words of each column's unit: those that are given, else those of its name.

    Parameters
    ----------
    given
        The caller's units, such as ``{"params": "billions, non_embedding"}``.
    sources
        The name in the table of each column.

    Raises
    ------
    InputError
        If a column can have no such unit.
    """
    known = {
        "params": (*COUNTED, *MULTIPLES, *LOGARITHMS),
        "tokens": ("tokens", *DATA_UNITS, *MULTIPLES, *LOGARITHMS),
        "compute": (*FLOPS_UNITS, *MULTIPLES, *LOGARITHMS),
        "loss": tuple(LOSS_UNITS),
    }
    if not isinstance(given, Mapping):
        raise InputError(
            f"units must be a mapping from columns to units, such as {{'loss': 'perplexity'}}; got "
            f"{given!r}."
        )
    for column, unit in given.items():
        if column not in known:
            raise InputError(
                f"units are those of {', '.join(known)}; got a unit of {column!r}. Convert other "
                f"columns in the table."
            )
        words = [word.strip() for word in str(unit).split(",")]
        if len({*words} & _FACTORS.keys()) > 1:
            raise InputError(f"Column {column} cannot be in several units at once; got {unit!r}.")
        for word in words:
            if word not in known[column]:
                raise InputError(
                    f"The unit of {column} must be one of {', '.join(known[column])}; got {word!r}."
                )
    if absent := given.keys() - sources.keys():
        column = min(absent)
        raise InputError(f"There is no column {column!r} whose unit could be {given[column]!r}.")
    return {
        column: [word.strip() for word in given[column].split(",")]
        if column in given
        else units_of_name(column, name)
        for column, name in sources.items()
        if column in known
    }


def convert(
    frame: pd.DataFrame,
    units: Mapping[str, list[str]],
    given: Mapping[str, str],
    texts: Mapping[str, str],
) -> tuple[Units, list[str]]:
    """Convert columns to counts, FLOPs and a loss, in place.

    Parameters
    ----------
    frame
        The table, with the package's column names and with numbers in the columns.
    units
        From :func:`read_units`.
    given
        The caller's units. A multiple that only the name of a column states is applied only if the
        numbers are small.
    texts
        A text of each column that was read from texts such as ``"70M"``, which have their multiple.

    Returns
    -------
    tuple
        The units of the answers, and a sentence on each conversion.

    Raises
    ------
    InputError
        If a perplexity is not above 1, or a column of texts such as ``"70M"`` is said to be in
        millions.
    """
    notes, of_answers = [], dict[str, str]()
    for column, words in units.items():
        for word in words:
            if word in _BASES:
                frame[column] = _BASES[word] ** frame[column]
                notes.append(f"Column {column!r} was read as {word} of the {column}.")
            elif word in _FACTORS and column in texts:
                if column in given:
                    raise InputError(
                        f"Column {column!r} cannot be in {word}: its cells, such as "
                        f"{texts[column]!r}, state their own multiples. Leave out the unit."
                    )
            elif word in _FACTORS:
                notes.append(_multiply(frame, column, word, stated=column in given))
            else:
                of_answers[column] = word
    if of_answers.get("loss") == PERPLEXITY:
        notes.append(_take_logarithm(frame))
    if (what := of_answers.get("tokens", "tokens")) != "tokens":
        notes.append(f"Column 'tokens' counts {what}.")
    if counted := of_answers.get("params"):
        notes.append(f"Column 'params' counts parameters {COUNTED[counted]}.")
    return Units(**{name: unit for name, unit in of_answers.items() if name != "compute"}), notes


def _multiply(frame: pd.DataFrame, column: str, unit: str, *, stated: bool) -> str:
    """Multiply a column by its unit, in place, unless only its name states an impossible unit."""
    median = float(frame[column].median())
    if not stated and median * _FACTORS[unit] > _LARGEST[column]:
        return (
            f"The name of column {column!r} says {unit}, but its median is {median:.3g}: the "
            f"column was read as it is."
        )
    frame[column] *= _FACTORS[unit]
    what = "FLOPs" if unit in FLOPS_UNITS else "counts"
    return f"Column {column!r} was converted from {unit} to {what}."


def _take_logarithm(frame: pd.DataFrame) -> str:
    """Convert perplexities to losses, in place."""
    if (frame["loss"] <= 1).any():
        row = int(np.argmax(frame["loss"] <= 1))
        raise InputError(
            f"Column 'loss', row {frame.index[row] + 1}: a perplexity must be above 1; got "
            f"{frame['loss'].iloc[row]:.4g}. If the column holds losses, pass "
            f"units={{'loss': 'nats'}} (--unit loss=nats in the shell)."
        )
    frame["loss"] = np.log(frame["loss"])
    return "Perplexities were converted to losses in nats: loss = ln(perplexity)."
