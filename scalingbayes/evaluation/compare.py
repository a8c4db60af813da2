"""Compare laws by cross-validation: by how well they predict held-out runs."""

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Int

from scalingbayes._core.arguments import Probability, Seed
from scalingbayes._core.checked import checked
from scalingbayes._core.errors import InputError
from scalingbayes._core.progress import Progress, report_progress
from scalingbayes.data.folds import Fold, Folds, as_folds
from scalingbayes.evaluation.held_out import hold_out, leave_one_out
from scalingbayes.evaluation.stacking import RUNS_OF_A_UNIT, stacking_weights
from scalingbayes.posterior.posterior import Posterior
from scalingbayes.results import Check, IntervalKind, Result, Verdict, View

_MOSTLY = 0.9  # the weight of a law that a mixture nearly consists of
_CLEAR_NATS = 4.0
_CLEAR_PROB = 0.95
"""A difference is clear if it exceeds 4 nats and its interval by Student's t excludes 0. Below 4
nats, the standard error is unreliable (Sivula et al. 2025, arXiv:2008.10296)."""

_LEGEND = (
    "elpd, se: log predictive density of held-out runs, in nats, and its standard error.",
    "elpd_diff, dse: elpd minus that of the best law, and the standard error of this difference.",
    "p: effective number of parameters. p_worse: probability that the law predicts worse than the "
    "best one.",
)


@dataclass(frozen=True, eq=False, repr=False)
class Comparison(Result):
    """Scores of laws that predict held-out runs.

    Parameters
    ----------
    scores
        One row a law, the best first, with ArviZ's names. ``elpd``: log predictive density of all
        scored runs, in nats. ``se``: its standard error. ``elpd_diff``: the law's elpd less that of
        the best law. ``dse``: its standard error. ``p_worse``: the probability, by Student's t,
        that the law is worse than the best. ``p``: effective number of parameters. ``rank`` and
        ``weight``. If all posteriors take the law as exact and all engines compute the evidence,
        also ``log_evidence`` and ``probability``, the law's posterior probability if one of the
        laws is exact and all have the same prior probability.
    pointwise
        The log predictive density of each scored run: a row for each run, a column for each law.
    held_out
        A description of what was held out.
    method
        How weights were computed.
    verdict
        Whether the fits and refits passed their checks.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> runs = sb.datasets.load("chinchilla")
    >>> posts = {law: sb.fit(runs, law, engine="laplace") for law in ("chinchilla", "coupled")}
    >>> sorted(sb.compare(posts).weights)
    ['chinchilla', 'coupled']
    """

    scores: pd.DataFrame
    pointwise: pd.DataFrame
    held_out: str
    method: str
    verdict: Verdict

    @property
    def weights(self) -> dict[str, float]:
        """Weight of each law; the sum is 1."""
        return {str(name): float(weight) for name, weight in self.scores["weight"].items()}

    @property
    def independent_looks(self) -> int:
        """How many independent observations there are: folds, or runs held out one by one."""
        return len(np.bincount(_units(self.pointwise.index)))

    @property
    def title(self) -> str:
        """How many laws were compared, and what was held out."""
        return f"{len(self.scores)} laws compared, {self.held_out}"

    def summary(self, prob: Probability = 0.9, kind: IntervalKind = "eti") -> pd.DataFrame:
        """Return ``scores``: one row a law, the best first.

        The table has no credible intervals: ``prob`` and ``kind`` are ignored.
        """
        return self.scores

    @property
    def conclusion(self) -> str:
        """Which law is preferred and by how much; numbers after ± are standard errors."""
        best, *others = self.scores.index
        gaps = {name: -self.scores["elpd_diff"][name] for name in others}
        errors = self.scores["dse"]
        looks = self.independent_looks
        width = _student(looks).ppf((1 + _CLEAR_PROB) / 2) if looks > 1 else np.inf
        clear = [n for n, gap in gaps.items() if gap > _CLEAR_NATS and gap > width * errors[n]]
        close = [name for name in others if name not in clear]

        def higher(names: Iterable[str]) -> str:
            return _join([f"{name}'s by {_with_error(gaps[name], errors[name])}" for name in names])

        if looks == 1:
            text = (
                f"One fold of {len(self.pointwise)} runs cannot separate laws: its runs share each "
                f"law's error, so they are one observation. {best}'s elpd is higher than "
                f"{higher(others)}."
            )
        elif close:
            text = (
                f"The runs do not clearly separate {best} from {_join(close)}: its elpd is higher "
                f"than {higher(close)}."
            )
            text += f" It is clearly higher than {higher(clear)}." if clear else ""
        else:
            text = f"{best} is preferred: its elpd is higher than {higher(clear)}."
        return f"{text} {self._describe_weights(best, looks > 1 and not close)}"

    def _describe_weights(self, best: Hashable, clear: bool) -> str:
        """Return the weights, what they mean, and how they agree with the differences in elpd."""
        weights = self.weights
        listed = ", ".join(f"{name} {weight:.0%}" for name, weight in weights.items())
        lines = [
            f"Weights by {self.method}: {listed}. They say how to average the laws' predictions, "
            f"not how probable a law is."
        ]
        heaviest = max(weights, key=weights.__getitem__)
        if weights[heaviest] > weights[str(best)]:
            lines.append(
                f"{heaviest} has the largest weight, although {best} has the highest elpd: a "
                f"mixture is scored as a whole"
                + (", and on the largest fold alone." if "largest fold" in self.method else ".")
            )
        if not clear and weights[heaviest] > _MOSTLY:
            lines.append("They are as uncertain as the difference in elpd.")
        return " ".join(lines)

    def plot(self, ax: Any = None) -> Any:
        """Plot the differences of elpd; see :func:`scalingbayes.plots.plot_comparison`."""
        from scalingbayes.plots import plot_comparison

        return plot_comparison(self, ax=ax)

    def view(self, prob: Probability = 0.9) -> View:
        """Return the table, the conclusion and what the columns mean."""
        table = self.scores.drop(columns="rank")
        lines: tuple[str, ...] = (self.conclusion, *_LEGEND)
        if "probability" in table:
            lines += (
                "probability: of each law, if one of them is exact and all are equally likely "
                "before the runs are seen.",
            )
        return replace(super().view(prob), table=table, lines=lines)


