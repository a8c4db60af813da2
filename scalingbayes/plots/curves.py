"""What figures of a posterior draw: bands of its law, and its runs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from matplotlib.axes import Axes

from scalingbayes._core.errors import InputError
from scalingbayes._core.numbers import write
from scalingbayes.plots.labels import escaped, in_user_unit, kind_of_input, number_axis
from scalingbayes.plots.style import median_and_bounds

if TYPE_CHECKING:
    import xarray as xr

    from scalingbayes.posterior.posterior import Posterior
    from scalingbayes.results import Estimate

DRAWS = 1000
"""Draws, at most, that a band of the law is computed from."""

_NEAR = 0.05
_ROOM = 0.06  # above and below the runs, as a share of their range
_SAME = 3  # significant digits to which inputs of one curve agree

Numbers = Float[np.ndarray, " points"]


@dataclass(frozen=True)
class Band:
    """The median and the equal-tailed interval of a quantity at each point."""

    median: Numbers
    lower: Numbers
    upper: Numbers


def law_band(post: "Posterior", inputs: Mapping[str, Numbers], prob: float) -> Band:
    """Compute the band of a law's target, in the user's unit, from at most 1,000 draws."""
    draws = post.thin(DRAWS).expected(**inputs)
    return Band(*median_and_bounds(np.moveaxis(draws, -1, 0).reshape(draws.shape[-1], -1), prob))


def estimate_band(estimate: "Estimate", name: str, prob: float, exact: bool = False) -> Band:
    """Return the band of a quantity of an estimate over its cases.

    Parameters
    ----------
    estimate
        The estimate, with one dim besides ``chain`` and ``draw``.
    name
        The quantity.
    prob
        Posterior probability of the interval.
    exact
        Whether to take the draws that take the law as exact.
    """
    draws = (estimate.exact if exact and estimate.exact is not None else estimate.draws)[name]
    return draws_band(draws, prob)


def draws_band(draws: "xr.DataArray", prob: float) -> Band:
    """Return the band of draws over their cases."""
    values = draws.transpose(..., "chain", "draw").to_numpy()
    return Band(*median_and_bounds(values.reshape(*values.shape[:-2], -1), prob))


def run_inputs(post: "Posterior") -> dict[str, Numbers]:
    """Return the inputs of the fitted runs, in the user's units.

    Raises
    ------
    InputError
        If there are none: of published constants, the range of the paper's runs is not known.
    """
    data = post.tree["constant_data"]
    if not data.sizes["run"]:
        raise InputError(
            f"The range of the runs of {post.runs.name} is not known, so there is no figure of "
            f"them. Ask post.allocate or post.predict, or use sb.plots.plot_draws."
        )
    return {name: in_user_unit(post.runs, name, data[name].to_numpy()) for name in post.law.inputs}


def has_runs(post: "Posterior") -> bool:
    """Return whether there are runs to draw: published constants have none."""
    return post.record.of != "published"


def source_of(post: "Posterior") -> str:
    """Return what the law was fitted to, for titles."""
    if not has_runs(post):
        return f"constants of {escaped(post.runs.name)}"
    return f"fitted to {len(post.runs)} runs of {escaped(post.runs.name)}"


def run_targets(post: "Posterior") -> Numbers:
    """Return the targets of the fitted runs, in the user's unit.

    For published constants they are the law's targets of the runs that span the paper's.
    """
    column = post.law.target.column
    if not has_runs(post):
        return np.median(post.thin(DRAWS).expected(**run_inputs(post)), axis=(0, 1))
    return in_user_unit(post.runs, column, post.tree["observed_data"][column].to_numpy())


def other_inputs(
    post: "Posterior", given: Mapping[str, float], *, shared: bool = False
) -> tuple[dict[str, Any], str]:
    """Return the inputs of a law beside size and tokens, and what a title says of them.

    Parameters
    ----------
    post
        A posterior.
    given
        The caller's values. The others are the runs' medians.
    shared
        Whether to take the values that most runs share in place of medians, if there are such.

    Raises
    ------
    InputError
        If the law does not read one of the given inputs.
    """
    names = [name for name in post.law.inputs if name not in (post.law.budget.size, "tokens")]
    for name in given:
        if name not in names:
            raise InputError(
                f"Law {post.law.name!r} has no input {name!r} beside size and tokens; it has "
                f"{', '.join(names) or 'none'}."
            )
    if not names:
        return {}, ""
    runs = run_inputs(post)
    usual = {name: float(np.median(runs[name])) for name in names}
    counts = pd.DataFrame({name: runs[name] for name in names}).value_counts()
    if shared and counts.iloc[0] > 1:
        usual = dict(zip(names, map(float, counts.index[0]), strict=True))
    found = {name: float(given.get(name, usual[name])) for name in names}
    said = ", ".join(f"{escaped(n)} {write(x, kind_of_input(post, n))}" for n, x in found.items())
    return found, f"\nat {said}"


def runs_near(post: "Posterior", others: Mapping[str, float]) -> Bool[np.ndarray, " runs"]:
    """Return which fitted runs have about these inputs, to 5 %."""
    near = np.ones(len(run_targets(post)), bool)
    for name, value in others.items():
        near &= np.isclose(run_inputs(post)[name], value, rtol=_NEAR)
    return near


def require_allocation(post: "Posterior", instead: str) -> None:
    """Check that a posterior's law divides compute between size and tokens, in known FLOPs.

    Raises
    ------
    InputError
        If it does not.
    """
    if not post.counts_flops:
        raise InputError(
            f"Law {post.law.name!r} does not divide compute between a model's size and tokens, or "
            f"the FLOPs of its runs are not known, so there is no such figure of it: use "
            f"sb.plots.{instead}."
        )


@dataclass(frozen=True)
class Case:
    """Runs that share inputs, and are compared with one curve.

    Parameters
    ----------
    inputs
        The shared inputs.
    rows
        Which runs have these inputs, or nearly.
    """

    inputs: dict[str, float]
    rows: np.ndarray


def choose_cases(inputs: Mapping[str, Numbers], most: int) -> list[Case]:
    """Choose cases over the range of inputs, each with the inputs of a run in its middle.

    Parameters
    ----------
    inputs
        Inputs that are held along a curve, by name; positive if there is a single one.
    most
        Number of cases, at most.
    """
    if not inputs:
        return []
    rounded = pd.DataFrame({n: [float(f"{x:.{_SAME}g}") for x in v] for n, v in inputs.items()})
    numbers = rounded.groupby(list(rounded), sort=True).ngroup().to_numpy()
    groups = [np.flatnonzero(numbers == number) for number in range(numbers.max() + 1)]
    if len(groups) > most and len(inputs) == 1:
        (values,) = inputs.values()
        edges = np.geomspace(values.min(), values.max(), most + 1)[1:-1]
        numbers = np.searchsorted(edges, values, side="right")
        groups = [np.flatnonzero(numbers == number) for number in np.unique(numbers)]
    elif len(groups) > most:
        largest = sorted(range(len(groups)), key=lambda place: -len(groups[place]))[:most]
        groups = [groups[place] for place in sorted(largest)]
    cases = []
    for rows in groups:
        first = next(iter(inputs.values()))[rows]
        middle = rows[np.argsort(first, kind="stable")[len(rows) // 2]]
        cases.append(Case({name: float(x[middle]) for name, x in inputs.items()}, rows))
    return cases


def write_case(post: "Posterior", case: Case) -> str:
    """Return the inputs of a case as a legend states them."""
    return ", ".join(write(x, kind_of_input(post, name)) for name, x in case.inputs.items())


def frame_targets(ax: Axes, targets: Numbers) -> None:
    """Limit the vertical axis to the runs, and what a curve needs below them.

    Curves rise without bound outside of the runs, where they say nothing.

    Parameters
    ----------
    ax
        Axes with all curves.
    targets
        The targets of the runs that are drawn.
    """
    log = bool((targets > 0).all())
    lowest = min(float(np.nanmin(line.get_ydata())) for line in ax.lines)  # type: ignore[arg-type]
    low, high = min(lowest, float(targets.min())), float(targets.max())
    if log:
        room = (high / low) ** _ROOM
        ax.set(yscale="log", ylim=(low / room, high * room))
    else:
        room = _ROOM * (high - low)
        ax.set(ylim=(low - room, high + room))
    number_axis(ax.yaxis, "loss", log)


def budget_range(
    spent: Numbers, asked: float | tuple[float, float] | None, beyond: float
) -> tuple[float, float]:
    """Return the smallest and the largest budget of an axis.

    Parameters
    ----------
    spent
        The compute of the runs.
    asked
        The largest budget that the caller asks for, or the smallest and the largest. By default
        from the smallest run's to a multiple of the largest run's.
    beyond
        This multiple.

    Raises
    ------
    InputError
        If the smallest budget is not positive and below the largest.
    """
    low, high = float(spent.min()), beyond * float(spent.max())
    if asked is not None:
        low, high = asked if isinstance(asked, tuple) else (low, asked)
    if not 0 < low < high < np.inf:
        raise InputError(
            f"compute must be a largest budget in FLOPs above the smallest, which is {low:g}; got "
            f"{high:g}."
        )
    return low, high
