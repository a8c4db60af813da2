"""The text and the HTML of a result."""

import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from scalingbayes._core.escaping import for_html, for_markdown, for_terminal
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


def parameter_table(rows: Mapping[str, Mapping[str, str]]) -> pd.DataFrame:
    """Return a table of words with a row a parameter."""
    return pd.DataFrame.from_dict(dict(rows), orient="index").rename_axis("parameter")


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
        """Return the view as text for a terminal or a file, without control characters."""
        paragraphs = [
            self.title,
            "" if self.table is None else format_table(self.table),
            "\n".join(map(_wrap, self.lines)),
            *(f"{heading}\n{format_table(table)}" for heading, table in self.tables),
            "" if self.verdict is None else str(self.verdict),
            "\n".join(self.details),
        ]
        return for_terminal("\n\n".join(paragraph for paragraph in paragraphs if paragraph))

    def html(self) -> str:
        """Return the view as HTML for a notebook. All text is escaped."""
        title = _paragraph(self.title)
        table = "" if self.table is None else _table(self.table)
        tables = "".join(f"{_paragraph(heading)}{_table(each)}" for heading, each in self.tables)
        lines = _paragraph("\n".join(self.lines))
        verdict = "" if self.verdict is None else self.verdict._repr_html_()
        details = ""
        if self.details:
            first, *others = map(for_html, self.details)
            details = f"<details><summary>{first}</summary>{'<br>'.join(others)}</details>"
        return f"{title}{table}{lines}{tables}{verdict}{details}"

    def markdown(self) -> str:
        """Return the tables as Markdown."""
        first = [] if self.table is None else [("", self.table)]
        shown = [
            (for_markdown(heading), _markdown_table(table))
            for heading, table in (*first, *self.tables)
        ]
        return "\n\n".join("\n\n".join(filter(None, pair)) for pair in shown)

    def latex(self) -> str:
        """Return the tables as LaTeX, for the package booktabs."""
        tables = [
            *(() if self.table is None else (self.table,)),
            *(each for _, each in self.tables),
        ]
        return "\n".join(_flat(each).to_latex(index=False, escape=True) for each in tables)


def _flat(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a table as text, with the labels of its rows in columns."""
    shown = readable(frame)
    names = [str(name or "") for name in shown.index.names]
    labels = pd.DataFrame(
        {i: shown.index.get_level_values(i).to_numpy() for i in range(len(names))}
    )
    flat = pd.concat([labels, shown.reset_index(drop=True)], axis=1)
    return flat.set_axis([*names, *map(str, shown.columns)], axis=1)


def _markdown_table(frame: pd.DataFrame) -> str:
    flat = _flat(frame)
    rows = [list(flat.columns), *flat.to_numpy().tolist()]
    cells = [[for_markdown(str(x)) for x in row] for row in rows]
    labels = frame.index.nlevels
    rule = [*["---"] * labels, *["---:"] * (len(flat.columns) - labels)]
    return "\n".join(f"| {' | '.join(row)} |" for row in (cells[0], rule, *cells[1:]))


def _wrap(line: str) -> str:
    indent = " " * (len(line) - len(line.lstrip()) + 2)
    return textwrap.fill(line, _WIDTH, subsequent_indent=indent if line[:1] == " " else "")


def _table(frame: pd.DataFrame) -> str:
    """Return a table as HTML; a single name of rows stands in the line of the columns' names."""
    shown = readable(frame)
    if shown.index.nlevels == 1:
        shown.columns.name, shown.index.name = shown.index.name, None
    return shown.to_html()


def _paragraph(text: str) -> str:
    return f"<p>{for_html(text).replace('\n', '<br>')}</p>" if text else ""
