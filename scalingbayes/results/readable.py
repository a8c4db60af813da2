"""Tables as a person reads them: an interval is one column, and its width sets the digits."""

import math
import re
from collections.abc import Hashable
from numbers import Real
from typing import Any, NamedTuple

import pandas as pd

from scalingbayes._core.numbers import Kind, kind_of, write, write_distinct, write_with_interval

_EXACT = "if law exact"
_CENTRES = ("median", "exponent")
_ENDS = re.compile(r"(?:(eti|hdi)([\d.]+)|(exact))_lb|lower")


class _Interval(NamedTuple):
    """Two columns that are the ends of an interval."""

    lower: str
    upper: str
    heading: str


def readable(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a table of numbers as a table of text for a person.

    The two ends of an interval become one column, ``[lower, upper]``. A number with an interval has
    the digits that the interval supports; a constant has no interval. A quantity is known by the
    name of its column, or by its row's label in the level ``quantity`` or the last level: see
    :func:`scalingbayes._core.numbers.kind_of`. Programs read the table itself.

    Parameters
    ----------
    frame
        The table. Text in it is kept.
    """
    intervals = {each.lower: each for each in _intervals(frame)}
    uppers = {each.upper for each in intervals.values()}
    level = "quantity" if "quantity" in frame.index.names else -1
    rows = [kind_of(str(name)) for name in frame.index.get_level_values(level)]
    centre = next((name for name in _CENTRES if name in frame), None)
    if centre == "exponent":
        rows = ["exponent"] * len(frame)
    columns: dict[Hashable, list[str]] = {}
    for name, column in frame.items():
        if name in intervals:
            each = intervals[str(name)]
            middle = None if each.heading == _EXACT else centre
            columns[each.heading] = _pairs(frame, each, middle, rows)[1]
        elif name == centre and intervals:
            own = next(iter(intervals.values()))
            columns[name] = _pairs(frame, own, centre, rows)[0]
        elif name not in uppers:
            columns[name] = [
                _cell(str(name), x, kind) for x, kind in zip(column, rows, strict=True)
            ]
    found = pd.DataFrame(columns, index=_index(frame.index), dtype=object)
    found.columns.name = frame.columns.name
    return found


def one_row_a_case(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a tidy table as text, with the quantities of a case side by side.

    Parameters
    ----------
    frame
        A table of medians with intervals; the last level of its index is the quantity.
    """
    shown = readable(frame)
    middle, interval, *exact = shown.columns
    cells = shown[middle].str.cat(shown[interval], sep=" ").str.strip()
    parts = {"": cells} | {f", {name}": shown[name] for name in exact}
    names = list(dict.fromkeys(frame.index.get_level_values(-1)))
    columns = {
        f"{name}{what}": values.xs(name, level=-1)
        for name in names
        for what, values in parts.items()
    }
    return pd.DataFrame(columns)


def _intervals(frame: pd.DataFrame) -> list[_Interval]:
    found = []
    for name in map(str, frame.columns):
        match = _ENDS.fullmatch(name)
        upper = "upper" if name == "lower" else f"{name.removesuffix('_lb')}_ub"
        if match is None or upper not in frame:
            continue
        kind, percent, exact = match.groups()
        what = "HDI" if kind == "hdi" else "interval"
        heading = _EXACT if exact else f"{percent}% {what}" if percent else what
        found.append(_Interval(name, upper, heading))
    return found


def _pairs(
    frame: pd.DataFrame, interval: _Interval, centre: str | None, kinds: list[Kind]
) -> tuple[list[str], list[str]]:
    """Return the centres and the intervals as text."""
    pairs = []
    for place, kind in enumerate(kinds):
        row = frame.iloc[place]
        lower, upper = float(row[interval.lower]), float(row[interval.upper])
        middle = _middle(lower, upper) if centre is None else float(row[centre])
        pairs.append(write_with_interval(middle, lower, upper, kind))
    return [middle for middle, _ in pairs], [written for _, written in pairs]


def _middle(lower: float, upper: float) -> float:
    return math.sqrt(lower) * math.sqrt(upper) if lower > 0 else (lower + upper) / 2


def _cell(column: str, value: Any, kind_of_row: Kind) -> str:
    """Return one cell as text."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return "" if value is None else str(value)
    number = float(value)
    if not math.isfinite(number):
        return write(number)
    if column.startswith("ess_"):
        return f"{number:,.0f}"
    if column == "r_hat":
        return f"{number:.2f}"
    own = kind_of(column)
    return write(number, kind_of_row if own == "plain" else own)


def _index(index: pd.Index) -> pd.Index:
    """Return the labels of rows as text."""
    if isinstance(index, pd.MultiIndex):
        levels = [_index(index.get_level_values(i)) for i in range(index.nlevels)]
        return pd.MultiIndex.from_arrays(levels, names=index.names)
    labels = {each: str(each) for each in index}
    if pd.api.types.is_float_dtype(index.dtype):
        written = write_distinct(map(float, labels), kind_of(str(index.name)))
        labels = dict(zip(labels, written, strict=True))
    return pd.Index([labels.get(each, "") for each in index], name=index.name, dtype=object)
