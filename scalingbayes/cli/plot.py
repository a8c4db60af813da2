"""``scalingbayes plot``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from scalingbayes._core.atomic_files import atomic_write
from scalingbayes._core.errors import InputError, unknown
from scalingbayes.cli.options import Seed
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


def plot_command(
    posterior: PosteriorOrTable,
    kind: Kind = "overview",
    out: Figure = Path("figure.svg"),
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

    if kind not in KINDS:
        raise unknown("figure", kind, KINDS, f"The figures are {', '.join(KINDS)}.")
    post = read_posterior(posterior, seed)
    drawn = KINDS[kind](post)
    figure = getattr(drawn, "figure", None) or drawn  # of axes
    with atomic_write(out) as path:
        figure.savefig(path, format=suffix, dpi=_DPI, bbox_inches="tight")
    print_verdict(post.verdict)
    print_text(f"Written to {out}.")
    exit_if_failed(post.verdict)
