"""The figure of compute-optimal training at the critical batch size."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes

from scalingbayes._core.arguments import Probability
from scalingbayes._core.checked import checked
from scalingbayes._core.numbers import Kind
from scalingbayes.plots.curves import estimate_band
from scalingbayes.plots.labels import number_axis
from scalingbayes.plots.style import (
    ACCENT,
    RUNS,
    draws_result,
    finish,
    panels,
    percent,
    set_long_title,
)

if TYPE_CHECKING:
    from scalingbayes.decisions import CriticalTraining
    from scalingbayes.results import Estimate

_COLORS = ("C0", "C1")
_HIGHEST = 3.0  # ratio that is drawn
_COUNTS = (
    (("params", "model size $N$ (parameters)"), ("tokens", "training data $D$ (tokens)")),
    (("batch_size", "batch size $B$ (tokens)"), ("steps", "steps $S$")),
)
_RATIOS = (("compute_ratio", "compute"), ("steps_ratio", "steps, and tokens"))


@checked
@draws_result("CriticalTraining", "sb.critical_training")
def plot_critical_training(
    training: "CriticalTraining", prob: Probability = 0.9, ax: Axes | Iterable[Axes] | None = None
) -> np.ndarray:
    """Plot size, tokens, batch and steps against compute, and what other sizes cost.

    Parameters
    ----------
    training
        The result of :func:`scalingbayes.critical_training`.
    prob
        Posterior probability of the equal-tailed bands.
    ax
        Three axes; new ones by default.

    Returns
    -------
    numpy.ndarray
        The axes, one a panel.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> post = sb.fit(runs, "kaplan_steps(batch=True)")  # doctest: +SKIP
    >>> len(sb.plots.plot_critical_training(sb.critical_training(post, 1e21)))  # doctest: +SKIP
    3
    """
    drawn = panels(ax, 3, 3, figsize=(12, 3.6))
    asked = training.median()
    for panel, counts in zip(drawn[:2], _COUNTS, strict=True):
        for (name, label), color in zip(counts, _COLORS, strict=True):
            _draw(panel, training.compute_curve, name, label, color, prob)
            panel.plot(asked["compute"], asked[name], "o", color=color, markersize=4)
        panel.set(xlabel="compute $C$ (FLOPs)")
        number_axis(panel.xaxis, "flops")
        number_axis(panel.yaxis, "count")
        panel.legend(frameon=False, fontsize="small")
    uncertain = float(training["params"].std()) > 0
    bands = f"; {percent(prob)} bands" if uncertain else ""
    set_long_title(drawn[0], f"Compute-optimal size and data{bands}")
    set_long_title(drawn[1], f"Critical batch size and steps{bands}")
    _draw_sizes(drawn[2], training, prob)
    for panel in drawn:
        finish(panel, training.verdict)
    return drawn


def _draw_sizes(ax: Axes, training: "CriticalTraining", prob: float) -> None:
    """Draw what other model sizes cost at the same loss."""
    for (name, label), color in zip(_RATIOS, ("black", ACCENT), strict=True):
        _draw(ax, training.size_curve, name, label, color, prob, highest=2 * _HIGHEST)
    for value in (ax.axhline, ax.axvline):
        value(1.0, color=RUNS, linewidth=1, linestyle=":")
    factors = training.size_curve.draws["size_factor"].to_numpy()
    ax.set(
        xlabel="model size / compute-optimal size",
        ylabel="cost / that of the optimal size",
        xlim=(factors[0], factors[-1]),
        ylim=(0, _HIGHEST),
    )
    kind: Kind = "ratio"
    number_axis(ax.xaxis, kind)
    number_axis(ax.yaxis, kind, log=False)
    ax.legend(frameon=False, fontsize="small")
    set_long_title(ax, "Other sizes, at the same loss")


def _draw(
    ax: Axes,
    curve: "Estimate",
    name: str,
    label: str,
    color: str,
    prob: float,
    highest: float = np.inf,
) -> None:
    """Draw the median and the band of a quantity along a curve."""
    (along,) = (dim for dim in curve[name].dims if dim not in ("chain", "draw"))
    x, band = curve.draws[along].to_numpy(), estimate_band(curve, name, prob)
    middle, lower, upper = np.minimum([band.median, band.lower, band.upper], highest)
    ax.plot(x, middle, color=color, label=label)
    ax.fill_between(x, lower, upper, color=color, alpha=0.25, linewidth=0)
