"""Units of a table's columns: converted to counts and FLOPs, and kept for the output."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from scalingbayes._core.errors import InputError
from scalingbayes.data.column_choice import DATA_UNITS, words_of
from scalingbayes.data.counts import MULTIPLES

PERPLEXITY = "perplexity"
"""The unit of a loss column that holds exp(loss)."""

COUNTED = {
    "total": "with embeddings",
    "non_embedding": "without embeddings",
    "active": "active in a forward pass",
}
"""Which parameters ``params`` counts: the units of params, each as output names it."""

FLOPS_UNITS = {"PF-days": 8.64e19, "PFLOPs": 1e15, "EFLOPs": 1e18, "ZFLOPs": 1e21}
"""Units of compute, in FLOPs."""

_LOSSES = {
    PERPLEXITY: PERPLEXITY,
    "nats": "nats",
    "bits": "bits",
    "bits_per_byte": "bits per byte",
    "bits_per_character": "bits per character",
}
_MULTIPLES = {f"{word}s": factor for word, factor in MULTIPLES.items()}
_SCALE_WORDS = {"m": "millions", "million": "millions", "b": "billions", "billion": "billions"}
_SCALE_WORDS |= {"t": "trillions", "trillion": "trillions"}
_SCALE_WORDS |= {word: word for word in _MULTIPLES}
_SCALED = 1e6  # a column in millions or billions has a smaller median


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

    def describe(self) -> str:
        """Return what N and D count and the loss's unit, for titles; "" if nothing is known."""
        parts = []
        if self.params:
            parts.append(f"N counts parameters {COUNTED[self.params]}")
        if self.tokens != "tokens":
            parts.append(f"D counts {self.tokens}")
        if self.loss:
            parts.append(f"loss in {_LOSSES.get(self.loss, self.loss)}")
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
        "params": (*COUNTED, *_MULTIPLES),
        "tokens": ("tokens", *DATA_UNITS, *_MULTIPLES),
        "compute": (*FLOPS_UNITS, *_MULTIPLES),
        "loss": tuple(_LOSSES),
    }
    for column, unit in given.items():
        if column not in known:
            raise InputError(
                f"units are those of {', '.join(known)}; got a unit of {column!r}. Convert other "
                f"columns in the table."
            )
        for word in map(str.strip, str(unit).split(",")):
            if word not in known[column]:
                raise InputError(
                    f"The unit of {column} must be one of {', '.join(known[column])}; got {word!r}."
                )
    return {
        column: [word.strip() for word in given[column].split(",")]
        if column in given
        else _units_of_name(column, name)
        for column, name in sources.items()
        if column in known
    }


def _units_of_name(column: str, name: str) -> list[str]:
    """Return the units that a column's name states: (B), samples, ppl, non_embedding, PF-days."""
    words = words_of(name)
    own = {*words}
    found = [_SCALE_WORDS[word] for word in words if word in _SCALE_WORDS and column != "loss"][:1]
    if column == "params":
        if "embedding" in own or "embeddings" in own or "emb" in own:
            without = own & {"non", "no", "without", "excluding", "wo", "minus"}
            found.append("non_embedding" if without else "total")
        if own & {"active", "activated"}:
            found.append("active")
    if column == "tokens":
        found += [unit for unit, nouns in DATA_UNITS.items() if nouns & own][:1]
    if column == "compute" and ({"pf", "petaflop", "petaflops"} & own and "days" in own):
        found.append("PF-days")
    if column == "loss":
        if own & {"ppl", PERPLEXITY}:
            found.append(PERPLEXITY)
        elif "bpb" in own or {"bits", "byte"} <= own:
            found.append("bits_per_byte")
        elif "bpc" in own:
            found.append("bits_per_character")
    return found


def convert(
    frame: pd.DataFrame, units: Mapping[str, list[str]], given: Mapping[str, str]
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

    Returns
    -------
    tuple
        The units of the answers, and a sentence on each conversion.

    Raises
    ------
    InputError
        If a perplexity is not above 1.
    """
    notes, of_answers = [], dict[str, str]()
    for column, words in units.items():
        for word in words:
            if word in _MULTIPLES:
                if column in given or frame[column].median() < _SCALED:
                    frame[column] *= _MULTIPLES[word]
                    notes.append(f"Column {column!r} was read in {word}.")
            elif word in FLOPS_UNITS:
                frame[column] *= FLOPS_UNITS[word]
                notes.append(f"Column {column!r} was converted from {word} to FLOPs.")
            else:
                of_answers[column] = word
    if of_answers.get("loss") == PERPLEXITY:
        if (frame["loss"] <= 1).any():
            row = int(np.argmax(frame["loss"] <= 1))
            raise InputError(
                f"Column 'loss', row {frame.index[row] + 1}: a perplexity must be above 1; got "
                f"{frame['loss'].iloc[row]:.4g}. If the column holds losses, pass "
                f"units={{'loss': 'nats'}} (--unit loss=nats in the shell)."
            )
        frame["loss"] = np.log(frame["loss"])
        notes.append("Perplexities were converted to losses in nats: loss = ln(perplexity).")
    if (what := of_answers.get("tokens", "tokens")) != "tokens":
        notes.append(f"Column 'tokens' counts {what}.")
    if counted := of_answers.get("params"):
        notes.append(f"Column 'params' counts parameters {COUNTED[counted]}.")
    return Units(**{name: unit for name, unit in of_answers.items() if name != "compute"}), notes
