"""Text whose columns are separated by commas, semicolons, tabs, bars or spaces."""

import codecs
import csv
import io
import re
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from scalingbayes._core.errors import InputError
from scalingbayes.data.reading.cells import convert_cells, is_number
from scalingbayes.data.reading.grid import Grid, list_places, read_grid
from scalingbayes.data.reading.markdown import has_markdown_table, read_markdown
from scalingbayes.data.reading.raw_table import RawTable
from scalingbayes.data.reading.separators import (
    SPACES,
    WIDE_SPACES,
    are_names,
    divide,
    find_separator,
    usual_width,
)
from scalingbayes.data.reading.transposed import USUAL_WORDS

_BLANK = (SPACES, WIDE_SPACES)
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # begins with the mark of UTF-16
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


class Line(NamedTuple):
    """A line of a file, with its number from 1."""

    number: int
    text: str


def decode(content: bytes, source: str) -> tuple[str, list[str]]:
    """Return the text of a file, and a note if its encoding is a guess.

    The encoding is that of the byte-order mark, else UTF-8 if the bytes are valid UTF-8, else
    UTF-16 if every other byte is zero, else Windows-1252.

    Raises
    ------
    InputError
        If the file is not text.
    """
    encoding = next((name for mark, name in _MARKS if content.startswith(mark)), None)
    if encoding is None and b"\0" in content[:1000]:
        zeros = [content[start:1000:2].count(0) / 500 for start in (0, 1)]
        encoding = "utf-16-le" if zeros[1] > zeros[0] else "utf-16-be"
        if min(zeros) or max(zeros) * 1000 < min(len(content), 1000) * 0.5:
            raise _not_text(source)
    try:
        return content.decode(encoding or "utf-8"), []
    except UnicodeDecodeError as error:
        if encoding is not None:
            raise InputError(
                f"{source} is not valid {encoding}, which its first bytes announce: {error.reason} "
                f"at byte {error.start}. Save it as a CSV file in UTF-8."
            ) from error
    if re.search(rb"[\x00-\x08\x0e-\x1f]", content[:1000]):
        raise _not_text(source)
    text = content.decode("cp1252", errors="replace")
    return text, [f"{source} is not UTF-8 text; it is read as Windows-1252 (Western European)."]


def _not_text(source: str) -> InputError:
    return InputError(
        f"{source} is neither text nor a format that is read: CSV and other delimited text, JSON, "
        f"JSON lines, Parquet, Feather, Excel. Load it into a DataFrame and pass that to sb.Runs."
    )


def read_delimited(text: str, source: str) -> RawTable:
    """Return the table of a text, whose separator is found from its first lines.

    Lines that start with # are comments. The last of them above the table names the columns if the
    table has no header.

    Raises
    ------
    InputError
        If the text cannot be divided into rows and named columns.
    """
    lines = [Line(i, line) for i, line in enumerate(io.StringIO(text, newline=""), start=1)]
    if has_markdown_table([line.text for line in lines]):
        return read_markdown([line.text for line in lines], source)
    separator = None
    if lines and (announced := re.fullmatch(r'"?sep=(.)"?\s*', lines[0].text)):
        separator, lines = announced[1], lines[1:]  # written for Excel
    lines, comments = _without_comments(lines)
    separator = separator or find_separator([line.text for line in lines])
    rows, numbers = _split(lines, separator, source)
    grid = Grid(source, _join_titles(rows, separator), numbers, spaces=separator in _BLANK)
    if header := _header_in_comment(comments, grid, separator):
        grid.header = header
        grid.notes.append(f"The columns are named by the comment in line {comments[-1].number}.")
        comments = comments[:-1]
    if comments:
        places = list_places("line", [line.number for line in comments])
        grid.notes.append(f"Comments that start with # are skipped ({places}).")
    return read_grid(grid, partial(convert_cells, semicolons=separator == ";"))


def _without_comments(lines: Sequence[Line]) -> tuple[list[Line], list[Line]]:
    """Divide lines into content and comments. A line within quotation marks is no comment."""
    content: list[Line] = []
    comments: list[Line] = []
    within = False
    for line in lines:
        if not within and line.text.lstrip().startswith("#"):
            comments.append(line)
        else:
            content.append(line)
            within ^= line.text.count('"') % 2 == 1
    return content, comments


def _split(lines: list[Line], separator: str, source: str) -> tuple[list[list[str]], list[int]]:
    """Return the fields of each row, and the number of the last line of each row."""
    if separator in _BLANK:
        return divide([line.text for line in lines], separator), [line.number for line in lines]
    reader = csv.reader(
        (line.text for line in lines), delimiter=separator, skipinitialspace=True, strict=True
    )
    rows: list[list[str]] = []
    numbers: list[int] = []
    try:
        for row in reader:
            rows.append(row)
            numbers.append(lines[reader.line_num - 1].number)
    except csv.Error as error:
        start = numbers[-1] + 1 if numbers else 1
        raise InputError(
            f"{source} cannot be divided into fields from line {start} on: {error}. Check the "
            f"quotation marks there: each must be closed, and one within a field is doubled."
        ) from error
    return rows, numbers


def _join_titles(rows: list[list[str]], separator: str) -> list[list[str]]:
    """Return rows in which each line of text above the header is one cell.

    The header is the first row of the usual width. It holds a name in each field.
    """
    filled = [i for i, row in enumerate(rows) if any(map(str.strip, row))]
    width = usual_width([len(rows[i]) for i in filled])
    start = next((i for i in filled if len(rows[i]) == width), 0)
    if separator in _BLANK and _is_title(rows, start):
        start += 1
    titles = [i for i in filled if i < start]
    header = rows[start] if titles else [""]
    narrower = separator in _BLANK or all(len(rows[i]) < width for i in titles)
    if not (all(map(str.strip, header)) and are_names(header) and narrower):
        return rows
    return [[separator.join(row).strip()] if i in titles else row for i, row in enumerate(rows)]


def _is_title(rows: list[list[str]], start: int) -> bool:
    """Return whether a row is a title that has by chance as many words as the header below."""
    upper, lower = [*rows[start : start + 2], [""], [""]][:2]
    if len(upper) != len(lower) or USUAL_WORDS.search(" ".join(upper)) or not are_names(lower):
        return False
    return len({match.lower() for match in USUAL_WORDS.findall(" ".join(lower))}) > 1


def _header_in_comment(comments: list[Line], grid: Grid, separator: str) -> list[str] | None:
    """Return the header if the comment above the first row has it, as numpy.savetxt writes it."""
    first = next((i for i, row in enumerate(grid.rows) if any(cell.strip() for cell in row)), None)
    if first is None or not any(is_number(cell.strip()) for cell in grid.rows[first]):
        return None
    above = [line for line in comments if line.number < grid.numbers[first]]
    if not above or above[-1] is not comments[-1]:
        return None
    text = above[-1].text.lstrip().removeprefix("#").strip(" \r\n")
    for between in (separator, SPACES) if separator == WIDE_SPACES else (separator,):
        fields = divide([text], between)
        names = [name.strip() for name in fields[0]] if fields else []
        if len(names) == len(grid.rows[first]) and not any(map(is_number, names)):
            return names
    return None
