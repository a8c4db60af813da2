"""A sum of positive terms, as its logarithm and how it is shared out.

The sum of a law's terms at the reference point is known far better than each of them, so samplers
work on these coordinates. The map between them and the terms' logarithms has determinant 1 or -1:
it changes no density, but where the last share is stretched.

A floor may be nothing: a density that is finite at 0 gives its logarithm an exponential tail, in
which chains linger. Stretched, the share of all else over the floor has a normal one.
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

_BEGIN = 1.0  # how far below a share of a half it begins to be stretched


def last_share(total: Sum) -> str:
    """Name the coordinate that says how large what is before the last part is over that."""
    before = 1 + sum(1 if isinstance(part, str) else len(list(part)) for part in total.parts[:-2])
    return list(total)[before]


def stretch(share: Float[Array, ""]) -> Float[Array, ""]:
    """Take a normal tail above to an exponential one, and leave what is far below as it is."""
    return share + jax.nn.softplus(share + _BEGIN) ** 2 / 2


def log_slope(share: Float[Array, ""]) -> Float[Array, ""]:
    """Log of the derivative of :func:`stretch`."""
    return jnp.log1p(jax.nn.softplus(share + _BEGIN) * jax.nn.sigmoid(share + _BEGIN))


def unstretch(stretched: Float[Array, ""]) -> Float[Array, ""]:
    """Invert :func:`stretch`."""
    guess = jnp.where(stretched > 0, jnp.sqrt(2 * jnp.abs(stretched)), stretched)
    return root(lambda share, goal: stretch(share) - goal, guess, stretched)


def from_shares(total: Sum, coordinates: Logs, power: Power) -> Logs:
    """Break a sum into its terms, stick by stick.

    Parameters
    ----------
    total
        The sum.
    coordinates
        By name of the terms, in their order: the log of the sum; then, of each part but the last
        of its sum, the log of how large it is over all that comes after it.
    power
        The power of a sum, as a number.

    Returns
    -------
    dict
        The log of each term.
    """
    slots = iter([coordinates[name] for name in total])
    logs: Logs = {}

    def split(part: str | Sum, log: Array) -> None:
        if isinstance(part, str):
            logs[part] = log
            return
        *parts, last = part.parts
        p = power(part)
        for each in parts:
            ratio = next(slots) / p
            split(each, log + p * jax.nn.log_sigmoid(ratio))
            log += p * jax.nn.log_sigmoid(-ratio)
        split(last, log)

    split(total, next(slots))
    return logs


def to_shares(total: Sum, logs: Logs, power: Power) -> Logs:
    """Invert :func:`from_shares`."""
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