@checked
def compare(
    posteriors: Mapping[str, Posterior],
    by: str | Folds | None = None,
    *,
    seed: Seed = 0,
    progress: Progress = None,
) -> Comparison:
    """Compare laws by how well they predict held-out runs.

    Parameters
    ----------
    posteriors
        Fits to the same runs, by name: ``{"chinchilla": post1, "coupled": post2}``. Laws may read
        different columns, but must predict the same column.
    by
        Which runs are held out together. By default each run is held out alone, with the law taken
        as exact: by importance sampling (PSIS-LOO, Vehtari et al. 2017,
        doi:10.1007/s11222-016-9696-4), and by a refit if its Pareto k is too large. Runs of one
        budget, sweep or training curve share errors, so each is easily predicted from the others.
        Hold them out together: with the name of a column, or with ``"compute"``, which holds out
        one level of compute at a time, of at most 12 levels. ``"largest"`` predicts up to
        four levels of the largest runs, each from all smaller runs (leave-future-out, Bürkner et
        al. 2020, doi:10.1080/00949655.2020.1783262), which is closest to extrapolation.
        A mapping has folds or masks of ``post.runs`` by label, such as
        ``sb.folds.largest(post.runs, at_least=20)``. Each law is refitted once for each fold, with
        the settings of its posterior.
    seed
        Seed of the refits.
    progress
        As for :func:`scalingbayes.fit`.

    Returns
    -------
    Comparison
        Standard errors are over folds, or over runs that were held out one by one. A single fold
        has none. Weights are those of
        stacking (Yao et al. 2018), from the folds that fit all other runs: from the largest fold
        alone if ``by="largest"``. A fold counts as 4 runs.

    Raises
    ------
    InputError
        If there are fewer than two posteriors, they are not fits to the same runs and column, or
        they hold no log likelihoods; if there are no such folds; or if a fold leaves too few runs
        to fit a law.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> runs = sb.datasets.load("chinchilla")
    >>> posts = {law: sb.fit(runs, law, engine="laplace") for law in ("chinchilla", "coupled")}
    >>> comparison = sb.compare(posts)
    >>> list(comparison.weights)
    ['coupled', 'chinchilla']
    """
    first = _check_comparable(posteriors)
    folds = None if by is None else as_folds(by, first.runs)
    evidence = _evidence(posteriors)
    if folds is None:
        posteriors = {name: post.as_exact for name, post in posteriors.items()}
    scores, count = {}, len(posteriors)
    with report_progress(progress, "held-out runs") as report:
        for place, (name, post) in enumerate(posteriors.items()):
            which = f"law {place + 1} of {count}: {name}"
            part = report.part(place / count, (place + 1) / count, which)
            scores[name] = (
                leave_one_out(name, post, seed, part)
                if folds is None
                else hold_out(name, post, folds, seed, part)
            )
    index = _index(folds, first.tree["observed_data"]["run"].to_numpy())
    scored = np.isfinite(next(iter(scores.values())).effective_parameters)
    pointwise = pd.DataFrame({name: each.elpd[scored] for name, each in scores.items()})
    pointwise.index = index[scored]
    effective = {n: float(each.effective_parameters[scored].sum()) for n, each in scores.items()}
    checks = [
        *_fits_passed(posteriors),
        *(check for each in scores.values() for check in each.checks),
    ]
    verdict = Verdict(tuple(checks), of="comparison")
    weights, method = _weigh(pointwise, folds)
    table = _table(pointwise, effective, weights).join(evidence)
    table.attrs["verdict"] = verdict.word
    return Comparison(table, pointwise, _describe_folds(by, folds, len(pointwise)), method, verdict)


