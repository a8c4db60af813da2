"""Approach 3: the parametric law fitted by Huber's loss."""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from scalingbayes.data.runs import Table, as_runs
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


@dataclass(frozen=True, eq=False, repr=False)
class Parametric:
    """The law of least Huber loss, and how it scatters.

    Parameters
    ----------
    exponents
        Its exponents, with intervals.
    best
        The fit to the table.
    resampled
        Fits to resamples.
    """

    exponents: Exponents
    best: PointEstimate
    resampled: Posterior

    def __repr__(self) -> str:
        return f"{self.exponents}\n\n{self.best}"


def parametric(runs: Table, *, starts: int | str = "hoffmann", seed: int = 0) -> Parametric:
    """Find a and b by a fit of L = E + A/N^alpha + B/D^beta (Hoffmann et al. 2022, section 3.3).

    The fit has the least sum of Huber losses of log loss, delta 1e-3 (eq. 3). Hoffmann et al. climb
    by L-BFGS from a grid of 4,500 starts; this is the package's own search for the same minimum.

    The interval is from the 10th to the 90th percentile of 100 resamples of 80 % of the rows.

    Parameters
    ----------
    runs
        A table with params, tokens and loss.
    starts
        ``"hoffmann"`` for the grid, or how many random starts.
    seed
        Seed of resamples.

    Raises
    ------
    InputError
        If the table lacks a column or has too few rows.
    """
    runs = as_runs(runs)
    model = Model("chinchilla", "huber")
    resampling = Bootstrap(resamples=HOFFMANN_RESAMPLES, kind="subsample", part=HOFFMANN_PART)
    best = fit(runs, model, engine=Optimize(starts=starts), seed=seed)
    resampled = fit(runs, model, engine=resampling, seed=seed)
    draws = pd.DataFrame({name: each.ravel() for name, each in resampled.values.items()})
    failed = int((~resampled.tree["sample_stats"]["converged"]).sum())
    exponents = Exponents(
        *_exponents(best.values["alpha"], best.values["beta"]),
        pd.DataFrame(dict(zip("ab", _exponents(draws["alpha"], draws["beta"]), strict=True))),
        HOFFMANN_TAILS,
        "10th to 90th percentile of 100 resamples of 80% of the rows",
        f"{len(runs)} rows",
        f"{failed} of 100 refits did not converge" if failed else "",
    )
    return Parametric(exponents, best, resampled)


def _exponents(alpha: Any, beta: Any) -> tuple[Any, Any]:
    """Find a and b, known even where a resample has A or B of 0 (Hoffmann et al. 2022, eq. 4)."""
    return beta / (alpha + beta), alpha / (alpha + beta)
