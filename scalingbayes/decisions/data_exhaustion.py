"""The year in which training needs more tokens of text than there are."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Float, Int

from scalingbayes._core.arguments import PositiveOrInfinite, Probability, Seed
from scalingbayes._core.checked import checked
from scalingbayes._core.errors import InputError
from scalingbayes.allocation import Proportional
from scalingbayes.decisions.assumptions import (
    BUDGET_GROWTH,
    FEASIBLE_BUDGET,
    FEASIBLE_GROWTH,
    LARGEST_BUDGET,
    OVERTRAINING,
    WORDS_PER_TOKEN,
    Belief,
    draw_logs,
    tabulate_assumptions,
    year_of,
)
from scalingbayes.decisions.law_draws import require_params_and_tokens, require_tokens
from scalingbayes.posterior.posterior import Posterior
from scalingbayes.results import (
    SAMPLE_DIMS,
    Estimate,
    IntervalKind,
    View,
    check_interval,
    readable,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_IN_TOKENS = "published models and stocks of text"
_STEP = np.log(10) / 4  # of a grid of log budgets; log D_opt is almost linear between its points
_MAX_YEARS = 200
_NO_LIMIT = 1e4  # a log of FLOPs; finite, so that differences are


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class DataExhaustion(Estimate):
    """The year in which the demand for tokens meets their stock; made by :func:`data_exhaustion`.

    The draws are ``year``, in which demand meets the stock; ``compute`` (FLOPs) and ``tokens``,
    the budget and the stock in that year; and ``slowing_year``, from which budgets grow only as
    what is feasible does. A draw is inf if its event is after the horizon.

    Parameters
    ----------
    curves
        ``stock`` and ``demand`` in tokens, with dims ``chain``, ``draw`` and ``year``.
    assumptions
        One row an assumption: 5 % quantile, median, 95 % quantile and source.
    compute_year, horizon
        First and last year of the projection.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> post = sb.fit(sb.datasets.load("chinchilla"), "chinchilla")  # doctest: +SKIP
    >>> found = sb.data_exhaustion(post)
    >>> bool(2022 < found.median()["year"] < 2060)
    True
    """

    curves: xr.Dataset
    assumptions: pd.DataFrame
    compute_year: int
    horizon: int

    def share_met(self) -> float:
        """Return the share of draws in which demand meets the stock by the horizon."""
        return float(np.isfinite(self["year"]).mean())

    def interval(self, prob: Probability = 0.9, kind: IntervalKind = "eti") -> xr.Dataset:
        """Return equal-tailed intervals; infinite draws have no shortest interval.

        Raises
        ------
        InputError
            If ``prob`` is not between 0 and 1, or ``kind`` is not ``"eti"``.
        """
        check_interval(prob, kind, equal_tails_only=True)
        return super().interval(prob, kind)

    def plot(self, ax: "Axes | None" = None, prob: Probability = 0.9) -> "Axes":
        """Plot stock and demand over the years."""
        from scalingbayes.plots import plot_data_exhaustion

        return plot_data_exhaustion(self, prob=prob, ax=ax)

    def view(self, prob: Probability = 0.9) -> View:
        """Return the table, the shares of draws, and the assumptions."""
        table = readable(self.summary(prob)).rename_axis(None)
        for name in table.index:
            never = f"after {self.horizon}" if "year" in name else "not reached"
            table.loc[name] = table.loc[name].str.replace("inf", never)
        assumed = ("Assumed, with 90% intervals", self.assumptions)
        return replace(super().view(prob), table=table, tables=(assumed,))


@checked
def data_exhaustion(
    post: Posterior,
    stock: str | Belief = "effective_2024",
    *,
    stock_growth: Belief | None = None,
    stock_year: int | None = None,
    usable: Belief = 1.0,
    words_per_token: Belief = WORDS_PER_TOKEN,
    overtraining: Belief = OVERTRAINING,
    compute: Belief = LARGEST_BUDGET,
    compute_year: int = 2022,
    compute_growth: Belief = BUDGET_GROWTH,
    feasible: Belief | PositiveOrInfinite = FEASIBLE_BUDGET,
    feasible_year: int = 2030,
    feasible_growth: Belief = FEASIBLE_GROWTH,
    horizon: int = 2060,
    seed: Seed = 0,
) -> DataExhaustion:
    """Estimate the year in which training needs all tokens that there are.

    The largest budget grows by a constant factor a year, until it reaches what is feasible; from
    then on it grows as that does. The stock grows by a constant factor. The demand of a year is the
    training tokens of its largest budget: D_opt, the compute-optimal number, times the square root
    of ``overtraining``, because a run of the same budget with r times as many tokens per param has
    sqrt(r) times as many tokens. Each posterior draw is combined with one draw of every assumption;
    assumptions are independent of one another.

    An assumption is a positive number, or ``(5 % quantile, median, 95 % quantile)``. In the latter
    case its logarithm has a two-piece normal distribution: half a normal on each side of the
    median, each with its own sd, so that the quantiles are exact.

    Parameters
    ----------
    post
        A fit of a law of params and tokens alone, to a table that has both as counts.
    stock
        Number of tokens in ``stock_year``, or the name of a row of
        :func:`scalingbayes.token_stock`: by default the effective stock of Villalobos et al. 2024,
        which counts only text that is good enough, and the worth of repeating it.
    stock_growth
        Factor of growth of the stock per year, 1.07 for 7 %. By default as published, or that of
        the row ``aggregated_2022`` if the growth of the stock is not published.
    stock_year
        Year of ``stock``. By default that of the published stock, or 2024.
    usable
        Training tokens per token of the stock: below 1 if some are unfit for training, above 1 if
        tokens may be repeated.
    words_per_token
        For a stock that is published in words. By default 0.65 to 0.85, a rule of thumb for
        English.
    overtraining
        Tokens per param of the largest run over the compute-optimal ratio, 1 for compute-optimal
        runs. By default 1 to 10, with the median 2.
    compute
        Largest budget of ``compute_year``, in FLOPs. By default that of 2022, PaLM 540B's, within a
        factor of 2.
    compute_year
        Year of ``compute``, from which budgets grow.
    compute_growth
        Factor of growth of budgets per year while they are feasible. By default the growth of the
        past, 4 to 5.
    feasible
        The largest budget that is feasible in ``feasible_year``, in FLOPs; ``np.inf`` if there is
        no limit. By default 2e29 in 2030, within a factor of 10 (Sevilla et al. 2024).
    feasible_year
        Year of ``feasible``.
    feasible_growth
        Factor of growth of the feasible budget per year. By default that of the FLOPs per dollar of
        GPUs, about 1.4.
    horizon
        Last year of the projection.
    seed
        Seed of the draws of the assumptions.

    Raises
    ------
    InputError
        If the law reads other inputs or has no optimum at a budget of the projection, the table
        counts samples or bytes in place of tokens, the stock is unknown, an assumption is not
        positive or its quantiles decrease, or the years are in the wrong order.


    Examples
    --------
    >>> import scalingbayes as sb
    >>> post = sb.fit(sb.datasets.load("chinchilla"), "chinchilla")  # doctest: +SKIP
    >>> found = sb.data_exhaustion(post)
    >>> 2026 < float(found["year"].median()) < 2032
    True
    """
    post = require_params_and_tokens(post)
    require_tokens(post, _IN_TOKENS, "Convert the table's data to tokens.")
    since = year_of(stock) if stock_year is None else stock_year
    years = _years(compute_year, horizon, since, feasible_year)
    beliefs = {
        "usable": usable,
        "words_per_token": words_per_token,
        "overtraining": overtraining,
        "compute": compute,
        "compute_growth": compute_growth,
    }
    if feasible != np.inf:
        beliefs |= {"feasible": feasible, "feasible_growth": feasible_growth}
    assumptions = tabulate_assumptions(stock, stock_growth, since, **beliefs)
    coords = {name: post.tree["posterior"][name].to_numpy() for name in SAMPLE_DIMS}
    log = draw_logs(assumptions, seed, tuple(coords[dim].size for dim in SAMPLE_DIMS))
    trend = log["compute"] + log["compute_growth"] * (years - compute_year)
    largest = np.full_like(trend, _NO_LIMIT)
    if feasible != np.inf:
        largest = log["feasible"] + log["feasible_growth"] * (years - feasible_year)
    log_budget = np.minimum(trend, largest)
    log_demand = _log_demand(post, log_budget) + log["overtraining"] / 2
    log_stock = log["stock"] + log["usable"] + log["stock_growth"] * (years - since)
    log_stock = log_stock - log.get("words_per_token", 0.0)
    draws, curves = _events(years, log_budget, log_demand, log_stock, trend - largest)
    found = DataExhaustion(
        title="Year in which the demand for tokens meets their stock",
        draws=draws.assign_coords(coords),
        verdict=post.verdict,
        curves=curves.assign_coords(coords),
        assumptions=assumptions,
        compute_year=compute_year,
        horizon=horizon,
    )
    return replace(found, notes=_notes(found, post))


def _events(
    years: Int[np.ndarray, " years"],
    log_budget: Float[np.ndarray, "chains draws years"],
    log_demand: Float[np.ndarray, "chains draws years"],
    log_stock: Float[np.ndarray, "chains draws years"],
    excess: Float[np.ndarray, "chains draws years"],
) -> tuple[xr.Dataset, xr.Dataset]:
    """Return what happens when, and the curves of the stock and of the demand."""
    met, slowed = _first_crossing(log_demand - log_stock), _first_crossing(excess)
    events = {
        "year": years[0] + met,
        "compute": np.exp(_interpolate(log_budget, met)),
        "tokens": np.exp(_interpolate(log_stock, met)),
        "slowing_year": years[0] + slowed,
    }
    along = (*SAMPLE_DIMS, "year")
    curves = {"stock": (along, np.exp(log_stock)), "demand": (along, np.exp(log_demand))}
    draws = {name: (SAMPLE_DIMS, x[..., 0]) for name, x in events.items()}
    return xr.Dataset(draws), xr.Dataset(curves, {"year": years})


def _notes(found: DataExhaustion, post: Posterior) -> tuple[str, ...]:
    """Write in how many draws each event occurs, and how far the median budget extrapolates."""
    year = found["year"]
    unmet, at_once = 1 - found.share_met(), float((year <= found.compute_year).mean())
    before_slowing = float((year < found["slowing_year"]).mean())
    runs = (post.tree["constant_data"][name].to_numpy() for name in ("params", "tokens"))
    largest_run = float(_own_cost(post).training_flops(*runs).max())
    notes = []
    if unmet > 0:
        notes.append(
            f"In {_percent(unmet)} of the draws demand does not meet the stock by {found.horizon}."
        )
    if at_once > 0:
        notes.append(
            f"In {_percent(at_once)} of the draws demand already met the stock by "
            f"{found.compute_year}."
        )
    notes.append(
        f"In {_percent(before_slowing)} of the draws demand meets the stock before budgets reach "
        f"what is feasible."
    )
    compute = float(found["compute"].median())
    if np.isfinite(compute):
        decades = np.log10(compute / largest_run)
        notes.append(
            f"The median budget of that year is {decades:.1f} decades beyond the largest run."
        )
    return (*post.caveats, *notes)


def _percent(share: float) -> str:
    return "less than 0.1%" if 0 < share < 0.001 else f"{share:.1%}"


def _years(
    compute_year: int, horizon: int, stock_year: int, feasible_year: int
) -> Int[np.ndarray, " years"]:
    given = {"compute_year": compute_year, "horizon": horizon, "stock_year": stock_year}
    given["feasible_year"] = feasible_year
    for name, year in given.items():
        if not isinstance(year, int | np.integer):
            raise InputError(f"{name} must be a whole year, such as 2022; got {year!r}.")
    if not 0 < horizon - compute_year <= _MAX_YEARS:
        raise InputError(
            f"horizon must be after compute_year, by at most {_MAX_YEARS} years; got horizon "
            f"{horizon} and compute_year {compute_year}."
        )
    return np.arange(compute_year, horizon + 1)


def _log_demand(
    post: Posterior, log_budget: Float[np.ndarray, "chains draws years"]
) -> Float[np.ndarray, "chains draws years"]:
    """Return log D_opt, interpolated from a grid of budgets that all draws share."""
    first = log_budget.min()
    steps = int(np.ceil((log_budget.max() - first) / _STEP)) + 1
    best = post.allocate(np.exp(first + _STEP * np.arange(steps + 1)), _own_cost(post))
    tokens = best.draws["tokens"].transpose(*SAMPLE_DIMS, "compute").to_numpy()
    return _interpolate(np.log(tokens), (log_budget - first) / _STEP)


def _own_cost(post: Posterior) -> Proportional:
    """Return 6 N D, the law's own cost: published training compute is counted so."""
    return Proportional.of(post.law.budget)


def _interpolate(
    curves: Float[np.ndarray, "chains draws points"],
    positions: Float[np.ndarray, "chains draws positions"],
) -> Float[np.ndarray, "chains draws positions"]:
    """Interpolate each draw's curve, known at 0, 1, 2, ...; inf at infinite positions."""
    known = np.isfinite(positions)
    inside = np.where(known, positions, 0)
    left = np.minimum(np.floor(inside).astype(int), curves.shape[-1] - 2)
    low, high = (np.take_along_axis(curves, left + i, -1) for i in (0, 1))
    return np.where(known, low + (inside - left) * (high - low), np.inf)


def _first_crossing(
    gaps: Float[np.ndarray, "chains draws points"],
) -> Float[np.ndarray, "chains draws 1"]:
    """Return where each curve, known at 0, 1, 2, ..., first reaches 0 from below, or inf."""
    met = gaps >= 0
    first = met.argmax(-1, keepdims=True)
    after, before = (np.take_along_axis(gaps, np.maximum(first - i, 0), -1) for i in (0, 1))
    rise = np.where(first > 0, after - before, 1)
    crossing = np.where(first > 0, first - after / rise, 0)
    return np.where(met.any(-1, keepdims=True), crossing, np.inf)
