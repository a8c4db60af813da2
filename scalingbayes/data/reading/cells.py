"""Columns of text cells: which are numbers, truth values, missing, or remain text."""

import re
from collections import Counter
from collections.abc import Sequence
from enum import Enum

import numpy as np
import pandas as pd

from scalingbayes.data.reading.raw_table import listing

MISSING = frozenset({"", "nan", "n/a", "<na>", "#n/a", "null"})
"""Cells that are missing in any column, in lower case."""

MARKS = frozenset({"na", "none", "-", "--", "\u2013", "\u2014", "?", ".", "nil", "tbd", "missing"})
"""Cells that are missing in a column whose other cells begin with a digit, in lower case."""

_NO_INTEGER = re.compile("[.eEnN]")
_NOTHING = MISSING | MARKS
_INTEGER = r"[+-]?\d+"
_EXPONENT = r"(?:[eE][+-]?\d+)?"
_PLAIN = re.compile(rf"[+-]?(?:\d+\.?\d*|\.\d+){_EXPONENT}|[+-]?inf(?:inity)?|nan", re.IGNORECASE)
_NO_FRACTION = re.compile(rf"{_INTEGER}{_EXPONENT}")
_COMMA = re.compile(rf"[+-]?(?:\d{{1,3}}(?:\.\d{{3}})+|\d*),\d+{_EXPONENT}")
_THOUSANDS_POINT = r"[+-]?[1-9]\d{0,2}(?:\.\d{3})+"
_SEVERAL_POINTS = re.compile(r"\d\.\d{3}\.\d{3}")
_SIZE = re.compile(r"[~≈<>]?\s*[+-]?[.,]?\d")
_DIGITS = re.compile(rf"\d(?:[\d.,]*\d)?{_EXPONENT}|[.,]\d+{_EXPONENT}")
_QUANTITY = re.compile(
    rf"[~≈<>]?\s*[+-]?(?:{_DIGITS.pattern})"
    rf"(?:\s*(?:±|\+/-|\+-|\()\s*(?:{_DIGITS.pattern})\)?)?[^\d.,]*\.?"
)


def is_number(cell: str) -> bool:
    """Return whether a cell is a number, with a decimal point or a decimal comma.

    Examples
    --------
    >>> [is_number(cell) for cell in ("1e8", "3,1", "70M")]
    [True, True, False]
    """
    return bool(_PLAIN.fullmatch(cell) or _COMMA.fullmatch(cell))


def begins_as_number(cell: str) -> bool:
    """Return whether a cell begins as a number does.

    Examples
    --------
    >>> [begins_as_number(cell) for cell in ("1e8", "~70M", "loss")]
    [True, True, False]
    """
    return bool(_SIZE.match(cell))


def convert_cells(
    columns: dict[str, Sequence[str]], semicolons: bool = False
) -> tuple[dict[str, pd.Series], list[str]]:
    """Return columns of text cells as typed columns, and what was assumed.

    A column becomes numeric, or boolean, if all of its cells are; otherwise it remains text. Sizes
    such as ``70M`` and ``12,345,678`` remain text; a decimal comma in them, as in ``70,5 Mio.``,
    becomes a decimal point.

    Parameters
    ----------
    columns
        The cells of each column, without outer spaces.
    semicolons
        Whether semicolons separate the columns, as they do where commas are decimal.
    """
    commas = _decimal_commas(columns, semicolons)
    converted: dict[str, pd.Series] = {}
    marked: Counter[str] = Counter()
    for name, cells in columns.items():
        if name in commas:
            cells = list(map(_with_points, cells))
        converted[name], marks = _convert(cells)
        marked.update(marks)
    notes = [
        f"The text {mark!r} in columns of numbers is read as missing ({count} cells)."
        for mark, count in marked.items()
    ]
    return converted, [*notes, *_notes_on_commas(columns, commas)]


def _with_points(cell: str) -> str:
    """Return a cell with decimal points instead of decimal commas, and without thousands dots."""
    return _DIGITS.sub(lambda number: number[0].replace(".", "").replace(",", "."), cell)


def _notes_on_commas(columns: dict[str, Sequence[str]], commas: Sequence[str]) -> list[str]:
    """Return what was assumed of columns that have decimal commas, or dots between thousands."""
    decimal = [name for name in commas if "," in "".join(columns[name])]
    thousands = [name for name in commas if name not in decimal]
    notes: list[str] = []
    for names, assumed in (
        (decimal, "Commas are decimal points"),
        (thousands, "Dots separate thousands"),
    ):
        if names:
            cell = next(cell for cell in columns[names[0]] if _with_points(cell) != cell)
            note = f"{assumed} in {listing(names)}: {cell} is read as {_with_points(cell)}"
            notes.append(f"{note.removesuffix('.')}.")  # a unit such as Mio. ends with a dot
    return notes


