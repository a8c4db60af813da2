"""Which law predicts best what it has not seen: laws compared by cross-validation."""

import warnings
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Bool, Float, Int

from scalingbayes._core.errors import InputError, unknown
from scalingbayes.data.folds import Folds, as_folds
from scalingbayes.fitting.batch import refit
from scalingbayes.inference import Progress, silent
from scalingbayes.model.bound_model import BoundModel
from scalingbayes.posterior.posterior import Posterior
from scalingbayes.posterior.prediction import DiscrepancyDraws, log_predictive
from scalingbayes.results import SAMPLE_DIMS, Check, IntervalKind, Result, Verdict, View

METHODS = ("stacking", "pseudo-bma", "bb-pseudo-bma")
"""How weights may be made of scores: see ``arviz_stats.compare``."""

_CLEAR_NATS = 4.0
_CLEAR_ERRORS = 2.0
"""A difference counts as clear beyond both. Below 4 nats the standard error says too little
(Sivula et al. 2025, arXiv:2008.10296)."""


@dataclass(frozen=True, eq=False, repr=False)
class Comparison(Result):
    """How well laws predict runs that they have not seen.

    Parameters
    ----------
    scores
        A row a law, the best first, under ArviZ's column names: ``rank``; ``elpd_diff``, how far
        its elpd is above that of the best, and ``dse``, the standard error of that; ``p_worse``,
        how likely it is worse; ``diag_diff`` and ``diag_elpd``, what makes these doubtful; ``p``,
        the effective number of parameters; ``elpd``, the log predictive density of all scored
        runs, in nats, and its standard error ``se``; ``weight``. Where all engines know the
        evidence, also ``log_evidence`` and ``probability``, the laws' own if each was as likely
        beforehand. ``attrs["verdict"]`` says whether the fits passed their checks.
    pointwise
        The log predictive density of each scored run: a row a run, a column a law.
    held_out
        What was held out, in words.
    method
        How weights were made.
    verdict
        Whether the fits and refits passed their checks.
    """

    scores: pd.DataFrame
    pointwise: pd.DataFrame
    held_out: str
    method: str
    verdict: Verdict

    @property
    def weights(self) -> dict[str, float]:
        """Weight of each law; they add up to 1."""
        return {str(name): float(weight) for name, weight in self.scores["weight"].items()}

    @property
    def title(self) -> str:
        """How many laws were compared, and what was held out."""
        return f"{len(self.scores)} laws compared, {self.held_out}"

    def summary(self, prob: float = 0.9, kind: IntervalKind = "eti") -> pd.DataFrame:
        """Return ``scores``: a row a law, the best first.

        The table has no credible intervals: ``prob`` and ``kind`` are ignored.
        """
        return self.scores

    @property
    def conclusion(self) -> str:
        """Which law the runs prefer, and how sure that is; ± are standard errors."""
        best, *others = self.scores.index
        gaps = {
            name: (-self.scores["elpd_diff"][name], self.scores["dse"][name]) for name in others
        }
        clear = [n for n, (gap, se) in gaps.items() if gap > max(_CLEAR_NATS, _CLEAR_ERRORS * se)]
        close = [name for name in others if name not in clear]

        def higher(names: Iterable[str]) -> str:
            return _join([f"{name}'s by {_with_error(*gaps[name])}" for name in names])

        if close:
            said = (
                f"The runs do not clearly tell {best} from {_join(close)}: its elpd is higher than "
                f"{higher(close)}."
            )
            said += f" It is clearly higher than {higher(clear)}." if clear else ""
        else:
            said = f"{best} is preferred: its elpd is higher than {higher(clear)}."
        weights = ", ".join(f"{name} {weight:.0%}" for name, weight in self.weights.items())
        return f"{said} Weights by {self.method}: {weights}."

    def view(self) -> View:
        """Return the table without empty columns, and the conclusion."""
        empty = [name for name in ("diag_diff", "diag_elpd") if (self.scores[name] == "").all()]
        table = self.scores.drop(columns=["rank", *empty])
        return replace(super().view(), table=table, lines=(self.conclusion,))


@dataclass(frozen=True, eq=False)
class _Score:
    """What a law's draws say of each run that they have not seen; NaN where it was not held out.

    ``p`` is how much better they foretell it once they have seen it.
    """

    elpd: Float[np.ndarray, " runs"]
    p: Float[np.ndarray, " runs"]
    checks: tuple[Check, ...]


