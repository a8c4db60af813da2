"""Tables in Markdown, and tables of the same look that databases and Emacs print."""

import re
from collections.abc import Sequence

from scalingbayes.data.reading.cells import convert_cells
from scalingbayes.data.reading.grid import Grid, read_grid
from scalingbayes.data.reading.raw_table import RawTable

_RULE = re.compile(r"\s*[|+]?[\s:=-]*-{2,}[\s:|+=-]*|\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)+\|?\s*")
_BAR = re.compile(r"(?<!\\)\|")
_EMPHASIS = re.compile(r"(\*\*|__|\*|`|~~)(.+)\1")


def has_markdown_table(lines: Sequence[str]) -> bool:
    """Return whether there is a line with bars next to a rule: ``|---|---|``."""
    return any(
        "|" in above and "|" in below + rule and _is_rule(rule) and not _is_rule(above)
        for above, rule, below in zip(lines, lines[1:], [*lines[2:], ""], strict=False)
    )


def read_markdown(lines: Sequence[str], source: str) -> RawTable:
    """Return the first table of Markdown text.

    Raises
    ------
    InputError
        If a row has more cells than the header.
    """
    blocks: list[list[int]] = []
    for i, line in enumerate(lines):
        if "|" in line or _is_rule(line):
            if blocks and blocks[-1][-1] == i - 1:
                blocks[-1].append(i)
            else:
                blocks.append([i])
    tables = [block for block in blocks if has_markdown_table([lines[i] for i in block])]
    rows = [i for i in tables[0] if not _is_rule(lines[i])]
    notes = [f"The table is Markdown, in lines {tables[0][0] + 1} to {tables[0][-1] + 1}."]
    if len(tables) > 1:
        others = ", ".join(str(block[0] + 1) for block in tables[1:])
        notes.append(f"Further tables are not read; they begin in lines {others}.")
    grid = Grid(source, [_cells(lines[i]) for i in rows], [i + 1 for i in rows], notes=notes)
    return read_grid(grid, convert_cells)


def _is_rule(line: str) -> bool:
    return bool(_RULE.fullmatch(line.rstrip("\r\n"))) and "-" in line


def _cells(line: str) -> list[str]:
    line = line.strip()
    inner = line.removeprefix("|")
    inner = inner[:-1] if inner.endswith("|") and not inner.endswith("\\|") else inner
    return [_plain(cell.strip().replace("\\|", "|")) for cell in _BAR.split(inner)]


def _plain(cell: str) -> str:
    """Return a cell without the marks of bold, italic and code."""
    while marked := _EMPHASIS.fullmatch(cell):
        cell = marked[2].strip()
    return cell
