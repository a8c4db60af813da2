"""Figures of several posteriors and laws, side by side."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes

from scalingbayes._core.arguments import Positive, Probability
from scalingbayes._core.checked import checked
from scalingbayes._core.errors import InputError
from scalingbayes._core.numbers import kind_of
from scalingbayes.plots.curves import (
    Band,
    budget_range,
    estimate_band,
    has_runs,
    run_inputs,
    run_targets,
)
from scalingbayes.plots.labels import (
    escaped,
    input_label,
    label_of,
    number_axis,
    target_label,
)
from scalingbayes.plots.rows import HEIGHT, draw_rows, quantity_band
from scalingbayes.plots.style import (
    COLORS,
    DASHES,
    RUNS,
    Style,
    add_legend_below,
    draws_result,
    figure_of,
    finish,
    is_wide,
    marker_area,
    new_axes,
    panels,
    percent,
)

if TYPE_CHECKING:
    from scalingbayes.combine.average import Average
    from scalingbayes.evaluation.compare import Comparison
    from scalingbayes.posterior.posterior import Posterior

_BUDGETS = 60
_BEYOND = 100.0  # the largest budget drawn, over that of the largest run
_MOST_ROWS = 30
_MOST_PANELS = 6


@checked
def plot_laws(
    laws: "Mapping[str, Posterior] | Average",
    prob: Probability = 0.9,
    ax: Axes | Iterable[Axes] | None = None,
    *,
    compute: Positive | tuple[float, float] | None = None,
    **inputs: float,
) -> np.ndarray:
    """Plot what several laws expect of compute-optimal runs: their target, and their size.

    Parameters
    ----------
    laws
        Fits to the same runs by name, or an average of such fits. Each law must divide compute.
    prob
        Posterior probability of the equal-tailed bands.
    ax
        Two axes; new ones by default.
    compute
        The largest budget in FLOPs, or the smallest and the largest; by default from the smallest
        run's to a hundred times the largest run's.
    **inputs
        The laws' inputs other than size and tokens. Each law gets those that it reads.

    Returns
    -------
    numpy.ndarray
        The axes, one a panel.

    Raises
    ------
    InputError
        If there is no law, or a law does not divide compute or lacks an input.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> runs = sb.datasets.load("chinchilla")
    >>> laws = {law: sb.fit(runs, law, engine="laplace") for law in ("chinchilla", "coupled")}
    >>> len(sb.plots.plot_laws(laws))
    2
    """
    weights: Mapping[str, float] = getattr(laws, "weights", {})
    posts: Mapping[str, Posterior] = laws if isinstance(laws, Mapping) else laws.posteriors
    if not posts or not all(post.counts_flops for post in posts.values()):
        names = ", ".join(n for n, post in posts.items() if not post.counts_flops) or "none"
        raise InputError(
            f"plot_laws needs laws that divide compute between a model's size and tokens, and runs "
            f"whose FLOPs are known; these are not: {names}. Use sb.plots.plot_fit for each."
        )
    drawn = panels(ax, 2, 2, figsize=(11, 4.5))
    left, right = drawn
    first = next(iter(posts.values()))
    spent, size = first.compute, first.law.budget.size
    how: Style = {"s": marker_area(len(spent)), "color": RUNS, "linewidths": 0, "zorder": 1}
    if has_runs(first):
        left.scatter(spent, run_targets(first), label="runs", **how)
        right.scatter(spent, run_inputs(first)[size], **how)
    low, high = budget_range(spent, compute, _BEYOND)
    budgets = np.geomspace(low, high, _BUDGETS)
    for place, (name, post) in enumerate(posts.items()):
        read: dict[str, Any] = {n: x for n, x in inputs.items() if n in post.law.inputs}
        estimate = post.allocate(budgets, **read)
        label = f"{escaped(name)}, weight {weights[name]:.0%}" if name in weights else escaped(name)
        if not post.verdict:
            label += " (failed its checks)"
        for panel, quantity in (
            (left, post.runs.units.name_of(post.law.target.column)),
            (right, post.law.budget.size),
        ):
            band = estimate_band(estimate, quantity, prob)
            color, dashes = COLORS[place % len(COLORS)], DASHES[place % len(DASHES)]
            panel.plot(budgets, band.median, color=color, linestyle=dashes, label=label)
            panel.fill_between(budgets, band.lower, band.upper, color=color, alpha=0.2, linewidth=0)
    left.set(xlabel=label_of(first.runs, "compute"), ylabel=target_label(first))
    right.set(xlabel=label_of(first.runs, "compute"), ylabel=input_label(first, size))
    left.set_title(f"Compute-optimal runs: {percent(prob)} bands", fontsize="medium")
    right.set_title("Compute-optimal model size", fontsize="medium")
    number_axis(left.yaxis, kind_of(first.law.target.column))
    number_axis(right.yaxis, "count")
    for panel in (left, right):
        number_axis(panel.xaxis, "flops")
        panel.axvline(spent.max(), color=RUNS, linewidth=1, linestyle=":")
        finish(panel)
    left.legend(frameon=False, fontsize="small", loc="upper right")
    return drawn


@checked
def plot_posteriors(
    posteriors: "Mapping[Any, Posterior]",
    prob: Probability = 0.9,
    ax: Axes | Iterable[Axes] | None = None,
    *,
    quantities: Iterable[str] | None = None,
) -> np.ndarray:
    """Plot parameters of several posteriors side by side: a panel a quantity, a row a posterior.

    Parameters
    ----------
    posteriors
        Posteriors by name, as :func:`scalingbayes.fit_many` and :func:`scalingbayes.pool` return.
        Of more than 30, some are chosen, evenly spaced.
    prob
        Posterior probability of the equal-tailed intervals.
    ax
        One axes a quantity; new ones by default.
    quantities
        Names of parameters. By default the parameters of the laws that all posteriors have, at most
        six.

    Returns
    -------
    numpy.ndarray
        The axes, one a panel.

    Raises
    ------
    InputError
        If the posteriors share no parameter, or lack a quantity.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> runs = sb.datasets.load("chinchilla")
    >>> laws = {law: sb.fit(runs, law, engine="laplace") for law in ("chinchilla", "coupled")}
    >>> len(sb.plots.plot_posteriors(laws, quantities=["alpha", "beta"]))
    2
    """
    names = list(posteriors)
    rows = np.unique(np.linspace(0, len(names) - 1, _MOST_ROWS).round().astype(int))
    posts = {names[row]: posteriors[names[row]] for row in rows}
    shared = _shared_parameters(posts.values())
    wanted = shared[:_MOST_PANELS] if quantities is None else list(quantities)
    if not wanted or not set(wanted) <= set(shared):
        raise InputError(
            f"plot_posteriors needs parameters that all posteriors have; got "
            f"{', '.join(wanted) or 'none'}, and they share {', '.join(shared) or 'none'}."
        )
    labels = [f"{n}{'' if post.verdict else ' (failed)'}" for n, post in posts.items()]
    columns = min(len(wanted), 3)
    height = 1.2 + HEIGHT * len(posts)
    size = (3.6 * columns + 1.5, height * -(-len(wanted) // columns))
    drawn = panels(ax, len(wanted), columns, figsize=size, sharey=True)
    exact = [post.as_exact for post in posts.values()]
    allows = np.array([not post.exact for post in posts.values()])
    for name, panel in zip(wanted, drawn, strict=True):
        bounds = quantity_band(exact, name, prob)
        ends = Band(
            *(np.where(allows, x, np.nan) for x in (bounds.median, bounds.lower, bounds.upper))
        )
        band = quantity_band(list(posts.values()), name, prob)
        draw_rows(panel, labels, band, prob, ends)
        number_axis(panel.xaxis, kind_of(name), is_wide(np.r_[band.lower, band.upper]))
        panel.set_title(escaped(name), fontsize="medium")
        finish(panel)
    add_legend_below(drawn[0], ax is None)
    if ax is None and len(posts) < len(names):
        figure_of(drawn).suptitle(f"{len(posts)} of {len(names)} posteriors", fontsize="medium")
    return drawn


@checked
@draws_result("Comparison", "sb.compare")
def plot_comparison(comparison: "Comparison", ax: Axes | None = None) -> Axes:
    """Plot by how much each law predicts held-out runs worse than the best one, and its weight.

    A bar is one standard error on either side.

    Parameters
    ----------
    comparison
        The result of :func:`scalingbayes.compare`.
    ax
        Where to draw; new axes by default.

    Returns
    -------
    Axes
        The axes.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> runs = sb.datasets.load("chinchilla")
    >>> laws = {law: sb.fit(runs, law, engine="laplace") for law in ("chinchilla", "coupled")}
    >>> len(sb.plots.plot_comparison(sb.compare(laws)).get_yticks())
    2
    """
    scores = comparison.scores
    worse, error = scores["elpd_diff"].to_numpy(float), scores["dse"].to_numpy(float)
    ax = new_axes(ax, figsize=(7, 1.4 + 1.5 * HEIGHT * len(scores)))
    band = Band(worse, worse - np.nan_to_num(error), worse + np.nan_to_num(error))
    labels = [f"{name}, weight {weight:.0%}" for name, weight in comparison.weights.items()]
    draw_rows(ax, labels, band, None)
    ax.axvline(0, color=RUNS, linewidth=1, linestyle=":")
    ax.set(
        xlabel="elpd of held-out runs, less the best law's (nats); bars: ±1 standard error",
        title=escaped(comparison.title),
    )
    ax.margins(x=0.08)
    return finish(ax, comparison.verdict)


def _shared_parameters(posteriors: "Iterable[Posterior]") -> list[str]:
    """Return the parameters that all laws have, in the order of the first law."""
    each = [list(post.law.parameters) for post in posteriors]
    return [name for name in each[0] if all(name in other for other in each)] if each else []
