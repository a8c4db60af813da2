"""The text and the HTML of a result."""

import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from typing import Any

import pandas as pd

from scalingbayes.results.readable import readable
from scalingbayes.results.verdict import Verdict

_WIDTH = 100  # characters, of lines below a table


def format_table(frame: pd.DataFrame) -> str:
    """Write a table as text: numbers aligned to the right, words and intervals to the left."""
    shown = readable(frame)
    header: list[str] = []
    formatters: dict[Any, Callable[..., str]] = {}
    for name, column in shown.items():
        words = name not in frame or all(isinstance(x, str) for x in frame[name])
        width = max(map(len, [str(name), *column])) if words else 0
        header.append(str(name).ljust(width))
        if words:
            formatters[name] = f"{{:<{width}}}".format
    text = shown.to_string(header=header, formatters=formatters)
    return "\n".join(line.rstrip() for line in text.splitlines())


@dataclass(frozen=True)
class View:
    """What a result shows of itself, in the order in which it is shown.

    Parameters
    ----------
    title
        The first lines.
    table
        The numbers, or None.
    lines
        Sentences below the table. A line that starts with spaces is a continuation of the list
        that the line before it opens.
    verdict
        The verdict, or None where it goes without saying.
    tables
        Further tables, each under its heading.
    details
        Sentences below the verdict, such as the priors. In a notebook only the first one shows
        until it is clicked.
    """

    title: str
    table: pd.DataFrame | None = None
    lines: tuple[str, ...] = ()
    verdict: Verdict | None = None
    tables: tuple[tuple[str, pd.DataFrame], ...] = ()
    details: tuple[str, ...] = ()

    def text(self) -> str:
        """Return the view as text for a terminal or a file."""
        paragraphs = [
            self.title,
            "" if self.table is None else format_table(self.table),
            "\n".join(map(_wrap, self.lines)),
            *(f"{heading}\n{format_table(table)}" for heading, table in self.tables),
            "" if self.verdict is None else str(self.verdict),
            "\n".join(self.details),
        ]
        return "\n\n".join(paragraph for paragraph in paragraphs if paragraph)

    def html(self) -> str:
        """Return the view as HTML for a notebook. All text is escaped."""
        title = _paragraph(self.title)
        table = "" if self.table is None else _table(self.table)
        tables = "".join(f"{_paragraph(heading)}{_table(each)}" for heading, each in self.tables)
        lines = _paragraph("\n".join(self.lines))
        verdict = "" if self.verdict is None else _paragraph(str(self.verdict))
        details = ""
        if self.details:
            first, *others = map(_escape, self.details)
            details = f"<details><summary>{first}</summary>{'<br>'.join(others)}</details>"
        return f"{title}{table}{lines}{tables}{verdict}{details}"


def _wrap(line: str) -> str:
    indent = " " * (len(line) - len(line.lstrip()) + 2)
    return textwrap.fill(line, _WIDTH, subsequent_indent=indent if line[:1] == " " else "")


def _escape(text: str) -> str:
    return escape(text, quote=False)  # quotes are markup only within attributes


def _table(frame: pd.DataFrame) -> str:
    return readable(frame).to_html()


def _paragraph(text: str) -> str:
    return f"<p>{_escape(text).replace('\n', '<br>')}</p>" if text else ""
