"""The table of training runs: read, checked, and completed."""

import hashlib
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from scalingbayes._core.domains import POSITIVE, REAL, Domain
from scalingbayes._core.errors import InputError, InputWarning, unknown
from scalingbayes.data.architecture import flops_per_token

FLOPS_PER_PARAM_TOKEN = 6.0
"""Training compute over params times tokens: C = 6 N D (Kaplan et al. 2020, section 2.1)."""

COLUMNS = {
    "params": ("n", "n_params", "num_params", "parameters", "model_size", "size", "model_params"),
    "tokens": ("d", "n_tokens", "num_tokens", "training_tokens", "train_tokens", "data"),
    "compute": ("c", "flops", "flop", "training_flops", "total_flops"),
    "loss": ("l", "val_loss", "eval_loss", "test_loss", "final_loss", "validation_loss"),
}
"""The columns that every table is checked for, and other names that they often have."""

_LOOKS_SMALL = {"params": 1e4, "tokens": 1e5, "compute": 1e9}
_CONTRADICTION = 2.5  # conventions for counting params and FLOPs differ by less
_DEVIATION = 1.1


class Runs:
    """A checked table of training runs, one a row.

    Parameters
    ----------
    table
        A DataFrame, or a mapping from column names to arrays of one length. ``params``
        (parameters), ``tokens`` (training tokens) and ``compute`` (training FLOPs) are counts;
        ``loss`` is in any unit, and answers come in the same. Of the first three, two give the
        third through compute = 6 * params * tokens; ``n_layer``, ``d_model`` and ``seq_len`` give
        ``flops_per_token``. Other columns are kept: a law may read them, or predict one of them.
    name
        What the table is called in output.
    **columns
        Where a column has another name in the table: ``params="n_params"``.

    Raises
    ------
    InputError
        If a value cannot be used; the message names the column, the first offending row (the first
        row is row 1) and the remedy.

    Warns
    -----
    InputWarning
        If there are exact duplicates, values that look like millions or billions, or compute that
        differs from 6 * params * tokens.
    """

    def __init__(
        self, table: pd.DataFrame | Mapping[str, Any], *, name: str = "runs", **columns: str
    ) -> None:
        frame = _rename(_to_frame(table), columns)
        if frame.empty:
            raise InputError("The table has no rows: give one row for each training run.")
        for column in COLUMNS:
            if column in frame:
                frame[column] = _numbers(frame[column], REAL if column == "loss" else POSITIVE)
        _check_magnitudes(frame)
        _complete(frame)
        _add_flops_per_token(frame)
        _warn_duplicates(frame)
        self.frame = frame
        self.name = name

    def __len__(self) -> int:
        return len(self.frame)

    def column(self, name: str, domain: Domain = POSITIVE) -> Float[np.ndarray, " runs"]:
        """Return a column of numbers.

        Parameters
        ----------
        name
            The column.
        domain
            The numbers that it may hold.

        Raises
        ------
        InputError
            If the column is missing or a value is not a finite number of the domain.
        """
        if name not in self.frame:
            raise missing_column(name, self.frame.columns)
        return _numbers(self.frame[name], domain).to_numpy()

    def labels(self, name: str) -> np.ndarray:
        """Return a column of labels, such as a run's id or its IsoFLOP budget.

        Raises
        ------
        InputError
            If the column is missing or has empty cells.
        """
        if name not in self.frame:
            raise missing_column(name, self.frame.columns)
        values = self.frame[name]
        if values.isna().any():
            row = int(np.argmax(values.isna()))
            raise InputError(f"Column {name!r}, row {row + 1}: is empty; fill it in.")
        return values.to_numpy()

    def split(self, by: str) -> dict[Any, "Runs"]:
        """Cut the table by a column's labels, for :func:`scalingbayes.fit_many`.

        Raises
        ------
        InputError
            If the column is missing or has empty cells.
        """
        labels = self.labels(by)
        return {
            label: Runs(self.frame[labels == label], name=f"{self.name}, {by} {label}")
            for label in pd.unique(labels)
        }

    def filter(self, keep: Iterable[bool]) -> "Runs":
        """Return the runs for which ``keep`` is true, such as ``runs.frame["loss"] < 4``.

        Raises
        ------
        InputError
            If ``keep`` is not one boolean for each run.
        """
        mask = np.asarray(keep)
        if mask.dtype != bool or mask.shape != (len(self),):
            raise InputError(
                f"filter needs {len(self)} booleans, one for each run; got {mask.dtype} of shape "
                f"{mask.shape}."
            )
        return Runs(self.frame[mask], name=self.name)

    @property
    def digest(self) -> str:
        """A fingerprint of the table's names and values (SHA-256)."""
        hashed = hashlib.sha256("\0".join(self.frame.columns).encode())
        rows = pd.util.hash_pandas_object(_hashable(self.frame), index=False)
        hashed.update(rows.to_numpy().tobytes())
        return hashed.hexdigest()

    def __repr__(self) -> str:
        ranges = "".join(
            f"\n  {column:8} {self.frame[column].min():.4g} to {self.frame[column].max():.4g}"
            for column in COLUMNS
            if column in self.frame
        )
        others = [column for column in self.frame if column not in COLUMNS]
        return f"Runs({self.name!r}: {len(self)} rows){ranges}" + (
            f"\n  and {', '.join(map(str, others))}" if others else ""
        )

    def _repr_html_(self) -> str:
        return f"<p>{self.name}: {len(self)} training runs</p>{self.frame.to_html(max_rows=10)}"