_DRAWS_OF = {
    "bootstrap": "a bootstrap",
    "prior": "draws from priors",
    "point": "a point",
    "published": "published constants",
}


def _check_comparable(posteriors: Mapping[str, Posterior]) -> Posterior:
    """Check that posteriors can be compared, and return the first."""
    if not isinstance(posteriors, Mapping) or len(posteriors) < 2:
        raise InputError("posteriors must be two or more by name: {'chinchilla': post1, ...}.")
    for name, post in posteriors.items():
        if not isinstance(post, Posterior) or post.record.of != "posterior":
            got = _DRAWS_OF[post.record.of] if isinstance(post, Posterior) else type(post).__name__
            raise InputError(
                f"{name!r} must be a posterior, fitted with engine 'nuts', 'laplace' or 'grid'; "
                f"got {got}."
            )
    (one, first), *others = posteriors.items()
    for name, post in others:
        columns = first.law.target.column, post.law.target.column
        if columns[0] != columns[1]:
            raise InputError(
                f"Laws must predict the same column to be compared: {one!r} predicts "
                f"{columns[0]!r} and {name!r} {columns[1]!r}."
            )
        data, other_data = (each.tree["observed_data"].to_dataset() for each in (first, post))
        if not (data.equals(other_data) and np.allclose(first.weights, post.weights)):
            table, other_table = first.record.data, post.record.data
            raise InputError(
                f"Posteriors must be fits to the same runs to be compared: {one!r} is a fit to "
                f"{table.rows} runs of {table.name!r}, and {name!r} is a fit to "
                f"{other_table.rows} runs of {other_table.name!r}. Their values, rows or "
                f"weights differ. Fit both to one table."
            )
    return first


def _index(folds: Mapping[Any, Fold] | None, rows: Int[np.ndarray, " runs"]) -> pd.Index:
    """Return the index of a pointwise table: rows of the runs, and their folds if there are any."""
    if folds is None:
        return pd.Index(rows, name="run")
    labels = np.full(len(rows), None, object)
    for label, fold in folds.items():
        labels[fold.held_out] = label
    return pd.MultiIndex.from_arrays([labels, rows], names=["fold", "run"])


def _units(index: pd.Index) -> Int[np.ndarray, " runs"]:
    """Return the number of each run's independent unit: its fold, or the run itself."""
    folds = "fold" in index.names
    return pd.factorize(index.get_level_values("fold"))[0] if folds else np.arange(len(index))


