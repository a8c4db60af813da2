"""Approach 3: the parametric law fitted with a Huber loss."""

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd

from scalingbayes._core.arguments import Count, Probability, Seed
from scalingbayes._core.checked import checked
from scalingbayes.data.row_labels import label_rows
from scalingbayes.data.runs import Runs, Table, as_runs
from scalingbayes.decisions.approaches.frontier import (
    HOFFMANN_PART,
    HOFFMANN_RESAMPLES,
    HOFFMANN_TAILS,
    Exponents,
)
from scalingbayes.fitting.fit import fit
from scalingbayes.inference import Bootstrap, Optimize
from scalingbayes.model.model import Model
from scalingbayes.posterior.point_estimate import PointEstimate
from scalingbayes.posterior.posterior import Posterior
from scalingbayes.results import IntervalKind, Result, Verdict, View

_SD_OVER_MAD = 1.4826  # of a normal distribution
_FAR_OFF = 10.0  # robust standard deviations
_ROUNDING = 1e-9  # of a log loss
_MOST_NAMED = 8  # rows


@dataclass(frozen=True, eq=False, repr=False)
class Parametric(Result):
    """The law of least Huber loss, with fits to resamples.

    Parameters
    ----------
    exponents
        Exponents of the law, with intervals.
    best
        The fit to the whole table.
    resampled
        Fits to resamples.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> found = sb.parametric(sb.datasets.load("chinchilla"), starts=64)  # doctest: +SKIP
    >>> round(found.exponents.a, 2)  # doctest: +SKIP
    0.57
    """

    exponents: Exponents
    best: PointEstimate
    resampled: Posterior

    @property
    def title(self) -> str:
        """The two power laws."""
        return self.exponents.title

    @property
    def verdict(self) -> Verdict:
        """The verdict on the fits to resamples."""
        return self.resampled.verdict

    @property
    def notes(self) -> tuple[str, ...]:
        """The interval, the part of the table that was used, and remarks."""
        return self.exponents.notes

    def summary(self, prob: Probability = 0.9, kind: IntervalKind = "eti") -> pd.DataFrame:
        """Return each exponent with the interval that the authors report.

        ``prob`` and ``kind`` are ignored.
        """
        frame = self.exponents.summary(prob, kind)
        frame.attrs["verdict"] = self.verdict.word
        return frame

    def plot(self, ax: Any = None) -> Any:
        """Plot the exponents; see :func:`scalingbayes.plots.plot_exponents`."""
        from scalingbayes.plots import plot_exponents

        return plot_exponents(self.exponents, ax=ax)

    def view(self, prob: Probability = 0.9) -> View:
        """Return the exponents, and the parameters of the best fit."""
        parameters = ("Parameters of the best fit", self.best.summary())
        return replace(super().view(prob), tables=(parameters,))


@checked
def parametric(
    runs: Table, *, starts: Count | Literal["hoffmann"] = "hoffmann", seed: Seed = 0
) -> Parametric:
    """Estimate a and b from a fit of L = E + A/N^alpha + B/D^beta (Hoffmann et al. 2022, 3.3).

    The fit minimises the sum of Huber losses of the residuals of log loss, delta = 1e-3 (eq. 3).
    Hoffmann et al. use L-BFGS from a grid of 4,500 starts; the package's own optimiser searches
    for the same minimum.

    The interval is from the 10th to the 90th percentile of 100 resamples of 80 % of the rows.

    Huber's loss bounds the pull of outliers, and keeps them: no row is left out. Of the 245
    Chinchilla runs, a is 0.565; without the five highest losses, as in Besiroglu et al. 2024, it is
    0.514. A note names rows that lie far from the law.

    Parameters
    ----------
    runs
        A table with params, tokens and loss.
    starts
        ``"hoffmann"`` for the grid, or a number of random starts.
    seed
        Seed of the resamples.

    Raises
    ------
    InputError
        If the table lacks a column or has too few rows.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> found = sb.parametric(sb.datasets.load("chinchilla"), starts=64)  # doctest: +SKIP
    >>> round(found.best.values["alpha"], 2)  # doctest: +SKIP
    0.35
    """
    runs = as_runs(runs)
    model = Model("chinchilla", "huber")
    resampling = Bootstrap(resamples=HOFFMANN_RESAMPLES, kind="subsample", part=HOFFMANN_PART)
    best = fit(runs, model, engine=Optimize(starts=starts), seed=seed)
    resampled = fit(runs, model, engine=resampling, seed=seed)
    draws = pd.DataFrame({name: each.ravel() for name, each in resampled.values.items()})
    failed = int((~resampled.tree["sample_stats"]["converged"]).sum())
    remarks = (f"{failed} of 100 refits did not converge" if failed else "", _outliers(runs, best))
    exponents = Exponents(
        *_exponents(best.values["alpha"], best.values["beta"]),
        pd.DataFrame(dict(zip("ab", _exponents(draws["alpha"], draws["beta"]), strict=True))),
        HOFFMANN_TAILS,
        "10th to 90th percentile of 100 resamples of 80% of the rows",
        f"{len(runs)} rows",
        ". ".join(filter(None, remarks)),
    )
    return Parametric(exponents, best, resampled)


def _outliers(runs: Runs, best: PointEstimate) -> str:
    """Return a sentence on the rows that lie far from the law, or ""."""
    inputs = {name: runs.column(name) for name in best.posterior.law.inputs}
    expected = best.posterior.thin(1).expected(**inputs)[0, 0]
    residuals = np.log(runs.column("loss") / expected)
    residuals = np.abs(residuals - np.median(residuals))
    scaled = residuals / (_SD_OVER_MAD * max(float(np.median(residuals)), _ROUNDING))
    rows = np.flatnonzero(scaled > _FAR_OFF)
    if not len(rows):
        return ""
    labels = label_rows(runs.frame)
    named = ", ".join(labels[row] for row in rows[:_MOST_NAMED])
    more = f" and {len(rows) - _MOST_NAMED} more" if len(rows) > _MOST_NAMED else ""
    return (
        f"rows far from the law, by more than {_FAR_OFF:g} robust standard deviations: "
        f"{named}{more}. Huber's loss bounds their pull and keeps them: check these rows, or leave "
        f"them out with runs.filter"
    )


def _exponents(alpha: Any, beta: Any) -> tuple[Any, Any]:
    """Return a and b (Hoffmann et al. 2022, eq. 4); defined even if A or B is 0."""
    return beta / (alpha + beta), alpha / (alpha + beta)
