"""What divides the lines of a text into columns: commas, semicolons, tabs, bars or spaces."""

import csv
import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from scalingbayes.data.reading.cells import MISSING, begins_as_number, is_number

SPACES = " "
"""Stands for any number of spaces and tabs between columns."""

WIDE_SPACES = "  "
"""Stands for two or more spaces between columns, whose cells may contain single spaces."""

_CHARACTERS = (",", "\t", ";", "|")
_SAMPLE = 100  # lines that the separator is found from
_ENOUGH = 0.5  # of the lines must have as many fields as the header
_GROUPS_OF_DIGITS = re.compile(r"\d{1,3}(?: \d{3})+")


class _Division(NamedTuple):
    """How well a separator divides lines: a score, and whether its header holds names alone."""

    score: float
    named: bool


def find_separator(lines: Sequence[str]) -> str:
    """Return the separator that divides lines into equally many fields, as many of them numbers.

    A separator in the header comes before one that only divides the rows below it.

    Examples
    --------
    >>> find_separator(["loss;params", "3,1;1e8"])
    ';'
    >>> find_separator(["params,loss", "70M,4.2 +- 0.1"])
    ','
    """
    content = [line for line in lines if line.strip()]
    sample = content[:_SAMPLE]
    found = {separator: _division(sample, separator) for separator in _CHARACTERS}
    if _is_aligned(sample) and _is_aligned(content):
        found[WIDE_SPACES] = _division(sample, WIDE_SPACES)
    if not any(division.named for division in found.values()):
        found[SPACES] = _division(sample, SPACES)
    best = max(found, key=lambda separator: (found[separator].named, found[separator].score))
    return best if found[best].score else ","


def divide(lines: Sequence[str], separator: str) -> list[list[str]]:
    """Return the fields of each line. Lines are rows: quoted fields end in the line they begin in.

    Examples
    --------
    >>> divide(["Tokens (B)   Loss"], WIDE_SPACES)
    [['Tokens (B)', 'Loss']]
    """
    if separator == SPACES:
        return [list(map(_unquoted, re.findall(r'"[^"]*"|\S+', line))) for line in lines]
    if separator == WIDE_SPACES:
        return [list(map(_unquoted, re.split(r"\s{2,}", line.strip()))) for line in lines]
    return list(csv.reader(lines, delimiter=separator, skipinitialspace=True))


def are_names(cells: Sequence[str]) -> bool:
    """Return whether cells may be the header of a table: none begins as a number does."""
    return not any(begins_as_number(cell.strip()) for cell in cells)


def usual_width(widths: Sequence[int]) -> int:
    """Return the most frequent width of two fields or more, or 0."""
    counted = Counter(width for width in widths if width > 1)
    return counted.most_common(1)[0][0] if counted else 0


def _unquoted(word: str) -> str:
    return word[1:-1] if len(word) > 1 and word[0] == '"' == word[-1] else word


def _division(sample: Sequence[str], separator: str) -> _Division:
    try:
        rows = [row for row in divide(sample, separator) if any(map(str.strip, row))]
    except csv.Error:
        return _Division(0.0, False)
    cells = [cell.strip() for row in rows for cell in row]
    present = [cell for cell in cells if cell.lower() not in MISSING]
    numbers = sum(map(is_number, present)) / max(len(present), 1)
    # The fields of a row end at its last separator, or at its last cell with content.
    ends = ([len(row) for row in rows], [_filled(row) for row in rows])
    return max(
        (_score(rows, widths, numbers) for widths in ends),
        key=lambda division: (division.named, division.score),
    )


def _score(rows: Sequence[Sequence[str]], widths: Sequence[int], numbers: float) -> _Division:
    if not (width := usual_width(widths)):
        return _Division(0.0, False)
    start = widths.index(width)
    names = are_names(rows[start])
    fit = widths.count(width) / len(widths)
    # Rows of numbers below a header that is divided otherwise are cut in the wrong places.
    penalty = 0.1 if start > 0 and not names else 1.0
    return _Division(fit * width * (1 + numbers) * penalty, names and fit >= _ENOUGH)


def _filled(row: Sequence[str]) -> int:
    """Return the number of fields up to the last one with content."""
    return max((i for i, cell in enumerate(row, start=1) if cell.strip()), default=0)


def _is_aligned(lines: Sequence[str]) -> bool:
    """Return whether two or more spaces divide the header and all rows into equally many fields.

    Titles above and remarks below are not counted. The header may leave out the name of the first
    column, as pandas writes an index.
    """
    rows = divide(lines, WIDE_SPACES)
    while rows and len(rows[-1]) == 1:
        rows.pop()
    widths = [len(row) for row in rows]
    if not (width := usual_width(widths)):
        return False
    start = widths.index(width)
    body = rows[start:]
    if any(len(row) != width for row in body):
        return False
    if start > 0 and not are_names(body[0]):
        return widths[start - 1] == width - 1 and are_names(rows[start - 1])
    return not any(map(_is_merged, zip(*body, strict=True)))


def _is_merged(column: Sequence[str]) -> bool:
    """Return whether a column is several: each cell below the header is two numbers or more."""
    cells = column[1:]
    return len(cells) > 0 and all(
        len(numbers := cell.split()) > 1
        and all(map(is_number, numbers))
        and not _GROUPS_OF_DIGITS.fullmatch(cell)
        for cell in cells
    )
