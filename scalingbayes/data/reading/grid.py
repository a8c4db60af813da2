"""A grid of cells, as text files and sheets have them, read into a table with a header."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

import pandas as pd

from scalingbayes._core.errors import InputError
from scalingbayes.data.reading.cells import MARKS, MISSING, is_number
from scalingbayes.data.reading.raw_table import RawTable, listing, raw_table, refuse_same_names

Convert = Callable[[dict[str, Sequence[Any]]], tuple[dict[str, pd.Series], list[str]]]
"""Turns cells of columns into typed columns, and says what was assumed."""


_SAMPLE = 200
"""Rows from which the width of the table is taken."""


@dataclass
class Grid:
    """Rows of cells.

    Parameters
    ----------
    source
        What the grid is called in messages.
    rows
        The cells of each row; "" is an empty cell.
    numbers
        The number of each row in the source, from 1.
    unit
        What a row is called in the source: line or row.
    header
        The header, if it is none of the rows.
    spaces
        Whether spaces separate the cells: rows may begin with a name that the header leaves out,
        as R writes them, and an empty cell has no place.
    notes
        What was converted or assumed so far.
    """

    source: str
    rows: list[list[Any]]
    numbers: list[int]
    unit: str = "line"
    header: list[Any] | None = None
    spaces: bool = False
    notes: list[str] = field(default_factory=list)


def read_grid(grid: Grid, convert: Convert) -> RawTable:
    """Return the table of a grid.

    The first row names the columns. Empty rows and columns, lines above the header, repeated
    headers, and a column that only counts the rows are left out.

    Raises
    ------
    InputError
        If there is no header, names repeat, or a row has more cells than the header.
    """
    stripped = [_strip(row) for row in grid.rows]
    kept = [i for i, row in enumerate(stripped) if len(row) > row.count("")]
    rows = [stripped[i] for i in kept]
    numbers = [grid.numbers[i] for i in kept]
    notes = list(grid.notes)
    if not rows:
        raise InputError(f"{grid.source} is empty: it must have a header and one row for each run.")
    header = grid.header
    if header is None:
        start = _header_row(rows)
        if start:
            notes.append(
                f"The text above the header ({listing(_titles(rows[:start]))}) is skipped."
            )
        header, rows, numbers = rows[start], rows[start + 1 :], numbers[start + 1 :]
        _refuse_numbers(header, grid)
    header = [str(cell) for cell in header]
    rows, numbers, note = _without_headers(header, rows, numbers, grid.unit)
    notes += note
    rows, numbers, note = _without_footer(len(header), rows, numbers)
    notes += note
    if _continues_header(rows):
        header = _join_headers(header, [str(cell) for cell in rows[0]])
        notes.append(f"The names of columns are joined from two rows: {listing(header)}.")
        rows, numbers = rows[1:], numbers[1:]
    header, rows, note = _fit_to_header(header, rows, numbers, grid)
    notes += note
    _refuse_names_that_are_numbers(header, grid)
    refuse_same_names(header, grid.source)
    columns, note = _named_columns(header, rows)
    notes += note
    converted, note = convert(columns)
    return raw_table(pd.DataFrame(converted, columns=list(columns)), notes + note)


def _strip(row: list[Any]) -> list[Any]:
    """Return cells without outer spaces; an empty cell is ""."""
    try:
        return list(map(str.strip, row))
    except TypeError:  # not all are text
        cells = ["" if cell is None else cell for cell in row]
        return [cell.strip() if isinstance(cell, str) else cell for cell in cells]


def _titles(rows: list[list[Any]]) -> list[str]:
    return [str(cell) for row in rows for cell in row if cell != ""]


def _header_row(rows: list[list[Any]]) -> int:
    """Return the number of rows above the header that are titles.

    A title fills one cell, the leftmost one of the table, and names stand below it.
    """
    filled = [[i for i, cell in enumerate(row) if cell != ""] for row in rows[:_SAMPLE]]
    usual = Counter(map(len, filled)).most_common(1)[0][0]
    if usual < 2:
        return 0
    start = next(i for i, cells in enumerate(filled) if len(cells) > 1)
    left = min(cells[0] for cells in filled[start:])
    titles = all(cells == [left] for cells in filled[:start])
    names = not any(is_number(str(cell)) for cell in rows[start])
    return start if titles and names else 0


def _refuse_numbers(header: list[Any], grid: Grid) -> None:
    """Raise an error if the first row is a run, as all of its cells are numbers."""
    cells = [str(cell) for cell in header if cell != ""]
    if all(map(is_number, cells)):
        _raise_no_header(cells, grid)


def _raise_no_header(cells: list[str], grid: Grid) -> NoReturn:
    raise InputError(
        f"{grid.source} has no header: its first {grid.unit} is {', '.join(cells)}. Insert a "
        f"first {grid.unit} that names the columns, such as params, tokens, loss."
    )


def _refuse_names_that_are_numbers(header: list[str], grid: Grid) -> None:
    """Raise an error if the header looks like a run, or like one axis of a grid of losses."""
    numbers = [name for name in header if is_number(name)]
    if len(numbers) > 1 and len(numbers) >= len(header) - 1:
        raise InputError(
            f"The columns of {grid.source} are called {listing(header)}. If this is a run, insert "
            f"a first {grid.unit} that names the columns. If it is a grid, with one loss for each "
            f"size and number of tokens, make one row of each loss: frame.melt({header[0]!r}, "
            f'var_name="tokens", value_name="loss") of the DataFrame.'
        )
    if numbers and len({*header}) < len(header):
        _raise_no_header([*header], grid)


def _without_headers(
    header: list[str], rows: list[list[Any]], numbers: list[int], unit: str
) -> tuple[list[list[Any]], list[int], list[str]]:
    """Leave out rows that repeat the header, as in files that were joined."""
    again = {i for i, row in enumerate(rows) if row == header}
    if not again:
        return rows, numbers, []
    places = list_places(unit, [numbers[i] for i in sorted(again)])
    note = f"Repetitions of the header are skipped ({places})."
    kept = [i for i in range(len(rows)) if i not in again]
    return [rows[i] for i in kept], [numbers[i] for i in kept], [note]


def _without_footer(
    width: int, rows: list[list[Any]], numbers: list[int]
) -> tuple[list[list[Any]], list[int], list[str]]:
    """Leave out text below a table of three columns or more: rows with only a first cell."""
    end = len(rows)
    while width > 2 and end > 1 and _is_remark(rows[end - 1]):
        end -= 1
    if end == len(rows):
        return rows, numbers, []
    note = f"The text below the table ({listing(_titles(rows[end:]))}) is skipped."
    return rows[:end], numbers[:end], [note]


def _is_remark(row: list[Any]) -> bool:
    return row.count("") == len(row) - 1 and row[0] != "" and not is_number(str(row[0]))


def _continues_header(rows: list[list[Any]]) -> bool:
    """Return whether the first row holds units or a second level of names.

    It has no number, and text in at least two columns that have only numbers below.
    """
    if len(rows) < 2 or any(is_number(str(cell)) for cell in rows[0]):
        return False
    below = 0
    for column in range(len(rows[0])):
        cells = [str(row[column]) for row in rows[1:] if len(row) > column]
        present = [cell for cell in cells if cell]
        name = str(rows[0][column])
        named = bool(name) and name.lower() not in MISSING | MARKS
        below += named and bool(present) and all(map(is_number, present))
    return below > 1


def _join_headers(upper: list[str], lower: list[str]) -> list[str]:
    """Return names of two rows: a name that spans columns is repeated, a unit is in parentheses."""
    lower = [*lower, *[""] * (len(upper) - len(lower))]
    upper = [*upper, *[""] * (len(lower) - len(upper))]
    spans = not all(upper)
    names: list[str] = []
    above = ""
    for first, second in zip(upper, lower, strict=True):
        above = first or above
        if not second:
            names.append(first)
        elif spans:
            names.append(f"{above}.{second}".strip("."))
        else:
            names.append(f"{first} ({second.strip('()[]')})")
    return names


def list_places(unit: str, numbers: Sequence[int]) -> str:
    """Return where rows are, at most five of them.

    Examples
    --------
    >>> list_places("line", [3, 9])
    'lines 3, 9'
    """
    more = f" and {len(numbers) - 5} more" if len(numbers) > 5 else ""
    plural = "s" if len(numbers) > 1 else ""
    return f"{unit}{plural} {', '.join(map(str, numbers[:5]))}{more}"


def _fit_to_header(
    header: list[str], rows: list[list[Any]], numbers: list[int], grid: Grid
) -> tuple[list[str], list[list[Any]], list[str]]:
    """Return rows as long as the header: empty cells are cut off at the end, or added."""
    width = len(header)
    longest = [next(i for i in range(len(row), 0, -1) if row[i - 1] != "") for row in rows]
    if grid.spaces and rows and min(longest) == width + 1 == max(longest):
        header, width = ["", *header], width + 1
    long = next((i for i, length in enumerate(longest) if length > width), None)
    if long is not None:
        shown = ", ".join(map(str, rows[long]))
        raise InputError(
            f"{grid.source}, {grid.unit} {numbers[long]} has more fields than its header: "
            f"{longest[long]} for the {width} columns {listing(header)}. The {grid.unit} is "
            f"{shown[:200]!r}. Give every column a name, or put quotation marks around a field "
            f"that contains the separator."
        )
    short = [numbers[i] for i, row in enumerate(rows) if len(row) < width]
    notes = []
    if short and grid.spaces:
        row = rows[numbers.index(short[0])]
        raise InputError(
            f"{grid.source}, line {short[0]} has fewer fields than its header: {len(row)} for the "
            f"{width} columns {listing(header)}. The line is {', '.join(row)[:200]!r}. Spaces "
            f"separate the columns: write nan for an empty cell, and separate all columns by two "
            f"or more spaces if names or cells contain spaces."
        )
    if short and grid.unit == "line":
        notes.append(
            f"Rows with fewer fields than the header are completed with missing values "
            f"({list_places('line', short)})."
        )
    return header, [[*row[:width], *[""] * (width - len(row))] for row in rows], notes


def _counts(cells: Sequence[Any]) -> bool:
    """Return whether cells are 0, 1, 2, ... or 1, 2, 3, ..."""
    try:
        numbers = [float(cell) for cell in cells]
    except (TypeError, ValueError):
        return False
    return len(numbers) > 0 and any(
        numbers == list(range(start, start + len(numbers))) for start in (0, 1)
    )


def _named_columns(
    header: list[str], rows: list[list[Any]]
) -> tuple[dict[str, Sequence[Any]], list[str]]:
    """Return the cells of each column by name; columns without a name are dropped or named."""
    notes: list[str] = []
    columns: dict[str, Sequence[Any]] = {}
    cells = list(zip(*rows, strict=True)) if rows else [()] * len(header)
    for position, (name, column) in enumerate(zip(header, cells, strict=True)):
        unnamed = not name or (position == 0 and name == "Unnamed: 0")  # pandas, read and written
        empty = all(cell == "" for cell in column)
        if empty and (unnamed or re.fullmatch(r"Unnamed: \d+", name)):
            continue
        if not unnamed:
            columns[name] = column
        elif position == 0 and _counts(column):
            notes.append("The first column has no name and counts the rows; it is dropped.")
        else:
            given = "index" if position == 0 else f"column {position + 1}"
            while given in header:
                given += "_"
            columns[given] = column
            notes.append(f"Column {position + 1} has no name; it is kept as {given!r}.")
    return columns, notes