Table = Runs | pd.DataFrame | Mapping[str, Any]
"""What may stand for a table of training runs."""


def as_runs(table: Table, name: str = "runs") -> Runs:
    """Make a table of training runs of what is not one yet.

    Raises
    ------
    InputError
        For the reasons given at :class:`Runs`.
    """
    return table if isinstance(table, Runs) else Runs(table, name=name)


def read_runs(path: str | Path, *, name: str | None = None, **columns: str) -> Runs:
    """Read a table of training runs from a CSV or Parquet file.

    Parameters
    ----------
    path
        A ``.parquet`` file, or text in UTF-8 separated by commas, semicolons or tabs.
    name
        What the table is called in output; the file's name by default.
    **columns
        Where a column has another name in the file: ``params="n_params"``.

    Raises
    ------
    InputError
        If the file cannot be read, or for the reasons given at :class:`Runs`.
    """
    path = Path(path)
    if path.is_dir():
        raise InputError(f"{path} is a directory: give a CSV or Parquet file.")
    if not path.exists():
        raise InputError(f"There is no file {path}: check its name and the working directory.")
    try:
        table = pd.read_parquet(path) if path.suffix == ".parquet" else _read_text(path)
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path} is not UTF-8 text (byte {error.start}): save it as a CSV in UTF-8."
        ) from error
    except pd.errors.EmptyDataError as error:
        raise InputError(f"{path} is empty: give a header and one row for each run.") from error
    except ImportError as error:
        raise InputError(f"Reading {path} needs pyarrow: pip install pyarrow.") from error
    except pd.errors.ParserWarning as error:
        raise InputError(
            f"{path} has rows of more fields than its header names: give every column a name."
        ) from error
    except (pd.errors.ParserError, ValueError, OSError) as error:
        kind = "Parquet" if path.suffix == ".parquet" else "CSV"
        raise InputError(f"{path} cannot be read as {kind}: {error}") from error
    return Runs(table, name=name or path.name, **columns)


def missing_column(column: str, present: Iterable[str], needed: str = "") -> InputError:
    """Build the error for a column that a table lacks, with the column that is likely meant.

    Parameters
    ----------
    column
        The column.
    present
        The columns there are.
    needed
        Who needs it, such as ``"Law 'chinchilla' reads params, tokens and predicts loss."``.
    """
    present = [str(name) for name in present]
    aliases = (column, *COLUMNS.get(column, ()))
    likely = next((name for name in present if name.lower().strip() in aliases), None)
    if likely is None:
        return unknown("column", column, present, f'{needed} Say which it is: {column}="NAME".')
    return InputError(
        f"There is no column {column!r}. Available: {', '.join(map(repr, present))}. {needed} "
        f'If it is {likely!r}, say so: {column}="{likely}".'
    )


def _read_text(path: Path) -> pd.DataFrame:
    options: Any = {"encoding": "utf-8-sig", "skipinitialspace": True, "index_col": False}
    with warnings.catch_warnings():
        # pandas cuts rows that are longer than the header, with no more than a warning.
        warnings.simplefilter("error", pd.errors.ParserWarning)
        table = pd.read_csv(path, **options)
        for separator in ";\t":
            if len(table.columns) == 1 and separator in table.columns[0]:
                table = pd.read_csv(path, sep=separator, **options)
    return table


def _to_frame(table: pd.DataFrame | Mapping[str, Any]) -> pd.DataFrame:
    if not isinstance(table, pd.DataFrame):
        try:
            columns = {
                name: values if isinstance(values, list) else np.atleast_1d(values)
                for name, values in table.items()
            }
            table = pd.DataFrame(columns)
        except (AttributeError, TypeError, ValueError) as error:
            raise InputError(
                f"Expected a DataFrame or a mapping from column names to arrays of one length; "
                f"got {type(table).__name__} ({error})."
            ) from error
    frame = table.reset_index(drop=True)
    frame.columns = [str(column).strip() for column in frame.columns]
    if not frame.columns.is_unique:
        twice = frame.columns[frame.columns.duplicated()][0]
        raise InputError(f"The column {twice!r} is there twice: rename or drop one.")
    return frame


def _rename(frame: pd.DataFrame, columns: Mapping[str, str]) -> pd.DataFrame:
    sources = {str(source): column for column, source in columns.items()}
    for source, column in sources.items():
        if source not in frame:
            raise unknown("column", source, frame.columns, f"It was given as {column}={source!r}.")
    replaced = {name: f"{name} (unused)" for name in columns if name not in sources}
    return frame.rename(columns={**replaced, **sources})


