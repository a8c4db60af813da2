"""The option ``--json``: what a command found as one JSON document, and nothing else on stdout."""

from __future__ import annotations

import functools
import inspect
import json
import math
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    import pandas as pd

    import scalingbayes as sb
    from scalingbayes.results import View

Json = Annotated[
    bool,
    typer.Option(
        "--json",
        help="Print JSON: tables of numbers, titles, notes and the verdict. Messages go to "
        "standard error.",
    ),
]


class Document:
    """What a command found, as values of JSON.

    Parameters
    ----------
    command
        The name of the command.
    """

    def __init__(self, command: str) -> None:
        self._fields: dict[str, Any] = {"command": command}

    def add(self, **fields: Any) -> None:
        """Add fields."""
        self._fields |= {name: as_json(value) for name, value in fields.items()}

    def add_result(self, name: str, view: View, table: pd.DataFrame) -> None:
        """Add a result: its table as one object a row, its title and its notes."""
        found = {"title": view.title, "rows": rows(table), "notes": view.lines}
        self._fields.setdefault("results", {})[name] = as_json(found)

    def add_verdict(self, verdict: sb.Verdict) -> None:
        """Add whether the result passed its checks, each check, and the notes."""
        self.add(verdict=as_fields(verdict))

    def write(self) -> None:
        """Print the document."""
        json.dump(self._fields, sys.stdout, indent=2, allow_nan=False)
        sys.stdout.write("\n")


_document: Document | None = None


def document() -> Document | None:
    """Return the document that the running command fills; None if it prints text."""
    return _document


def with_json(name: str, command: Callable[..., None]) -> Callable[..., None]:
    """Return a command with the option ``--json`` besides its own.

    The document is printed when the command ends, also if a fit failed its checks, but not after an
    error.

    Parameters
    ----------
    name
        The name of the command.
    command
        The command.
    """

    @functools.wraps(command)
    def run(*, as_document: bool = False, **options: Any) -> None:
        global _document
        _document = Document(name) if as_document else None
        try:
            command(**options)
        except typer.Exit:
            if _document is not None:
                _document.write()
            raise
        else:
            if _document is not None:
                _document.write()
        finally:
            _document = None

    own = inspect.signature(command, eval_str=True).parameters.values()
    option = inspect.Parameter(
        "as_document", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=Json
    )
    every = [*own, option]
    run.__signature__ = inspect.Signature(every)  # type: ignore[attr-defined]
    run.__annotations__ = {each.name: each.annotation for each in every}
    return run


def as_fields(verdict: sb.Verdict) -> dict[str, Any]:
    """Return whether the result passed its checks, each check, and the notes."""
    checks = [vars(check) for check in verdict.checks]
    return {"passed": verdict.passed, "checks": checks, "notes": verdict.notes}


def rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return a table as one object a row; the labels of rows are fields too."""
    names: list[str] = []
    for given in table.index.names:
        name = str(given or "name")
        while name in table.columns or name in names:
            name = f"{name}_"
        names.append(name)
    frame = table.set_axis(table.index.set_names(names)).reset_index()
    return [{str(name): each for name, each in row.items()} for row in frame.to_dict("records")]


def as_json(value: Any) -> Any:
    """Return a value as JSON has it: NaN is null, and infinities are the texts inf and -inf."""
    if isinstance(value, Mapping):
        return {str(name): as_json(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(each) for each in value]
    plain = value.item() if hasattr(value, "item") else value  # NumPy's numbers
    if isinstance(plain, float) and not math.isfinite(plain):
        return None if math.isnan(plain) else str(plain)
    return plain if plain is None or isinstance(plain, str | int | float) else str(plain)
