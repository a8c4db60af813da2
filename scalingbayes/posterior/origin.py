"""Origins of draws other than a fit, published constants and points: notes, verdicts, checks."""

from typing import Any

from scalingbayes._core.errors import InputError
from scalingbayes.posterior.record import Record
from scalingbayes.results import Check, Verdict

SAME_OPTIMUM = 0.1
"""Searches whose log densities differ by fewer nats found the same optimum."""


def caveats_of(record: Record) -> tuple[str, ...]:
    """Return the sentences that every answer from these draws shows; none for a fit with draws."""
    if record.of == "point":
        return (
            "A point estimate has no errors: intervals leave them out, and those of observed runs "
            "are of noise alone.",
        )
    if record.of != "published":
        return ()
    who = f"Constants of {record.data.name}, not a fit of your runs"
    states = (record.facts["states"],) if record.facts["states"] else ()
    if errors := record.facts["errors"]:
        return (f"{who}. The intervals are from {errors}.", *states)
    return (f"{who}. No errors are published: intervals leave them out.", *states)


def verdict_without_draws(record: Record) -> Verdict | None:
    """Return the verdict on published constants or on a point; None for other draws."""
    if record.of == "published":
        return Verdict((), caveats_of(record), of="law")
    if record.of == "point":
        return judge_search(record.facts)
    return None


def judge_search(facts: dict[str, Any]) -> Verdict:
    """Return whether the best search of a point estimate converged.

    Parameters
    ----------
    facts
        ``searches``, ``converged`` and ``agreeing``: how many searches there were, how many were
        carried to convergence, and how many of these ended where the best did.
    """
    finding = (
        f"of the {facts['converged']} carried to convergence {facts['agreeing']} ended within "
        f"{SAME_OPTIMUM} nats of the best of {facts['searches']} searches"
    )
    return Verdict((Check(facts["agreeing"] > 0, finding, "give more starts"),), of="search")


def require_fit(record: Record, what: str) -> None:
    """Check that draws are from a fit of runs, not published constants or a single point.

    Parameters
    ----------
    record
        The record of the draws.
    what
        What was asked, such as ``"sb.check"``.

    Raises
    ------
    InputError
        If they are not.
    """
    if record.of == "published":
        raise InputError(
            f"{what} needs a fit and its runs; these are the constants of {record.data.name}, "
            f"whose runs are not stored. Fit a table: sb.fit(runs, {record.law!r})."
        )
    if record.of == "point":
        raise InputError(
            f"{what} needs draws from a posterior; this is a point. Fit the runs with another "
            f"engine than 'optimize'."
        )
