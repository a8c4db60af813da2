"""Colours, axes and marks that all figures share."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes

from scalingbayes._core.errors import InputError

if TYPE_CHECKING:
    from scalingbayes.results import Verdict

INK = "#1f4e79"
BAND = "#7fa8d1"
RUNS = "#9a9a9a"
WARNING = "#b3261e"

_WIDE = 10.0  # largest over smallest value of an axis that is drawn on a log scale


def new_axes(ax: Axes | None, **how: Any) -> Axes:
    """Return ``ax``, or new axes if it is None."""
    return plt.subplots(layout="constrained", **how)[1] if ax is None else ax


def panels(axes: Iterable[Axes] | None, count: int, columns: int, **how: Any) -> list[Axes]:
    """Return one axes a panel: those that the caller gave, or those of a new figure.

    Parameters
    ----------
    axes
        The caller's axes, or None.
    count
        Number of panels.
    columns
        Number of columns of a new figure; axes that are left over are removed.
    **how
        Arguments of ``matplotlib.pyplot.subplots``.

    Raises
    ------
    InputError
        If the caller gave another number of axes.
    """
    if axes is None:
        grid = plt.subplots(
            -(-count // columns), columns, squeeze=False, layout="constrained", **how
        )[1]
        for spare in grid.flat[count:]:
            spare.remove()
        return list(grid.flat[:count])
    given = list(np.ravel(np.asarray(axes, object)))
    if len(given) != count:
        raise InputError(f"This figure has {count} panels: give {count} axes, not {len(given)}.")
    return given


def draw_band(
    ax: Axes,
    x: Float[np.ndarray, " points"],
    median: Float[np.ndarray, " points"],
    bounds: tuple[Float[np.ndarray, " points"], Float[np.ndarray, " points"]],
    labels: tuple[str, str],
    **how: Any,
) -> None:
    """Draw a median and the band about it, with their labels in the legend."""
    ax.plot(x, median, color=INK, label=labels[0])
    how = {"color": BAND, "alpha": 0.5, "linewidth": 0, **how}
    ax.fill_between(x, bounds[0], bounds[1], label=labels[1], **how)


def median_and_bounds(
    values: Float[np.ndarray, "*cases draws"], prob: float
) -> Float[np.ndarray, "3 *cases"]:
    """Return medians, and the lower and upper ends of equal-tailed intervals."""
    tails = [0.5, (1 - prob) / 2, (1 + prob) / 2]
    if np.isfinite(values).all():
        return np.quantile(values, tails, axis=-1)
    # Interpolation between a number and infinity gives NaN.
    return np.quantile(values, tails, axis=-1, method="nearest")


def is_wide(values: Float[np.ndarray, " values"]) -> bool:
    """Return whether values belong on a log scale: positive, over more than a factor of ten."""
    return bool((values > 0).all() and values.max() > _WIDE * values.min())


def finish(ax: Axes, verdict: "Verdict | None" = None) -> Axes:
    """Remove the upper and right frame, and mark axes of a fit that failed its checks."""
    ax.spines[["top", "right"]].set_visible(False)
    if verdict is not None and not verdict:
        ax.text(
            0.5,
            0.5,
            "the fit failed its checks",
            transform=ax.transAxes,
            ha="center",
            color=WARNING,
            fontweight="bold",
        )
    return ax
