"""The three approaches of Hoffmann et al. 2022 and the posterior on one table of runs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from scalingbayes._core.arguments import Probability, Seed
from scalingbayes._core.checked import checked
from scalingbayes._core.errors import InputError
from scalingbayes._core.numbers import write_with_interval
from scalingbayes._core.progress import Progress, Report, report_progress
from scalingbayes.data.runs import Runs, Table, as_runs
from scalingbayes.decisions.approaches.envelope import envelope
from scalingbayes.decisions.approaches.frontier import Frontier
from scalingbayes.decisions.approaches.isoflop import isoflop
from scalingbayes.decisions.approaches.parametric import Parametric, parametric
from scalingbayes.fitting.fit import fit
from scalingbayes.model.model import DEFAULT_LAW
from scalingbayes.posterior.posterior import Posterior
from scalingbayes.results import (
    IntervalKind,
    Result,
    Verdict,
    View,
    check_interval,
    interval_columns,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

KAPLAN = {"a": 0.73, "b": 0.27}
"""Exponents of Kaplan et al. 2020 (arXiv:2001.08361), as cited in Hoffmann et al. 2022, table 2."""

ENVELOPE = "1 envelope of training curves"
PARABOLAS = "2 IsoFLOP, parabolas"
SPLINES = "2 IsoFLOP, Akima splines"
HUBER = "3 parametric, Huber loss"

_TRUST = {
    ENVELOPE: "points before the learning rate of a run has decayed lie above runs that end there, "
    "and noise biases an envelope downwards; few curves make its exponents step-like.",
    PARABOLAS: "the vertex is off the optimum, the more so the wider the range of sizes "
    "(sb.isoflop_bias); resamples of 80% of the rows understate the error by about half.",
    SPLINES: "no shape of the curve is assumed; the interval has the noise of the losses only, not "
    "the choice of sizes and budgets.",
    HUBER: "the interval excludes the error of the law itself; resamples of 80% of the rows "
    "understate the error by about half.",
}
_TRUST_POSTERIOR = "the interval allows for the error of the law itself, and is the one to act on."
_TRUST_EXACT = (
    "the interval excludes the error of the law itself, and is too narrow if there is one."
)

PUBLISHED = "published"
"""What a row was computed from, if it is as a paper prints it."""

_TEXTS = ("interval", "used", "note", "trust")
_NUMBERS = ("a", "a_lower", "a_upper", "b", "b_lower", "b_upper")


@dataclass(frozen=True, eq=False, repr=False)
class ApproachComparison(Result):
    """Exponents a and b of N_opt ∝ C^a, D_opt ∝ C^b by several methods.

    Parameters
    ----------
    methods
        One row a method: ``a`` and ``b`` with ``a_lower``, ``a_upper``, ``b_lower`` and
        ``b_upper``; ``interval``, a description of the interval; ``used``, the part of the table
        that was used; ``note``, remarks, such as why a method could not be used; ``trust``, what
        the row may be trusted for.
    fits
        The result of each approach that could be used, by its name in ``methods``.
    posteriors
        Each posterior, by the name of its row in ``methods``.
    runs_name
        Name of the table of runs.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> runs = sb.datasets.load("chinchilla")
    >>> found = sb.compare_approaches(runs, curves="params")
    >>> found.fits["2 IsoFLOP, parabolas"].allocate(1e24).columns.to_list()
    ['params', 'tokens']
    """

    methods: pd.DataFrame
    fits: dict[str, Frontier | Parametric]
    posteriors: dict[str, Posterior]
    runs_name: str

    @property
    def title(self) -> str:
        """The exponents and the table of runs."""
        return f"Exponents of N_opt ∝ C^a, D_opt ∝ C^b on {self.runs_name!r}"

    @property
    def verdict(self) -> Verdict:
        """The verdict of the first posterior that failed, or of the first; empty without one."""
        return first_failed(self.posteriors)

    @property
    def notes(self) -> tuple[str, ...]:
        """Descriptions of the intervals, and remarks on each method."""
        remarks = self._remarks().items()
        return tuple(line for heading, lines in remarks for line in (heading, *lines))

    def summary(self, prob: Probability = 0.9, kind: IntervalKind = "eti") -> pd.DataFrame:
        """Return ``methods``.

        ``prob`` and ``kind`` are ignored: each method has the interval that its authors report, and
        :func:`compare_approaches` sets the probability of the posterior's interval.
        """
        return self.methods

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """Plot ``a`` with its interval, one row a method."""
        from scalingbayes.plots import plot_approaches

        return plot_approaches(self, ax)

    def view(self, prob: Probability = 0.9) -> View:
        """Return exponents with their intervals; a failed verdict is among the notes."""
        return View(self.title, self._shown(), self.notes)

    def _shown(self) -> pd.DataFrame:
        columns = {
            name: [_with_interval(*row) for row in self.methods[_columns(name)].to_numpy(float)]
            for name in ("a", "b")
        }
        for name in ("params", "tokens"):
            if name in self.methods:
                columns[name] = [
                    _with_count(*row) for row in self.methods[_columns(name)].to_numpy()
                ]
        return pd.DataFrame({**columns, "used": self.methods["used"]}, index=self.methods.index)

    def _remarks(self) -> dict[str, list[str]]:
        """Return descriptions of the intervals and remarks, each under a heading."""
        methods: dict[str, list[str]] = {}
        for method, interval in self.methods["interval"].items():
            methods.setdefault(interval, []).append(str(method))
        notes, trust = (self.methods[column].items() for column in ("note", "trust"))
        return {
            "Intervals": [f"  {'; '.join(of)}: {kind}." for kind, of in methods.items() if kind],
            "Notes": [f"  {method}: {note}." for method, note in notes if note],
            "What to trust": [f"  {method}: {text}" for method, text in trust if text],
        }


@checked
def compare_approaches(
    runs: Table,
    posterior: Posterior | Literal[False] | None = None,
    *,
    budgets: str | None = None,
    curves: str | None = None,
    prob: Probability = 0.9,
    seed: Seed = 0,
    progress: Progress = None,
) -> ApproachComparison:
    """Estimate a and b by the three approaches of Hoffmann et al. 2022 and from a posterior.

    Each method has the interval that its authors report, so that the kinds of intervals differ: see
    the column ``interval``. If the table lacks the data for a method, or has too few runs for the
    posterior, the row's ``note`` says why.
    A posterior that allows for the law's error has a second row, which takes the law as exact.

    Parameters
    ----------
    runs
        A table with params, tokens and loss.
    posterior
        A fit to compare with. By default the package's default model is fitted; ``False`` leaves
        the posterior out.
    budgets
        The column of IsoFLOP budgets, as for :func:`scalingbayes.isoflop`.
    curves
        The column that identifies training curves, as for :func:`scalingbayes.envelope`.
    prob
        Probability of the posterior's equal-tailed interval.
    seed
        Seed of the resamples and of the posterior.
    progress
        As for :func:`scalingbayes.fit`.

    Raises
    ------
    InputError
        If the table lacks params, tokens, loss or a named column, or an argument is invalid.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> found = sb.compare_approaches(
    ...     sb.datasets.load("chinchilla"), posterior=False, curves="params"
    ... )
    >>> found.summary()["a"].round(1).tolist()
    [0.5, 0.5, 0.5, 0.6, 0.7]
    """
    runs = as_runs(runs)
    check_interval(prob, "eti")
    for column in ("params", "tokens", "loss"):
        runs.column(column)
    for named in (budgets, curves):
        if named is not None:
            runs.labels(named)
    if posterior is not None and posterior is not False and not isinstance(posterior, Posterior):
        raise InputError(
            f"posterior must be a posterior, as sb.fit returns, None or False; got "
            f"{type(posterior).__name__}."
        )
    methods: dict[str, Callable[[], Frontier | Parametric]] = {
        ENVELOPE: lambda: envelope(runs, curves=curves, seed=seed),
        PARABOLAS: lambda: isoflop(runs, "parabola", budgets=budgets, seed=seed),
        SPLINES: lambda: isoflop(runs, "akima", budgets=budgets, seed=seed),
        HUBER: lambda: parametric(runs, seed=seed),
    }
    fits: dict[str, Frontier | Parametric] = {}
    rows: dict[str, dict[str, float | str]] = {}
    with report_progress(progress) as report:
        for place, (name, method) in enumerate(methods.items()):
            report(place / 2 / len(methods), f"approach {name}")
            try:
                fits[name] = method()
                rows[name] = {**fits[name].exponents.row(), "trust": _TRUST[name]}
            except InputError as error:
                rows[name] = method_row(note=f"not used: {error}".rstrip("."))
        found, own_rows = _posterior_rows(
            runs, posterior, prob, seed, report.part(0.5, 1.0, "posterior")
        )
    rows |= own_rows
    rows["Kaplan et al. 2020"] = method_row(
        **KAPLAN,
        used="their own runs",
        note="arXiv:2001.08361, for reference; no interval published",
    )
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("method")
    posteriors = {} if found is None else {row_name(found): found}
    table.attrs["verdict"] = first_failed(posteriors).word
    return ApproachComparison(table, fits, posteriors, runs.name)


def _posterior_rows(
    runs: Runs, posterior: Posterior | Literal[False] | None, prob: float, seed: int, report: Report
) -> tuple[Posterior | None, dict[str, dict[str, float | str]]]:
    """Return the posterior, fitted if none is given, and its rows: why it has none if it fails."""
    if posterior is False:
        return None, {}
    if posterior is None:
        try:
            posterior = fit(runs, seed=seed, progress=report)
        except InputError as error:
            note = f"not used: {error}".rstrip(".")
            return None, {f"posterior of law {DEFAULT_LAW!r}": method_row(note=note)}
    return posterior, rows_of_posterior(row_name(posterior), posterior, prob)


def rows_of_posterior(
    name: str, posterior: Posterior, prob: float
) -> dict[str, dict[str, float | str]]:
    """Return the rows of a posterior: also one that takes the law as exact, if they differ."""
    rows = {name: posterior_row(posterior, prob)}
    if not posterior.exact:
        rows[f"{name}, exact"] = posterior_row(posterior.as_exact, prob)
    return rows


def row_name(post: Posterior) -> str:
    """Return the name of a posterior's row."""
    return f"posterior of law {post.law.name!r}"


