"""Counts as people write them: 70M, 1.3B, 1.4T, 12,345,678, 1.2e18, 2.1 x 10^20."""

import re
from decimal import Decimal
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd

_WORDS = {"thousand": 1e3, "million": 1e6, "billion": 1e9, "trillion": 1e12}
_WORDS |= {"mio": 1e6, "mrd": 1e9, "tsd": 1e3, "bn": 1e9, "mn": 1e6}

_LETTERS = {"k": 1e3, "m": 1e6, "b": 1e9, "g": 1e9, "t": 1e12}
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)"
_PLAIN = re.compile(rf"({_NUMBER}(?:e[-+]?\d+)?)", re.IGNORECASE)
_POWER_OF_TEN = re.compile(rf"(?:({_NUMBER})\s*[x\u00d7*\u00b7]\s*)?10(?:\^|\*\*)\(?([-+]?\d+)\)?")
_WITH_LETTER = re.compile(rf"({_NUMBER})\s*([kmbgt])(?:n|illion)?s?", re.IGNORECASE)
_WITH_WORD = re.compile(rf"({_NUMBER})\s*({'|'.join(_WORDS)})s?\.?", re.IGNORECASE)
_THOUSANDS = re.compile(r"(?<=\d)[,_ '\u00a0\u202f](?=\d{3}(?!\d))")
_NOUN = re.compile(r"\s*(params?|parameters?|tokens?|toks?|flops?|samples?)\s*$", re.IGNORECASE)
_FOOTNOTE = re.compile(r"\s*[*\u2020\u2021\u00a7]+$")
_WITH_ERROR = re.compile(
    rf"({_NUMBER}(?:e[-+]?\d+)?)\s*(?:(?:\u00b1|\+/-|\+-)\s*{_NUMBER}|\(\d+\))"
)
_IN_A_NAME = re.compile(r"(?<![a-z0-9.])(\d+(?:[.p]\d+)?)\s?([kmbt])(?![a-z0-9])", re.IGNORECASE)


def parse_count(value: Any) -> float:
    """Return a cell as a number; NaN if the cell is empty or holds no number.

    Parameters
    ----------
    value
        A number, or text such as ``"70M"``, ``"1.3B params"``, ``"12,345,678"`` or
        ``"2.1 x 10^20"``. Booleans, complex numbers and dates are no numbers.

    Examples
    --------
    >>> [parse_count(text) for text in ("70M", "1.4T tokens", "12,345,678", "3 x 10^18", "abc")]
    [70000000.0, 1400000000000.0, 12345678.0, 3e+18, nan]
    """
    if not isinstance(value, str):
        return parse_number(value)
    text = _clean(value)
    if found := _PLAIN.fullmatch(text):
        return float(found[1])
    if found := _POWER_OF_TEN.fullmatch(text):
        return float(found[1] or 1) * 10.0 ** int(found[2])
    if found := _WITH_WORD.fullmatch(text):
        return float(found[1]) * _WORDS[found[2].lower()]
    if found := _WITH_LETTER.fullmatch(text):
        return float(found[1]) * _LETTERS[found[2].lower()]
    return np.nan


def parse_number(value: Any) -> float:
    """Return a cell as a number, without multiples; NaN if it is empty or holds no number.

    Of a number with its error, such as ``"3.12 ± 0.01"``, the number is returned.

    Examples
    --------
    >>> [parse_number(x) for x in (3, " 7e10 ", "3.12 ± 0.01", "3.12(1)", "70M", True, 1j, None)]
    [3.0, 70000000000.0, 3.12, 3.12, nan, nan, nan, nan]
    """
    if isinstance(value, str):
        text = _FOOTNOTE.sub("", value.strip().lower().removeprefix("+"))
        if found := _WITH_ERROR.fullmatch(text):
            return float(found[1])
        if _PLAIN.fullmatch(text) or text in ("inf", "-inf", "infinity", "-infinity"):
            return float(text)
        return np.nan
    if isinstance(value, bool | np.bool_) or not isinstance(value, Real | Decimal):
        return np.nan
    return float(value)


def _clean(text: str) -> str:
    """Return a text without footnotes, thousands separators and nouns such as tokens."""
    return _NOUN.sub("", _THOUSANDS.sub("", _FOOTNOTE.sub("", text.strip())))


def states_multiple(text: str) -> bool:
    """Return whether a text states its own multiple, as ``"70M"`` and ``"pythia-70m"`` do."""
    cleaned = _clean(text)
    patterns = (_WITH_LETTER, _WITH_WORD, _POWER_OF_TEN)
    matched = any(pattern.fullmatch(cleaned) for pattern in patterns)
    return matched or np.isfinite(size_in_name(text))


def is_plain(text: str) -> bool:
    """Return whether a text is a plain number, without a multiple, an error or a footnote."""
    return _PLAIN.fullmatch(text.strip()) is not None


def size_in_name(name: Any) -> float:
    """Return the size that the name of a model contains; NaN unless it contains exactly one.

    Examples
    --------
    >>> [size_in_name(name) for name in ("pythia-70m", "Llama 3.1 8B", "gpt2-xl")]
    [70000000.0, 8000000000.0, nan]
    """
    found = _IN_A_NAME.findall(str(name))
    if len(found) != 1:
        return np.nan
    number, letter = found[0]
    return float(number.lower().replace("p", ".")) * _LETTERS[letter.lower()]


def is_empty(value: Any) -> bool:
    """Return whether a cell holds nothing: NaN, None, blank text, or a text such as ``"NaN"``."""
    if isinstance(value, str):
        return value.strip().lower() in ("", "nan", "null", "none", "n/a", "na", "-", "--")
    return bool(pd.api.types.is_scalar(value) and pd.isna(value))
