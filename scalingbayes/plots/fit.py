"""The figure of a fit against its runs."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes

from scalingbayes._core.arguments import Positive, Probability
from scalingbayes._core.checked import checked
from scalingbayes.plots.curves import (
    Case,
    Numbers,
    budget_range,
    choose_cases,
    estimate_band,
    frame_targets,
    has_runs,
    law_band,
    run_inputs,
    run_targets,
    source_of,
    write_case,
)
from scalingbayes.plots.labels import (
    escaped,
    input_label,
    kind_of_input,
    label_of,
    number_axis,
    target_label,
)
from scalingbayes.plots.style import (
    DASHES,
    INK,
    MARKERS,
    RUNS,
    Style,
    add_legend,
    draws_result,
    finish,
    is_wide,
    label_band,
    marker_area,
    new_axes,
    ordered_colors,
    percent,
)

if TYPE_CHECKING:
    from scalingbayes.posterior.posterior import Posterior

_POINTS = 32  # of a curve; 8 curves are evaluated at once
_BUDGETS = 60
_WIDER = 1.5  # factor by which a curve extends beyond its runs on either side
_BEYOND = 10.0  # the largest budget of the frontier, over that of the largest run


@checked
@draws_result("Posterior", "sb.fit")
def plot_fit(
    post: "Posterior",
    prob: Probability = 0.9,
    ax: Axes | None = None,
    *,
    curves: int = 8,
    compute: Positive | tuple[float, float] | None = None,
) -> Axes:
    """Plot the law against the runs: the target against compute, a curve a model size.

    A law that does not divide compute is drawn against the input with the widest range, with a
    curve for each combination of the other inputs.

    Parameters
    ----------
    post
        A fit.
    prob
        Posterior probability of the equal-tailed bands of the law's target.
    ax
        Where to draw; new axes by default.
    curves
        Number of curves, at most, spread over the range of the runs. Each is that of a run in the
        middle of the runs that have its colour and marker.
    compute
        The largest budget of the compute-optimal curve in FLOPs, or its smallest and largest; by
        default from the smallest run's to ten times the largest run's. The curve is drawn if the
        law reads size and tokens alone.

    Returns
    -------
    Axes
        The axes.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> post = sb.fit(sb.datasets.load("chinchilla"), "chinchilla")  # doctest: +SKIP
    >>> sb.plots.plot_fit(post).get_xlabel()
    'training compute $C$ (FLOPs)'
    """
    own, ax = ax is None, new_axes(ax, figsize=(8, 5))
    law, inputs, targets = post.law, run_inputs(post), run_targets(post)
    along = "tokens" if post.counts_flops else _widest(inputs)
    held = {name: x for name, x in inputs.items() if name != along}
    cases = choose_cases(held, curves) or [Case({}, np.arange(len(targets)))]
    x = _across(post, inputs, along)
    _draw_cases(post, ax, cases, inputs, along, prob)
    others = np.setdiff1d(np.arange(len(x)), np.concatenate([case.rows for case in cases]))
    if len(others):
        how: Style = {"s": 8, "color": RUNS, "linewidths": 0, "label": "other runs", "zorder": 1.5}
        ax.scatter(x[others], targets[others], **how)
    if post.counts_flops and set(law.inputs) == {law.budget.size, "tokens"}:
        _draw_frontier(post, ax, budget_range(x, compute, _BEYOND), prob)
    ax.set(
        xlabel=label_of(post.runs, "compute") if post.counts_flops else input_label(post, along),
        ylabel=target_label(post),
        title=f"{escaped(law.name)}, {source_of(post)}",
    )
    frame_targets(ax, targets)
    log = post.counts_flops or is_wide(x)
    number_axis(ax.xaxis, "flops" if post.counts_flops else kind_of_input(post, along), log)
    names = ", ".join(escaped(post.runs.sources.get(name, name)) for name in held)
    add_legend(ax, own, names or None)
    return finish(ax, post.verdict)


def _draw_cases(
    post: "Posterior",
    ax: Axes,
    cases: list[Case],
    inputs: Mapping[str, Numbers],
    along: str,
    prob: float,
) -> None:
    """Draw the law's curve and band for each case, and the runs of the case."""
    x, targets = _across(post, inputs, along), run_targets(post)
    # Published constants have no runs of one size: each curve spans all data sizes.
    rows = [case.rows if has_runs(post) else slice(None) for case in cases]
    lines = [
        _line(case, along, inputs[along][kept]) for case, kept in zip(cases, rows, strict=True)
    ]
    points = {name: np.concatenate([line[name] for line in lines]) for name in inputs}
    band, places = law_band(post, points, prob), _across(post, points, along)
    colors = ordered_colors(np.arange(1.0, len(cases) + 1)) if cases[0].inputs else [INK]
    for place, (case, color) in enumerate(zip(cases, colors, strict=True)):
        part = slice(place * _POINTS, (place + 1) * _POINTS)
        marker = MARKERS[place % len(MARKERS)]
        ax.plot(
            places[part],
            band.median[part],
            color=color,
            linestyle=DASHES[place % len(DASHES)],
            linewidth=1.3,
            marker=marker,
            markevery=[],
            label=write_case(post, case) or "law, median",
        )
        shade: Style = {"color": color, "alpha": 0.3, "linewidth": 0}
        ax.fill_between(places[part], band.lower[part], band.upper[part], **shade)
        if not has_runs(post):
            continue
        how: Style = {"color": color, "edgecolors": "white", "linewidths": 0.3, "zorder": 3}
        area = marker_area(len(x))
        ax.scatter(x[case.rows], targets[case.rows], s=area, marker=marker, **how)
    label_band(ax, f"{percent(prob)} band of the law")


def _draw_frontier(post: "Posterior", ax: Axes, ends: tuple[float, float], prob: float) -> None:
    """Draw the loss of compute-optimal runs, and the ends of its band."""
    budgets = np.geomspace(*ends, _BUDGETS)
    band = estimate_band(
        post.allocate(budgets), post.runs.units.name_of(post.law.target.column), prob
    )
    ax.plot(budgets, band.median, color="black", linewidth=2, label="compute-optimal")
    for end, label in ((band.lower, f"its {percent(prob)} interval"), (band.upper, None)):
        ax.plot(budgets, end, color="black", linewidth=0.8, linestyle=":", label=label)


def _line(case: Case, along: str, values: Numbers) -> dict[str, Numbers]:
    """Return the points of a case's curve: over the range of its runs, and a bit beyond."""
    low, high = values.min(), values.max()
    if low > 0:
        line = np.geomspace(low / _WIDER, high * _WIDER, _POINTS)
    else:
        line = np.linspace(low, high, _POINTS)
    return {along: line, **{name: np.full(_POINTS, value) for name, value in case.inputs.items()}}


def _across(post: "Posterior", inputs: Mapping[str, Numbers], along: str) -> Numbers:
    """Return the horizontal positions of runs: their compute, or the input along a curve."""
    if not post.counts_flops:
        return inputs[along]
    return post.cost.at(inputs).training_flops(inputs[post.law.budget.size], inputs["tokens"])


def _widest(inputs: Mapping[str, Numbers]) -> str:
    """Return the input with the widest range, in log if it is positive."""

    def width(values: Numbers) -> float:
        return float(np.ptp(np.log(values))) if (values > 0).all() else 0.0

    return max(inputs, key=lambda name: width(inputs[name]))
