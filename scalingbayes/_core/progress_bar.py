"""A progress bar."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress


@contextmanager
def progress_bar(title: str = "Sampling") -> Iterator[Callable[[float], None]]:
    """Show a bar on a terminal while a long job runs.

    >>> with progress_bar("Fitting") as bar:  # doctest: +SKIP
    ...     sb.fit_many(tables, progress=bar)
    """
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(title, total=1.0)
        yield lambda part: bar.update(task, completed=part)
