"""Read and check the arguments of ``best_mixture``."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from jaxtyping import ArrayLike, Float

from scalingbayes._core.arguments import check_number, check_numbers
from scalingbayes._core.domains import FRACTION, NONNEGATIVE
from scalingbayes._core.errors import InputError, unknown
from scalingbayes.allocation.simplex import Bounds
from scalingbayes.laws.base.inputs import side_by_side
from scalingbayes.posterior.posterior import Posterior

_WHOLE = 0.05  # that shares may add up to more or less than 1
_ROUNDING = 1e-9


def domains_of(posts: Mapping[str, Posterior]) -> tuple[str, ...]:
    """Return the columns of the shares, which all laws must have in common."""
    found = set()
    for post in posts.values():
        if not isinstance(post, Posterior):
            raise InputError(
                f"post must be a posterior, as sb.fit returns, or a mapping of such; got "
                f"{type(post).__name__}."
            )
        inputs = post.law.inputs.items()
        found.add(tuple(name for name, each in inputs if each.domain is FRACTION))
        if len(next(iter(found))) < 2:
            raise InputError(
                f"Law {post.law.name!r} reads no shares of domains: fit "
                f"'scaled_mixture(domains=(...))' or 'mixture(domains=(...))'."
            )
    if len(found) != 1:
        raise InputError("The fits must be of laws that read the same domains, in the same order.")
    return found.pop()


def cases_of(
    posts: Mapping[str, Posterior],
    domains: tuple[str, ...],
    inputs: Mapping[str, ArrayLike | Sequence[float]],
) -> dict[str, Float[np.ndarray, " cases"]]:
    """Return the law's inputs other than shares, a number a case."""
    law = next(iter(posts.values())).law
    others = {name: each for name, each in law.inputs.items() if name not in domains}
    if set(inputs) != set(others):
        raise InputError(
            f"Law {law.name!r} reads {', '.join(others) or 'nothing'} beside shares: give "
            f"{', '.join(f'{name}=...' for name in others) or 'the fit alone'}; got "
            f"{', '.join(inputs) or 'none'}."
        )
    given = {name: check_numbers(name, inputs[name], each.domain) for name, each in others.items()}
    return side_by_side(given) if given else {}


def target_weights(
    posts: Mapping[str, Posterior], importance: Mapping[str, float] | None
) -> Float[np.ndarray, " targets"]:
    """Return the weight of each target in the average; they add up to 1."""
    given = dict.fromkeys(posts, 1.0) if importance is None else importance
    for name in given:
        if name not in posts:
            raise unknown("target", name, posts)
    weights = np.array(
        [check_number(f"importance of {n}", given.get(n, 0.0), NONNEGATIVE) for n in posts]
    )
    if not weights.sum():
        raise InputError("importance must be above 0 for one target at least.")
    return weights / weights.sum()


def shares_seen(posts: Mapping[str, Posterior], domains: tuple[str, ...]) -> pd.DataFrame:
    """Return the least, the largest and the mean share of each domain among the runs.

    Without runs, these are 0, 1 and equal shares.
    """
    tables = [post.tree["constant_data"] for post in posts.values()]
    shares = np.concatenate([np.stack([t[d].to_numpy() for d in domains], -1) for t in tables])
    index = pd.Index(domains, name="domain")
    if not len(shares):
        return pd.DataFrame({"least": 0.0, "largest": 1.0, "mean": 1 / len(domains)}, index)
    off = np.abs(shares.sum(1) - 1).max()
    if off > _WHOLE:
        raise InputError(
            f"The shares of a run must add up to 1; those of one run add up to "
            f"{shares.sum(1)[np.abs(shares.sum(1) - 1).argmax()]:.3g}. Give all domains to the law."
        )
    shares = shares / shares.sum(1, keepdims=True)
    ends = {"least": shares.min(0), "largest": shares.max(0), "mean": shares.mean(0)}
    return pd.DataFrame(ends, index)


def share_bounds(seen: pd.DataFrame, bounds: Mapping[str, tuple[float, float]] | None) -> Bounds:
    """Return the least and the largest share of each domain; by default those of the runs."""
    domains = tuple(seen.index)
    low, high = (seen[name].to_numpy(float, copy=True) for name in ("least", "largest"))
    for name, ends in (bounds or {}).items():
        if name not in domains:
            raise unknown("domain", name, domains)
        pair = check_numbers(f"bounds of {name}", ends, FRACTION)
        if pair.shape != (2,) or pair[0] > pair[1]:
            raise InputError(f"bounds of {name} must be (least, largest) share; got {ends!r}.")
        low[domains.index(name)], high[domains.index(name)] = pair
    if low.sum() > 1 + _ROUNDING or high.sum() < 1 - _ROUNDING:
        raise InputError(
            f"bounds leave no mixture: the least shares add up to {low.sum():.3g}, which must be "
            f"at most 1, and the largest to {high.sum():.3g}, which must be at least 1. A domain "
            f"without bounds keeps to the shares of the runs."
        )
    return Bounds(low, high)


def baseline_shares(
    domains: tuple[str, ...], baseline: Mapping[str, float] | None, mean: pd.Series
) -> Float[np.ndarray, " domains"]:
    """Return the shares of the baseline; by default those of the mean run."""
    if baseline is None:
        shares: Float[np.ndarray, " domains"] = mean.to_numpy()
        return shares / shares.sum()
    for name in baseline:
        if name not in domains:
            raise unknown("domain", name, domains)
    shares = check_numbers("baseline", [baseline.get(name, 0.0) for name in domains], FRACTION)
    if abs(shares.sum() - 1) > _WHOLE:
        raise InputError(f"The shares of baseline must add up to 1; got {shares.sum():.3g}.")
    return shares / shares.sum()
