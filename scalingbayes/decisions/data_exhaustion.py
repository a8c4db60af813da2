"""Will the tokens last: the stock of language data against what growing budgets ask for."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Float, Int

from scalingbayes._core.arguments import check_number, check_numbers, check_seed
from scalingbayes._core.errors import InputError, unknown
from scalingbayes.data.published import token_stock
from scalingbayes.decisions.device_draws import require_params_and_tokens
from scalingbayes.posterior.posterior import Posterior
from scalingbayes.results import (
    SAMPLE_DIMS,
    DrawsResult,
    IntervalKind,
    Verdict,
    View,
    check_interval,
    format_number,
    interval_columns,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Belief = float | tuple[float, float, float]
"""A number that is certain, or its 5 % quantile, median and 95 % quantile."""

_Z = NormalDist().inv_cdf(0.95)
_STEP = np.log(10) / 4  # of log budgets; between them log D_opt is all but straight
_LONGEST = 200  # years that are looked at

WORDS_PER_TOKEN: Belief = (0.65, 0.75, 0.85)
"""By the rule of thumb for English, three quarters (OpenAI, What are tokens and how to count
them?); the interval is ours."""

LARGEST_BUDGET: Belief = (1.25e24, 2.5e24, 5e24)
"""FLOPs in 2022: PaLM 540B's (Chowdhery et al. 2022, arXiv:2204.02311); the factor of two to
either side, for what was not published, is ours."""

BUDGET_GROWTH: Belief = (4.0, 4.5, 5.0)
"""A year, of frontier models from 2010 to 2024, 4 to 5 (Sevilla and Roldán 2024,
epoch.ai/blog/training-compute-of-frontier-ai-models-grows-by-4-5x-per-year), taken as a 90 %
interval."""

FEASIBLE_BUDGET = 2e29
"""FLOPs of a run by 2030 (Sevilla et al. 2024,
epoch.ai/blog/can-ai-scaling-continue-through-2030)."""


@dataclass(frozen=True, eq=False, repr=False)
class DataExhaustion(DrawsResult):
    """When demand for tokens meets their stock; made by :func:`data_exhaustion`.

    Parameters
    ----------
    draws
        With dims ``chain`` and ``draw``: ``year``, in which demand meets the stock; ``compute``
        and ``tokens``, the budget in FLOPs and the stock then, which is how far compute-optimal
        budgets can grow; and ``ceiling_year``, in which budgets come to ``ceiling``. Each is inf
        where that is after the horizon.
    curves
        ``stock`` and ``demand`` in tokens, with the further dim ``year``.
    assumptions
        A row an assumption: 5 % quantile, median, 95 % quantile, and where it comes from.
    compute_year
        The year from which budgets grow; earlier ones are not looked at.
    horizon
        The last year that is looked at.
    ceiling
        A budget in FLOPs.
    largest_run
        Compute of the largest run that was fitted, in FLOPs.
    verdict
        Whether the fit is to be believed.
    """

    draws: xr.Dataset
    curves: xr.Dataset
    assumptions: pd.DataFrame
    compute_year: int
    horizon: int
    ceiling: float
    largest_run: float
    verdict: Verdict

    @property
    def years(self) -> xr.DataArray:
        """The year in which demand meets the stock, draw by draw; inf for after the horizon."""
        return self.draws["year"]

    def share_met(self) -> float:
        """Return the share of draws in which demand meets the stock by the horizon."""
        return float(np.isfinite(self.years).mean())

    def summary(self, prob: float = 0.9, kind: IntervalKind = "eti") -> pd.DataFrame:
        """Return a row a quantity: median and equal-tailed interval; inf is after the horizon.

        Parameters
        ----------
        prob
            Posterior probability of an interval.
        kind
            ``"eti"``: the intervals are equal-tailed.

        Raises
        ------
        InputError
            If ``prob`` is not between 0 and 1, or ``kind`` is not ``"eti"``.
        """
        check_interval(prob, kind, equal_tails_only=True)
        columns = ("median", *interval_columns(prob))
        rows = {
            str(name): dict(zip(columns, _quantiles(draws, prob), strict=True))
            for name, draws in self.draws.items()
        }
        frame = pd.DataFrame.from_dict(rows, orient="index", columns=list(columns))
        frame.attrs["verdict"] = self.verdict.word
        return frame

    def in_words(self) -> str:
        """Say what the draws say, and what they do not reach."""
        unmet, at_once = 1 - self.share_met(), float((self.years <= self.compute_year).mean())
        lines = []
        if unmet > 0:
            lines.append(
                f"In {_percent(unmet)} of the draws demand does not meet the stock by "
                f"{self.horizon}."
            )
        if at_once > 0:
            lines.append(
                f"In {_percent(at_once)} of the draws it had met it by {self.compute_year} already."
            )
        first = float((self.years < self.draws["ceiling_year"]).mean())
        lines.append(
            f"The stock binds before budgets come to {self.ceiling:.2g} FLOPs in "
            f"{_percent(first)} of the draws."
        )
        compute, *_ = _quantiles(self.draws["compute"], 0.9)
        if np.isfinite(compute):
            beyond = np.log10(compute / self.largest_run)
            lines.append(
                f"By then the median budget lies {beyond:.1f} decades beyond the largest run "
                f"fitted."
            )
        return "\n".join(lines)

    def plot(self, ax: "Axes | None" = None, prob: float = 0.9) -> "Axes":
        """Plot stock and demand over the years."""
        from scalingbayes.plots import plot_data_exhaustion  # pyplot starts when it is asked for

        return plot_data_exhaustion(self, prob=prob, ax=ax)

    @property
    def title(self) -> str:
        """What was estimated."""
        return "Year in which the demand for tokens meets their stock"

    def _shown(self) -> pd.DataFrame:
        frame = self.summary()
        texts = [
            [self.write(str(name), value) for value in row]
            for name, row in zip(frame.index, frame.to_numpy(), strict=True)
        ]
        return pd.DataFrame(texts, index=frame.index, columns=frame.columns)

    def write(self, name: str, value: float) -> str:
        """Write a number of :meth:`summary`, or in words that it is not within the horizon."""
        if not np.isfinite(value):
            return f"after {self.horizon}" if "year" in name else "not reached"
        return f"{value:.1f}" if "year" in name else format_number(value)

    def view(self) -> View:
        """Return the table, the shares of draws in words, and the assumptions."""
        return replace(
            super().view(),
            table=self._shown(),
            lines=tuple(self.in_words().splitlines()),
            tables=(("Assumed, with 90% intervals", self.assumptions),),
        )


def data_exhaustion(
    post: Posterior,
    stock: str | Belief = "aggregated",
    *,
    stock_growth: Belief | None = None,
    stock_year: int = 2022,
    usable: Belief = 1.0,
    words_per_token: Belief = WORDS_PER_TOKEN,
    compute: Belief = LARGEST_BUDGET,
    compute_year: int = 2022,
    compute_growth: Belief = BUDGET_GROWTH,
    ceiling: float = FEASIBLE_BUDGET,
    horizon: int = 2060,
    seed: int = 0,
) -> DataExhaustion:
    """Estimate the year in which compute-optimal training asks for all tokens there are.

    The largest budget grows by a constant factor a year; its demand is the compute-optimal number
    of tokens, D_opt of that year's budget. The stock grows by a constant factor too. Each draw of
    the posterior meets one draw of every assumption; these are independent of one another.

    An assumption is a number, or ``(5 % quantile, median, 95 % quantile)``, all positive: then its
    logarithm is drawn from a two-piece normal, half a normal to either side of the median with
    spreads of their own, which has exactly these quantiles.

    Parameters
    ----------
    post
        A fit of a law of params and tokens alone, to a table that gives both as counts.
    stock
        Words there are in ``stock_year``; or the name of a row of
        :func:`scalingbayes.data.published.token_stock`
        (Villalobos et al. 2022, arXiv:2211.04325).
    stock_growth
        The factor by which they grow a year, 1.07 for 7 %. By default the table's.
    stock_year
        Of the stock.
    usable
        Tokens of training that a token of the stock is worth: below 1 where some is unfit for
        training, above 1 where it may be repeated.
    words_per_token
        By default 0.65 to 0.85, :data:`WORDS_PER_TOKEN`.
    compute
        The largest budget of ``compute_year``, in FLOPs. By default that of 2022,
        :data:`LARGEST_BUDGET`.
    compute_year
        Of that budget.
    compute_growth
        The factor by which budgets grow a year. By default what they have grown by in the past, 4
        to 5, :data:`BUDGET_GROWTH`; give a wider interval for doubts about the future.
    ceiling
        A budget in FLOPs whose year is looked for as well, by default :data:`FEASIBLE_BUDGET`.
        Budgets grow past it.
    horizon
        The last year to look at.
    seed
        Of the assumptions' draws.

    Raises
    ------
    InputError
        If the law reads anything else, there is no such stock, an assumption is not positive or
        its three numbers do not rise, the years are in no order, or the law has no optimum at a
        budget that is looked at.
    """
    require_params_and_tokens(post)
    check_seed(seed)
    years = _years(compute_year, horizon, stock_year)
    limit = check_number("ceiling", ceiling)
    beliefs = {
        **_stock(stock, stock_growth),
        "usable": usable,
        "words_per_token": words_per_token,
        "compute": compute,
        "compute_growth": compute_growth,
    }
    quantiles = {name: _read(name, belief) for name, belief in beliefs.items()}
    sizes = post.tree["posterior"].sizes
    log = _draw(quantiles, seed, tuple(sizes[dim] for dim in SAMPLE_DIMS))
    log_budget = log["compute"] + log["compute_growth"] * (years - compute_year)
    log_demand = _log_demand(post, log_budget)
    log_stock = log["stock"] + log["usable"] - log["words_per_token"]
    log_stock = log_stock + log["stock_growth"] * (years - stock_year)

    when = _first_crossing(log_demand - log_stock)
    at_ceiling = _first_crossing(log_budget - np.log(limit))
    met = {
        "year": compute_year + when,
        "compute": np.exp(_at(log_budget, when)),
        "tokens": np.exp(_at(log_stock, when)),
        "ceiling_year": compute_year + at_ceiling,
    }
    curves = {"stock": np.exp(log_stock), "demand": np.exp(log_demand)}
    coords = {name: post.tree["posterior"][name].values for name in SAMPLE_DIMS}
    sources = _sources(stock, stock_growth, stock_year, beliefs)
    assumptions = pd.DataFrame(quantiles, index=["q5", "median", "q95"]).T.assign(
        source=pd.Series(sources)
    )
    return DataExhaustion(
        draws=xr.Dataset({name: (SAMPLE_DIMS, x[..., 0]) for name, x in met.items()}, coords),
        curves=xr.Dataset(
            {name: ((*SAMPLE_DIMS, "year"), x) for name, x in curves.items()},
            {**coords, "year": years},
        ),
        assumptions=assumptions,
        compute_year=compute_year,
        horizon=horizon,
        ceiling=limit,
        largest_run=float(post.compute.max()),
        verdict=post.verdict,
    )


def _years(compute_year: int, horizon: int, stock_year: int) -> Int[np.ndarray, " years"]:
    given = {"compute_year": compute_year, "horizon": horizon, "stock_year": stock_year}
    for name, year in given.items():
        if not isinstance(year, int | np.integer):
            raise InputError(f"{name} must be a whole year, such as 2022; got {year!r}.")
    if not 0 < horizon - compute_year <= _LONGEST:
        raise InputError(
            f"horizon must be after compute_year, by at most {_LONGEST} years; got {horizon} and "
            f"{compute_year}."
        )
    return np.arange(compute_year, horizon + 1)


def _stock(stock: str | Belief, growth: Belief | None) -> dict[str, Belief]:
    """Read the stock in words and its yearly factor of growth, from the table where it is named."""
    if not isinstance(stock, str):
        if growth is None:
            raise InputError("Say how the stock grows a year: stock_growth=1.07 for 7 %.")
        return {"stock": stock, "stock_growth": growth}
    table = token_stock()
    if stock not in table.index:
        raise unknown("stock", stock, table.index, "Or give it in words, as a number.")
    row = table.loc[stock]
    words = tuple(row[["stock_low", "stock_words", "stock_high"]])
    if growth is None:
        growth = tuple(1 + row[["growth_low", "growth_per_year", "growth_high"]])
        if np.isnan(growth).any():
            raise InputError(f"The growth of {stock} was not published: give stock_growth=1.07.")
    return {"stock": words, "stock_growth": growth}


def _sources(
    stock: str | Belief, growth: Belief | None, stock_year: int, beliefs: Mapping[str, Belief]
) -> dict[str, str]:
    paper = "Villalobos et al. 2022"
    defaults = {
        "words_per_token": (WORDS_PER_TOKEN, "rule of thumb for English"),
        "compute": (LARGEST_BUDGET, "FLOPs in 2022: PaLM 540B, give or take a factor of 2"),
        "compute_growth": (BUDGET_GROWTH, "a year, 2010 to 2024: Sevilla and Roldán 2024"),
    }
    found = {
        name: default[1] if beliefs[name] == default[0] else "given"
        for name, default in defaults.items()
    }
    named = isinstance(stock, str)
    return {
        "stock": f"words in {stock_year}: {f'{paper}, {stock}' if named else 'given'}",
        "stock_growth": f"a year: {paper if named and growth is None else 'given'}",
        "usable": f"share of the stock: {'all' if beliefs['usable'] == 1.0 else 'given'}",
        **found,
    }


def _read(name: str, belief: Belief) -> Float[np.ndarray, "3"]:
    """Read a number, or three that rise."""
    found = check_numbers(name, belief).ravel()
    if found.size not in (1, 3) or (np.diff(found) < 0).any():
        raise InputError(
            f"{name} must be a number, or its 5 % quantile, median and 95 % quantile, in this "
            f"order; got {belief!r}."
        )
    return np.broadcast_to(found, 3)


def _draw(
    quantiles: Mapping[str, Float[np.ndarray, "3"]], seed: int, shape: tuple[int, ...]
) -> dict[str, Float[np.ndarray, "chains draws 1"]]:
    """Draw the logarithm of each assumption."""
    # A stream for each: giving one of them does not move the draws of the others.
    streams = np.random.default_rng(seed).spawn(len(quantiles))
    found = {}
    for (name, each), random in zip(quantiles.items(), streams, strict=True):
        low, middle, high = np.log(each)
        z = random.standard_normal((*shape, 1)) / _Z
        found[name] = middle + z * np.where(z < 0, middle - low, high - middle)
    return found


def _log_demand(
    post: Posterior, log_budget: Float[np.ndarray, "chains draws years"]
) -> Float[np.ndarray, "chains draws years"]:
    """Log of D_opt, of budgets of each draw's own."""
    first = log_budget.min()
    steps = int(np.ceil((log_budget.max() - first) / _STEP)) + 1
    best = post.allocate(np.exp(first + _STEP * np.arange(steps + 1)))
    tokens = best.draws["tokens"].transpose(*SAMPLE_DIMS, "compute").to_numpy()
    return _at(np.log(tokens), (log_budget - first) / _STEP)