def _weigh(pointwise: pd.DataFrame, folds: Mapping[Any, Fold] | None) -> tuple[pd.Series, str]:
    """Return the weight of each law, and a description of how it was computed."""
    if folds is None:
        chosen, method = pointwise, "stacking"
    else:
        # The posteriors that are averaged have all runs. A fit without the larger runs is unlike
        # them: choosing weights by such fits too predicts larger runs less well.
        complete = [n for n, fold in folds.items() if (fold.held_out | fold.fitted).all()] or folds
        chosen = pointwise[pointwise.index.get_level_values("fold").isin(list(complete))]
        which = f"of {len(complete)} folds, each" if len(complete) > 1 else "of the largest fold,"
        which = "of the fold," if len(folds) == 1 else which
        method = f"stacking {which} counted as {RUNS_OF_A_UNIT:.0f} runs"
    weights = stacking_weights(chosen.to_numpy(), _units(chosen.index))
    return pd.Series(weights, pointwise.columns), method


def _table(
    pointwise: pd.DataFrame, effective_parameters: Mapping[str, float], weights: pd.Series
) -> pd.DataFrame:
    """Return the scores of laws, with standard errors over independent units."""
    units = _units(pointwise.index)
    elpd = pointwise.sum()
    order = elpd.sort_values(ascending=False, kind="stable").index
    differences = pointwise.sub(pointwise[order[0]], axis=0)
    table = pd.DataFrame(
        {
            "elpd": elpd,
            "p": pd.Series(effective_parameters),
            "elpd_diff": differences.sum(),
            "weight": weights,
            "se": pointwise.apply(_standard_error, units=units),
            "dse": differences.apply(_standard_error, units=units),
        }
    ).loc[order]
    table.insert(0, "rank", np.arange(len(table)))
    looks, error = len(np.bincount(units)), table["dse"].where(table["dse"] > 0)
    table["p_worse"] = _student(looks).cdf(-table["elpd_diff"] / error) if looks > 1 else np.nan
    return table


def _student(looks: int) -> Any:
    """Return the distribution of a difference over its standard error."""
    from scipy import stats

    return stats.t(looks - 1)


def _standard_error(scores: pd.Series, units: Int[np.ndarray, " runs"]) -> float:
    """Return the standard error of a sum over independent units; NaN for a single unit."""
    sums = np.bincount(units, scores.to_numpy())
    return float(np.sqrt(len(sums) * sums.var(ddof=1))) if len(sums) > 1 else np.nan


def _evidence(posteriors: Mapping[str, Posterior]) -> pd.DataFrame:
    """Return the evidence and probability of each law; no columns if an evidence is unknown."""
    known = [post.record.facts.get("log_evidence") for post in posteriors.values()]
    scales = {post.law.target for post in posteriors.values()}
    if None in known or len(scales) > 1:
        return pd.DataFrame(index=list(posteriors))
    evidence = np.array(known, float)
    odds = np.exp(evidence - evidence.max())
    columns = {"log_evidence": evidence, "probability": odds / odds.sum()}
    return pd.DataFrame(columns, index=list(posteriors))


def _fits_passed(posteriors: Mapping[str, Posterior]) -> list[Check]:
    """Return the checks that the fits failed, or one check if they failed none."""
    failed = [
        Check(False, f"{name}: {check.finding}", check.remedy)
        for name, post in posteriors.items()
        for check in post.verdict.checks
        if not check.passed
    ]
    return failed or [Check(True, f"all {len(posteriors)} fits passed their checks", "")]


def _describe_folds(by: str | Folds | None, folds: Mapping[Any, Fold] | None, count: int) -> str:
    """Return a description of what was held out."""
    if folds is None:
        return f"each of {count} runs left out"
    in_folds = f"in {len(folds)} folds" if len(folds) > 1 else "in 1 fold"
    if by == "largest":
        return f"the {count} runs with the most compute left out {in_folds}"
    column = f"by {by}, " if isinstance(by, str) else ""
    return f"{count} runs left out {column}{in_folds}"


def _with_error(value: float, error: float) -> str:
    if not np.isfinite(error):
        return f"{value:.1f}"
    digits = 0 if error >= 10 else 1
    return f"{value:.{digits}f} ± {error:.{digits}f}"


def _join(words: Iterable[Hashable]) -> str:
    *most, last = map(str, words)
    return f"{', '.join(most)} and {last}" if most else last
