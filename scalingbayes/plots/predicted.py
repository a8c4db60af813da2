"""Figures of predictions against what runs reached."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes

from scalingbayes._core.arguments import Probability, Seed
from scalingbayes._core.checked import checked
from scalingbayes._core.errors import InputError
from scalingbayes.data.runs import Runs, Table, as_runs
from scalingbayes.plots.curves import Numbers, has_runs, run_inputs, run_targets
from scalingbayes.plots.labels import escaped, in_user_unit, label_of, number_axis, target_label
from scalingbayes.plots.style import (
    ACCENT,
    COLORS,
    INK,
    MARKERS,
    RUNS,
    add_legend_below,
    draws_result,
    finish,
    marker_area,
    median_and_bounds,
    new_axes,
    percent,
)

if TYPE_CHECKING:
    from scalingbayes.evaluation.backtest import Backtest
    from scalingbayes.posterior.point_estimate import PointEstimate
    from scalingbayes.posterior.posterior import Posterior

_DRAWS = 400  # of the predictions; noise is slow to draw
_ROOM = 0.03  # beside the runs, as a share of their range


@dataclass(frozen=True)
class _Predicted:
    """Predictions of runs, and what the runs reached, in the user's unit."""

    label: str
    observed: Numbers
    median: Numbers
    lower: Numbers
    upper: Numbers

    @property
    def held(self) -> int:
        """The number of intervals that hold the observed target."""
        return int(((self.lower <= self.observed) & (self.observed <= self.upper)).sum())


@checked
@draws_result("Posterior", "sb.fit")
def plot_predicted(
    post: "Posterior",
    prob: Probability = 0.9,
    ax: Axes | None = None,
    *,
    held_out: Table | None = None,
    seed: Seed = 0,
) -> Axes:
    """Plot predicted against observed targets of the fitted runs, and of runs that were held out.

    A bar is the interval of a run with the same inputs, noise included. The legend states how many
    intervals hold the observed target, and the median of the errors' sizes.

    Parameters
    ----------
    post
        A fit.
    prob
        Posterior predictive probability of the equal-tailed intervals.
    ax
        Where to draw; new axes by default.
    held_out
        Runs that were not fitted.
    seed
        Seed of the noise of the predictions.

    Returns
    -------
    Axes
        The axes.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> runs = sb.datasets.load("chinchilla")
    >>> small = runs.frame["compute"] < 1e21
    >>> post = sb.fit(runs.filter(small), "chinchilla")  # doctest: +SKIP
    >>> ax = sb.plots.plot_predicted(post, held_out=runs.filter(~small))
    >>> ax.get_ylabel()
    'predicted loss $L$'
    """
    if not has_runs(post):
        raise InputError(
            f"plot_predicted needs runs; {post.runs.name} has none. Predict runs with "
            f"post.predict, or score them with sb.score."
        )
    inputs, observed = run_inputs(post), run_targets(post)
    groups = [_predict(post, "fitted runs", inputs, observed, prob, seed)]
    if held_out is not None:
        runs = as_runs(held_out)
        groups.append(_predict(post, "held-out runs", *_inputs_and_target(post, runs), prob, seed))
    own, ax = ax is None, new_axes(ax, figsize=(6, 6))
    _draw(ax, groups, [INK, ACCENT], prob)
    _label(ax, target_label(post), f"{escaped(post.law.name)}, fitted to {escaped(post.runs.name)}")
    add_legend_below(ax, own)
    return finish(ax, post.verdict)


@checked
@draws_result("Backtest", "sb.backtest")
def plot_backtest(
    backtest: "Backtest", prob: Probability = 0.9, ax: Axes | None = None, *, seed: Seed = 0
) -> Axes:
    """Plot predicted against observed targets of held-out runs, by fold.

    Each fold is predicted from the other runs, or from the smaller ones.

    Parameters
    ----------
    backtest
        The result of :func:`scalingbayes.backtest`.
    prob
        Posterior predictive probability of the equal-tailed intervals.
    ax
        Where to draw; new axes by default.
    seed
        Seed of the noise of the predictions.

    Returns
    -------
    Axes
        The axes.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> runs = sb.datasets.load("chinchilla")
    >>> found = sb.backtest(runs, "chinchilla", engine="laplace", exact=True)
    >>> sb.plots.plot_backtest(found).get_xlabel()
    'observed loss $L$'
    """
    groups = []
    for label in backtest.posteriors:
        post, whole = backtest.posteriors[label], backtest.posteriors.models[label].runs
        rows = backtest.pointwise.loc[label].index
        runs = whole.with_frame(whole.frame.loc[rows])
        groups.append(_predict(post, str(label), *_inputs_and_target(post, runs), prob, seed))
    own, ax = ax is None, new_axes(ax, figsize=(6, 6))
    _draw(ax, groups, list(COLORS), prob)
    title = f"{escaped(post.law.name)}, runs held out of {escaped(whole.name)}"
    _label(ax, target_label(post), title)
    add_legend_below(ax, own)
    return finish(ax, backtest.verdict)


