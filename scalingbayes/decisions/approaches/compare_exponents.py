"""Published exponents of compute-optimal training beside those of a posterior."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from scalingbayes._core.arguments import Positive, Probability, check_number
from scalingbayes._core.checked import checked
from scalingbayes._core.errors import InputError
from scalingbayes.allocation import require_allocation
from scalingbayes.data.architecture import FLOPS_PER_PARAM_TOKEN
from scalingbayes.data.published import published_exponents
from scalingbayes.decisions.approaches.table import (
    PUBLISHED,
    ApproachComparison,
    first_failed,
    method_row,
    row_name,
    rows_of_posterior,
)
from scalingbayes.literature import published
from scalingbayes.posterior.point_estimate import PointEstimate
from scalingbayes.posterior.posterior import Posterior
from scalingbayes.results import check_interval, interval_columns

OneOrMany = (
    Posterior
    | PointEstimate
    | Sequence[Posterior | PointEstimate]
    | Mapping[str, Posterior | PointEstimate]
)
_SIZES = ("params", "tokens")


@checked
def compare_exponents(
    post: OneOrMany | None = None,
    compute: Positive | None = None,
    *,
    prob: Probability = 0.9,
) -> ApproachComparison:
    """Compare a and b of posteriors with published ones, and the runs that each would train.

    Parameters
    ----------
    post
        A fit, a point, or published constants; or several, as a list, or as a mapping such as
        ``{"fit": post, "refit": new}``, whose names are those of the rows. None for the published
        rows alone.
    compute
        A budget in FLOPs: the table then has the model size and the tokens that each study would
        train, as far as it states them. If a study states only one of the two, the other is
        C / 6 over it.
    prob
        Probability of the posteriors' equal-tailed intervals. Published intervals are as printed.

    Returns
    -------
    ApproachComparison
        The rows of the posteriors, then those of :func:`published_exponents`.

    Raises
    ------
    InputError
        If ``post`` is none of these, a law does not divide compute or reads more than size and
        tokens, ``compute`` is not a positive number, or ``prob`` is not between 0 and 1.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> found = sb.compare_exponents(sb.published("besiroglu_2024"), 5.76e23)
    >>> float(found.summary().loc["Hoffmann et al. 2022, 3: parametric loss", "a"])
    0.46
    """
    check_interval(prob, "eti")
    budget = None if compute is None else check_number("compute", compute)
    posteriors = _by_row(post)
    rows: dict[str, dict[str, float | str]] = {}
    for name, each in posteriors.items():
        rows |= _own_rows(name, each, budget, prob)
    table = published_exponents()
    for _, study in table.iterrows():
        name = f"{study['study']}, {study['approach']}"
        rows[name] = _published_row(study) | _published_run(study, budget, prob)
    methods = pd.DataFrame.from_dict(rows, orient="index").rename_axis("method")
    methods.attrs["verdict"] = first_failed(posteriors).word
    fitted_to = dict.fromkeys(each.record.data.name for each in posteriors.values())
    return ApproachComparison(methods, {}, posteriors, ", ".join(fitted_to) or "published studies")


def _by_row(post: OneOrMany | None) -> dict[str, Posterior]:
    """Return the posteriors by the names of their rows."""
    if post is None:
        return {}
    if isinstance(post, Mapping):
        return {str(name): _posterior(each) for name, each in post.items()}
    if not isinstance(post, Sequence):
        only = _posterior(post)
        return {row_name(only): only}
    found: dict[str, Posterior] = {}
    for each in map(_posterior, post):
        name = f"{row_name(each)}, {each.record.data.name}"
        alike = sum(other == name or other.startswith(f"{name} (") for other in found)
        found[f"{name} ({alike + 1})" if alike else name] = each
    return found


def _posterior(given: object) -> Posterior:
    if isinstance(given, PointEstimate):
        return given.posterior
    if not isinstance(given, Posterior):
        raise InputError(
            f"post must be a posterior, as sb.fit or sb.published returns, or a list or a mapping "
            f"of such; got {type(given).__name__}."
        )
    return given


def _own_rows(
    name: str, post: Posterior, budget: float | None, prob: float
) -> dict[str, dict[str, float | str]]:
    """Return the rows of a posterior."""
    require_allocation(post.law)
    if set(post.law.inputs) != {post.law.budget.size, "tokens"}:
        raise InputError(
            f"The exponents of law {post.law.name!r} depend on {', '.join(post.law.inputs)}: they "
            f"cannot stand beside those of size and tokens alone."
        )
    rows = rows_of_posterior(name, post, prob)
    if budget is not None:
        for row, each in zip(rows.values(), (post, post.as_exact), strict=False):
            row |= _run(each, budget, prob)
    return rows


def _run(post: Posterior, budget: float, prob: float) -> dict[str, float | str]:
    """Return the size and tokens that a posterior would train, with their intervals."""
    if post.law.budget.size != "params":
        return {}
    table = post.allocate(budget).summary(prob).droplevel(0)
    columns = ("median", *interval_columns(prob, "eti"))
    return {
        f"{name}{end}": table[column][name]
        for name in _SIZES
        for end, column in zip(("", "_lower", "_upper"), columns, strict=True)
    }


def _published_row(study: pd.Series) -> dict[str, float | str]:
    ends = {"": "", "_low": "_lower", "_high": "_upper"}
    numbers: dict[str, Any] = {
        f"{name}{new}": study[f"{name}{old}"] for name in "ab" for old, new in ends.items()
    }
    kind = study["interval"] if isinstance(study["interval"], str) else ""
    return method_row(**numbers, interval=kind, used=PUBLISHED, note=study["source"])


def _published_run(study: pd.Series, budget: float | None, prob: float) -> dict[str, float | str]:
    """Return the size and tokens that a study would train, as far as it states them."""
    if budget is None:
        return {}
    missing = {f"{name}{end}": np.nan for name in _SIZES for end in ("", "_lower", "_upper")}
    if isinstance(study["constants"], str):
        return _run(published(study["constants"]), budget, prob)
    exponents = dict(zip(_SIZES, "ab", strict=True))
    found = {
        name: float(study[f"{name}_coefficient"] * budget ** study[exponent])
        for name, exponent in exponents.items()
    }
    known = {name: x for name, x in found.items() if np.isfinite(x)}
    if len(known) == 1:
        ((name, x),) = known.items()
        other = _SIZES[1 - _SIZES.index(name)]
        known[other] = budget / FLOPS_PER_PARAM_TOKEN / x
    return {**missing, **known}
