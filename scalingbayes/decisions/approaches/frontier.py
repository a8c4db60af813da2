"""The result of an approach: two power laws of compute, with intervals of the exponents."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from scalingbayes._core.arguments import PositiveNumbers, Probability, check_numbers
from scalingbayes._core.errors import InputError
from scalingbayes.inference import bootstrap
from scalingbayes.results import IntervalKind, Result, Verdict

HOFFMANN_RESAMPLES = 100
HOFFMANN_PART = 0.8
HOFFMANN_TAILS = (0.1, 0.9)
"""Hoffmann et al. 2022, table 2: 10th to 90th percentile of 100 samples of 80 % of the data."""

PORIAN_TAILS = (0.025, 0.975)

_FEWEST_OPTIMA = 2


@dataclass(frozen=True, eq=False, repr=False)
class Exponents(Result):
    """Exponents a and b of N_opt ∝ C^a, D_opt ∝ C^b, as one approach reports them.

    Parameters
    ----------
    a, b
        Estimates from the whole table.
    resampled
        Estimates from each resample: columns ``a`` and ``b``.
    tails
        Quantiles of the resamples that are the ends of the interval.
    interval
        Description of the interval.
    used
        Description of the part of the table that was used.
    note
        Further remarks, or an empty string.
    """

    a: float
    b: float
    resampled: pd.DataFrame
    tails: tuple[float, float]
    interval: str
    used: str
    note: str = ""

    def row(self) -> dict[str, float | str]:
        """Return a row of the table of approaches."""
        found: dict[str, float | str] = {}
        for name, value in {"a": self.a, "b": self.b}.items():
            lower, upper = self.resampled[name].quantile(list(self.tails))
            found |= {name: value, f"{name}_lower": lower, f"{name}_upper": upper}
        return {**found, "interval": self.interval, "used": self.used, "note": self.note}

    @property
    def title(self) -> str:
        """The two power laws."""
        return "Exponents of N_opt ∝ C^a, D_opt ∝ C^b"

    @property
    def verdict(self) -> Verdict:
        """An empty verdict: this approach has no checks."""
        return Verdict(())

    @property
    def notes(self) -> tuple[str, ...]:
        """The interval, the part of the table that was used, and remarks."""
        notes = [f"Interval: {self.interval}.", f"Used: {self.used}."]
        return tuple(notes + ([f"Note: {self.note}."] if self.note else []))

    def summary(self, prob: Probability = 0.9, kind: IntervalKind = "eti") -> pd.DataFrame:
        """Return each exponent with the interval that the authors report.

        ``prob`` and ``kind`` are ignored.
        """
        row = self.row()
        columns = {"exponent": "", "lower": "_lower", "upper": "_upper"}
        frame = pd.DataFrame(
            {title: [row[f"{name}{end}"] for name in "ab"] for title, end in columns.items()},
            index=["N_opt ∝ C^a", "D_opt ∝ C^b"],
        )
        frame.attrs["verdict"] = self.verdict.word
        return frame

    def plot(self, ax: Any = None) -> Any:
        """Plot the exponents; see :func:`scalingbayes.plots.plot_exponents`."""
        from scalingbayes.plots import plot_exponents

        return plot_exponents(self, ax=ax)


@dataclass(frozen=True, eq=False, repr=False)
class Frontier(Result):
    """Power laws through the optima of several budgets.

    Parameters
    ----------
    exponents
        Exponents of the power laws, with intervals.
    optima
        One row a budget: ``compute`` in FLOPs, and ``params`` and ``tokens`` of least loss, NaN if
        the runs do not bracket the minimum.
    log_coefficients
        Natural logs of k in params = k C^a and tokens = k C^b.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> found = sb.isoflop(sb.datasets.load("chinchilla"))
    >>> list(found.allocate(1e24))
    ['params', 'tokens']
    """

    exponents: Exponents
    optima: pd.DataFrame
    log_coefficients: dict[str, float]

    def allocate(self, compute: PositiveNumbers) -> pd.DataFrame:
        """Return the compute-optimal params and tokens of the power laws.

        Parameters
        ----------
        compute
            Budgets in FLOPs; shape (budgets,).

        Returns
        -------
        pandas.DataFrame
            One row a budget: ``params`` and ``tokens``. The two power laws are fitted separately,
            so that 6 params tokens equals the budget only approximately.

        Raises
        ------
        InputError
            If a budget is not a positive number.
        """
        budgets = check_numbers("compute", compute).ravel()
        exponents = {"params": self.exponents.a, "tokens": self.exponents.b}
        columns = {
            name: np.exp(self.log_coefficients[name] + exponent * np.log(budgets))
            for name, exponent in exponents.items()
        }
        return pd.DataFrame(columns, index=pd.Index(budgets, name="compute"))

    @property
    def title(self) -> str:
        """The two power laws."""
        return self.exponents.title

    @property
    def verdict(self) -> Verdict:
        """An empty verdict: this approach has no checks."""
        return self.exponents.verdict

    @property
    def notes(self) -> tuple[str, ...]:
        """The interval, the part of the table that was used, and remarks."""
        return self.exponents.notes

    def summary(self, prob: Probability = 0.9, kind: IntervalKind = "eti") -> pd.DataFrame:
        """Return each exponent with the interval that the authors report.

        ``prob`` and ``kind`` are ignored.
        """
        return self.exponents.summary(prob, kind)

    def plot(self, ax: Any = None) -> Any:
        """Plot the optima and the power laws; see :func:`scalingbayes.plots.plot_optima`."""
        from scalingbayes.plots import plot_optima

        return plot_optima(self, ax=ax)


def draw_parts(count: int, seed: int) -> Float[np.ndarray, "resamples count"]:
    """Draw 100 subsamples of 80 % of the units.

    Hoffmann et al. do not state whether they draw with replacement. Without replacement, as here,
    the spread is about sqrt(1 / 0.8 - 1) = half of a bootstrap's standard error.

    Returns
    -------
    array
        1 where a unit was drawn, 0 elsewhere.
    """
    random = np.random.default_rng(seed)
    return bootstrap.draw_parts(random, count, HOFFMANN_PART, HOFFMANN_RESAMPLES)


def fit_power_law(
    log_compute: Float[np.ndarray, " budgets"],
    log_optima: Float[np.ndarray, "resamples budgets"],
    weights: Float[np.ndarray, " budgets"] | None = None,
) -> tuple[Float[np.ndarray, " resamples"], Float[np.ndarray, " resamples"]]:
    """Fit log optima = log k + exponent log compute by least squares, for each resample.

    Parameters
    ----------
    log_compute
        Logs of budgets.
    log_optima
        Logs of optima; NaN if a budget has none.
    weights
        Weight of each budget; 1 by default.

    Returns
    -------
    tuple
        log k and exponents; NaN if a resample has fewer than two optima.
    """
    known = np.isfinite(log_optima)
    weight = known * (1.0 if weights is None else weights)
    y = np.where(known, log_optima, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        weight = weight / weight.sum(axis=1, keepdims=True)
        centre = weight @ log_compute
        x = log_compute - centre[:, None]
        slope = (weight * x * y).sum(axis=1) / (weight * x**2).sum(axis=1)
        level = (weight * y).sum(axis=1) - slope * centre
    enough = known.sum(axis=1) >= _FEWEST_OPTIMA
    return np.where(enough, level, np.nan), np.where(enough, slope, np.nan)


def make_frontier(
    compute: Float[np.ndarray, " budgets"],
    log_params: Float[np.ndarray, "resamples budgets"],
    log_tokens: Float[np.ndarray, "resamples budgets"],
    tails: tuple[float, float],
    interval: str,
    used: str,
    note: str = "",
    weights: dict[str, Float[np.ndarray, " budgets"]] | None = None,
) -> Frontier:
    """Fit power laws to optima; the first row is of the whole table, the others of resamples.

    Raises
    ------
    InputError
        If fewer than two budgets have an optimum.
    """
    logs = {"params": log_params, "tokens": log_tokens}
    if min(np.isfinite(values[0]).sum() for values in logs.values()) < _FEWEST_OPTIMA:
        raise InputError(
            f"the runs bracket the minimum of fewer than {_FEWEST_OPTIMA} budgets: a power law "
            f"needs budgets whose runs include models both smaller and larger than the best"
        )
    log_compute = np.log(compute)
    found = {
        name: fit_power_law(log_compute, values, None if weights is None else weights[name])
        for name, values in logs.items()
    }
    slopes = pd.DataFrame({"a": found["params"][1], "b": found["tokens"][1]})
    resampled = slopes.iloc[1:].dropna().reset_index(drop=True)
    if lost := len(slopes) - 1 - len(resampled):
        note = join_notes(note, f"{lost} resamples bracket fewer than two minima and are left out")
    return Frontier(
        Exponents(
            a=float(slopes["a"].iloc[0]),
            b=float(slopes["b"].iloc[0]),
            resampled=resampled,
            tails=tails,
            interval=interval,
            used=used,
            note=note,
        ),
        pd.DataFrame(
            {"compute": compute, **{name: np.exp(values[0]) for name, values in logs.items()}}
        ),
        {name: float(level[0]) for name, (level, _) in found.items()},
    )


def join_notes(*notes: str) -> str:
    """Join remarks that are not empty."""
    return "; ".join(note for note in notes if note)
