"""``scalingbayes plot``."""

from __future__ import annotations

import inspect
import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from scalingbayes._core.atomic_files import atomic_write
from scalingbayes._core.errors import InputError, unknown
from scalingbayes.cli.options import Seed, check_prob
from scalingbayes.cli.printing import exit_if_failed, print_text, print_verdict
from scalingbayes.cli.saved import PosteriorOrTable, check_writable, read_posterior

_FORMATS = ("svg", "png", "pdf")
_DPI = 200  # of PNG

Kind = Annotated[
    str, typer.Argument(metavar="KIND", help="The figure, such as overview, fit or frontier.")
]
Figure = Annotated[
    Path, typer.Option(metavar="FILE", help=f"File for the figure: {', '.join(_FORMATS)}.")
]

Prob = Annotated[
    float | None,
    typer.Option(
        callback=check_prob,
        help="Probability of the bands and intervals, between 0 and 1. Default: 0.9.",
    ),
]
Compute = Annotated[
    float | None,
    typer.Option(
        help="Largest budget of the compute axis in FLOPs, such as 1e25: for overview, frontier "
        "and fit."
    ),
]


def plot_command(
    posterior: PosteriorOrTable,
    kind: Kind = "overview",
    out: Figure = Path("figure.svg"),
    prob: Prob = None,
    compute: Compute = None,
    seed: Seed = 0,
) -> None:
    """Draw a figure of a posterior into a file.

    Exit status: 0 if the fit passed its checks, 3 if it failed them, 2 if the input cannot be
    used.
    """
    suffix = out.suffix.lower().removeprefix(".")
    if suffix not in _FORMATS:
        raise InputError(f"--out must be a file of type {', '.join(_FORMATS)}; got {out}.")
    check_writable(out, "figure")
    import matplotlib as mpl

    mpl.use("agg")  # no window
    from scalingbayes.plots import KINDS
    from scalingbayes.plots.style import figure_of

    if kind not in KINDS:
        raise unknown("figure", kind, KINDS)
    options = _options(KINDS, kind, {"prob": prob, "compute": compute})
    post = read_posterior(posterior, seed)
    figure = figure_of(KINDS[kind](post, **options))
    drawn = io.BytesIO()
    figure.savefig(drawn, format=suffix, dpi=_DPI, bbox_inches="tight")
    atomic_write(out, drawn.getbuffer())
    print_verdict(post.verdict)
    print_text(f"Written to {out}.")
    exit_if_failed(post.verdict)


def _options(
    kinds: Mapping[str, Callable[..., Any]], kind: str, given: Mapping[str, float | None]
) -> dict[str, float]:
    """Return the given options of a figure.

    Raises
    ------
    InputError
        If the figure does not have one of them.
    """
    options = {name: value for name, value in given.items() if value is not None}
    for name in options:
        having = [
            each for each, plot in kinds.items() if name in inspect.signature(plot).parameters
        ]
        if kind not in having:
            raise InputError(
                f"The figure {kind!r} has no --{name}: leave it out, or choose {', '.join(having)}."
            )
    return options
