"""Estimates: draws of quantities that are derived from a posterior."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import xarray as xr

from scalingbayes._core.arguments import Probability
from scalingbayes._core.numbers import kind_of, write
from scalingbayes.results.intervals import (
    EXACT_COLUMNS,
    IntervalKind,
    check_interval,
    interval_columns,
)
from scalingbayes.results.readable import one_row_a_case
from scalingbayes.results.rendering import View
from scalingbayes.results.result import SAMPLE_DIMS, DrawsResult
from scalingbayes.results.verdict import Verdict

_SIDE_BY_SIDE = 2  # quantities, at most, that are shown in one row a case


@dataclass(frozen=True, eq=False, repr=False)
class Estimate(DrawsResult):
    """Draws of quantities that are derived from a posterior.

    ``estimate["a"]`` is the draws of the quantity ``a``.

    Parameters
    ----------
    title
        What the quantities are.
    draws
        One variable a quantity, with dims ``chain`` and ``draw`` and any others.
    verdict
        The verdict on the fit that the draws come from.
    notes
        What to know when reading the estimate, such as how far it extrapolates.
    exact
        Draws of the same quantities that take the law as exact, if the estimate allows for the
        law's error.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> post = sb.fit(sb.datasets.load("chinchilla"), "chinchilla")  # doctest: +SKIP
    >>> exponents = post.exponents()
    >>> bool(abs(exponents.median()["a"] + exponents.median()["b"] - 1) < 0.01)
    True
    >>> exponents["a"].dims
    ('chain', 'draw')
    """

    title: str
    draws: xr.Dataset
    verdict: Verdict
    notes: tuple[str, ...] = ()
    exact: xr.Dataset | None = None

    def median(self) -> xr.Dataset:
        """Return the posterior median of each quantity."""
        return self.draws.median(SAMPLE_DIMS)

    def interval(self, prob: Probability = 0.9, kind: IntervalKind = "eti") -> xr.Dataset:
        """Return credible intervals, with the new dim ``bound`` (``lower``, ``upper``).

        Parameters
        ----------
        prob
            Posterior probability of an interval.
        kind
            ``"eti"``, equal tails, or ``"hdi"``, the shortest interval.

        Raises
        ------
        InputError
            If ``prob`` is not between 0 and 1, or ``kind`` is neither of the two.
        """
        check_interval(prob, kind)
        if kind == "hdi":
            import arviz_stats

            # ArviZ would sort the labels, which may be of mixed types.
            labels = self.draws.drop_dims(SAMPLE_DIMS).coords
            bare = self.draws.drop_vars(list(labels))
            bounds = arviz_stats.hdi(bare, prob=prob).rename(ci_bound="bound")
            bounds = bounds.assign_coords(labels)
        else:
            tails = [(1 - prob) / 2, (1 + prob) / 2]
            # Interpolation between a number and infinity gives NaN.
            finite = all(np.isfinite(each).all() for each in self.draws.values())
            bounds = self.draws.quantile(
                tails, SAMPLE_DIMS, method="linear" if finite else "nearest"
            )
            bounds = bounds.rename(quantile="bound")
        return bounds.assign_coords(bound=["lower", "upper"])

    def summary(self, prob: Probability = 0.9, kind: IntervalKind = "eti") -> pd.DataFrame:
        """Return a tidy table with one row a quantity (and run, or budget).

        The columns are the median and the ends of the credible interval, named for its kind and
        probability as in ArviZ (``eti90_lb``, ``eti90_ub``). If the estimate allows for the law's
        error, ``exact_lb`` and ``exact_ub`` are the interval that takes the law as exact. There is
        no mean and no sd: heavy tails make them useless or infinite.
        ``frame.attrs["verdict"]`` is ``"passed"`` or ``"failed"``.

        Raises
        ------
        InputError
            If ``prob`` is not between 0 and 1, or ``kind`` is neither ``"eti"`` nor ``"hdi"``.
        """
        bounds = self.interval(prob, kind)
        lower, upper = interval_columns(prob, kind)
        columns = {"median": self.median()}
        columns[lower] = bounds.sel(bound="lower", drop=True)
        columns[upper] = bounds.sel(bound="upper", drop=True)
        if self.exact is not None:
            exact = replace(self, draws=self.exact, exact=None).interval(prob, kind)
            for name, end in zip(EXACT_COLUMNS, ("lower", "upper"), strict=True):
                columns[name] = exact.sel(bound=end, drop=True)
        frame = pd.DataFrame({name: _stack(values) for name, values in columns.items()})
        frame.attrs["verdict"] = self.verdict.word
        return frame

    def view(self, prob: Probability = 0.9) -> View:
        """Return the table, with one row a case if there are few quantities.

        Quantities that are the same in all cases, such as the exponents of Chinchilla's law at
        several budgets, are in a table of their own.
        """
        view, cases = super().view(prob), self._cases
        table = self.summary(prob)
        if table.index.nlevels > 1 and cases == 1:
            return self._view_of_one_case(view, table)
        if cases < 2:
            return view
        names = list(map(str, self.draws.data_vars))
        same = [name for name in names if self._is_same_in_all_cases(name)]
        others = [name for name in names if name not in same]
        once = table.iloc[: len(names)].droplevel(list(range(table.index.nlevels - 1))).loc[same]
        heading = f"The same in all {cases} cases"
        if not others:
            return replace(view, table=once, lines=(f"{heading}.", *view.lines))
        shown = table[table.index.get_level_values("quantity").isin(others)]
        tables = ((heading, once),) if same else ()
        if len(others) <= _SIDE_BY_SIDE:
            shown = one_row_a_case(shown)
            line = f"Medians, with {100 * prob:g}% intervals in brackets."
            view = replace(view, lines=(line, *view.lines))
        return replace(view, table=shown, tables=tables)

    def _view_of_one_case(self, view: View, table: pd.DataFrame) -> View:
        """Return the view with the case in the title."""
        names, values = map(str, table.index.names[:-1]), table.index[0][:-1]
        case = ", ".join(
            f"{name} {write(x, kind_of(name)) if isinstance(x, float) else x}"
            for name, x in zip(names, values, strict=True)
        )
        bare = table.droplevel(list(range(table.index.nlevels - 1)))
        return replace(view, title=f"{self.title}\n{case}", table=bare)

    @property
    def _cases(self) -> int:
        """The number of cases, such as budgets or runs."""
        sizes = [size for dim, size in self.draws.sizes.items() if dim not in SAMPLE_DIMS]
        return int(np.prod(sizes))

    def _is_same_in_all_cases(self, name: str) -> bool:
        values = self.draws[name].transpose(*SAMPLE_DIMS, ...).to_numpy()
        values = values.reshape(*values.shape[:2], -1)
        return bool(np.allclose(values, values[..., :1], rtol=1e-9, atol=0.0))


def _stack(values: xr.Dataset) -> pd.Series:
    """Return the values as a series, indexed by the coordinates and the quantity's name."""
    array = values.to_dataarray("quantity")
    others = [dim for dim in array.dims if dim != "quantity"]
    return array.transpose(*others, "quantity").to_series()