def _at(
    curves: Float[np.ndarray, "chains draws points"],
    places: Float[np.ndarray, "chains draws places"],
) -> Float[np.ndarray, "chains draws places"]:
    """Interpolate each draw's curve, given at 0, 1, 2, ...; inf where the place is."""
    found = np.isfinite(places)
    inside = np.where(found, places, 0)
    left = np.minimum(np.floor(inside).astype(int), curves.shape[-1] - 2)
    low, high = (np.take_along_axis(curves, left + i, -1) for i in (0, 1))
    return np.where(found, low + (inside - left) * (high - low), np.inf)


def _first_crossing(
    gaps: Float[np.ndarray, "chains draws points"],
) -> Float[np.ndarray, "chains draws 1"]:
    """Find where each curve, given at 0, 1, 2, ..., first reaches 0 from below; inf if nowhere."""
    met = gaps >= 0
    first = met.argmax(-1, keepdims=True)
    after, before = (np.take_along_axis(gaps, np.maximum(first - i, 0), -1) for i in (0, 1))
    rise = np.where(first > 0, after - before, 1)
    crossing = np.where(first > 0, first - after / rise, 0)
    return np.where(met.any(-1, keepdims=True), crossing, np.inf)


def _quantiles(draws: xr.DataArray, prob: float) -> list[float]:
    """Median and ends of the equal-tailed interval, of draws of which some may be inf.

    Each is one of the draws: to interpolate between a number and inf gives NaN.
    """
    ordered = np.sort(draws.to_numpy().ravel())
    shares = np.array([0.5, (1 - prob) / 2, (1 + prob) / 2])
    return ordered[np.ceil(shares * ordered.size).astype(int) - 1].tolist()


def _percent(share: float) -> str:
    return "less than 0.1%" if 0 < share < 0.001 else f"{share:.1%}"