def compare(
    posteriors: Mapping[str, Posterior],
    by: str | Folds | None = None,
    *,
    method: str = "stacking",
    seed: int = 0,
    progress: Progress | None = None,
) -> Comparison:
    """Compare laws by how well they predict runs that they have not seen.

    Parameters
    ----------
    posteriors
        Fits to the same runs, by name: ``{"chinchilla": post1, "coupled": post2}``. Laws may read
        different columns, but must predict the same one.
    by
        What is held out together. By default each run alone: by importance sampling (PSIS-LOO,
        Vehtari et al. 2017, doi:10.1007/s11222-016-9696-4), and by a refit where that cannot be
        trusted. Runs of one budget, sweep or training curve share errors, and are easily
        foretold from each other: hold them out together by the name of a column, or with
        ``"compute"``, level by level. ``"largest"`` foretells the largest levels from all smaller
        ones. A mapping gives masks of ``post.runs`` by label, such as
        ``sb.folds.largest(post.runs, at_least=20)``. All of these refit each law, as it was
        fitted, once a fold.
    method
        How weights are made: ``"stacking"`` (Yao et al. 2018, doi:10.1214/17-BA1091),
        ``"pseudo-bma"`` or ``"bb-pseudo-bma"``.
    seed
        Seed of the refits.
    progress
        Called with the part of the refits that is done.

    Returns
    -------
    Comparison
        Its standard errors take folds as independent, and the runs of a fold as not; a single
        fold's take its runs as independent.

    Raises
    ------
    InputError
        If the posteriors are fewer than two, not of the same runs and column, or without log
        likelihoods; if there are no such folds or method; if a fold leaves too little for a law.
    """
    if method not in METHODS:
        raise unknown("method", method, METHODS)
    first = _check_comparable(posteriors)
    folds = None if by is None else as_folds(by, first.runs)
    report = progress or silent
    scores = {}
    for place, (name, post) in enumerate(posteriors.items()):

        def part(done: float, place: int = place) -> None:
            report((place + done) / len(posteriors))

        scores[name] = (
            _leave_one_out(name, post, seed, part)
            if folds is None
            else _hold_out(name, post, folds, seed, part)
        )
        part(1.0)
    index = _index(folds, first.tree["observed_data"]["run"].to_numpy())
    scored = np.isfinite(next(iter(scores.values())).p)
    pointwise = pd.DataFrame({name: each.elpd[scored] for name, each in scores.items()})
    pointwise.index = index[scored]
    p = {name: float(each.p[scored].sum()) for name, each in scores.items()}
    checks = [
        _fits_passed(posteriors),
        *(check for each in scores.values() for check in each.checks),
    ]
    verdict = Verdict(tuple(checks))
    table = _table(pointwise, p, _units(folds, pointwise.index), method)
    table = table.join(_evidence(posteriors))
    table.attrs["verdict"] = verdict.word
    return Comparison(table, pointwise, _held_out(by, folds, len(pointwise)), method, verdict)


def _check_comparable(posteriors: Mapping[str, Posterior]) -> Posterior:
    """Return the first of posteriors that can be compared."""
    if not isinstance(posteriors, Mapping) or len(posteriors) < 2:
        raise InputError(
            "Give two posteriors or more by name: compare({'chinchilla': post1, 'coupled': post2})."
        )
    for name, post in posteriors.items():
        if not isinstance(post, Posterior) or post.record["of"] != "posterior":
            came = "a bootstrap" if isinstance(post, Posterior) else type(post).__name__
            raise InputError(
                f"{name!r} must be a posterior, of engine 'nuts', 'laplace' or 'grid'; got {came}."
            )
    (one, first), *others = posteriors.items()
    for name, post in others:
        columns = first.law.target.column, post.law.target.column
        if columns[0] != columns[1]:
            raise InputError(
                f"Laws must predict the same column to be compared: {one!r} predicts "
                f"{columns[0]!r} and {name!r} {columns[1]!r}."
            )
        data, own = (each.tree["observed_data"].to_dataset() for each in (first, post))
        if not (data.equals(own) and np.allclose(first.weights, post.weights)):
            here, there = first.record["data"], post.record["data"]
            raise InputError(
                f"Posteriors must be of the same runs to be compared: {one!r} is of "
                f"{here['rows']} runs of {here['name']!r} and {name!r} of {there['rows']} of "
                f"{there['name']!r}, with other values, rows or weights. Fit both to one table."
            )
    return first


