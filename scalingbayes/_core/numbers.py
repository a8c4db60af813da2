"""Numbers as a person reads them: 33.9B parameters, 5.76e23 FLOPs, 0.501 [0.488, 0.513]."""

import math
from collections.abc import Iterable, Mapping
from typing import Literal

Kind = Literal["count", "flops", "share", "ratio", "loss", "target", "exponent", "year", "plain"]
"""What a number measures: a count of parameters or tokens, FLOPs, a share of a whole, a ratio of
two counts, a loss or a difference of losses, what a law predicts, an exponent of compute, a year,
or anything else."""

_NAMES: dict[str, Kind] = {
    **dict.fromkeys(("compute", "flops", "compute_needed", "isoflop_budget"), "flops"),
    **dict.fromkeys(("wasted", "compute_wasted", "overhead", "above_converged"), "share"),
    **dict.fromkeys(("in50", "in90", "weight"), "share"),
    **dict.fromkeys(("a", "b", "batch_exponent", "steps_exponent"), "exponent"),
}
"""Kinds of whole names."""

_WORDS: dict[Kind, set[str]] = {
    "year": {"year"},
    "ratio": {"per", "factor", "ratio", "growth"},
    "loss": {"loss", "regret"},
    "target": {"expected", "observed"},
    "count": {"params", "tokens", "samples", "words", "characters", "stock"},
}
"""Words of a name that tell its kind, the first that applies."""

_DIGITS: dict[Kind, int] = {"count": 3, "share": 2, "ratio": 3, "year": 5}
"""Significant digits of a number without an interval; 4 for other kinds."""

_FINEST: dict[Kind, int] = {"share": -3, "exponent": -3, "loss": -4, "target": -4, "year": -1}
"""Power of ten of the last digit that is worth printing beside an interval."""

_SMALL_TARGET = 0.1  # below it, a target is no loss: a learning rate is as precise as its interval

_FAR = 3.0  # an end over the number, above which the end has fewer digits

_SUFFIXES = ((1e12, "T"), (1e9, "B"), (1e6, "M"))
_LARGEST = 1e15  # smallest count that is written with a power of ten
_LARGE = 1e6  # smallest plain number that is written with a power of ten
_SMALL = 1e-4  # largest plain number that is written with a power of ten
_CONSTANT = 1e-9  # width of an interval over its centre, below which the number is a constant


def kind_of(name: str) -> Kind:
    """Return the kind of a quantity, from its name.

    Examples
    --------
    >>> [kind_of(name) for name in ("params", "unique_tokens", "tokens_per_param", "compute", "a")]
    ['count', 'count', 'ratio', 'flops', 'exponent']
    """
    words = set(name.split("_"))
    by_words: Kind = next((kind for kind in _WORDS if words & _WORDS[kind]), "plain")
    return _NAMES.get(name, by_words)


def write(value: float, kind: Kind = "plain", place: int | None = None) -> str:
    """Write a number.

    Parameters
    ----------
    value
        The number. NaN is written as an empty text.
    kind
        What the number measures.
    place
        The power of ten of the last digit: -3 for three decimals. By default the number has 2 to
        4 significant digits, as its kind needs, and no trailing zeros.

    Examples
    --------
    >>> write(33.9e9, "count"), write(1.4e12, "count"), write(12_345, "count")
    ('33.9B', '1.4T', '12,345')
    >>> write(1e23, "flops"), write(5.76e23, "flops"), write(0.0693, "share")
    ('1e23', '5.76e23', '6.9%')
    >>> write(0.50123, place=-3), write(0.5, place=-3), write(5.82e9, "share")
    ('0.501', '0.500', '5.8e11%')
    """
    if math.isnan(value):
        return ""
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    bare = place is None
    if kind == "share":
        value, place = 100 * value, None if place is None else place + 2
    if place is None:
        place = _exponent(value) - _DIGITS.get(kind, 4) + 1 if value else 0
        if abs(value) < _LARGE:
            place = min(place, 0)  # 12,345 is as short as 12,300
    value = round(value, -place)
    unit_sign, size = "%" if kind == "share" else "", abs(value)
    if kind == "count" and _LARGE <= size < _LARGEST:
        unit, suffix = next(each for each in _SUFFIXES if size >= each[0])
        return _fixed(value / unit, place - _exponent(unit), bare) + suffix
    if size >= (_LARGEST if kind == "count" else _LARGE) or 0 < size < _SMALL:
        power = _exponent(value)
        return f"{_fixed(value / 10.0**power, place - power, bare)}e{power}{unit_sign}"
    return _fixed(value, place, bare).replace(",", "" if kind == "year" else ",") + unit_sign


