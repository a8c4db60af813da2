"""What extrapolation beyond the fitted runs adds: an error that runs share, and notes."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from scalingbayes._core.numbers import Kind, kind_of, write
from scalingbayes.allocation import Cost

if TYPE_CHECKING:
    from scalingbayes.posterior.posterior import Posterior

ERROR_PER_DECADE = 0.004
"""Sd of the log loss's error that all runs share, for each decade of compute beyond the runs.

Of rates that the public sweeps do not tell apart, from 0 to 0.004, it is the largest:
benchmarks/scoreboard.py, part ``beyond``."""

_LEAST_DECADES = 0.1
"""Values that lie fewer decades outside the range of the runs count as inside it."""

Values = Float[np.ndarray, " values"]


def shared_error(
    post: "Posterior", inputs: Mapping[str, Float[np.ndarray, "*#draws points"]]
) -> Float[np.ndarray, "chains draws points"] | None:
    """Return draws of the log loss's error beyond the fitted runs.

    The error is normal. All runs share one draw of the error, whose sd grows by
    ``ERROR_PER_DECADE`` for each decade of compute beyond the largest fitted run. The error is part
    of the allowance for the law's error.

    Parameters
    ----------
    post
        The posterior.
    inputs
        All inputs of the runs.

    Returns
    -------
    Float[numpy.ndarray, "chains draws points"] | None
        The error of each draw; None if the law is taken as exact, has no training compute, or
        predicts no loss.
    """
    normal = standard_errors(post)
    if normal is None:
        return None
    cost = post.cost.at(inputs)
    compute = cost.training_flops(inputs[post.law.budget.size], inputs["tokens"])
    largest = compute_of_runs(post, post.cost).max()
    decades = np.maximum(np.log10(compute / largest), 0.0)
    return ERROR_PER_DECADE * decades * normal


def standard_errors(post: "Posterior") -> Float[np.ndarray, "chains draws 1"] | None:
    """Return the standard normal number of each draw that :func:`shared_error` scales.

    None where that function returns None.
    """
    if post.exact or not post.law.allocates or post.law.target.scale != "log":
        return None
    chains, draws = post.draws.sizes["chain"], post.draws.sizes["draw"]
    return np.random.default_rng([post.record.seed, 1]).standard_normal((chains, draws, 1))


def training_cost(post: "Posterior", paid: Cost) -> Cost:
    """Return the cost that counts the training FLOPs of runs: the table's, or what is paid for.

    A law and its table may not tell the FLOPs of a run; then the caller's cost does.
    """
    return post.cost if post.counts_flops else paid


def compute_of_runs(post: "Posterior", cost: Cost) -> Values:
    """Return the training FLOPs of the fitted runs, as a cost counts them.

    Published constants of runs whose range is not known have none.
    """
    seen = {name: post.tree["constant_data"][name].to_numpy() for name in post.law.inputs}
    size = seen[post.law.budget.size]
    return cost.at(seen).training_flops(size, seen["tokens"]) if size.size else size


def beyond(what: str, asked: Values, seen: Values) -> tuple[str, ...]:
    """Return notes on how many decades values lie beyond the largest run or below the smallest.

    Parameters
    ----------
    what
        The unit of the values, such as ``"FLOPs"``.
    asked
        The positive values in question, if any.
    seen
        The values of the runs.

    Returns
    -------
    tuple of str
        A sentence for each end of the range of the runs that values lie outside of.
    """
    if not seen.size:  # published constants, of runs whose range is not known
        return ()
    directions = (
        ("beyond the largest run", asked > seen.max(), asked.max(initial=0.0), seen.max()),
        ("below the smallest run", asked < seen.min(), asked.min(initial=np.inf), seen.min()),
    )
    notes = []
    for where, outside, end, run in directions:
        if not outside.any() or (decades := abs(np.log10(end / run))) < _LEAST_DECADES:
            continue
        kind: Kind = "flops" if what == "FLOPs" else kind_of(what)
        furthest, count = f"{write(end, kind)} {what}", outside.sum()
        several = f"{count} of {len(asked)} values, the furthest {furthest}, are up to"
        which = f"{furthest} is" if count == 1 else several
        nearest = write(float(f"{run:.3g}"), kind)
        notes.append(f"Extrapolated: {which} {decades:.1f} decades {where} ({nearest} {what}).")
    return tuple(notes)


def runs_beyond(
    asked: Mapping[str, Values], seen: Mapping[str, Values], compute: tuple[Values, Values]
) -> tuple[str, ...]:
    """Return notes on how far new runs lie outside the range of the fitted runs.

    The notes are about compute, and about size or tokens where they lie further outside than
    compute does, because of limits or of serving.

    Parameters
    ----------
    asked, seen
        Size and tokens of the new runs and of the fitted runs.
    compute
        Training FLOPs of both.
    """
    if not compute[1].size:
        return ()
    further = [n for n in asked if _decades(asked[n], seen[n]) > _decades(*compute)]
    parts = [beyond("FLOPs", *compute), *(beyond(n, asked[n], seen[n]) for n in further)]
    return tuple(note for notes in parts for note in notes)


def _decades(asked: Values, seen: Values) -> float:
    return float(max(np.log10(asked.max() / seen.max()), np.log10(seen.min() / asked.min())))
