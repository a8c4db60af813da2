"""Posterior predictive checks: runs are compared with runs replicated from the fit.

Statistics of the runs are compared with those of runs replicated from each draw (Gelman, Meng &
Stern 1996). The statistics are in :mod:`scalingbayes.evaluation.statistics`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Float, Int, Shaped

from scalingbayes._core.arguments import Probability, Seed
from scalingbayes._core.checked import checked
from scalingbayes._core.errors import InputError
from scalingbayes.evaluation.residuals import Residuals, replicate_residuals
from scalingbayes.evaluation.statistics import SKEWNESS, Statistic, compute_statistics
from scalingbayes.laws import Law
from scalingbayes.posterior.origin import require_fit
from scalingbayes.posterior.posterior import Posterior
from scalingbayes.results import (
    SAMPLE_DIMS,
    Check,
    Estimate,
    IntervalKind,
    Result,
    Verdict,
    View,
    interval_columns,
)

LEVEL = 0.05
"""Probability that a correct model fails, over all statistics (Bonferroni)."""

_LEVEL_GAP = 0.2  # in log compute, between IsoFLOP levels


@dataclass(frozen=True, eq=False, repr=False)
class PredictiveChecks(Result):
    """Statistics of the runs of a fit, compared with those of replicated runs.

    Parameters
    ----------
    title
        What was checked.
    statistics
        The statistics of the runs and of the replicated runs.
    residuals
        The residuals of the runs.
    verdict
        The findings, and what to do.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> post = sb.fit(sb.datasets.load("chinchilla"), "chinchilla")  # doctest: +SKIP
    >>> checks = sb.check(post)
    >>> bool(checks.summary()["p_value"].between(0, 1).all())
    True
    """

    title: str
    statistics: tuple[Statistic, ...]
    residuals: Residuals
    verdict: Verdict

    def summary(self, prob: Probability = 0.9, kind: IntervalKind = "eti") -> pd.DataFrame:
        """Return the table of statistics.

        Parameters
        ----------
        prob
            Probability of the interval of a statistic over replicated runs.
        kind
            ``"eti"``, equal tails, or ``"hdi"``, the shortest interval.

        Returns
        -------
        pandas.DataFrame
            One row a statistic: ``observed``, its posterior median; its interval over replicated
            runs; ``p_value``; ``p_bonferroni``, the p-value after Bonferroni; ``finding``, what is
            wrong if ``p_bonferroni`` is below 0.05.

        Raises
        ------
        InputError
            If ``prob`` is not between 0 and 1, or ``kind`` is neither of the two.
        """
        replicated = {each.name: (SAMPLE_DIMS, each.replicated[None]) for each in self.statistics}
        bounds = Estimate("", xr.Dataset(replicated), self.verdict).interval(prob, kind)
        lower, upper = interval_columns(prob, kind)
        rows: dict[str, dict[str, float | str]] = {}
        for each in self.statistics:
            adjusted = min(1.0, each.p_value * len(self.statistics))
            low, high = bounds[each.name].to_numpy()
            rows[each.name] = {
                "observed": np.median(each.observed),
                lower: low,
                upper: high,
                "p_value": each.p_value,
                "p_bonferroni": adjusted,
                "finding": each.finding if adjusted < LEVEL else "",
            }
        frame = pd.DataFrame.from_dict(rows, orient="index").rename_axis("statistic")
        frame.attrs["verdict"] = self.verdict.word
        return frame

    def view(self, prob: Probability = 0.9) -> View:
        """Return the table and the verdict."""
        return replace(super().view(prob), verdict=self.verdict)

    def plot(self, ax: Any = None) -> Any:
        """Plot the residuals; see :func:`scalingbayes.plots.plot_residuals`."""
        from scalingbayes.plots import plot_residuals

        return plot_residuals(self, ax)


@checked
def check(
    post: Posterior, by: Shaped[np.ndarray, " runs"] | None = None, seed: Seed = 0
) -> PredictiveChecks:
    """Check a fit against its runs: trends of residuals, groups, tails and the noise's width.

    Parameters
    ----------
    post
        A fit.
    by
        A label for each run that counts, which says which runs may share errors: a column of the
        table, such as ``runs.frame["corpus"]``. By default runs of similar compute form a group, if
        the law reads a model's size and tokens.
    seed
        Seed of the replicated runs.

    Returns
    -------
    PredictiveChecks
        A table of statistics, and a verdict.

    Raises
    ------
    InputError
        If ``by`` is not one label for each run that counts.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> runs = sb.datasets.load("chinchilla")
    >>> post = sb.fit(runs, "chinchilla", exact=True)  # doctest: +SKIP
    >>> sb.check(post).verdict.passed
    False
    """
    require_fit(post.record, "sb.check")
    residuals, pair = replicate_residuals(post, seed)
    groups = _groups(post.law, residuals.inputs, by)
    statistics = compute_statistics(post, residuals, pair, groups)
    title = "Posterior predictive checks of "
    title += f"{post.law.equation} on {post.record.data.name!r}"
    return PredictiveChecks(title, tuple(statistics), residuals, _judge(statistics))


def _judge(statistics: Sequence[Statistic]) -> Verdict:
    """Return a verdict with one failed check for each remedy, or one passed check.

    Skewed residuals are noted before they are extreme enough to fail.
    """
    findings: dict[str, list[str]] = {}
    for each in statistics:
        if each.p_value * len(statistics) < LEVEL:
            findings.setdefault(each.remedy, []).append(f"{each.finding} (p = {each.p_value:.2g})")
    smallest = min(1.0, min(each.p_value for each in statistics) * len(statistics))
    passed = f"{len(statistics)} statistics agree with replicated runs (smallest p = "
    passed += f"{smallest:.2g} after Bonferroni)"
    checks = [Check(False, "; ".join(found), remedy) for remedy, found in findings.items()]
    notes = tuple(
        f"{each.finding} (p = {each.p_value:.2g}): {each.remedy}."
        for each in statistics
        if each.name == SKEWNESS and LEVEL / len(statistics) <= each.p_value < LEVEL
    )
    return Verdict(tuple(checks) or (Check(True, passed, ""),), notes, of="model")


def _groups(
    law: Law,
    inputs: Mapping[str, Float[np.ndarray, " runs"]],
    by: Shaped[np.ndarray, " runs"] | None,
) -> Int[np.ndarray, " runs"] | None:
    """Return the number of each run's group: its label's, or its IsoFLOP level's."""
    rows = len(next(iter(inputs.values())))
    if by is not None:
        labels = np.asarray(by)
        if labels.shape != (rows,):
            raise InputError(
                f"by must have {rows} labels, one for each run that counts; got an array of shape "
                f"{labels.shape}."
            )
        return pd.factorize(labels)[0]
    if not law.allocates:
        return None
    compute = np.log(inputs[law.budget.size]) + np.log(inputs["tokens"])
    order = np.argsort(compute)
    levels = np.empty(rows, int)
    levels[order] = np.cumsum(np.diff(compute[order], prepend=compute[order[0]]) > _LEVEL_GAP)
    return levels
