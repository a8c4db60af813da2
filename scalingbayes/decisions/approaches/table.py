"""Hoffmann et al. 2022's three approaches on one table of runs, beside the posterior."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from scalingbayes._core.arguments import check_seed
from scalingbayes._core.errors import InputError
from scalingbayes.data.runs import Table, as_runs
from scalingbayes.decisions.approaches.envelope import envelope
from scalingbayes.decisions.approaches.frontier import Frontier
from scalingbayes.decisions.approaches.isoflop import isoflop
from scalingbayes.decisions.approaches.parametric import Parametric, parametric
from scalingbayes.fitting.fit import fit
from scalingbayes.posterior.posterior import Posterior
from scalingbayes.results import IntervalKind, Result, Verdict, View, check_interval

KAPLAN = {"a": 0.73, "b": 0.27}
"""Of Kaplan et al. 2020 (arXiv:2001.08361), as Hoffmann et al. 2022 set them beside their own in
table 2."""

ENVELOPE = "1 envelope of training curves"
PARABOLAS = "2 IsoFLOP, parabolas"
SPLINES = "2 IsoFLOP, Akima splines"
HUBER = "3 parametric, Huber loss"

_NUMBERS = ("a", "a_lower", "a_upper", "b", "b_lower", "b_upper")


@dataclass(frozen=True, eq=False, repr=False)
class ApproachComparison(Result):
    """Exponents a and b of N_opt ∝ C^a, D_opt ∝ C^b by several methods.

    Parameters
    ----------
    methods
        A row a method: ``a`` and ``b`` with ``a_lower``, ``a_upper``, ``b_lower`` and ``b_upper``;
        ``interval``, what these are, in words; ``used``, what of the table was used; ``note``, what
        else ought to be known, and why a method has no numbers where it has none.
    fits
        The fit of each approach that could be used on the table, by its name in the table.
    posterior
        The posterior beside them, if there is one.
    runs_name
        What the table of runs is called.
    """

    methods: pd.DataFrame
    fits: dict[str, Frontier | Parametric]
    posterior: Posterior | None
    runs_name: str

    @property
    def posterior_row(self) -> str | None:
        """Which row of the table is the posterior's, if there is one."""
        return None if self.posterior is None else _row_name(self.posterior)

    @property
    def title(self) -> str:
        """What was compared."""
        return f"Exponents of N_opt ∝ C^a, D_opt ∝ C^b on {self.runs_name!r}"

    @property
    def verdict(self) -> Verdict:
        """The verdict on the posterior; without a posterior nothing was checked."""
        return Verdict(()) if self.posterior is None else self.posterior.verdict

    @property
    def notes(self) -> tuple[str, ...]:
        """What each interval is, and what is to note of each method."""
        remarks = self._remarks().items()
        return tuple(line for heading, lines in remarks for line in (heading, *lines))

    def summary(self, prob: float = 0.9, kind: IntervalKind = "eti") -> pd.DataFrame:
        """Return ``methods``.

        Each method has the interval that its authors report, and :func:`compare_approaches` sets
        the posterior's: ``prob`` and ``kind`` are ignored.
        """
        return self.methods

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw a with its interval, a row a method; see :func:`scalingbayes.plots`."""
        from scalingbayes.plots import plot_approaches

        return plot_approaches(self, ax)

    def view(self) -> View:
        """Return exponents with their intervals; the notes hold a failed verdict."""
        return View(self.title, self._shown(), self.notes)

    def _shown(self) -> pd.DataFrame:
        columns = {
            name: [_with_interval(*row) for row in self.methods[_of(name)].to_numpy(float)]
            for name in ("a", "b")
        }
        return pd.DataFrame({**columns, "used": self.methods["used"]}, index=self.methods.index)

    def _remarks(self) -> dict[str, list[str]]:
        """Say what each interval is, and what is to note."""
        methods: dict[str, list[str]] = {}
        for method, interval in self.methods["interval"].items():
            methods.setdefault(interval, []).append(str(method))
        notes = self.methods["note"].items()
        return {
            "Intervals": [f"  {'; '.join(of)}: {kind}." for kind, of in methods.items() if kind],
            "Notes": [f"  {method}: {note}." for method, note in notes if note],
        }


def compare_approaches(
    runs: Table,
    posterior: Posterior | Literal[False] | None = None,
    *,
    budgets: str | None = None,
    curves: str | None = None,
    prob: float = 0.9,
    seed: int = 0,
) -> ApproachComparison:
    """Find a and b by Hoffmann et al. 2022's three approaches, beside the posterior.

    Each interval is what its authors report, so they differ in kind: see the table's ``interval``.
    A method that the table has no data for has a row that says so.

    Parameters
    ----------
    runs
        A table with params, tokens and loss.
    posterior
        A fit to set beside them; by default one is made, with the package's default law. ``False``
        for none.
    budgets
        The column of IsoFLOP budgets: see :func:`scalingbayes.isoflop`.
    curves
        The column that tells training curves apart: see :func:`scalingbayes.envelope`.
    prob
        Probability of the posterior's equal-tailed interval.
    seed
        Seed of resamples and of the posterior.

    Raises
    ------
    InputError
        If the table has no params, tokens and loss, or an argument cannot be used.
    """
    runs = as_runs(runs)
    check_interval(prob, "eti")
    check_seed(seed)
    for column in ("params", "tokens", "loss"):
        runs.column(column)
    for named in (budgets, curves):
        if named is not None:
            runs.labels(named)
    if posterior is not None and posterior is not False and not isinstance(posterior, Posterior):
        raise InputError(
            f"posterior must be what sb.fit returns, None or False; got {type(posterior).__name__}."
        )
    methods: dict[str, Callable[[], Frontier | Parametric]] = {
        ENVELOPE: lambda: envelope(runs, curves=curves, seed=seed),
        PARABOLAS: lambda: isoflop(runs, "parabola", budgets=budgets, seed=seed),
        SPLINES: lambda: isoflop(runs, "akima", budgets=budgets, seed=seed),
        HUBER: lambda: parametric(runs, seed=seed),
    }
    fits: dict[str, Frontier | Parametric] = {}
    rows: dict[str, dict[str, float | str]] = {}
    for name, method in methods.items():
        try:
            fits[name] = method()
            rows[name] = fits[name].exponents.row()
        except InputError as error:
            rows[name] = _row(note=f"not used: {error}".rstrip("."))
    if posterior is None:
        posterior = fit(runs, seed=seed)
    if posterior:
        rows[_row_name(posterior)] = _of_posterior(posterior, prob)
    rows["Kaplan et al. 2020"] = _row(
        **KAPLAN,
        used="their own runs",
        note="arXiv:2001.08361, for reference; no interval published",
    )
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("method")
    table.attrs["verdict"] = posterior.verdict.word if posterior else "passed"
    return ApproachComparison(table, fits, posterior or None, runs.name)


def _row_name(post: Posterior) -> str:
    return f"posterior of law {post.law.name!r}"


def _row(**known: float | str) -> dict[str, float | str]:
    return {**dict.fromkeys(_NUMBERS, np.nan), "interval": "", "used": "", "note": "", **known}


def _of(name: str) -> list[str]:
    return [name, f"{name}_lower", f"{name}_upper"]


def _of_posterior(post: Posterior, prob: float) -> dict[str, float | str]:
    used = f"{len(post.weights)} rows"
    try:
        table = post.exponents().summary(prob)
    except InputError as error:
        return _row(used=used, note=str(error).rstrip("."))
    bounds = [column for column in table if column not in ("median", "sd")]
    values = {
        f"{name}{end}": table[column][name]
        for name in ("a", "b")
        for end, column in zip(("", "_lower", "_upper"), ("median", *bounds), strict=True)
    }
    return _row(
        **values,
        interval=f"{100 * prob:g}% credible interval, equal tails, about the median",
        used=used,
        note="" if post.verdict.passed else " ".join(str(post.verdict).split()).rstrip("."),
    )


def _with_interval(value: float, lower: float, upper: float) -> str:
    if np.isnan(value):
        return "-"
    interval = "" if np.isnan(lower) else f"  [{lower:.3f}, {upper:.3f}]"
    return f"{value:.3f}{interval}"
