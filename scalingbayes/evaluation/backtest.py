"""Backtests: fit a model to a part of the runs, and score its predictions of the other runs."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from scalingbayes._core.arguments import Probability, Seed
from scalingbayes._core.checked import checked
from scalingbayes._core.progress import Progress, report_progress
from scalingbayes.data.folds import Fold, Folds, as_folds
from scalingbayes.data.runs import Runs, Table, as_runs
from scalingbayes.evaluation.score import score
from scalingbayes.fitting.batch import fit_many, refit
from scalingbayes.inference import Engine
from scalingbayes.model.model import DEFAULT_LAW, ModelLike
from scalingbayes.posterior.collection import Posteriors
from scalingbayes.posterior.origin import require_fit
from scalingbayes.posterior.posterior import Posterior
from scalingbayes.results import IntervalKind, Result, Verdict, View

_LEGEND = (
    "in50, in90: share of the runs that lie within their 50 % and 90 % intervals; width90: mean "
    "width of the latter.",
    "crps, log_score: mean scores of the predictive distributions, of which a low CRPS and a high "
    "log score are good. bias: mean of predicted less observed.",
    "all: mean over runs. folds alike: mean over folds, whatever their numbers of runs.",
)


@dataclass(frozen=True, eq=False, repr=False)
class Backtest(Result):
    """Scores of predictions of held-out runs.

    Parameters
    ----------
    pointwise
        Scores of each held-out run, with the columns of :func:`scalingbayes.score`, indexed by fold
        and row of the table.
    posteriors
        For each fold, the posterior of the other runs.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> runs = sb.datasets.load("chinchilla")
    >>> found = sb.backtest(runs, "chinchilla", engine="laplace", exact=True)
    >>> found.independent_looks
    4
    """

    pointwise: pd.DataFrame
    posteriors: Posteriors

    @property
    def title(self) -> str:
        """The law that predicts."""
        law = next(iter(self.posteriors.models.values())).law
        return f"Runs held out, predicted by {law.equation} from other runs"

    @property
    def independent_looks(self) -> int:
        """How many independent observations there are: folds, since their runs share an error."""
        return len(self.posteriors)

    @property
    def verdict(self) -> Verdict:
        """Whether all fits passed their checks."""
        return self.posteriors.verdict

    def summary(self, prob: Probability = 0.9, kind: IntervalKind = "eti") -> pd.DataFrame:
        """Return numbers of runs, mean scores and coverage: one row a fold, and two for all folds.

        Row ``all`` is the mean over runs, and row ``folds alike`` the mean over folds, whatever
        their numbers of runs. The table has no credible intervals: ``prob`` and ``kind`` are
        ignored.
        """
        folds = self.pointwise.groupby(level="fold", sort=False).apply(_means)
        total = _means(self.pointwise)
        alike = folds.mean()
        frame = pd.concat([folds, pd.DataFrame({"all": total, "folds alike": alike}).T])
        frame.loc["folds alike", "runs"] = total["runs"]
        frame.attrs["verdict"] = self.verdict.word
        return frame

    def plot(self, ax: Any = None, prob: Probability = 0.9) -> Any:
        """Plot predicted against observed targets; see :func:`scalingbayes.plots.plot_backtest`."""
        from scalingbayes.plots import plot_backtest

        return plot_backtest(self, prob, ax)

    def view(self, prob: Probability = 0.9) -> View:
        """Return the table, how many independent looks there are, and the verdict."""
        runs, looks = len(self.pointwise), self.independent_looks
        line = (
            f"{runs} runs of {looks} fold{'s' if looks > 1 else ''}: {looks} independent "
            f"look{'s' if looks > 1 else ''}. Runs of one fold share the law's error, so coverage "
            f"is as uncertain as that of {looks} run{'s' if looks > 1 else ''}."
        )
        return replace(super().view(prob), lines=(line, *_LEGEND), verdict=self.verdict)


@checked
def backtest(
    runs: Table,
    model: ModelLike = DEFAULT_LAW,
    *,
    by: str | Folds = "largest",
    engine: Engine | str = "nuts",
    exact: bool = False,
    seed: Seed = 0,
    dtype: str | None = None,
    progress: Progress = None,
) -> Backtest:
    """Fit a model to a part of the runs, and score its predictions of the other runs.

    Parameters
    ----------
    runs
        The table.
    model
        The law or the model, as for :func:`scalingbayes.fit`.
    by
        Which runs are held out together, as for :func:`scalingbayes.compare`: up to four levels of
        the ``"largest"`` runs, each predicted from all smaller runs; each level of ``"compute"``;
        each label of a column; or folds or masks by label.
    engine, exact, seed, dtype, progress
        As for :func:`scalingbayes.fit_many`.

    Raises
    ------
    InputError
        If there are no such folds, or a fold leaves too few runs to fit.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> runs = sb.datasets.load("chinchilla")
    >>> found = sb.backtest(runs, "chinchilla", engine="laplace", exact=True)
    >>> list(found.summary().columns)
    ['runs', 'in50', 'in90', 'crps', 'log_score', 'width90', 'bias']
    """
    runs = as_runs(runs)
    folds = as_folds(by, runs)
    with report_progress(progress, "held-out folds") as report:
        posts = fit_many(
            dict.fromkeys(folds, runs),
            model,
            engine=engine,
            weights={label: 1.0 * fold.fitted for label, fold in folds.items()},
            exact=exact,
            seed=seed,
            dtype=dtype,
            progress=report,
        )
    return _score(posts, runs, folds)


def backtest_of(post: Posterior, progress: Progress = None) -> Backtest:
    """Predict the largest runs of a fit from its smaller runs, with the fit's model and settings.

    Raises
    ------
    InputError
        If the runs have no levels of compute, or a fold leaves too few runs to fit.
    """
    require_fit(post.record, "A back-test")
    folds = as_folds("largest", post.runs)
    weights = {label: post.weights * fold.fitted for label, fold in folds.items()}
    with report_progress(progress, "back-test") as report:
        posts = refit(post, weights, seed=post.record.seed, progress=report)
    return _score(posts, post.runs, folds)


def _score(posts: Posteriors, runs: Runs, folds: Mapping[Any, Fold]) -> Backtest:
    """Return the scores of the runs that each fold holds out."""
    scores = {
        label: score(posts[label], runs.filter(fold.held_out)) for label, fold in folds.items()
    }
    return Backtest(pd.concat(scores, names=["fold", "run"]), posts)


def _means(scores: pd.DataFrame) -> pd.Series:
    """Return the number of runs, mean scores and coverage."""
    means = {name: scores[name].mean() for name in ("in50", "in90", "crps", "log_score", "width90")}
    return pd.Series({"runs": len(scores), **means, "bias": scores["error"].mean()})
