"""What commands print: tables, verdicts, warnings and errors."""

import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import pandas as pd
import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from scalingbayes._core.errors import InputWarning
from scalingbayes.posterior.posterior import Posterior
from scalingbayes.results import Verdict, interval_columns

FAILED_CHECKS = 3

console = Console(
    markup=False, highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 100
)
errors = Console(markup=False, stderr=True, soft_wrap=True, highlight=False)


def print_grid(
    headings: Sequence[str], rows: Iterable[Sequence[str]], words: Collection[str] = ()
) -> None:
    """Print cells under headings: the first column and those of words to the left, others right."""
    table = Table(box=box.SIMPLE_HEAD, collapse_padding=True, pad_edge=False)
    for number, heading in enumerate(headings):
        left = number == 0 or heading in words
        # On a narrow terminal cells take two lines, rather than lose their last digits.
        table.add_column(heading, justify="left" if left else "right", overflow="fold")
    for cells in rows:
        table.add_row(*cells)
    console.print(table)


def print_table(
    title: str,
    frame: pd.DataFrame,
    prob: float,
    before: Mapping[str, str],
    after: Mapping[str, str],
) -> None:
    """Print columns, each with its number format, before and after the credible interval."""
    print_grid(
        (title, *before, f"{100 * prob:g}% CI", *after),
        (
            (
                str(name),
                *(format(row[column], how) for column, how in before.items()),
                write_interval(row, prob),
                *(format(row[column], how) for column, how in after.items()),
            )
            for name, row in frame.iterrows()
        ),
    )


def write_interval(row: pd.Series, prob: float) -> str:
    """Write the interval of one row of a table."""
    lower, upper = interval_columns(prob)
    return f"{row[lower]:.4g} to {row[upper]:.4g}"


def say_fit(post: Posterior) -> str:
    """Say in one line what was fitted to what."""
    of, data = post.record["of"].capitalize(), post.record["data"]
    return f"{of} of law {post.law.name!r}, {data['rows']} runs of {data['name']!r}"


def say_interval(post: Posterior, prob: float) -> str:
    """Say what the intervals of a table are."""
    kind = "confidence interval" if post.record["of"] == "bootstrap" else "credible interval"
    return f"{100 * prob:g}% CI: equal-tailed {kind}."


def print_notes(notes: Iterable[str]) -> None:
    """Print what to know when reading a table."""
    for note in notes:
        console.print(note)


def print_verdict(verdict: Verdict) -> None:
    """Say whether to believe what was printed."""
    console.print(str(verdict), style=None if verdict.passed else "bold red")


def exit_if_failed(verdict: Verdict) -> None:
    """End with a status of its own where a fit failed its checks."""
    if not verdict.passed:
        raise typer.Exit(FAILED_CHECKS)


def print_error(error: Exception) -> None:
    """Print why nothing came of a command."""
    errors.print(Text.assemble(("error", "red"), f": {error}"))


def show_warning(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
    """Print a warning in one line, in place of Python's ``warnings.showwarning``."""
    style = "yellow" if issubclass(category, InputWarning) else "dim"
    errors.print(Text.assemble(("warning", style), f": {message}"))
