"""Which figures a report has."""

from collections.abc import Callable
from functools import partial
from typing import Any

from scalingbayes.plots.style import panels
from scalingbayes.posterior.posterior import Posterior
from scalingbayes.posterior.words import words_for
from scalingbayes.report.decision import Asked
from scalingbayes.report.evidence import Evidence
from scalingbayes.report.figures import Drawing, draw

SIZE_AND_TOKENS = 2
"""Number of inputs of a law whose exponents depend on nothing else."""

_BEYOND = 100.0  # the largest budget of the frontier, over that of the largest run
_COLUMNS = 2  # of panels


def draw_figures(post: Posterior, evidence: Evidence, asked: Asked | None) -> dict[str, Drawing]:
    """Draw the figures of a report.

    Parameters
    ----------
    post, evidence
        The fit, and what speaks for it.
    asked
        What the report is asked, if the law divides compute: the frontier reaches its budgets.
    """
    from scalingbayes import plots

    wanted: dict[str, tuple[str, Callable[[], Any], float]] = {
        "fit": (
            "The runs, and the law fitted to them, with 90 % bands.",
            partial(plots.plot_fit, post),
            4.2,
        ),
        "residuals": (
            f"Residuals of the runs at the {words_for(post).draws} median, in units of the noise. "
            "Bars are 90 % intervals over the draws of the law.",
            partial(_residuals, evidence),
            2.5 * -(-(len(post.law.inputs) + 1) // _COLUMNS) + 0.3,
        ),
    }
    if evidence.backtest is not None:
        wanted["backtest"] = (
            "Runs that were left out: predicted against observed, with 90 % intervals.",
            partial(plots.plot_backtest, evidence.backtest),
            4.8 + 0.2 * len(evidence.backtest.posteriors.models),
        )
    if asked is not None and len(post.law.inputs) == SIZE_AND_TOKENS:
        low = min(post.compute.min(), *asked.budgets)
        high = max(_BEYOND * post.compute.max(), *asked.budgets)
        wanted["frontier"] = (
            "Compute-optimal model size for each budget of training, with its 90 % band, and the "
            "runs.",
            partial(plots.plot_frontier, post, compute=(float(low), float(high))),
            4.2,
        )
    return {name: draw(name, *how) for name, how in wanted.items()}


def _residuals(evidence: Evidence) -> Any:
    """Draw residuals two panels a row: three beside each other are too small to read."""
    from scalingbayes import plots

    count = len(evidence.checks.residuals.inputs) + 1
    return plots.plot_residuals(evidence.checks, ax=panels(None, count, _COLUMNS, sharey=True))
