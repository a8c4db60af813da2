"""Figures of a fit: its exponent and its compute-optimal frontier."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scalingbayes.plots.draws import plot_density
from scalingbayes.plots.style import INK, RUNS, draw_band, finish, new_axes, panels

if TYPE_CHECKING:
    from scalingbayes.posterior.posterior import Posterior
    from scalingbayes.results import Estimate

_BUDGETS = 60
_EXACT = "law taken as exact"
_BEYOND = 100.0  # the largest budget drawn, over that of the largest run


def overview(post: "Posterior", prob: float = 0.9, axes: Iterable[Axes] | None = None) -> Figure:
    """Plot the posterior of the exponent a beside the band of N_opt against compute.

    Parameters
    ----------
    post
        A fit of a law that has a compute-optimal allocation.
    prob
        Posterior probability of the interval and of the band.
    axes
        Two axes; new ones by default.

    Raises
    ------
    InputError
        If the law has no compute-optimal allocation.
    """
    left, right = panels(axes, 2, 2, figsize=(10, 4), width_ratios=(2, 3))
    plot_exponent(post, prob=prob, ax=left)
    plot_frontier(post, prob=prob, ax=right)
    figure = left.figure
    assert isinstance(figure, Figure)
    return figure


def plot_exponent(post: "Posterior", prob: float = 0.9, ax: Axes | None = None) -> Axes:
    """Plot the posterior density of a, of N_opt ∝ C^a, and its credible interval.

    Dashed lines are the ends of the interval that takes the law as exact.

    Parameters
    ----------
    post
        A fit of a law that has a compute-optimal allocation.
    prob
        Posterior probability of the equal-tailed interval.
    ax
        Where to draw; new axes by default.

    Raises
    ------
    InputError
        If the law has no compute-optimal allocation.
    """
    estimate = post.exponents()
    ax = new_axes(ax)
    values = estimate["a"].to_numpy().ravel()
    lower, upper = plot_density(values, prob, ax)
    if estimate.exact is not None:
        for end, label in zip(_exact_ends(estimate, "a", prob), (_EXACT, None), strict=True):
            ax.axvline(float(end), color=INK, linewidth=1, linestyle="--", label=label)
        ax.legend(frameon=False, loc="upper left", fontsize="small")
        ax.set_ylim(top=1.2 * ax.get_ylim()[1])  # room for the legend
    ax.set(
        xlabel=r"exponent $a$ of $N_\mathrm{opt} \propto C^{\,a}$",
        ylabel="posterior density",
        title=f"a = {np.median(values):.3f}, {100 * prob:g}% interval [{lower:.3f}, {upper:.3f}]",
    )
    return finish(ax, estimate.verdict)


def plot_frontier(
    post: "Posterior",
    compute: tuple[float, float] | None = None,
    prob: float = 0.9,
    ax: Axes | None = None,
) -> Axes:
    """Plot the compute-optimal model size against the budget, with its credible band.

    Dashed lines are the ends of the band that takes the law as exact.

    Parameters
    ----------
    post
        A fit of a law that has a compute-optimal allocation.
    compute
        Smallest and largest budget in FLOPs; by default from the smallest run's to a hundred
        times the largest run's.
    prob
        Posterior probability of the equal-tailed band at each budget.
    ax
        Where to draw; new axes by default.

    Raises
    ------
    InputError
        If the law has no compute-optimal allocation.
    """
    spent, size = post.compute, post.law.budget.size
    low, high = compute or (spent.min(), _BEYOND * spent.max())
    estimate = post.allocate(low * (high / low) ** np.linspace(0, 1, _BUDGETS))
    lower, upper = estimate.interval(prob)[size].transpose("bound", "compute").to_numpy()
    ax = new_axes(ax)
    sizes = post.tree["constant_data"][size].to_numpy()
    ax.scatter(spent, sizes, s=8, color=RUNS, label="training runs", linewidths=0)
    labels = (r"$N_\mathrm{opt}$, median", f"{100 * prob:g}% band")
    budgets = estimate[size]["compute"].to_numpy()
    draw_band(ax, budgets, estimate.median()[size].to_numpy(), (lower, upper), labels)
    if estimate.exact is not None:
        for end, label in zip(_exact_ends(estimate, size, prob), (_EXACT, None), strict=True):
            ax.plot(budgets, end, color=INK, linewidth=1, linestyle="--", label=label)
    if spent.max() < high:
        ax.axvline(spent.max(), color=RUNS, linewidth=1, linestyle=":")
        ax.annotate(
            "largest run",
            (spent.max(), 0.03),
            xycoords=("data", "axes fraction"),
            xytext=(4, 0),
            textcoords="offset points",
            color="#666666",
            fontsize="small",
        )
    ax.set(
        xscale="log",
        yscale="log",
        xlabel="training compute $C$ (FLOPs)",
        ylabel="params $N$" if size == "params" else size.replace("_", " "),
        title="Compute-optimal model size",
    )
    ax.legend(frameon=False, loc="upper left")
    return finish(ax, estimate.verdict)


def _exact_ends(estimate: "Estimate", name: str, prob: float) -> Float[np.ndarray, "bounds *cases"]:
    """Return the ends of the equal-tailed interval that takes the law as exact."""
    assert estimate.exact is not None
    tails = [(1 - prob) / 2, (1 + prob) / 2]
    ends: np.ndarray = estimate.exact[name].quantile(tails, ("chain", "draw")).to_numpy()
    return ends.squeeze()
