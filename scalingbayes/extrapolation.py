"""How far a question lies beyond the runs that the answer rests on."""

import numpy as np
from jaxtyping import Float

_WORTH_SAYING = 0.1
"""Decades: what lies nearer is said to be among the runs."""


def beyond(
    what: str, asked: Float[np.ndarray, " asked"], seen: Float[np.ndarray, " runs"]
) -> tuple[str, ...]:
    """Say in words how many decades beyond the largest run, or below the smallest, values lie.

    Parameters
    ----------
    what
        What the values are, such as ``"FLOPs"``.
    asked
        Positive values that are asked about.
    seen
        Those of the runs.

    Returns
    -------
    tuple of str
        A sentence for each direction in which the runs are left.
    """
    if not len(asked):
        return ()
    ends = {
        "beyond the largest run": np.log10(asked.max() / seen.max()),
        "below the smallest run": np.log10(seen.min() / asked.min()),
    }
    said = []
    for where, decades in ends.items():
        if decades < _WORTH_SAYING:
            continue
        above = where.startswith("beyond")
        out = asked > seen.max() if above else asked < seen.min()
        end, run = (asked.max(), seen.max()) if above else (asked.min(), seen.min())
        which = f"{end:.3g} {what} lies" if len(asked) == 1 else f"{out.sum()} of {len(asked)} lie"
        upto = "" if len(asked) == 1 else "up to "
        said.append(
            f"Extrapolated: {which} {upto}{decades:.1f} decades {where} ({run:.3g} {what})."
        )
    return tuple(said)
