"""Colours, axes and marks that all figures share."""

import functools
import inspect
import re
import textwrap
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scalingbayes._core.errors import InputError

if TYPE_CHECKING:
    from scalingbayes.results import Verdict

P = ParamSpec("P")
Drawn = TypeVar("Drawn")

INK = "#1f4e79"
BAND = "#7fa8d1"
RUNS = "#9a9a9a"
WARNING = "#b3261e"
ACCENT = "#d55e00"

COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
"""Colours of things without an order (Okabe & Ito 2008)."""

DASHES: tuple[Any, ...] = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (8, 2)), (0, (3, 1)))
"""Line styles, beside the colours."""

MARKERS = "osD^vPX"
"""Markers, beside the colours."""

Style = dict[str, Any]
"""Options of a matplotlib function."""

_TITLE_WIDTH = 60  # characters of a line
_SHORTEST = 8  # characters of a line of a label
_FORMULAS = 12  # characters of formulas in a label that are not drawn
_FORMULA = re.compile(r"(?<!\\)\$.*?(?<!\\)\$")
_NO_BREAK = "\0"
_ORDERED = "viridis"  # its lightness grows with the value, so that it can be printed in grey
_LIGHTEST = 0.86  # of the colour map: what is lighter cannot be seen on white
_MARKER_AREA = 3000.0  # of all runs together, in square points

_WIDE = 10.0  # largest over smallest value of an axis that is drawn on a log scale


def ordered_colors(
    values: Float[np.ndarray, " values"], limits: tuple[float, float] | None = None
) -> Float[np.ndarray, "values 4"]:
    """Return colours whose lightness grows with positive values, on a log scale.

    Parameters
    ----------
    values
        The values.
    limits
        The values of the darkest and of the lightest colour; by default the least and the largest.
    """
    low, high = np.log(limits or (values.min(), values.max()))
    share = (np.log(values) - low) / (high - low) if high > low else np.zeros(len(values))
    colors: np.ndarray = mpl.colormaps[_ORDERED](_LIGHTEST * np.clip(share, 0.0, 1.0))
    return colors


def marker_area(count: int) -> float:
    """Return the area of a run's marker in square points: smaller if there are more runs."""
    return float(np.clip(_MARKER_AREA / count, 8.0, 32.0))


def draws_result(kind: str, made_by: str) -> Callable[[Callable[P, Drawn]], Callable[P, Drawn]]:
    """Return a decorator that checks the kind of the result, a figure's first argument.

    Parameters
    ----------
    kind
        The name of the class of the result, which is in a package above this one.
    made_by
        The function that returns such a result.
    """

    def decorate(plot: Callable[P, Drawn]) -> Callable[P, Drawn]:
        first = next(iter(inspect.signature(plot).parameters))

        @functools.wraps(plot)
        def checked(*args: P.args, **kwargs: P.kwargs) -> Drawn:
            result = args[0] if args else kwargs.get(first)
            if kind not in [each.__name__ for each in type(result).__mro__]:
                raise InputError(
                    f"sb.plots.{plot.__name__} draws a {kind}, the result of {made_by}; got a "
                    f"{type(result).__name__}."
                )
            return plot(*args, **kwargs)

        return checked

    return decorate


def percent(prob: float) -> str:
    """Return a probability as legends state it.

    Examples
    --------
    >>> percent(0.9)
    '90%'
    """
    return f"{100 * prob:g}%"


def new_axes(ax: Axes | None, **how: Any) -> Axes:
    """Return ``ax``, or new axes if it is None."""
    return plt.subplots(layout="constrained", **how)[1] if ax is None else ax


def panels(ax: Axes | Iterable[Axes] | None, count: int, columns: int, **how: Any) -> np.ndarray:
    """Return one axes a panel: those that the caller gave, or those of a new figure.

    Parameters
    ----------
    ax
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
    if ax is None:
        grid = plt.subplots(
            -(-count // columns), columns, squeeze=False, layout="constrained", **how
        )[1]
        for spare in grid.flat[count:]:
            spare.remove()
        return grid.flat[:count]
    given = np.ravel(np.asarray(ax, object))
    if len(given) != count:
        raise InputError(f"This figure has {count} panels: give {count} axes, not {len(given)}.")
    return given


def figure_of(drawn: Axes | np.ndarray) -> Figure:
    """Return the figure of what a function of ``sb.plots`` returns."""
    figure = np.ravel(np.asarray(drawn, object))[0].get_figure(root=True)
    assert isinstance(figure, Figure)
    return figure


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


def add_legend(ax: Axes, own: bool, title: str | None = None) -> None:
    """Add a legend of many entries: beside axes of our own, and inside the axes of a caller.

    Parameters
    ----------
    ax
        The axes.
    own
        Whether the axes fill a figure of their own, so that there is room beside them.
    title
        The title of the legend.
    """
    how: dict[str, Any] = {"frameon": False, "fontsize": "small", "title": title}
    if own:
        ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), **how)
    else:
        ax.legend(loc="upper right", ncols=2, **how)


def add_legend_below(ax: Axes, own: bool) -> None:
    """Add a legend of long entries: below axes of our own, and inside the axes of a caller."""
    if own:
        handles, labels = ax.get_legend_handles_labels()
        below: Any = "outside lower center"  # not in the type stubs
        figure_of(ax).legend(handles, labels, loc=below, frameon=False, fontsize="small")
    else:
        ax.legend(fontsize="x-small", loc="best", framealpha=0.85, edgecolor="none")


def set_long_title(ax: Axes, title: str) -> None:
    """Set a title that may take several lines."""
    ax.set_title(textwrap.fill(title, _TITLE_WIDTH), fontsize="medium")


def label_band(ax: Axes, label: str) -> None:
    """Add an entry to the legend for bands of several colours."""
    ax.fill_between([], [], color=RUNS, alpha=0.5, linewidth=0, label=label)


def finish(ax: Axes, verdict: "Verdict | None" = None) -> Axes:
    """Remove the upper and right frame, wrap labels, and mark axes of a fit that failed checks."""
    ax.spines[["top", "right"]].set_visible(False)
    _wrap_labels(ax)
    if verdict is not None and not verdict:
        ax.text(
            0.5,
            0.12,
            "the fit failed its checks",
            transform=ax.transAxes,
            ha="center",
            va="bottom",
            color=WARNING,
            fontweight="bold",
            zorder=10,
            bbox={"facecolor": "white", "edgecolor": WARNING, "alpha": 0.9, "pad": 3},
        )
    return ax


def _wrap_labels(ax: Axes) -> None:
    """Break the labels of axes that are longer than the axes."""
    for label, length in ((ax.xaxis.label, ax.bbox.width), (ax.yaxis.label, ax.bbox.height)):
        text, size = label.get_text(), label.get_window_extent()
        longest = max(size.width, size.height)
        # A formula stays whole.
        whole = _FORMULA.sub(lambda found: found[0].replace(" ", _NO_BREAK), text)
        width = int(len(text) * length / longest) + _FORMULAS if longest > length else 0
        while longest > length and width > _SHORTEST:
            lines = textwrap.wrap(whole, width, break_long_words=False, break_on_hyphens=False)
            label.set_text("\n".join(lines).replace(_NO_BREAK, " "))
            size, width = label.get_window_extent(), width - 1
            # Lines of a vertical label lie side by side.
            longest = size.width if label.get_rotation() == 0 else size.height
