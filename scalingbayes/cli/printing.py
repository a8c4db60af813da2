"""Print results, verdicts, warnings and errors: as text, or into the document of ``--json``."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

import typer

import scalingbayes as sb
from scalingbayes._core.escaping import for_terminal
from scalingbayes.cli.json_output import document

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console

    from scalingbayes.results import View

FAILED_CHECKS = 3
"""Exit status if a fit failed its checks."""


def print_text(text: str, style: str | None = None) -> None:
    """Print a text; to standard error if standard output is JSON."""
    _console(stderr=document() is not None).print(for_terminal(text), style=style)


def print_result(name: str, view: View, table: pd.DataFrame) -> None:
    """Print a result as it prints in Python, without the verdict, with an empty line below it.

    Parameters
    ----------
    name
        The name of the result in the document.
    view
        What is printed as text. The document has the title and the notes.
    table
        The numbers of the document.
    """
    if (found := document()) is not None:
        found.add_result(name, view, table)
        return
    print_text(f"{replace(view, verdict=None).text()}\n")


def print_verdict(verdict: sb.Verdict) -> None:
    """Print whether the result passed its checks; a failure in red, with the shell's options."""
    if (found := document()) is not None:
        found.add_verdict(verdict)
        return
    text = re.sub(r"\bengine '", "--engine '", str(verdict))
    print_text(text, style=None if verdict.passed else "bold red")


def exit_if_failed(*verdicts: sb.Verdict) -> None:
    """End with the status :data:`FAILED_CHECKS` if a check failed.

    Raises
    ------
    typer.Exit
        If a check failed.
    """
    if not all(verdict.passed for verdict in verdicts):
        raise typer.Exit(FAILED_CHECKS)


def describe_fit(post: sb.Posterior) -> str:
    """Return one line about the fit: the law, the number of runs and the table's name."""
    of, data = post.record.of.capitalize(), post.record.data
    if post.record.of == "published":
        return f"Published constants of law {post.law.name!r}: {data.name}"
    return f"{of} of law {post.law.name!r}, {data.rows} runs of {data.name!r}"


def describe_interval(post: sb.Posterior, prob: float) -> tuple[str, ...]:
    """Return one line about the column of intervals; none if the column is empty."""
    from scalingbayes.posterior.words import words_for

    if post.record.of == "published" and not post.record.facts["errors"]:
        return ()
    what = f"Interval: {100 * prob:g}% equal-tailed {words_for(post).kind} interval"
    if post.exact:
        return (f"{what}.",)
    return (f"{what}, with an allowance for the law's error. If law exact: without the allowance.",)


def print_error(error: Exception) -> None:
    """Print why a command could not be carried out."""
    _print_problem("error", "red", error)


def show_warning(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
    """Print a warning on one line; a replacement for Python's ``warnings.showwarning``."""
    style = "yellow" if issubclass(category, sb.InputWarning) else "dim"
    _print_problem("warning", style, message)


def _print_problem(word: str, style: str, message: object) -> None:
    from rich.text import Text

    text = for_terminal(str(message))
    _console(stderr=True).print(Text.assemble((word, style), f": {text}"))


@cache
def _console(stderr: bool = False) -> Console:
    from rich.console import Console

    width = None if stderr or sys.stdout.isatty() else 100
    return Console(markup=False, highlight=False, soft_wrap=True, width=width, stderr=stderr)
