"""Figures of a posterior, by the name of their kind."""

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes

from scalingbayes.plots.draws import plot_draws
from scalingbayes.plots.evaluation import plot_residuals
from scalingbayes.plots.fit import plot_fit
from scalingbayes.plots.isoflop import plot_isoflop
from scalingbayes.plots.posterior import overview, plot_exponent, plot_frontier
from scalingbayes.plots.predicted import plot_predicted
from scalingbayes.plots.surface import plot_surface

if TYPE_CHECKING:
    from scalingbayes.posterior.posterior import Posterior


def _residuals(post: "Posterior", ax: Axes | Iterable[Axes] | None = None) -> np.ndarray:
    """Plot the residuals of a posterior; the check is a package above this one."""
    from scalingbayes.evaluation.predictive_checks import check

    return plot_residuals(check(post), ax=ax)


KINDS: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {
        "overview": overview,
        "fit": plot_fit,
        "isoflop": plot_isoflop,
        "predicted": plot_predicted,
        "residuals": _residuals,
        "surface": plot_surface,
        "frontier": plot_frontier,
        "exponent": plot_exponent,
        "parameters": plot_draws,
    }
)
"""The figures of a posterior by kind: ``KINDS["fit"](post)`` returns one axes, or an array of them.

Each function takes ``ax``. Those that need a compute-optimal allocation raise ``InputError`` for
laws that have none."""
