"""What the commands on a saved posterior take: the file, numbers, and where to write a table."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer

from scalingbayes._core.atomic_files import atomic_write
from scalingbayes._core.errors import InputError
from scalingbayes.cli.printing import console, exit_if_failed, print_verdict
from scalingbayes.posterior.posterior import Posterior, load
from scalingbayes.results import Verdict

Saved = Annotated[
    str,
    typer.Argument(help="A posterior.nc that `scalingbayes fit ... --out FOLDER` wrote."),
]
OtherInputs = Annotated[
    list[str] | None,
    typer.Option(
        "--input",
        metavar="NAME=VALUE",
        help="Another input that the law reads, such as vocab_params=1e9; may be repeated.",
    ),
]
Out = Annotated[
    Path | None, typer.Option(metavar="FILE.CSV", help="Also write the table to this file.")
]


def read_posterior(path: str) -> Posterior:
    """Read a saved posterior.

    Raises
    ------
    InputError
        If there is no such file, or it is none.
    """
    if not Path(path).is_file():
        raise InputError(
            f"There is no file {path!r}. Give a posterior that was saved: "
            f"`scalingbayes fit runs.csv --out results` writes results/posterior.nc."
        )
    return load(path)


def read_inputs(
    named: dict[str, list[float] | None], others: Iterable[str] | None
) -> dict[str, Any]:
    """Read inputs of a law: those that have an option of their own, and ``NAME=VALUE``.

    Returns
    -------
    dict
        By name a number, or a list where an input was given several times.

    Raises
    ------
    InputError
        If one is no number.
    """
    found = {name: list(values) for name, values in named.items() if values}
    for text in others or ():
        name, _, value = text.partition("=")
        try:
            found.setdefault(name, []).append(float(value))
        except ValueError as error:
            raise InputError(
                f"--input takes NAME=VALUE, such as unique_tokens=1e11; got {text!r}."
            ) from error
    return {name: values[0] if len(values) == 1 else values for name, values in found.items()}


def check_out(out: Path | None) -> None:
    """Check that a table can be written there: better known before the work than after.

    Raises
    ------
    InputError
        If it cannot.
    """
    if out is None:
        return
    if out.suffix.lower() != ".csv":
        raise InputError(f"--out takes the name of a CSV file, such as table.csv; got {out}.")
    if out.is_dir() or not out.parent.is_dir():
        raise InputError(
            f"--out {out} cannot be written: it must be a file in a folder that exists."
        )


def finish(verdict: Verdict, out: Path | None, table: pd.DataFrame) -> None:
    """Say whether to believe what was printed, write it down, and end as the fit deserves."""
    print_verdict(verdict)
    write_out(out, table, verdict.word)
    exit_if_failed(verdict)


def write_out(out: Path | None, table: pd.DataFrame, verdict: str) -> None:
    """Write a table, whole or not at all, and say so."""
    if out is not None:
        with atomic_write(out) as path:
            table.assign(verdict=verdict).to_csv(path)
        console.print(f"Written to {out}.")