def first_failed(posteriors: Mapping[str, Posterior]) -> Verdict:
    """Return the verdict of the first posterior that failed, or of the first one."""
    verdicts = [each.verdict for each in posteriors.values()] or [Verdict(())]
    return next((each for each in verdicts if not each), verdicts[0])


def method_row(**known: float | str) -> dict[str, float | str]:
    """Return a row of the table of methods, NaN or empty where nothing is known."""
    return {**dict.fromkeys(_NUMBERS, np.nan), **dict.fromkeys(_TEXTS, ""), **known}


def _columns(name: str) -> list[str]:
    return [name, f"{name}_lower", f"{name}_upper"]


def posterior_row(post: Posterior, prob: float) -> dict[str, float | str]:
    """Return the row of a posterior: the reason in place of numbers if it has no exponents."""
    used = PUBLISHED if post.record.of == "published" else f"{len(post.weights)} rows"
    try:
        table = post.exponents().summary(prob)
    except InputError as error:
        return method_row(used=used, note=str(error).rstrip("."))
    columns = ("median", *interval_columns(prob, "eti"))
    values = {
        f"{name}{end}": table[column][name]
        for name in ("a", "b")
        for end, column in zip(("", "_lower", "_upper"), columns, strict=True)
    }
    law = "the law is taken as exact" if post.exact else "with an allowance for the law's error"
    kind = "credible interval, equal tails, about the median"
    interval = f"{100 * prob:g}% {kind}; {law}"
    if post.record.of == "published":
        errors = post.record.facts["errors"]
        interval = f"{100 * prob:g}% interval from {errors}" if errors else ""
    return method_row(
        **values,
        interval=interval,
        used=used,
        note="" if post.verdict.passed else " ".join(str(post.verdict).split()).rstrip("."),
        trust=_TRUST_EXACT if post.exact else _TRUST_POSTERIOR,
    )


def _with_count(value: float, lower: float, upper: float) -> str:
    if np.isnan(value):
        return "-"
    return " ".join(write_with_interval(value, lower, upper, "count")).strip()


def _with_interval(value: float, lower: float, upper: float) -> str:
    if np.isnan(value):
        return "-"
    return " ".join(write_with_interval(value, lower, upper, "exponent")).strip()