def _convert(cells: Sequence[str]) -> tuple[pd.Series, Counter[str]]:
    """Return cells as a typed column, and how often each mark stands for a missing cell."""
    marks: Counter[str] = Counter()
    if (numbers := _numbers(cells)) is not None:
        return pd.Series(numbers), marks
    cells = ["" if cell.lower() in MISSING else cell for cell in cells]
    present = [cell for cell in cells if cell]
    if {cell.lower() for cell in present} <= {"true", "false"}:
        truth = {"": np.nan, "true": True, "false": False}
        return pd.Series([truth[cell.lower()] for cell in cells]), marks
    others = [cell for cell in present if cell.lower() not in MARKS]
    if others and all(map(_SIZE.match, others)):
        marks.update(cell for cell in present if cell.lower() in MARKS)
        cells = ["" if cell.lower() in MARKS else cell for cell in cells]
    if (numbers := _numbers(cells)) is not None:
        return pd.Series(numbers), marks
    return pd.Series([cell or np.nan for cell in cells]), marks


def _numbers(cells: Sequence[str]) -> np.ndarray | None:
    """Return cells as integers or floats, an empty one as NaN; None if one is no number."""
    written = "".join(cells)
    if "_" in written:  # Python reads 1_000 as a number
        return None
    filled = [cell or "nan" for cell in cells] if "" in cells else cells
    try:
        if "" not in cells and not _NO_INTEGER.search(written):
            return np.array(list(map(int, filled)), dtype=np.int64)
    except (ValueError, OverflowError):  # text, or above 2^63
        pass
    try:
        return np.array(list(map(float, filled)))
    except ValueError:
        return None


class _Style(Enum):
    """How the numbers of a column are written."""

    COMMA = "3,1"  # decimal commas for certain
    POINT_THOUSANDS = "1.234.567"
    COMMA_OR_THOUSANDS = "12,345"
    THOUSANDS = "1,234,567"
    POINT = "3.1"  # decimal points for certain
    POINT_OR_THOUSANDS = "12.345"
    OTHER = "text, or numbers without either sign"


def _decimal_commas(columns: dict[str, Sequence[str]], semicolons: bool) -> list[str]:
    """Return the columns in which a comma is the decimal sign, or dots separate thousands.

    The commas of a column such as ``12,345`` may separate thousands. They are decimal if another
    column has decimal commas for certain, or semicolons separate the columns, and no column has
    decimal points or commas between thousands.
    """
    written = map(" ".join, columns.values())
    if not any("," in text or _SEVERAL_POINTS.search(text) for text in written):
        return []
    styles = {name: _style(cells) for name, cells in columns.items()}
    found = set(styles.values())
    decimal = {_Style.COMMA, _Style.POINT_THOUSANDS}
    if not found & {_Style.POINT, _Style.THOUSANDS}:
        if _Style.COMMA in found:
            decimal |= {_Style.COMMA_OR_THOUSANDS, _Style.POINT_OR_THOUSANDS}
        elif semicolons and _Style.POINT_OR_THOUSANDS not in found:
            decimal |= {_Style.COMMA_OR_THOUSANDS}
    return [name for name, style in styles.items() if style in decimal]


def _style(cells: Sequence[str]) -> _Style:
    """Return how the numbers of a column are written, be they with units or without."""
    present = [cell for cell in cells if cell.lower() not in _NOTHING]
    if (style := _style_of_numbers(present)) is not _Style.OTHER:
        return style
    if not all(map(_QUANTITY.fullmatch, present)):
        return _Style.OTHER
    style = _style_of_numbers([number for cell in present for number in _DIGITS.findall(cell)])
    return _Style.OTHER if style is _Style.POINT else style  # 1.3B stands beside 3,125 too


def _style_of_numbers(present: Sequence[str]) -> _Style:
    """Return how numbers are written; OTHER if one of them is none."""
    signed = [cell for cell in present if "," in cell or "." in cell]
    unsigned = (cell for cell in present if "," not in cell and "." not in cell)
    if not signed or not all(map(_NO_FRACTION.fullmatch, unsigned)):
        return _Style.OTHER
    style = next((s for form, s in _STYLES if all(map(form.fullmatch, signed))), _Style.OTHER)
    several = style is _Style.POINT_OR_THOUSANDS and any(cell.count(".") > 1 for cell in signed)
    return _Style.POINT_THOUSANDS if several else style


_STYLES = (
    (re.compile(_THOUSANDS_POINT), _Style.POINT_OR_THOUSANDS),
    (_PLAIN, _Style.POINT),
    (re.compile(r"[+-]?[1-9]\d{0,2},\d{3}"), _Style.COMMA_OR_THOUSANDS),
    (re.compile(rf"{_COMMA.pattern}|{_THOUSANDS_POINT}"), _Style.COMMA),
    (re.compile(r"[+-]?\d{1,3}(?:,\d{3})+(?:\.\d+)?"), _Style.THOUSANDS),
)
"""The styles that numbers with a sign have, the first that fits all of them."""
