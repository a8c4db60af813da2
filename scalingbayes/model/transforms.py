"""Coordinates of a sum of positive terms: the log of the sum, and log ratios of its terms.

The sum of a law's terms at the reference point is known far better than each of them. Samplers
therefore work on the log of the sum and on stick-breaking log ratios. The map between these and the
logs of the terms has determinant 1 or -1, so it changes no density.

A floor may be 0. Its prior density is finite there, so the log of the floor has an exponential
tail, in which chains linger. The ratio of all other terms to the floor is therefore sampled on a
scale on which that tail is normal.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from scalingbayes._core.roots import root
from scalingbayes.laws import Sum

Logs = dict[str, Float[Array, ""]]
Power = Callable[[Sum], Any]

_BEGIN = 1.0  # the tail is changed from this far below a ratio of 1, in logs


def last_ratio(total: Sum) -> str:
    """Return the name of the coordinate for the ratio of the term before the last to the last.

    All terms but the last one are a part of that ratio if they form a nested sum.
    """
    before = 1 + sum(1 if isinstance(part, str) else len(list(part)) for part in total.parts[:-2])
    return list(total)[before]


def lengthen_tail(value: Float[Array, ""]) -> Float[Array, ""]:
    """Map large values so that a normal tail becomes exponential; leave small ones unchanged."""
    return value + jax.nn.softplus(value + _BEGIN) ** 2 / 2


def log_slope(value: Float[Array, ""]) -> Float[Array, ""]:
    """Return the log derivative of :func:`lengthen_tail`."""
    return jnp.log1p(jax.nn.softplus(value + _BEGIN) * jax.nn.sigmoid(value + _BEGIN))


def shorten_tail(lengthened: Float[Array, ""]) -> Float[Array, ""]:
    """Invert :func:`lengthen_tail`."""
    guess = jnp.where(lengthened > 0, jnp.sqrt(2 * jnp.abs(lengthened)), lengthened)
    return root(lambda value, goal: lengthen_tail(value) - goal, guess, lengthened)


def logs_from_ratios(total: Sum, coordinates: Logs, power: Power) -> Logs:
    """Return the log of each term of a sum, by stick breaking.

    Parameters
    ----------
    total
        The sum.
    coordinates
        One value for each term, by its name and in the order of the terms. The first is the log of
        the sum. The others are, for each part of a sum but its last, the log ratio of the part to
        the sum of the parts after it.
    power
        Function that returns the power of a sum as a number.
    """
    values = iter([coordinates[name] for name in total])
    logs: Logs = {}

    def split(part: str | Sum, log: Array) -> None:
        if isinstance(part, str):
            logs[part] = log
            return
        *parts, last = part.parts
        p = power(part)
        for each in parts:
            log_ratio = next(values) / p
            split(each, log + p * jax.nn.log_sigmoid(log_ratio))
            log += p * jax.nn.log_sigmoid(-log_ratio)
        split(last, log)

    split(total, next(values))
    return logs


def ratios_from_logs(total: Sum, logs: Logs, power: Power) -> Logs:
    """Invert :func:`logs_from_ratios`."""
    found = [_log_sum(total, logs, power)]

    def collect(part: str | Sum) -> None:
        if isinstance(part, str):
            return
        *parts, last = part.parts
        for place, each in enumerate(parts, start=1):
            rest = Sum(*part.parts[place:], power=part.power)
            found.append(_log_sum(each, logs, power) - _log_sum(rest, logs, power))
            collect(each)
        collect(last)

    collect(total)
    return dict(zip(total, found, strict=True))


def _log_sum(part: str | Sum, logs: Logs, power: Power) -> Array:
    if isinstance(part, str):
        return logs[part]
    p = power(part)
    terms = jnp.stack([_log_sum(each, logs, power) for each in part.parts])
    return p * jax.nn.logsumexp(terms / p, axis=0)