def _leave_one_out(name: str, post: Posterior, seed: int, progress: Progress) -> _Score:
    """Score each run by importance sampling, or by a refit without it."""
    import arviz_stats

    if "log_likelihood" not in post.tree:
        raise InputError(
            f"{name!r} has more draws times runs than are kept as log likelihoods: keep fewer "
            f"draws, or hold out many runs together, such as by='compute'."
        )
    if not np.allclose(post.weights, 1):
        raise InputError(
            f"{name!r} was fitted with weights other than 0 and 1: runs cannot be left out one by "
            f"one. Hold out many together, such as by='compute'."
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # bad importance weights are dealt with below
        loo = arviz_stats.loo(post.tree, pointwise=True, **_smoothed(post))
    elpd = loo.elpd_i.to_numpy().copy()
    log_likelihood = post.tree["log_likelihood"][post.law.target.column]
    flat = log_likelihood.transpose(*SAMPLE_DIMS, "run").to_numpy().reshape(-1, len(elpd))
    seen = np.logaddexp.reduce(flat) - np.log(len(flat))
    trusted = loo.pareto_k.to_numpy() <= loo.good_k  # not so if it is NaN
    if trusted.all():
        return _Score(elpd, seen - elpd, ())
    rows = np.arange(len(elpd))
    folds = {int(run): rows == run for run in np.flatnonzero(~trusted)}
    exact = _hold_out(name, post, folds, seed, progress)
    elpd = np.where(trusted, elpd, exact.elpd)
    return _Score(elpd, seen - elpd, exact.checks)


def _smoothed(post: Posterior) -> dict[str, xr.DataArray]:
    """Smooth the importance weights that leave a run out, where it counts for less than one.

    A run left out takes its likelihood away to the power of the likelihood_power.
    """
    if post.likelihood_power == 1:
        return {}  # ArviZ's own
    import arviz_stats  # noqa: F401 - brings the accessor

    log_likelihood = post.tree["log_likelihood"][post.law.target.column]
    tempered: Any = post.likelihood_power * log_likelihood
    log_weights, pareto_k = tempered.azstats.psislw(dim=list(SAMPLE_DIMS))
    return {"log_weights": log_weights, "pareto_k": pareto_k}


def _hold_out(name: str, post: Posterior, folds: Folds, seed: int, progress: Progress) -> _Score:
    """Score the runs of each fold by a refit without them."""
    runs, law = post.runs, post.law
    inputs = {column: runs.column(column, each.domain) for column, each in law.inputs.items()}
    observed = runs.column(law.target.column, law.target.on_scale.domain)

    def score(
        values: Mapping[str, Float[np.ndarray, "chains draws"]],
        mask: Bool[np.ndarray, " runs"],
        model: BoundModel,
        discrepancy_draws: DiscrepancyDraws | None,
    ) -> Float[np.ndarray, " held_out"]:
        there = {column: x[mask] for column, x in inputs.items()}
        errors = None if model.errors is None else model.errors[mask]
        return log_predictive(
            law,
            post.noise,
            dict(values),
            there,
            observed[mask],
            model.reference,
            errors,
            discrepancy_draws,
        )

    weights = {label: np.where(mask, 0.0, post.weights) for label, mask in folds.items()}
    refits = refit(post, weights, seed=seed, progress=progress)
    elpd, seen = np.full(len(runs), np.nan), np.full(len(runs), np.nan)
    law_errs = bool(post.noise.discrepancy)
    for place, (label, mask) in enumerate(folds.items()):
        draws = refits.draws.isel(fit=place)
        model = refits.models[label]
        own = {str(n): x.to_numpy() for n, x in draws.items()}
        elpd[mask] = score(own, mask, model, refits[label].discrepancy_draws if law_errs else None)
        seen[mask] = score(
            post.values, mask, replace(model, weights=post.weights), post.discrepancy_draws
        )
    failed = [str(label) for label, each in refits.verdicts.items() if not each.passed]
    check = Check(
        not failed,
        f"{len(folds) - len(failed)} of {len(folds)} refits of {name} passed theirs",
        f"fit it with more draws, or with engine 'nuts'; these failed: {', '.join(failed[:10])}",
    )
    return _Score(elpd, seen - elpd, (check,))


def _index(folds: Folds | None, rows: Int[np.ndarray, " runs"]) -> pd.Index:
    """Say of each run its row of the table and, where there are folds, which it is in."""
    if folds is None:
        return pd.Index(rows, name="run")
    labels = np.full(len(rows), None, object)
    for label, mask in folds.items():
        labels[mask] = label
    return pd.MultiIndex.from_arrays([labels, rows], names=["fold", "run"])


def _units(folds: Folds | None, index: pd.Index) -> Int[np.ndarray, " runs"]:
    """Give a number to what is independent: each fold, or each run if there is one fold."""
    if folds is None or len(folds) == 1:
        return np.arange(len(index))
    return pd.factorize(index.get_level_values("fold"))[0]


def _table(
    pointwise: pd.DataFrame,
    p: Mapping[str, float],
    units: Int[np.ndarray, " runs"],
    method: str,
) -> pd.DataFrame:
    """Make ArviZ's table, with standard errors over independent units."""
    import arviz_stats

    # What all laws find unlikely is taken off: of an outlier that none foresaw, ArviZ would take
    # the likelihood to be 0. Neither differences nor weights are changed by it.
    common = pointwise.max(axis=1)
    elpds = {
        name: arviz_stats.ELPDData(
            elpd=scores.sum(),
            se=_standard_error(scores.to_numpy(), units),
            p=p[str(name)],
            n_samples=0,
            n_data_points=units.max() + 1,
            scale="log",
            warning=False,
            good_k=np.nan,
            elpd_i=xr.DataArray((scores - common).to_numpy(), dims="run"),
        )
        for name, scores in pointwise.items()
    }
    table = arviz_stats.compare(elpds, method=method, round_to="none")
    best = pointwise[table.index[0]]
    for name in table.index[1:]:
        error = _standard_error((pointwise[name] - best).to_numpy(), units)
        table.loc[name, "dse"] = error
        gap = -table.loc[name, "elpd_diff"]
        table.loc[name, "p_worse"] = NormalDist(0, error).cdf(gap) if error > 0 else float(gap > 0)
    return table


def _standard_error(scores: Float[np.ndarray, " runs"], units: Int[np.ndarray, " runs"]) -> float:
    """Compute the standard error of a sum over independent units."""
    sums = np.bincount(units, scores)
    return float(np.sqrt(len(sums) * sums.var(ddof=1))) if len(sums) > 1 else np.nan


def _evidence(posteriors: Mapping[str, Posterior]) -> pd.DataFrame:
    """Say how likely the laws are, where all engines know their evidence in the same unit."""
    known = [post.record.get("log_evidence") for post in posteriors.values()]
    scales = {post.law.target for post in posteriors.values()}
    if None in known or len(scales) > 1:
        return pd.DataFrame(index=list(posteriors))
    evidence = np.array(known, float)
    odds = np.exp(evidence - evidence.max())
    columns = {"log_evidence": evidence, "probability": odds / odds.sum()}
    return pd.DataFrame(columns, index=list(posteriors))


def _fits_passed(posteriors: Mapping[str, Posterior]) -> Check:
    failed = [name for name, post in posteriors.items() if not post.verdict.passed]
    return Check(
        not failed,
        f"{len(posteriors) - len(failed)} of {len(posteriors)} fits passed theirs",
        f"see the verdict of {', '.join(failed)}",
    )


def _held_out(by: str | Folds | None, folds: Folds | None, count: int) -> str:
    if folds is None:
        return f"each of {count} runs left out"
    if by == "largest":
        return f"the {count} runs of most compute left out"
    column = f"by {by}, " if isinstance(by, str) else ""
    return f"{count} runs left out {column}in {len(folds)} folds"


def _with_error(value: float, error: float) -> str:
    digits = 0 if error >= 10 or not np.isfinite(error) else 1
    return f"{value:.{digits}f} ± {error:.{digits}f}"


def _join(words: Iterable[Hashable]) -> str:
    *most, last = map(str, words)
    return f"{', '.join(most)} and {last}" if most else last
