"""Options of the commands that read a saved posterior, and the output that they share."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import scalingbayes as sb
from scalingbayes._core.atomic_files import atomic_write
from scalingbayes.cli.printing import exit_if_failed, print_text, print_verdict

if TYPE_CHECKING:
    import pandas as pd

SavedPosterior = Annotated[
    str, typer.Argument(help="A file posterior.nc that `scalingbayes fit ... --out FOLDER` wrote.")
]
OtherInputs = Annotated[
    list[str] | None,
    typer.Option(
        "--input",
        metavar="NAME=VALUE",
        help="Value of another input of the law, such as vocab_params=1e9. May be repeated.",
    ),
]
Out = Annotated[
    Path | None, typer.Option(metavar="FILE.CSV", help="Also write the table to this CSV file.")
]


def read_posterior(path: str) -> sb.Posterior:
    """Return a saved posterior.

    Raises
    ------
    InputError
        If there is no such file, or it holds no posterior.
    """
    if not Path(path).is_file():
        raise sb.InputError(
            f"There is no file {path!r}. Give a saved posterior: `scalingbayes fit runs.csv "
            f"--out results` writes results/posterior.nc."
        )
    return sb.load(path)


def parse_inputs(
    named: dict[str, list[float] | None], others: Iterable[str] | None
) -> dict[str, Any]:
    """Return the values of a law's inputs.

    Parameters
    ----------
    named
        The values of each input that has an option of its own.
    others
        Values of other inputs, each as ``NAME=VALUE``.

    Returns
    -------
    dict
        A number for each input that was given once, a list for one that was repeated.

    Raises
    ------
    InputError
        If a value is no number.
    """
    found = {name: list(values) for name, values in named.items() if values}
    for text in others or ():
        name, _, value = text.partition("=")
        try:
            found.setdefault(name, []).append(float(value))
        except ValueError as error:
            raise sb.InputError(
                f"--input must be NAME=VALUE with a number, such as unique_tokens=1e11; got "
                f"{text!r}."
            ) from error
    return {name: values[0] if len(values) == 1 else values for name, values in found.items()}


def check_out(out: Path | None) -> None:
    """Check, before the work begins, that the table can be written.

    Raises
    ------
    InputError
        If it cannot.
    """
    if out is None:
        return
    if out.suffix.lower() != ".csv":
        raise sb.InputError(f"--out must be the name of a CSV file, such as table.csv; got {out}.")
    if out.is_dir() or not out.parent.is_dir():
        raise sb.InputError(
            f"--out {out} cannot be written: name a CSV file in a folder that exists."
        )


def finish(verdict: sb.Verdict, out: Path | None, table: pd.DataFrame) -> None:
    """Print the verdict, write the table, and end with an exit status that fits the verdict."""
    print_verdict(verdict)
    write_out(out, table, verdict)
    exit_if_failed(verdict)


def write_out(out: Path | None, table: pd.DataFrame, verdict: sb.Verdict) -> None:
    """Write the table, with the verdict in each row, if the option ``--out`` was given."""
    if out is not None:
        with atomic_write(out) as path:
            table.assign(verdict=verdict.word).to_csv(path)
        print_text(f"Written to {out}.")
