"""Published numbers beside ours: one module a subject, each with a list ``ENTRIES``.

A new module in this folder is found by itself. Its docstring's first line is the heading of its
table in docs/papers.md.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from types import ModuleType

Ours = float | tuple[float, float, float]
"""A number, or a median with the ends of its 90 % interval."""


@dataclass(frozen=True)
class Entry:
    """A published number, and how we compute the same quantity.

    Parameters
    ----------
    paper, where
        The paper with its arXiv number, and the equation, table or section of the number.
    quantity
        What the number is, with its unit.
    published
        The number as printed, such as ``"0.050"`` or ``"4.5e9"``: its digits state how exact it is.
    compute
        Computes ours: a number, or a median with the ends of its 90 % interval.
    call
        The call by which a user gets ours; "" if there is no such call.
    interval
        The published interval with its kind, as text.
    note
        What a reader must know.
    differs
        Why ours is not the published number. Required if they differ, and refused if they agree.
    slow
        Whether the number takes more than a second; the tests leave such entries out.
    """

    paper: str
    where: str
    quantity: str
    published: str
    compute: Callable[[], Ours]
    call: str = ""
    interval: str = ""
    note: str = ""
    differs: str = ""
    slow: bool = False

    @cached_property
    def ours(self) -> Ours:
        return self.compute()

    @property
    def agrees(self) -> bool:
        """Whether ours rounds to the published number, or its interval contains that number."""
        if isinstance(self.ours, tuple):
            median, low, high = self.ours
            return low <= float(self.published) <= high or _rounds_to(median, self.published)
        return _rounds_to(self.ours, self.published)


def subjects() -> Iterator[ModuleType]:
    """Return the modules of this folder, in the order of their names."""
    for path in sorted(Path(__file__).parent.glob("[a-z]*.py")):
        yield import_module(f"{__name__}.{path.stem}")


def _rounds_to(number: float, printed: str) -> bool:
    """Return whether a number is within half a unit of the last printed digit."""
    found = re.fullmatch(r"[-+]?\d+(?:\.(\d*))?(?:[eE]([-+]?\d+))?", printed)
    if found is None:
        raise ValueError(f"published must be a number as printed; got {printed!r}.")
    decimals, exponent = len(found[1] or ""), int(found[2] or 0)
    return abs(number - float(printed)) <= 0.5000001 * 10.0 ** (exponent - decimals)
