"""Which rows of a table are used: a condition, rows without values, the best or the last rows."""

from collections.abc import Iterable, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
from jaxtyping import Bool

from scalingbayes._core.errors import InputError
from scalingbayes.data.columns import read_numbers
from scalingbayes.data.counts import is_empty
from scalingbayes.data.row_labels import label_rows

Keep = Literal["best", "last"]
"""``"best"``: the row of least loss of each params and tokens. ``"last"``: each run's last row."""

RUN = "run_id"
"""The column that says which run a row belongs to."""

_PROGRESS = ("steps", "tokens", "compute")
_FAILED = ("diverged", "oom", "failed", "crashed", "killed", "error", "diverge")
_UNFINISHED = {"crashed", "failed", "killed", "running", "preempted", "preempting", "pending"}
_UNFINISHED |= {"error", "interrupted", "cancelled", "canceled", "stopped"}
_INFINITE = ("inf", "-inf", "+inf", "infinity", "-infinity")


def select(frame: pd.DataFrame, where: str) -> pd.DataFrame:
    """Return the rows that meet a condition, such as ``"state == 'finished' and loss < 6"``.

    Parameters
    ----------
    frame
        The table, with the user's column names. Names that are no identifiers stand in backticks.
    where
        An expression of :meth:`pandas.DataFrame.query`, without variables.

    Raises
    ------
    InputError
        If the condition cannot be evaluated, is not a condition, or no row meets it.
    """
    listing = ", ".join(map(repr, frame.columns))
    how = (
        f"where must be a condition on columns, such as \"state == 'finished'\"; names that are no "
        f"identifiers stand in backticks, `eval/loss` < 4. Columns: {listing}."
    )
    if not isinstance(where, str):
        raise InputError(f"where must be a text; got {where!r}. {how}")
    if "@" in where or "__" in where:
        raise InputError(f"where={where!r} cannot be evaluated: @ and __ are not allowed. {how}")
    try:
        mask = frame.eval(where, engine="python", local_dict={}, global_dict={})
    except Exception as error:  # pandas raises whatever the expression does
        raise InputError(f"where={where!r} cannot be evaluated: {error}. {how}") from error
    mask = np.asarray(mask)
    if mask.shape != (len(frame),) or mask.dtype != bool:
        raise InputError(f"where={where!r} is no condition: it has no True or False a row. {how}")
    if not mask.any():
        raise InputError(f"No row meets where={where!r}. {_values_of_columns(frame, where)}")
    return frame[mask]


def _values_of_columns(frame: pd.DataFrame, where: str) -> str:
    """Return the values of the text columns that a condition names."""
    named = [name for name in frame.columns if str(name) in where]
    lines = [
        f"Column {name!r} holds {', '.join(map(repr, frame[name].dropna().unique()[:8]))}."
        for name in named
        if not pd.api.types.is_numeric_dtype(frame[name])
    ]
    return " ".join(lines) or "Change the condition."


def without_values(
    frame: pd.DataFrame, columns: Iterable[str], steps: Iterable[str] = ()
) -> dict[str, np.ndarray]:
    """Return which rows cannot be used, by reason: no value, an infinite value, no training yet.

    Parameters
    ----------
    frame
        The table, with the package's column names.
    columns
        The columns that must have a value.
    steps
        Columns of steps, besides tokens and compute, that are 0 before the training begins.
    """
    reasons: dict[str, np.ndarray] = {}
    dropped = np.zeros(len(frame), bool)
    for column in columns:
        cells = frame[column]
        empty = np.array([is_empty(cell) for cell in cells], bool)
        infinite = np.array([_is_infinite(cell) for cell in cells], bool)
        failed = np.array([_says_failed(cell) for cell in cells], bool)
        for reason, mask in (("empty", empty), ("infinite", infinite), ("failed", failed)):
            new = mask & ~dropped
            if new.any():
                reasons[f"{column} {reason}"] = new
                dropped |= new
    for column in dict.fromkeys((*steps, "steps", "tokens", "compute")):
        if column in frame:
            zero = np.array([_is_zero(cell) for cell in frame[column]], bool) & ~dropped
            if zero.any():
                reasons[f"{column} 0"] = zero
                dropped |= zero
    return reasons


