"""Columns that describe the learning rate up to each row of a training curve.

The laws of learning-rate schedules (``annealing``, ``multi_power``) read these columns, so a law
never needs the whole schedule.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy.signal import lfilter

from scalingbayes._core.arguments import check_number
from scalingbayes._core.checked import checked
from scalingbayes._core.domains import NONNEGATIVE
from scalingbayes._core.errors import InputError, unknown

DECAY = 0.999
"""Decay of the annealing momentum a step: the lambda of Tissue et al. 2024."""

GAMMA = 0.64
"""Power of the learning rate in the multi-power law: the mean of three published fits."""

FALL_RATES = tuple(540.0 * 3.0**-j for j in range(17))
"""Rates r at which the loss responds to a fall of the learning rate, as 1 - exp(-r x)."""

FALLS = tuple(f"lr_fall_{j}" for j in range(len(FALL_RATES)))
"""Columns of the falls of the learning rate to which the loss has responded, one for each rate."""

_POINTS = 200  # rows of a curve that are kept
_MOST_NAMED = 8  # rows that a message names
_PIECES = 2000  # of a schedule, within which falls are added up


@checked
def schedule_columns(
    curves: pd.DataFrame | Mapping[str, object],
    curve: str | None = None,
    *,
    warmup: float = 0,
    decay: float = DECAY,
    gamma: float = GAMMA,
    points: int = _POINTS,
) -> pd.DataFrame:
    """Return training curves with the columns that laws of learning-rate schedules read.

    Parameters
    ----------
    curves
        A table, or a mapping of columns, with the columns ``step`` and ``learning_rate``. Rows are
        logged points, or all steps of a schedule; between rows the learning rate is interpolated.
        Without ``step``, each row is one step. Other columns, such as ``loss``, are kept.
    curve
        The column that names the curve of each row; None if all rows are one curve.
    warmup
        Steps in which the learning rate rose linearly from 0, if the rows begin after them. By
        default the learning rate before the first row counts as that of the first row (Tissue et
        al. 2024, section 3.4). A rise at the start of a curve that has rows is not an annealing.
    decay
        The decay of the annealing momentum a step, lambda.
    gamma
        The power of the learning rate in the multi-power law.
    points
        Rows of each curve to keep, evenly spaced in steps, the last one included. Neighbouring
        points of a curve share their errors, so that more rows add little.

    Returns
    -------
    DataFrame
        The rows that are kept, and further columns: ``lr_sum`` is the sum of the learning rates of
        all steps so far (S1); ``lr_annealing`` is the annealing area S2; ``lr_fall_0``, ... are the
        sums of the falls of the learning rate, each fall weighted with
        ``1 - exp(-20 * 3**-j x)``, where
        ``x = (learning rate at the fall)**-gamma * (area since the fall)``.

    Raises
    ------
    InputError
        If a column is missing, a row has no curve, or steps or learning rates cannot be used.

    Examples
    --------
    >>> import numpy as np
    >>> import scalingbayes as sb
    >>> linear = np.linspace(3e-4, 0.0, 1001)[:-1]
    >>> made = sb.schedule_columns({"learning_rate": linear}, points=4)
    >>> made["step"].tolist()
    [251, 501, 751, 1000]
    >>> bool(np.isclose(made["lr_sum"].iloc[-1], linear.sum()))
    True
    """
    frame = as_table(curves, "curves")
    if "step" not in frame and "learning_rate" in frame and curve is None:
        frame = frame.assign(step=np.arange(1, len(frame) + 1))
    frame = with_numbers(frame, ["step", "learning_rate"], "curves")
    if curve is not None and curve not in frame:
        raise unknown("column", curve, map(str, frame.columns))
    if curve is not None and len(nameless := np.flatnonzero(frame[curve].isna())):
        which = ", ".join(str(row + 1) for row in nameless[:_MOST_NAMED])
        more = f" and {len(nameless) - _MOST_NAMED} more" if len(nameless) > _MOST_NAMED else ""
        raise InputError(
            f"Column {curve!r} of curves names the curve of each row, and has no name in row(s) "
            f"{which}{more}: give these rows a name, or drop them."
        )
    check_number("warmup", warmup, NONNEGATIVE)
    if not 0 <= decay < 1:
        raise InputError(f"decay must be at least 0 and less than 1; got {decay}.")
    if check_number("points", points) < 2:
        raise InputError(f"points must be 2 or more; got {points}.")
    groups = [("", frame)] if curve is None else list(frame.groupby(curve, sort=False))
    made = [_of_curve(rows, str(name), warmup, decay, gamma, points) for name, rows in groups]
    return pd.concat(made, ignore_index=True)


def as_table(rows: Any, argument: str) -> pd.DataFrame:
    """Return a table, or a mapping of columns, as a table.

    Raises
    ------
    InputError
        If ``rows`` is neither, or has no rows.
    """
    if not isinstance(rows, pd.DataFrame | Mapping):
        raise InputError(
            f"{argument} must be a table (pandas.DataFrame) or a mapping of columns; got "
            f"{type(rows).__name__}."
        )
    frame = pd.DataFrame(rows)
    if frame.empty:
        raise InputError(f"{argument} has no rows.")
    return frame


def with_numbers(frame: pd.DataFrame, columns: list[str], argument: str) -> pd.DataFrame:
    """Return a table whose columns of given names are numbers.

    Raises
    ------
    InputError
        If a column is missing, or holds something else than numbers.
    """
    if missing := [name for name in columns if name not in frame]:
        raise InputError(
            f"{argument} needs the columns {', '.join(columns)}; {', '.join(missing)} is missing. "
            f"It has {', '.join(map(str, frame.columns))}: rename them."
        )
    try:
        return frame.assign(**{name: pd.to_numeric(frame[name]) for name in columns})
    except (TypeError, ValueError) as error:
        raise InputError(
            f"The columns {', '.join(columns)} of {argument} must be numbers: {error}."
        ) from None


def _of_curve(
    rows: pd.DataFrame, name: str, warmup: float, decay: float, gamma: float, points: int
) -> pd.DataFrame:
    """Return some rows of one curve with their columns."""
    rows = rows.sort_values("step", kind="stable")
    step = rows["step"].to_numpy(float)
    rate = rows["learning_rate"].to_numpy(float)
    where = f"curve {name!r}: " if name else ""
    if not (np.isfinite(step).all() and (step >= 1).all() and (np.diff(step) > 0).all()):
        raise InputError(
            f"{where}steps must be 1 or more and different; give curve= the column that names "
            f"curves if the table has several."
        )
    if not (np.isfinite(rate).all() and (rate >= 0).all() and rate[0] > 0):
        raise InputError(f"{where}learning rates must be 0 or more, the first of them positive.")
    every = np.arange(1, int(step[-1]) + 1)
    rates = np.interp(every, step, rate)
    area = np.cumsum(rates) - min(warmup, step[0]) * rate[0] / 2
    risen = _without_rise(rates)
    falls = -np.diff(risen, prepend=risen[0])
    annealing = np.cumsum(lfilter([1.0], [1.0, -decay], falls))
    kept = _evenly(step, points)
    at = np.minimum(step[kept], len(every)).astype(int) - 1
    felt = np.maximum(_felt_falls(falls, risen, area, at, gamma), 0.0)
    return rows.iloc[kept].assign(
        lr_sum=area[at],
        lr_annealing=np.maximum(annealing[at], 0.0),
        **dict(zip(FALLS, felt.T, strict=True)),
    )


def _without_rise(rates: Float[np.ndarray, " steps"]) -> Float[np.ndarray, " steps"]:
    """Return the rates, those of the rise at the start replaced by the first peak."""
    falls = np.flatnonzero(np.diff(rates) < 0)
    top = int(falls[0]) if len(falls) else int(np.argmax(rates))
    return np.concatenate([np.full(top, rates[top]), rates[top:]])


def _evenly(step: Float[np.ndarray, " rows"], points: int) -> np.ndarray:
    """Return the indices of at most so many rows, evenly spaced, the last one included."""
    if len(step) <= points:
        return np.arange(len(step))
    wanted = np.linspace(step[0], step[-1], points + 1)[1:]
    return np.unique(np.searchsorted(step, wanted - 1e-9 * step[-1]))


def _felt_falls(
    falls: Float[np.ndarray, " steps"],
    rates: Float[np.ndarray, " steps"],
    area: Float[np.ndarray, " steps"],
    at: np.ndarray,
    gamma: float,
) -> Float[np.ndarray, "rows rates"]:
    """Return the falls of the learning rate up to some steps that have been felt, for each rate."""
    # Sums of neighbouring falls; a piece ends at each of the steps, so that none is felt early.
    ends = np.unique(np.concatenate([at, np.linspace(0, len(falls) - 1, _PIECES).astype(int)]))
    starts = np.concatenate([[0], ends[:-1] + 1])
    sums = np.add.reduceat(falls, starts)
    used = sums != 0
    starts, ends, sums = starts[used], ends[used], sums[used]
    before = np.concatenate([[0.0], area])
    begun = (before[starts] + before[ends]) / 2
    level = np.maximum((rates[starts] + rates[ends]) / 2, 1e-12 * rates.max())
    found = np.zeros((len(at), len(FALL_RATES)))
    for row, last in enumerate(at):
        past = ends <= last
        since = (area[last] - begun[past]) * level[past] ** -gamma
        found[row] = -np.expm1(-np.outer(FALL_RATES, since)) @ sums[past]
    return found
