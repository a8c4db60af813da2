"""Labels and ticks of axes: quantities with the user's units, and numbers such as 33.9B."""

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float
from matplotlib.axis import Axis
from matplotlib.ticker import (
    FuncFormatter,
    LogLocator,
    MaxNLocator,
    NullFormatter,
    NullLocator,
)

from scalingbayes._core.escaping import for_terminal
from scalingbayes._core.numbers import Kind, kind_of, write
from scalingbayes.data.runs import Runs
from scalingbayes.data.units import COUNTED, LOSS_UNITS, PERPLEXITY

if TYPE_CHECKING:
    from scalingbayes.posterior.posterior import Posterior

_DECADES = (
    1.2,
    2.0,
    3.0,
)  # of a log axis: even ticks below the first, powers of ten above the last
_TICKS = 6

_QUANTITIES = {
    "params": "model size $N$",
    "tokens": "training data $D$",
    "compute": "training compute $C$",
    "loss": "loss $L$",
}


def escaped(text: str) -> str:
    """Return a user's text such that matplotlib does not read formulas in it."""
    return for_terminal(text).replace("$", r"\$")


def label_of(runs: Runs, column: str, description: str = "") -> str:
    """Return the label of an axis: what the column is, and its unit.

    Columns other than params, tokens, compute and loss have the user's name.

    Parameters
    ----------
    runs
        The table, which knows the user's names and units.
    column
        The package's name of the column.
    description
        What the column is, unless it is params, tokens, compute or loss.

    Examples
    --------
    >>> runs = Runs({"n": [1e8], "tokens": [2e9], "loss": [3.2]}, params="n")
    >>> label_of(runs, "params"), label_of(runs, "tokens")
    ('model size $N$ (parameters)', 'training data $D$ (tokens)')
    """
    if column == "loss" and runs.units.is_perplexity:
        return PERPLEXITY
    if column not in _QUANTITIES:
        source, words = escaped(runs.sources.get(column, column)), escaped(description)
        return f"{source}: {words}" if words and words != source else source.replace("_", " ")
    units = {
        "params": f"parameters {COUNTED.get(runs.units.params, '')}".strip(),
        "tokens": runs.units.tokens,
        "compute": "FLOPs",
        "loss": LOSS_UNITS.get(runs.units.loss, runs.units.loss),
    }
    return _QUANTITIES[column] + (f" ({units[column]})" if units[column] else "")


def input_label(post: "Posterior", name: str) -> str:
    """Return the label of an axis for an input of a posterior's law."""
    return label_of(post.runs, name, post.law.inputs[name].description)


def target_label(post: "Posterior") -> str:
    """Return the label of an axis for the target of a posterior's law."""
    return label_of(post.runs, post.law.target.column)


def in_user_unit(
    runs: Runs, column: str, values: Float[np.ndarray, "*shape"]
) -> Float[np.ndarray, "*shape"]:
    """Return values of a column as the user's table has them: perplexities, if these are."""
    return np.exp(values) if column == "loss" and runs.units.is_perplexity else values


def number_axis(axis: Axis, kind: Kind, log: bool = True) -> None:
    """Set the scale of an axis, and ticks that are written as 33.9B or 1e21; call it last.

    Parameters
    ----------
    axis
        ``ax.xaxis`` or ``ax.yaxis``.
    kind
        What the numbers measure.
    log
        Whether the scale is logarithmic.
    """
    axes = axis.axes
    which = "x" if axis is axes.xaxis else "y"
    scale = "log" if log else "linear"
    axes.set(**{f"{which}scale": scale})
    low, high = sorted(getattr(axes, f"get_{which}lim")())
    decades = np.log10(high / low) if log and low > 0 else 0.0
    if decades <= _DECADES[0]:
        axis.set_major_locator(MaxNLocator(_TICKS, steps=(1, 2, 5, 10)))
    elif decades <= _DECADES[-1]:
        subs = (1.0, 2.0, 5.0) if decades <= _DECADES[1] else (1.0, 3.0)
        axis.set_major_locator(LogLocator(subs=subs))
    else:
        axis.set_major_locator(LogLocator(numticks=_TICKS + 2))
    axis.set_major_formatter(FuncFormatter(lambda x, _: write(float(x), kind)))
    axis.set_minor_formatter(NullFormatter())
    if decades <= _DECADES[0]:
        axis.set_minor_locator(NullLocator())


def kind_of_input(post: "Posterior", name: str) -> Kind:
    """Return what an input of a posterior's law measures."""
    unit = post.law.inputs[name].unit
    return "count" if unit == "tokens" else kind_of(name)
