"""Signs that the learning rate has decayed in some rows of a table and not in others."""

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd

from scalingbayes.model.column_names import find_words, snake_case

_LABELS = re.compile(
    r"group|kind|phase|stage|checkpoint|(lr|learning_rate)_?(schedule|scheduler|decay)?|"
    r"schedule|scheduler|decay|annealing|cool_?down"
)
_UNDECAYED = re.compile(r"hot|constant|stable|undecayed|no_decay|not_decayed|non_decayed")
_DECAYED = re.compile(r"cool|cool_?down|cooled|decay|decayed|anneal|annealed|cosine|linear|wsd")

_RATES = re.compile(r"((final|end|min|last)_)?(lr|learning_rate)")
_PEAKS = re.compile(r"(peak|max)_(lr|learning_rate)|(lr|learning_rate)_(peak|max)")
_AT_PEAK = 0.9  # of the peak, above which a learning rate has not decayed
_FALLEN = 0.5  # of the peak, below which it has


@dataclass(frozen=True)
class Undecayed:
    """What says that some rows are of runs whose learning rate has not decayed.

    Parameters
    ----------
    column
        The column that says so.
    evidence
        What the column says, in a few words.
    decayed
        An expression that keeps the decayed rows.
    """

    column: str
    evidence: str
    decayed: str


def find_undecayed(frame: pd.DataFrame) -> Undecayed | None:
    """Return what says that a table mixes decayed and undecayed rows; None if nothing says so.

    A column of labels says so, such as ``group`` or ``schedule``, if one label has a word for an
    undecayed learning rate (hot, constant, stable) and another a word for a decayed one (cooldown,
    annealed, cosine). So do learning rates beside those of the peak, if the learning rate is near
    the peak in some rows of one size and below half of it in others.

    Parameters
    ----------
    frame
        A table of runs.
    """
    for name in map(str, frame.columns):
        if _is_named(_LABELS, name) and not pd.api.types.is_numeric_dtype(frame[name]):
            found = _in_labels(name, frame[name])
            if found is not None:
                return found
    names = [str(name) for name in frame if pd.api.types.is_numeric_dtype(frame[name])]
    peaks = [name for name in names if _is_named(_PEAKS, name)]
    for rate in [name for name in names if _is_named(_RATES, name)]:
        if peaks and _both_in_one_size(frame, frame[rate] / frame[peaks[0]]):
            evidence = f"is near {peaks[0]!r} in some rows and below half of it in others"
            return Undecayed(rate, evidence, f"{_quoted(rate)} < {_FALLEN} * {_quoted(peaks[0])}")
    return None


def _in_labels(name: str, values: pd.Series) -> Undecayed | None:
    labels = [str(each) for each in pd.unique(values.dropna())]
    kinds = {label: _kind(label) for label in labels}
    hot = [label for label in labels if kinds[label] == "undecayed"]
    cool = [label for label in labels if kinds[label] == "decayed"]
    if not hot or not cool:
        return None
    evidence = f"has rows of {hot[0]!r} and rows of {cool[0]!r}"
    return Undecayed(name, evidence, f"{_quoted(name)} == {cool[0]!r}")


def _kind(label: str) -> str:
    """Return what the words of a label say; nothing if they say both."""
    words = snake_case(label)
    undecayed = find_words(_UNDECAYED, words)
    if undecayed:
        words = words.replace(undecayed[0], "_")
    decayed = find_words(_DECAYED, words)
    if undecayed and decayed:
        return ""
    return "undecayed" if undecayed else "decayed" if decayed else ""


def _both_in_one_size(frame: pd.DataFrame, ratio: pd.Series) -> bool:
    """Return whether one size has learning rates at their peak and fallen ones."""
    sizes = frame["params"] if "params" in frame else pd.Series(0, frame.index)
    of_size = ratio.where(np.isfinite(ratio)).groupby(sizes)
    return bool(((of_size.max() > _AT_PEAK) & (of_size.min() < _FALLEN)).any())


def _is_named(names: re.Pattern[str], column: str) -> bool:
    return names.fullmatch(snake_case(column)) is not None


def _quoted(column: str) -> str:
    """Return a column as expressions name it."""
    return column if column.isidentifier() else f"`{column}`"