def write_all(named: Mapping[str, float]) -> str:
    """Write named numbers.

    Examples
    --------
    >>> write_all({"params": 33.9e9, "loss": 2.0771})
    'params 33.9B, loss 2.077'
    """
    return ", ".join(f"{name} {write(value, kind_of(name))}" for name, value in named.items())


def write_distinct(values: Iterable[float], kind: Kind) -> list[str]:
    """Write numbers with as many digits as it takes to tell them apart.

    Examples
    --------
    >>> write_distinct([1e9, 1.0001e9], "count")
    ['1.0000B', '1.0001B']
    """
    numbers = list(values)
    written = [write(x, kind) for x in numbers]
    most = max((_exponent(x) for x in numbers if x and math.isfinite(x)), default=0)
    for place in range(most - _DIGITS.get(kind, 4), most - 16, -1):
        if len(set(written)) >= len(set(numbers)):
            break
        written = [write(x, kind, place) for x in numbers]
    return written


def write_with_interval(
    middle: float, lower: float, upper: float, kind: Kind = "plain"
) -> tuple[str, str]:
    """Write a number and its interval, to the digits that the interval supports.

    The last digit of the three numbers is the second significant digit of the distance to the
    nearer end. Each has at least two significant digits if the interval excludes 0. An end that is
    several times as large has three. A share is written to 0.1 % at most, an exponent to 0.001, a
    loss or a target of at least 0.1 to 0.0001. A constant has no interval.

    Parameters
    ----------
    middle, lower, upper
        The number, such as a median, and the ends of its interval.
    kind
        What the numbers measure.

    Returns
    -------
    tuple of str
        The number, and the interval in brackets.

    Examples
    --------
    >>> write_with_interval(0.50123, 0.4876, 0.5132)
    ('0.501', '[0.488, 0.513]')
    >>> write_with_interval(6.576e10, 2.231e10, 2.518e11, "count")
    ('66B', '[22B, 252B]')
    >>> write_with_interval(7e10, 7e10, 7e10, "count")
    ('70B', '')
    """
    if math.isnan(lower) or math.isnan(upper) or lower == upper:
        return write(middle, kind), ""
    distances = [abs(x - middle) for x in (lower, upper)]
    scale = max((abs(x) for x in (middle, lower, upper) if math.isfinite(x)), default=0.0)
    known = [x for x in distances if math.isfinite(x) and x > _CONSTANT * scale]
    if not known:
        constant = max(distances) <= _CONSTANT * scale
        interval = "" if constant else f"[{write(lower, kind)}, {write(upper, kind)}]"
        return write(middle, kind), interval
    place = _exponent(min(known)) - 1
    shown = [
        write(x, kind, _place(x, middle, place, lower * upper > 0, kind))
        for x in (middle, lower, upper)
    ]
    return shown[0], f"[{shown[1]}, {shown[2]}]"


def _place(value: float, middle: float, place: int, same_sign: bool, kind: Kind) -> int:
    """Return the place of the last digit of one of the three numbers of an interval."""
    if kind == "year":
        return _FINEST[kind]
    if kind == "target" and abs(middle) < _SMALL_TARGET:
        kind = "plain"
    if not math.isfinite(value) or value == 0:
        return max(place, _FINEST.get(kind, place))
    first = _exponent(value)
    if same_sign:
        place = min(place, first - 1)
    place = max(place, _FINEST.get(kind, place))
    return max(place, first - 2) if abs(value) > _FAR * abs(middle) else place


def _exponent(value: float) -> int:
    """Return the power of ten of the first digit."""
    return math.floor(math.log10(abs(value)))


def _fixed(value: float, place: int, bare: bool) -> str:
    """Write a number without a power of ten; ``bare`` leaves out zeros at the end."""
    text = f"{value:,.{max(-place, 0)}f}"
    text = text.rstrip("0").rstrip(".") if bare and "." in text else text
    return text.removeprefix("-") if not float(text.replace(",", "")) else text
