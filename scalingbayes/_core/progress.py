"""Progress of long work: how much of it is done, and what is being done.

Functions of the package have an argument ``progress``: ``None`` shows a progress bar if a person
watches, ``False`` shows none, and a function is called with the fraction that is done and a text.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar, copy_context
from threading import Lock, Timer
from typing import Literal

from scalingbayes._core.errors import InputError
from scalingbayes._core.progress_bar import Screen, find_screen

VARIABLE = "SCALINGBAYES_PROGRESS"
"""The environment variable that, if it is ``off``, turns progress bars off."""

_PATIENCE = 2.0  # seconds of work before a bar is shown

type Show = Callable[[float, str], None]
"""A function of the fraction of the work that is done, and of what is being done."""

type Progress = Show | Literal[False] | None
"""What a caller wants to see of progress: a bar if a person watches, nothing, or a function."""


class Report:
    """A function that reports the progress of work, or of a part of it.

    Parameters
    ----------
    show
        The function that receives fractions and texts.
    first, last
        The fractions of the whole work at which this part begins and ends.
    text
        What is being done. Texts of parts are appended, after a colon.
    """

    def __init__(self, show: Show, first: float = 0.0, last: float = 1.0, text: str = "") -> None:
        self._show, self._first, self._last, self._text = show, first, last, text

    def __call__(self, fraction: float, text: str = "") -> None:
        """Report the fraction of this part that is done, and what is being done."""
        done = self._first + fraction * (self._last - self._first)
        self._show(done, ": ".join(each for each in (self._text, text) if each))

    def part(self, first: float, last: float, text: str = "") -> "Report":
        """Begin a part of this work, from one fraction of it to another; return its report."""
        part = Report(self, first, last, text)
        part(0.0)
        return part


def _show_nothing(fraction: float, text: str) -> None:
    pass


silent = Report(_show_nothing)
"""A report that nobody sees."""


class _Work:
    """The state of the work that is reported: the fraction never falls.

    A fit may turn out to need more work than was planned.
    """

    def __init__(self, show: Show) -> None:
        self._show, self.fraction, self.text = show, 0.0, ""

    def __call__(self, fraction: float, text: str) -> None:
        self.fraction, self.text = max(self.fraction, min(fraction, 1.0)), text
        self._show(self.fraction, text)


_current: ContextVar[_Work | None] = ContextVar("current", default=None)


@contextmanager
def report_progress(progress: Progress, text: str = "") -> Iterator[Report]:
    """Yield the report of the work of the block.

    Parameters
    ----------
    progress
        What the caller wants to see. Within work that is already reported, None adds nothing.
    text
        What the block does.

    Raises
    ------
    InputError
        If ``progress`` is neither None, False nor a function.
    """
    if progress is not None and progress is not False and not callable(progress):
        raise InputError(
            f"progress must be None (a bar if a person watches), False (none), or a function of "
            f"the fraction that is done and a text; got {progress!r}."
        )
    if progress is None and _current.get() is not None:
        yield silent
        return
    bar = None
    if progress is None and (make := _screen()) is not None:
        bar = _DelayedBar(make)
    work = _Work(bar or progress or _show_nothing)
    report, token = Report(work, text=text), _current.set(work)
    try:
        report(0.0)
        yield report
        report(1.0)
    finally:
        _current.reset(token)
        if bar is not None:
            bar.close()


@contextmanager
def announce(text: str) -> Iterator[None]:
    """Show what the block does in place of the current text of the work, if any is reported."""
    work = _current.get()
    if work is None:
        yield
        return
    before = work.text
    work(work.fraction, text)
    try:
        yield
    finally:
        work(work.fraction, before)


def _screen() -> Callable[[], Screen] | None:
    off = os.environ.get(VARIABLE, "").lower() in ("off", "0")
    return None if off else find_screen()


_only_bar = Lock()  # held while a bar is on the screen


class _DelayedBar:
    """A progress bar that is shown if the work is long, unless another bar is shown."""

    def __init__(self, make: Callable[[], Screen]) -> None:
        self._make, self._state = make, (0.0, "")
        self._screen: Screen | None = None
        self._lock, self._closed = Lock(), False
        # A notebook finds the cell that is being executed in the context.
        self._timer = Timer(_PATIENCE, copy_context().run, [self._open])
        self._timer.daemon = True
        self._timer.start()

    def __call__(self, fraction: float, text: str) -> None:
        with self._lock:
            self._state = fraction, text
            if self._screen is not None:
                with suppress(Exception):  # what shows the work must not stop it
                    self._screen.show(fraction, text)

    def _open(self) -> None:
        with self._lock:
            if self._closed or not _only_bar.acquire(blocking=False):
                return
            with suppress(Exception):  # the caller may have a live display of their own
                self._screen = self._make()
                self._screen.show(*self._state)
            if self._screen is None:
                _only_bar.release()

    def close(self) -> None:
        """Remove the bar."""
        self._timer.cancel()
        with self._lock:
            self._closed = True
            if self._screen is not None:
                with suppress(Exception):
                    self._screen.close()
                self._screen = None
                _only_bar.release()
