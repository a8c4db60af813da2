"""Print results, verdicts, warnings and errors."""

import sys
from typing import Any

import typer
from rich.console import Console
from rich.text import Text

from scalingbayes._core.errors import InputWarning
from scalingbayes.posterior.posterior import Posterior
from scalingbayes.results import Verdict, View, interval_columns

FAILED_CHECKS = 3
"""Exit status if a fit failed its checks."""

console = Console(
    markup=False, highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 100
)
errors = Console(markup=False, stderr=True, soft_wrap=True, highlight=False)


def print_view(view: View) -> None:
    """Print a result as it prints in Python, with an empty line below it."""
    console.print(f"{view.text()}\n")


def print_verdict(verdict: Verdict) -> None:
    """Print whether the result passed its checks; a failure in red."""
    console.print(str(verdict), style=None if verdict.passed else "bold red")


def exit_if_failed(verdict: Verdict) -> None:
    """End with the status :data:`FAILED_CHECKS` if a check failed.

    Raises
    ------
    typer.Exit
        If a check failed.
    """
    if not verdict.passed:
        raise typer.Exit(FAILED_CHECKS)


def describe_fit(post: Posterior) -> str:
    """Return one line about the fit: the law, the number of runs and the table's name."""
    of, data = post.record.of.capitalize(), post.record.data
    return f"{of} of law {post.law.name!r}, {data.rows} runs of {data.name!r}"


def describe_interval(post: Posterior, prob: float) -> str:
    """Return one line about the columns that hold intervals."""
    kind = "confidence interval" if post.record.of == "bootstrap" else "credible interval"
    lower, upper = interval_columns(prob)
    return f"{lower}, {upper}: ends of the {100 * prob:g}% equal-tailed {kind}."


def print_error(error: Exception) -> None:
    """Print why a command could not be carried out."""
    errors.print(Text.assemble(("error", "red"), f": {error}"))


def show_warning(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
    """Print a warning on one line; a replacement for Python's ``warnings.showwarning``."""
    style = "yellow" if issubclass(category, InputWarning) else "dim"
    errors.print(Text.assemble(("warning", style), f": {message}"))
