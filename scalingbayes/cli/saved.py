"""The source of commands that ask a posterior: a saved posterior, or a table that is fitted."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import scalingbayes as sb
from scalingbayes._core.atomic_files import atomic_write
from scalingbayes._core.errors import InputError, unknown
from scalingbayes._core.escaping import as_csv
from scalingbayes.cli.json_output import document
from scalingbayes.cli.printing import exit_if_failed, print_text, print_verdict
from scalingbayes.cli.table_options import read_table

if TYPE_CHECKING:
    import pandas as pd

_SAVED = "posterior.nc"
_HDF5 = b"\x89HDF"  # the first bytes of a netCDF file

PosteriorOrTable = Annotated[
    str,
    typer.Argument(
        metavar="POSTERIOR|TABLE",
        help=f"A file {_SAVED} that `scalingbayes fit ... --out FOLDER` wrote, or its folder. Or "
        "a table or the name of a bundled data set: the default model is fitted to it first. Or "
        "the name of published constants, such as hoffmann_2022.",
    ),
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


def saved_file(source: str) -> Path | None:
    """Return the file of the saved posterior that a source names; None if it names a table.

    Raises
    ------
    InputError
        If there is no such file, but its name is that of a saved posterior.
    """
    path = Path(source)
    if path.is_dir():
        return path / _SAVED if (path / _SAVED).is_file() else None
    if path.is_file():
        with path.open("rb") as file:
            begins_as_saved = file.read(len(_HDF5)) == _HDF5
        return path if begins_as_saved or path.suffix == ".nc" else None
    if path.suffix == ".nc":
        raise sb.InputError(
            f"There is no file {source!r}. Give a saved posterior: `scalingbayes fit runs.csv "
            f"--out results` writes results/{_SAVED}. Or give a table of runs."
        )
    return None


def is_published(source: str) -> bool:
    """Return whether a source is the name of published constants, and no file has that name."""
    return not Path(source).exists() and source in sb.list_published().index


def refuse_unknown(source: str) -> None:
    """Refuse a source that names no file, no data set and no published constants.

    Raises
    ------
    InputError
        If it does.
    """
    known = [*sb.datasets.names(), *sb.list_published().index]
    if not Path(source).exists() and source not in known:
        raise unknown("file, bundled data set or published law", source, known)


def read_posterior(source: str, seed: int = 0) -> sb.Posterior:
    """Return a saved posterior, or fit the default model to a table.

    Parameters
    ----------
    source
        A saved posterior, its folder, a table, the name of a bundled data set, or the name of
        published constants.
    seed
        Seed of the fit.

    Raises
    ------
    InputError
        If there is no such file, it holds no posterior, or the table cannot be used without
        options.
    """
    if (path := saved_file(source)) is not None:
        return sb.load(path)
    if is_published(source):
        return sb.published(source)
    refuse_unknown(source)
    try:
        runs = read_table(source, {})
        print_text(
            f"Fitting the default model to {len(runs)} runs of {runs.name!r}. To keep the fit, or "
            f"to choose law and columns: `scalingbayes fit {source} --out FOLDER`, then give "
            f"FOLDER.\n"
        )
        return sb.fit(runs, seed=seed)
    except InputError as error:
        if not Path(source).exists():
            raise
        raise InputError(
            f"{error} To name columns, fit first: `scalingbayes fit {source} --loss COLUMN --out "
            f"FOLDER`, then give FOLDER."
        ) from error


def parse_inputs(
    named: dict[str, list[float] | None],
    others: Iterable[str] | None,
    reader: Callable[..., Any],
) -> dict[str, Any]:
    """Return the values of a law's inputs.

    Parameters
    ----------
    named
        The values of each input that has an option of its own.
    others
        Values of other inputs, each as ``NAME=VALUE``.
    reader
        The function that gets the inputs: no input can have the name of another of its arguments.

    Returns
    -------
    dict
        A number for each input that was given once, a list for one that was repeated.

    Raises
    ------
    InputError
        If a value is no number, or a name is not that of an input.
    """
    arguments = inspect.signature(reader).parameters
    found = {name: list(values) for name, values in named.items() if values}
    for text in others or ():
        name, _, value = text.partition("=")
        if name in arguments:
            raise sb.InputError(
                f"--input {text}: {name} is not an input of a law. See `--help` for an option "
                f"--{name}."
            )
        try:
            found.setdefault(name, []).append(float(value))
        except ValueError as error:
            several = value.split(",")
            remedy = f" For several values repeat --input: --input {name}={several[0]} --input ..."
            raise sb.InputError(
                f"--input must be NAME=VALUE with a number, such as unique_tokens=1e11; got "
                f"{text!r}.{remedy if len(several) > 1 else ''}"
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
    check_writable(out, "CSV file")


def check_writable(out: Path, what: str, option: str = "--out") -> None:
    """Check that a file can be written to its folder.

    Parameters
    ----------
    out
        The file.
    what
        What the file is, such as ``"CSV file"``.
    option
        The option that names the file.

    Raises
    ------
    InputError
        If it cannot.
    """
    if out.is_dir() or not out.parent.is_dir():
        raise sb.InputError(
            f"{option} {out} cannot be written: name a {what} in a folder that exists."
        )


def finish(verdict: sb.Verdict, out: Path | None, table: pd.DataFrame) -> None:
    """Print the verdict, write the table, and end with an exit status that fits the verdict.

    The notes of a verdict without checks are among those of the result, and are not repeated.
    """
    if document() is not None or verdict.checks or not verdict.notes:
        print_verdict(verdict)
    write_out(out, table, verdict)
    exit_if_failed(verdict)


def write_out(out: Path | None, table: pd.DataFrame, verdict: sb.Verdict) -> None:
    """Write the table, with the verdict in each row, if the option ``--out`` was given."""
    if out is not None:
        atomic_write(out, as_csv(table.assign(verdict=verdict.word)))
        print_text(f"Written to {out}.")
