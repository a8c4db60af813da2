"""Figures of a report, as SVG that can stand in a page."""

import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes

from scalingbayes.plots.style import figure_of

_FONTS = ["Helvetica", "Arial", "Liberation Sans", "DejaVu Sans"]
_FAMILIES = ", ".join([*(f"'{font}'" for font in _FONTS), "sans-serif"])
_WIDTH = 6.2  # inches, of all figures, so that their type has one size
_PIXELS_PER_POINT = 100 / 72
_SETTINGS: Any = {
    "svg.fonttype": "none",  # text remains text: small, sharp and read by screen readers
    "svg.hashsalt": "scalingbayes",
    "font.family": "sans-serif",
    "font.sans-serif": _FONTS,
    "mathtext.default": "regular",
    "font.size": 10,
    "axes.titlesize": 11,
}
_MANY = 300  # marks of a series, above which they are drawn as an image
_DPI = 160  # of such images


@dataclass(frozen=True)
class Drawing:
    """A figure of a report.

    Parameters
    ----------
    svg
        The SVG element.
    caption
        What the figure shows, and how to read it.
    """

    svg: Markup
    caption: str


def draw(name: str, caption: str, plot: Callable[[], Axes | np.ndarray], height: float) -> Drawing:
    """Draw a figure.

    Parameters
    ----------
    name
        A short name, which is part of the names of the figure's elements.
    caption
        What the figure shows.
    plot
        A function that draws the figure, and returns its axes.
    height
        The height of the figure in inches.
    """
    with mpl.rc_context(_SETTINGS):
        figure = figure_of(plot())
        figure.set_size_inches(_WIDTH, height)
        for axes in figure.axes:
            _rasterise(axes)
        text = io.StringIO()
        figure.savefig(text, format="svg", dpi=_DPI, metadata={"Date": None, "Creator": None})
        plt.close(figure)
    return Drawing(Markup(_inline(text.getvalue(), name, caption)), caption)


def _rasterise(axes: Axes) -> None:
    for collection in axes.collections:
        if np.size(collection.get_offsets()) > 2 * _MANY:
            collection.set_rasterized(True)
    for line in axes.lines:
        marker = line.get_marker()
        if marker not in ("None", None, "", " ") and np.size(line.get_xdata()) > _MANY:
            line.set_rasterized(True)


def _inline(text: str, name: str, caption: str) -> str:
    """Return an SVG file as an element whose ids differ from those of other figures."""
    element = text[text.index("<svg") :]
    element = re.sub(r"<metadata>.*?</metadata>", "", element, flags=re.DOTALL)
    element = re.sub(r'\bid="', f'id="{name}-', element)
    element = re.sub(r'(xlink:href|href)="#', rf'\1="#{name}-', element)
    element = element.replace("url(#", f"url(#{name}-")
    width = re.search(r' width="([\d.]+)pt"', element)
    assert width is not None
    element = re.sub(r' (width|height)="[^"]*pt"', "", element, count=2)
    element = re.sub(r"'DejaVu Sans'(?!,)", _FAMILIES, element)  # of formulas; not on every system
    label = str(Markup.escape(caption))
    size = f'width="{_PIXELS_PER_POINT * float(width[1]):.0f}"'
    return element.replace("<svg", f'<svg role="img" aria-label="{label}" {size}', 1)
