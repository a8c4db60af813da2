"""Sensitivity of a posterior to its priors and to its data, by power-scaling."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pandas as pd
import xarray as xr

from scalingbayes._core.arguments import Probability
from scalingbayes._core.checked import checked
from scalingbayes._core.errors import InputError
from scalingbayes.posterior.origin import require_fit
from scalingbayes.posterior.posterior import Posterior
from scalingbayes.results import IntervalKind, Result, Verdict

_CONSTANT = 1e-9  # range of draws below which they are the same number


@dataclass(frozen=True, eq=False, repr=False)
class Sensitivity(Result):
    """Sensitivity of each parameter to the priors and to the runs.

    Parameters
    ----------
    title
        What was examined.
    parameters
        One row a parameter, with these columns. ``prior``: sensitivity to all priors together.
        ``likelihood``: sensitivity to the likelihood. ``diagnosis``: ArviZ's diagnosis. ``prior
        of``: the parameter whose prior alone has the largest effect. ``by``: the sensitivity to
        that prior. Uniform priors have no effect.
    verdict
        The verdict on the fit.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> post = sb.fit(sb.datasets.load("chinchilla"), "chinchilla")  # doctest: +SKIP
    >>> found = sb.sensitivity(post)
    >>> "alpha" in found.summary().index
    True
    """

    title: str
    parameters: pd.DataFrame
    verdict: Verdict

    def summary(self, prob: Probability = 0.9, kind: IntervalKind = "eti") -> pd.DataFrame:
        """Return ``parameters``.

        The table has no credible intervals: ``prob`` and ``kind`` are ignored.
        """
        return self.parameters

    def plot(self, ax: Any = None) -> Any:
        """Plot the sensitivities; see :func:`scalingbayes.plots.plot_sensitivity`."""
        from scalingbayes.plots import plot_sensitivity

        return plot_sensitivity(self, ax=ax)


@checked
def sensitivity(post: Posterior, threshold: float = 0.05) -> Sensitivity:
    """Return how sensitive each parameter is to the priors and to the runs, by power-scaling.

    The priors and the likelihood are raised to powers slightly above and below 1, and the draws are
    reweighted. The result holds how far each marginal posterior moves (Kallioinen et al. 2024,
    Statistics and Computing 34, 57; ``arviz_stats.psense_summary``). The exponent a is included
    if every draw has one and the law does not fix it.

    Parameters
    ----------
    post
        A posterior.
    threshold
        The sensitivity above which the diagnosis names a conflict or a weak likelihood.

    Returns
    -------
    Sensitivity
        ``summary()`` is its table.

    Raises
    ------
    InputError
        If the draws are not from a posterior, too many draws are identical, all priors are uniform,
        or the table is too large for its log likelihoods to have been kept.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> post = sb.fit(sb.datasets.load("chinchilla"), "chinchilla")  # doctest: +SKIP
    >>> list(sb.sensitivity(post).summary().columns)
    ['prior', 'likelihood', 'diagnosis', 'prior of', 'by']
    """
    require_fit(post.record, "sb.sensitivity")
    from arviz_stats import psense, psense_summary

    needed = {
        "log_prior": "its draws are not from a posterior",
        "log_likelihood": "its log likelihoods were not kept: the table is too large",
    }
    for group, reason in needed.items():
        if group not in post.tree and not (group == "log_likelihood" and not post.exact):
            raise InputError(f"The sensitivity of this fit cannot be computed: {reason}.")
    posterior = post.tree["posterior"].to_dataset()
    log_prior = post.tree["log_prior"].to_dataset()
    informative = [str(name) for name, each in log_prior.items() if _varies(each)]
    if not informative:
        raise InputError(
            "All priors of this fit are uniform, and power-scaling does not change a uniform "
            "prior: nothing is sensitive to the priors."
        )
    if (exponent := _exponent(post)) is not None:
        posterior = posterior.assign({"exponent a": exponent})
    likelihood = {post.law.target.column: _log_likelihood(post)}
    groups = {"posterior": posterior, "log_prior": log_prior}
    groups["log_likelihood"] = xr.Dataset(likelihood)
    tree = xr.DataTree.from_dict(groups)
    try:
        with _without_advice():
            frame = psense_summary(tree, threshold=threshold)
        single = {
            name: {
                str(parameter): float(value)
                for parameter, value in psense(tree, group="prior", group_var_names=[name]).items()
            }
            for name in informative
        }
    except ValueError as error:  # raised for importance weights whose tail is a single draw
        raise InputError(
            f"Too many draws of this fit are identical, so they cannot be reweighted. Use engine "
            f"'nuts', or more draws. {post.verdict}"
        ) from error
    alone = pd.DataFrame(single).loc[frame.index]
    largest = {"prior of": alone.idxmax(axis=1), "by": alone.max(axis=1).round(3)}
    frame = frame.assign(**largest)
    frame.attrs["verdict"] = post.verdict.word
    title = f"Sensitivity to the priors and to the runs of {post.record.data.name!r}"
    return Sensitivity(title, frame, post.verdict)


def _log_likelihood(post: Posterior) -> xr.DataArray:
    """Return the log likelihood of the table at each draw, as the posterior weighs its runs."""
    if not post.exact:
        return post.tree["allowance"].to_dataset()["log_mixture"]
    by_run = post.tree["log_likelihood"].to_dataset()[post.law.target.column]
    return (by_run * post.weights).sum("run")


@contextmanager
def _without_advice() -> Iterator[None]:
    """Suppress ArviZ's message that refers to its web page; the table has the diagnosis."""
    logger = logging.getLogger("arviz_stats")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def _exponent(post: Posterior) -> xr.DataArray | None:
    """Return draws of the exponent a, if every draw has one and they are not all the same."""
    if not post.law.allocates or set(post.law.inputs) != {post.law.budget.size, "tokens"}:
        return None
    try:
        exponent: xr.DataArray = post.exponents().draws["a"]
    except InputError:  # some draws have no compute-optimal size
        return None
    return exponent if _varies(exponent) else None


def _varies(draws: xr.DataArray) -> bool:
    return bool(draws.max() - draws.min() > _CONSTANT)