@checked
@draws_result("PointEstimate", "sb.fit(..., engine='optimize')")
def plot_point_estimate(estimate: "PointEstimate", ax: Axes | None = None) -> Axes:
    """Plot the target that a best fit expects of its runs against the observed one.

    A point has no intervals.

    Parameters
    ----------
    estimate
        A fit by the engine ``"optimize"``.
    ax
        Where to draw; new axes by default.

    Returns
    -------
    Axes
        The axes.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> best = sb.fit(sb.datasets.load("chinchilla"), "chinchilla", engine="optimize")
    >>> sb.plots.plot_point_estimate(best).get_ylabel()
    'predicted loss $L$'
    """
    runs, law = estimate.model.runs, estimate.model.law
    inputs = {name: runs.column(name, each.domain) for name, each in law.inputs.items()}
    column = law.target.column
    expected = in_user_unit(runs, column, estimate.expected(**inputs))
    observed = in_user_unit(runs, column, runs.column(column, law.target.on_scale.domain))
    own, ax = ax is None, new_axes(ax, figsize=(6, 6))
    _draw(ax, [_Predicted("fitted runs", observed, expected, expected, expected)], [INK], None)
    title = f"{escaped(law.name)}, best fit to {escaped(runs.name)}"
    _label(ax, label_of(runs, column), title)
    add_legend_below(ax, own)
    return finish(ax, estimate.verdict)


def _inputs_and_target(post: "Posterior", runs: Runs) -> tuple[dict[str, Numbers], Numbers]:
    """Return the inputs and the targets of runs, in the user's units."""
    law = post.law
    inputs = {
        name: in_user_unit(runs, name, runs.column(name, each.domain))
        for name, each in law.inputs.items()
    }
    column = law.target.column
    return inputs, in_user_unit(runs, column, runs.column(column, law.target.on_scale.domain))


def _predict(
    post: "Posterior",
    label: str,
    inputs: dict[str, Numbers],
    observed: Numbers,
    prob: float,
    seed: int,
) -> _Predicted:
    draws = post.thin(_DRAWS).predict(seed=seed, **inputs)["observed"]
    values = draws.transpose("run", "chain", "draw").to_numpy().reshape(len(observed), -1)
    return _Predicted(label, observed, *median_and_bounds(values, prob))


def _draw(ax: Axes, groups: list[_Predicted], colors: list[str], prob: float | None) -> None:
    """Draw groups of runs with their intervals, and the line on which predictions are right."""
    area = marker_area(sum(len(each.observed) for each in groups))
    for place, each in enumerate(groups):
        color = colors[place % len(colors)]
        error = float(np.median(np.abs(each.median / each.observed - 1)))
        held = f"{each.held} of {len(each.observed)}"
        intervals = "" if prob is None else f"{percent(prob)} intervals hold {held}, "
        label = f"{escaped(each.label)}: {intervals}median error {error:.2%}"
        ax.errorbar(
            each.observed,
            each.median,
            yerr=[each.median - each.lower, each.upper - each.median],
            fmt=MARKERS[place % len(MARKERS)],
            markersize=np.sqrt(area),
            markeredgecolor="white",
            markeredgewidth=0.3,
            color=color,
            elinewidth=0.7,
            zorder=3 + place,
            label=label,
        )
    ends = np.array([f(np.r_[each.observed, each.median]) for each in groups for f in (min, max)])
    log = bool(ends.min() > 0)
    room = (ends.max() / ends.min()) ** _ROOM if log else _ROOM * np.ptp(ends)
    low, high = (
        (ends.min() / room, ends.max() * room) if log else (ends.min() - room, ends.max() + room)
    )
    ax.plot([low, high], [low, high], color=RUNS, linewidth=1, zorder=1, label="exactly right")
    ax.set(xlim=(low, high), ylim=(low, high))
    for axis in (ax.xaxis, ax.yaxis):
        number_axis(axis, "loss", log)


def _label(ax: Axes, target: str, title: str) -> None:
    ax.set(xlabel=f"observed {target}", ylabel=f"predicted {target}", title=title)
