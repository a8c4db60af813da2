"""Whether a fit is to be believed: checks, predictions of held-out runs, and its priors."""

import math
from dataclasses import dataclass

from scalingbayes._core.errors import InputError
from scalingbayes._core.numbers import write
from scalingbayes._core.progress import Progress
from scalingbayes.evaluation.backtest import Backtest, backtest_of
from scalingbayes.evaluation.predictive_checks import PredictiveChecks, check
from scalingbayes.evaluation.sensitivity import Sensitivity, sensitivity
from scalingbayes.posterior.posterior import Posterior

_FEW = 5  # runs held out, below which a share of them says nothing


@dataclass(frozen=True)
class Evidence:
    """What speaks for a fit and against it; where a part is None, a sentence says why."""

    checks: PredictiveChecks
    backtest: Backtest | None
    without_backtest: str
    sensitivity: Sensitivity | None
    without_sensitivity: str


def gather(post: Posterior, with_backtest: bool, progress: Progress) -> Evidence:
    """Return the evidence on a fit.

    Parameters
    ----------
    post
        The fit.
    with_backtest
        Whether to predict the largest runs from smaller ones; the law is fitted again.
    progress
        What to show of progress, as for :func:`scalingbayes.fit`.
    """
    tested: Backtest | None = None
    examined: Sensitivity | None = None
    without_backtest, without_sensitivity = "", ""
    if not with_backtest:
        without_backtest = "The back-test was left out: backtest=False, or --no-backtest."
    else:
        try:
            tested = backtest_of(post, progress)
        except InputError as error:
            without_backtest = f"There is no back-test. {error}"
    try:
        examined = sensitivity(post)
    except InputError as error:
        without_sensitivity = str(error)
    return Evidence(check(post), tested, without_backtest, examined, without_sensitivity)


def describe_backtest(tested: Backtest) -> str:
    """Return what a back-test found, in one sentence."""
    frame = tested.summary()
    total = dict(zip(frame.columns, frame.loc[["all"]].to_numpy(float)[0], strict=True))
    runs, looks = int(total["runs"]), tested.independent_looks
    share = write(total["in90"], "share").replace("%", " %")
    levels = "level" if looks == 1 else "levels"
    few = " These are too few to judge by." if runs < _FEW else ""
    return (
        f"The law was fitted again without the largest runs ({looks} {levels} of compute). Of the "
        f"{runs} runs left out, {share} lie within their predicted 90 % intervals. "
        f"{_describe_bias(tested, total['bias'])}{few}"
    )


def _describe_bias(tested: Backtest, error: float) -> str:
    target = next(iter(tested.posteriors.models.values())).law.target
    where = "higher" if error > 0 else "lower"
    if target.scale == "log":
        size = write(math.expm1(abs(error)), "share").replace("%", " %")
        return f"On average the predicted {target.column} is {size} {where} than the observed one."
    scale = target.on_scale.of(target.column)
    return f"On average the predicted {scale} is {write(abs(error))} {where} than the observed one."