def _says_failed(cell: Any) -> bool:
    return isinstance(cell, str) and cell.strip().lower() in _FAILED


def _is_infinite(cell: Any) -> bool:
    if isinstance(cell, str):
        return cell.strip().lower() in _INFINITE
    return isinstance(cell, float) and bool(np.isinf(cell))


def _is_zero(cell: Any) -> bool:
    if isinstance(cell, str):
        return cell.strip() in ("0", "0.0")
    return not isinstance(cell, bool) and isinstance(cell, int | float | np.number) and cell == 0


def keep_rows(frame: pd.DataFrame, keep: str) -> tuple[pd.DataFrame, str]:
    """Return the best row of each size and tokens, or the last row of each run, and a sentence.

    Parameters
    ----------
    frame
        The table, with the package's column names and numbers in the columns.
    keep
        ``"best"`` or ``"last"``.

    Raises
    ------
    InputError
        If ``keep`` is neither of the two, or the table lacks a column.
    """
    if keep == "best":
        by = [name for name in ("params", "tokens") if name in frame]
        if "compute" in frame and len(by) < 2:
            by.append("compute")
        if "loss" not in frame or not by:
            raise InputError(
                f"keep='best' needs a loss and params, tokens or compute: name the columns, "
                f"such as loss='eval/loss'. Columns: {_listing(frame.columns)}."
            )
        kept = frame.loc[sorted(frame.groupby(by)["loss"].idxmin())]
        what = f"the row of least loss for each {' and '.join(by)}"
    elif keep == "last":
        order = next((name for name in _PROGRESS if name in frame), None)
        if RUN not in frame or order is None:
            raise InputError(
                f"keep='last' needs a column {RUN!r} and one of {_listing(_PROGRESS)}: name the "
                f"column of runs with {RUN}='NAME' (--column {RUN}=NAME in the shell). Columns: "
                f"{_listing(frame.columns)}."
            )
        progress = read_numbers(frame[order], counts=True)
        if progress.isna().any():
            row = label_rows(frame)[int(np.argmax(progress.isna()))]
            raise InputError(
                f"Column {order!r}, {row}: the last row of a run cannot be found without a number; "
                f"fill it in, or drop the row by where=."
            )
        kept = frame.loc[sorted(progress.groupby(frame[RUN], dropna=False).idxmax())]
        what = f"the row of most {order} for each {RUN}"
    else:
        raise InputError(f"keep must be 'best' or 'last'; got {keep!r}.")
    return kept, f"Kept {what}: {len(kept)} of {len(frame)} rows."


def describe_unfinished(frame: pd.DataFrame) -> str:
    """Return a warning about runs that did not finish, as a column of states says, or ""."""
    for name in frame.columns:
        if str(name).lower().split("/")[-1].split(".")[-1] not in ("state", "status"):
            continue
        states = frame[name].dropna().astype(str).str.strip()
        unfinished = states[states.str.lower().isin(_UNFINISHED)]
        if len(unfinished) and len(unfinished) < len(frame):
            shown = f"`{name}`" if not str(name).isidentifier() else str(name)
            other = states[~states.str.lower().isin(_UNFINISHED)]
            is_done = f"{shown} == '{other.iloc[0]}'" if len(other) else f"{shown}.isna()"
            return (
                f"Column {name!r} says that {len(unfinished)} of {len(frame)} runs did not finish "
                f'({", ".join(sorted(set(unfinished)))}). Leave these out by where="{is_done}" '
                f"(--where in the shell), unless their losses are those of whole runs."
            )
    return ""


def _listing(names: Iterable[str] | Sequence[str]) -> str:
    return ", ".join(repr(str(name)) for name in names)


def count_dropped(reasons: dict[str, Bool[np.ndarray, " runs"]], rows: int) -> str:
    """Return how many rows were dropped, and why."""
    total = int(sum(mask.sum() for mask in reasons.values()))
    each = ", ".join(f"{reason} {int(mask.sum())}" for reason, mask in reasons.items())
    return f"Dropped {total} of {rows} rows without values ({each})."
