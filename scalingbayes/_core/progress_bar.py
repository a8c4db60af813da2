"""Progress bars: in a terminal by rich, in a notebook as HTML."""

import sys
import time
from collections.abc import Callable
from typing import Any, Protocol

from scalingbayes._core.escaping import for_html, for_terminal

_SECONDS_BETWEEN = 0.2  # updates of a notebook


class Screen(Protocol):
    """A progress bar that is shown."""

    def show(self, fraction: float, text: str) -> None:
        """Show the fraction of the work that is done, and what is being done."""

    def close(self) -> None:
        """Remove the bar."""


def find_screen() -> Callable[[], Screen] | None:
    """Return what makes a bar where a person watches: in a notebook or a terminal; else None."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    if getattr(shell, "kernel", None) is not None:
        return NotebookBar
    return TerminalBar if sys.stderr is not None and sys.stderr.isatty() else None


class TerminalBar:
    """A bar on standard error, which vanishes when the work is done."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            Progress,
            TaskProgressColumn,
            TextColumn,
            TimeElapsedColumn,
        )

        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            transient=True,
            redirect_stdout=sys.stdout.isatty(),  # what is piped stays in the pipe
        )
        self._task = self._bar.add_task("", total=1.0)
        self._bar.start()

    def show(self, fraction: float, text: str) -> None:
        """Show the fraction of the work that is done, and what is being done."""
        self._bar.update(self._task, completed=fraction, description=for_terminal(text, keep=""))

    def close(self) -> None:
        """Remove the bar."""
        self._bar.stop()


class NotebookBar:
    """A bar below the cell that is being executed, which vanishes when the work is done.

    It is HTML, and needs no widgets.
    """

    def __init__(self) -> None:
        from IPython.display import display

        self._handle: Any = display(_Line(), display_id=True)
        self._shown: tuple[float, str] = (-1.0, "")  # when, and which text

    def show(self, fraction: float, text: str) -> None:
        """Show the fraction of the work that is done, and what is being done."""
        now, (last, shown) = time.monotonic(), self._shown
        if text == shown and now - last < _SECONDS_BETWEEN:
            return
        self._shown = now, text
        self._handle.update(_Line(fraction, for_terminal(text, keep="")))

    def close(self) -> None:
        """Remove the bar."""
        self._handle.update(_Line())


class _Line:
    """A line of a notebook: a bar and what is being done, or nothing."""

    def __init__(self, fraction: float = 0.0, text: str = "") -> None:
        self._fraction, self._text = fraction, text

    def __repr__(self) -> str:
        return f"{self._fraction:.0%} {self._text}" if self._text else ""

    def _repr_html_(self) -> str:
        if not self._text:
            return ""
        words = for_html(self._text)
        bar = f'<progress value="{self._fraction:.3f}" max="1" aria-label="{words}"></progress>'
        return f"{bar} {self._fraction:.0%} {words}"
