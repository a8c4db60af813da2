"""Draws of derived quantities, and the tables made of them."""

from dataclasses import dataclass
from numbers import Real
from typing import Literal

import numpy as np
import pandas as pd
import xarray as xr

from scalingbayes._core.errors import InputError
from scalingbayes.posterior.verdict import Verdict

IntervalKind = Literal["eti", "hdi"]
SAMPLE_DIMS = ("chain", "draw")


@dataclass(frozen=True, eq=False, repr=False)
class Estimate:
    """Quantities derived from a posterior, draw by draw.

    Parameters
    ----------
    title
        What they are.
    draws
        One variable a quantity, with dims ``chain`` and ``draw`` and any others.
    verdict
        Whether the fit that they come from is to be believed.
    has_sd
        Whether the quantities have a standard deviation; a run's loss under heavy-tailed noise
        has none.
    notes
        What to know when reading it, such as how far beyond the runs it lies.
    """

    title: str
    draws: xr.Dataset
    verdict: Verdict
    has_sd: bool = True
    notes: tuple[str, ...] = ()

    def median(self) -> xr.Dataset:
        """Return the posterior median of each quantity."""
        return self.draws.median(SAMPLE_DIMS)

    def interval(self, prob: float = 0.9, kind: IntervalKind = "eti") -> xr.Dataset:
        """Return credible intervals, along the new dim ``bound`` (``lower``, ``upper``).

        Parameters
        ----------
        prob
            Posterior probability of an interval.
        kind
            ``"eti"``, equal tails, or ``"hdi"``, the shortest.

        Raises
        ------
        InputError
            If ``prob`` is not between 0 and 1 or ``kind`` is neither of the two.
        """
        check_interval(prob, kind)
        if kind == "hdi":
            import arviz_stats

            # Without labels, which ArviZ would sort: they may be of mixed types.
            labels = self.draws.drop_dims(SAMPLE_DIMS).coords
            bare = self.draws.drop_vars(list(labels))
            bounds = arviz_stats.hdi(bare, prob=prob).rename(ci_bound="bound")
            bounds = bounds.assign_coords(labels)
        else:
            tails = [(1 - prob) / 2, (1 + prob) / 2]
            # Between a number and infinity there is nothing to interpolate.
            finite = all(np.isfinite(each).all() for each in self.draws.values())
            bounds = self.draws.quantile(
                tails, SAMPLE_DIMS, method="linear" if finite else "nearest"
            )
            bounds = bounds.rename(quantile="bound")
        return bounds.assign_coords(bound=["lower", "upper"])

    def to_dataframe(self, prob: float = 0.9, kind: IntervalKind = "eti") -> pd.DataFrame:
        """Return a tidy table, a row a quantity: median, sd if it has one, credible interval.

        The names of the interval's columns say its kind and probability (``eti90_lb``), as
        ArviZ's do; ``frame.attrs["verdict"]`` says whether the fit passed its checks.

        Raises
        ------
        InputError
            As :meth:`interval`.
        """
        bounds = self.interval(prob, kind)
        lower, upper = interval_columns(prob, kind)
        columns = {"median": self.median()}
        if self.has_sd:
            columns["sd"] = self.draws.std(SAMPLE_DIMS)
        columns[lower] = bounds.sel(bound="lower", drop=True)
        columns[upper] = bounds.sel(bound="upper", drop=True)
        frame = pd.DataFrame({name: _stack(values) for name, values in columns.items()})
        frame.attrs["verdict"] = self.verdict.word
        return frame

    def __repr__(self) -> str:
        return f"{self.title}\n{format_table(self.to_dataframe())}{self._warning()}"

    def _repr_html_(self) -> str:
        table = self.to_dataframe().to_html(float_format=format_number)
        below = self._warning().strip().replace("\n", "<br>")
        return f"<p>{self.title}</p>{table}<p>{below}</p>"

    def _warning(self) -> str:
        notes = "".join(f"\n{note}" for note in self.notes)
        return notes if self.verdict.passed else f"{notes}\n{self.verdict}"


def check_interval(prob: float, kind: str) -> None:
    """Check what a caller asks of an interval.

    Raises
    ------
    InputError
        If ``prob`` is not between 0 and 1 or ``kind`` is neither ``"eti"`` nor ``"hdi"``.
    """
    if not isinstance(prob, Real) or not 0 < prob < 1:
        raise InputError(f"prob must be between 0 and 1, such as 0.9; got {prob!r}.")
    if kind not in ("eti", "hdi"):
        raise InputError(f"kind must be 'eti' (equal tails) or 'hdi' (shortest); got {kind!r}.")


def interval_columns(prob: float, kind: IntervalKind = "eti") -> tuple[str, str]:
    """Name the columns of an interval's ends as ArviZ does: ``eti90_lb`` and ``eti90_ub``."""
    return f"{kind}{100 * prob:g}_lb", f"{kind}{100 * prob:g}_ub"


def format_number(value: float) -> str:
    """Write a number with four significant digits."""
    return f"{value:.4g}"


def format_table(frame: pd.DataFrame) -> str:
    """Write a table as text."""
    return frame.to_string(float_format=format_number)


def _stack(values: xr.Dataset) -> pd.Series:
    """Lay a dataset out with its coordinates and the quantity's name as index."""
    array = values.to_dataarray("quantity")
    others = [dim for dim in array.dims if dim != "quantity"]
    return array.transpose(*others, "quantity").to_series()
