"""Text of a user's table, escaped for each medium that shows it.

Names of columns, runs and tables come from files that a stranger may have written. LaTeX is escaped
by pandas, reports by Jinja, and figures by :func:`scalingbayes.plots.labels.escaped`.
"""

from __future__ import annotations

import html
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

_LINES = "\n\t"
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_MARKDOWN = "\\|<&*_`"


def for_terminal(text: str, keep: str = _LINES) -> str:
    r"""Return a text without control characters, which could command the terminal.

    Parameters
    ----------
    text
        The text.
    keep
        Control characters that are kept.

    Examples
    --------
    >>> for_terminal("a\x1b[31m name")
    'a[31m name'
    """
    return "".join(
        each
        for each in text
        if each.isprintable() or each in keep or unicodedata.category(each) == "Zs"
    )


def for_html(text: str) -> str:
    """Return a text as HTML shows it, in an element or in an attribute.

    Examples
    --------
    >>> for_html("a < b")
    'a &lt; b'
    """
    return html.escape(for_terminal(text))


def for_markdown(text: str) -> str:
    r"""Return a text as Markdown shows it on one line, also within a cell of a table.

    Examples
    --------
    >>> for_markdown("loss_*")
    'loss\\_\\*'
    """
    text = " ".join(for_terminal(text).split())
    escaped = "".join(f"\\{each}" if each in _MARKDOWN else each for each in text)
    return escaped.replace("](", "]\\(")  # no link; an interval keeps its brackets


def as_csv(frame: pd.DataFrame) -> str:
    """Return a table as CSV in which no text is a formula of a spreadsheet.

    A text that a spreadsheet would compute, such as ``=1+1``, gets an apostrophe before it.

    Parameters
    ----------
    frame
        The table. Numbers are written unchanged.
    """
    safe = frame.map(_no_formula)
    safe.columns = _labels(frame.columns)
    safe.index = _labels(frame.index)
    return safe.to_csv()


def _labels(index: pd.Index) -> pd.Index:
    """Return labels, and the names of their levels, without formulas."""
    return index.map(_label).set_names([_no_formula(name) for name in index.names])


def _label[Label](label: Label) -> Label | tuple[object, ...] | str:
    return tuple(map(_no_formula, label)) if isinstance(label, tuple) else _no_formula(label)


def _no_formula[Cell](cell: Cell) -> Cell | str:
    """Return a cell of a table; text that is a formula gets an apostrophe before it."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell
