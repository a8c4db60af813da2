"""The figure of a table of runs."""

from matplotlib.axes import Axes
from matplotlib.colors import LogNorm

from scalingbayes._core.checked import checked
from scalingbayes._core.errors import InputError
from scalingbayes.data.runs import Table, as_runs
from scalingbayes.plots.labels import escaped, in_user_unit, label_of, number_axis
from scalingbayes.plots.style import figure_of, finish, marker_area, new_axes


@checked
def plot_runs(runs: Table, ax: Axes | None = None) -> Axes:
    """Plot the runs of a table over model size and tokens, coloured by their loss.

    Parameters
    ----------
    runs
        A table with params, tokens and loss.
    ax
        Where to draw; new axes by default.

    Returns
    -------
    Axes
        The axes.

    Raises
    ------
    InputError
        If the table lacks one of these columns.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> sb.plots.plot_runs(sb.datasets.load("chinchilla")).get_title()
    '245 runs of chinchilla'
    """
    table = as_runs(runs)
    if missing := {"params", "tokens", "loss"} - set(table.frame):
        raise InputError(
            f"plot_runs needs params, tokens and loss; {table.name!r} has no "
            f"{', '.join(sorted(missing))}. Draw columns of runs.frame."
        )
    if not len(table):
        raise InputError(f"plot_runs needs runs; {table.name!r} has no rows.")
    ax = new_axes(ax, figsize=(6.5, 5))
    loss = in_user_unit(table, "loss", table.column("loss"))
    points = ax.scatter(
        table.column("params"),
        table.column("tokens"),
        c=loss,
        norm=LogNorm(loss.min(), loss.max()),
        cmap="viridis",
        s=1.5 * marker_area(len(loss)),
        edgecolors="black",
        linewidths=0.3,
    )
    bar = figure_of(ax).colorbar(points, ax=ax, label=label_of(table, "loss"))
    number_axis(bar.ax.yaxis, "loss")
    ax.set(
        xlabel=label_of(table, "params"),
        ylabel=label_of(table, "tokens"),
        title=f"{len(table)} runs of {escaped(table.name)}",
    )
    number_axis(ax.xaxis, "count")
    number_axis(ax.yaxis, "count")
    return finish(ax)