def _numbers(values: pd.Series, domain: Domain) -> pd.Series:
    column = values.name
    if values.dtype.kind in "bcmM":
        raise InputError(
            f"Column {column!r}, row 1: {values.iloc[0]!r} is not a number; write plain numbers, "
            f"such as 7e10."
        )
    numbers = pd.to_numeric(values, errors="coerce").astype(float)
    text = numbers.isna() & values.notna()
    outside = domain.excludes(numbers.to_numpy())
    problems: tuple[tuple[Any, str, str], ...] = (
        (text, "is not a number", "write plain numbers, such as 7e10"),
        (numbers.isna(), "is empty", "fill it in or drop the row"),
        (np.isinf(numbers), "is infinite", "drop the row or mend the value"),
        (outside, f"is not {domain.name}", "drop the row or mend the value"),
    )
    for bad, problem, remedy in problems:
        if bad.any():
            row = int(np.argmax(bad))
            more = f" ({int(bad.sum())} such rows)" if bad.sum() > 1 else ""
            raise InputError(
                f"Column {column!r}, row {row + 1}: {values.iloc[row]} {problem}{more}; {remedy}."
            )
    return numbers


def _check_magnitudes(frame: pd.DataFrame) -> None:
    for column, smallest in _LOOKS_SMALL.items():
        if column not in frame:
            continue
        values = frame[column]
        small = values < smallest
        if values.median() < smallest:
            _warn(
                f"Column {column!r} has a median of {values.median():.4g}: it looks like "
                f"thousands, millions or billions. Exponents are right all the same, but answers "
                f"will be in the same unit, and compute = 6 * params * tokens mixes units unless "
                f"these are counts. Multiply it to get counts, for instance by 1e6 or 1e9."
            )
            return  # compute that was derived from it is small for the same reason
        if small.any():
            row = int(np.argmax(small))
            _warn(
                f"Column {column!r}, row {row + 1}: {values.iloc[row]:.4g} looks like "
                f"millions or billions among counts ({int(small.sum())} such rows). Mend them: "
                f"they pull on every answer."
            )


def _complete(frame: pd.DataFrame) -> None:
    """Fill in the one of params, tokens and compute that is missing, or compare all three."""
    there = {"params", "tokens", "compute"} & set(frame.columns)
    experts = "active_params" in frame  # of a mixture of experts only these are computed with
    size = "active_params" if experts else "params"
    if there == {"params", "tokens"}:
        frame["compute"] = FLOPS_PER_PARAM_TOKEN * _numbers(frame[size], POSITIVE) * frame["tokens"]
    elif len(there) == 2 and not experts:
        (known,) = there - {"compute"}
        (absent,) = {"params", "tokens"} - there
        frame[absent] = frame["compute"] / (FLOPS_PER_PARAM_TOKEN * frame[known])
    elif len(there) == 3:
        product = FLOPS_PER_PARAM_TOKEN * _numbers(frame[size], POSITIVE) * frame["tokens"]
        ratio = frame["compute"] / product
        factor = np.exp(np.abs(np.log(ratio)))
        if factor.max() > _CONTRADICTION:
            row = int(np.argmax(factor > _CONTRADICTION))
            raise InputError(
                f"Column 'compute', row {row + 1}: {size}, tokens and compute contradict each "
                f"other: {frame['compute'].iloc[row]:.4g} is {ratio.iloc[row]:.3g} times "
                f"6 * {size} * tokens ({int((factor > _CONTRADICTION).sum())} such rows). Mend the "
                f"one that is wrong, or drop one of the three columns and it is derived."
            )
        if factor.max() > _DEVIATION:
            _warn(
                f"Column 'compute' is {ratio.min():.3g} to {ratio.max():.3g} times "
                f"6 * {size} * tokens. It is kept as given; budgets that you ask about are taken "
                f"as 6 * {size} * tokens."
            )


def _add_flops_per_token(frame: pd.DataFrame) -> None:
    """Fill in DeepSeek's scale of a model where the table gives its shape."""
    shape = ["n_layer", "d_model", "seq_len"]
    if "flops_per_token" not in frame and set(shape) <= set(frame.columns):
        values = [_numbers(frame[column], POSITIVE) for column in shape]
        frame["flops_per_token"] = flops_per_token(*values)


def _warn_duplicates(frame: pd.DataFrame) -> None:
    duplicated = _hashable(frame).duplicated()
    if duplicated.any():
        _warn(
            f"{int(duplicated.sum())} rows repeat an earlier row exactly (the first is row "
            f"{int(np.argmax(duplicated)) + 1}). They are kept and count as further runs: drop "
            f"them if they are copies."
        )


def _hashable(frame: pd.DataFrame) -> pd.DataFrame:
    """Write as text what pandas cannot compare, such as lists."""
    others = [column for column in frame if frame[column].dtype == object]
    return frame.astype(dict.fromkeys(others, str))


def _warn(message: str) -> None:
    warnings.warn(message, InputWarning, stacklevel=4)
