"""A progress bar for long jobs."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress


@contextmanager
def progress_bar(title: str = "Sampling") -> Iterator[Callable[[float], None]]:
    """Show a progress bar while the block runs, if standard error is a terminal.

    Yields the function that updates the bar: it takes the fraction of the work that is done.

    Examples
    --------
    >>> with progress_bar("Fitting") as bar:  # doctest: +SKIP
    ...     sb.fit_many(tables, progress=bar)
    """
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(title, total=1.0)
        yield lambda done: bar.update(task, completed=done)
