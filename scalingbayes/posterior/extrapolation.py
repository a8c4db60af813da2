"""How far a question lies beyond the runs that the answer rests on."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

_WORTH_SAYING = 0.1
"""Decades: what lies nearer is said to be among the runs."""

Values = Float[np.ndarray, " values"]


def beyond(what: str, asked: Values, seen: Values) -> tuple[str, ...]:
    """Say in words how many decades beyond the largest run, or below the smallest, values lie.

    Parameters
    ----------
    what
        What the values are, such as ``"FLOPs"``.
    asked
        Positive values that are asked about, if any.
    seen
        Those of the runs.

    Returns
    -------
    tuple of str
        A sentence for each direction in which the runs are left.
    """
    directions = (
        ("beyond the largest run", asked > seen.max(), asked.max(initial=0.0), seen.max()),
        ("below the smallest run", asked < seen.min(), asked.min(initial=np.inf), seen.min()),
    )
    said = []
    for where, outside, end, run in directions:
        if not outside.any() or (decades := abs(np.log10(end / run))) < _WORTH_SAYING:
            continue
        one = len(asked) == 1
        which = f"{end:.3g} {what} lie" if one else f"{outside.sum()} of {len(asked)} lie up to"
        said.append(f"Extrapolated: {which} {decades:.1f} decades {where} ({run:.3g} {what}).")
    return tuple(said)


def runs_beyond(
    asked: Mapping[str, Values], seen: Mapping[str, Values], flops: float
) -> tuple[str, ...]:
    """Say how far runs are from others: in compute, and in what they are further away in.

    Size or tokens are further away than compute where limits or serving drive them apart.

    Parameters
    ----------
    asked, seen
        A size and tokens of runs.
    flops
        FLOPs per unit of size and token.
    """
    compute = [flops * np.prod(list(runs.values()), axis=0) for runs in (asked, seen)]
    further = [n for n in asked if _decades(asked[n], seen[n]) > _decades(*compute)]
    parts = [beyond("FLOPs", *compute), *(beyond(n, asked[n], seen[n]) for n in further)]
    return tuple(note for notes in parts for note in notes)


def _decades(asked: Values, seen: Values) -> float:
    return float(max(np.log10(asked.max() / seen.max()), np.log10(seen.min() / asked.min())))
