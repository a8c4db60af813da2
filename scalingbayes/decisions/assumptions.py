"""Assumptions about the stock of tokens and about future budgets: quantiles, sources and draws."""

from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from scalingbayes._core.arguments import check_numbers
from scalingbayes._core.errors import InputError, unknown
from scalingbayes.data.published import token_stock

Belief = float | tuple[float, float, float]
"""An assumption: a number that is certain, or its 5 % quantile, median and 95 % quantile."""

WORDS_PER_TOKEN: Belief = (0.65, 0.75, 0.85)
"""Three quarters, the rule of thumb for English (OpenAI, What are tokens and how to count them?).
The interval is our assumption."""

LARGEST_BUDGET: Belief = (1.25e24, 2.5e24, 5e24)
"""FLOPs of the largest run of 2022, PaLM 540B (Chowdhery et al. 2022, arXiv:2204.02311). The
factor of 2 to either side is our assumption, for runs that were not published."""

BUDGET_GROWTH: Belief = (4.0, 4.5, 5.0)
"""Factor of growth per year of frontier budgets from 2010 to 2024 (Sevilla and Roldán 2024,
epoch.ai/blog/training-compute-of-frontier-ai-models-grows-by-4-5x-per-year), used as a 90 %
interval."""

FEASIBLE_BUDGET: Belief = (2e28, 2e29, 2e30)
"""FLOPs of a run that is feasible by 2030 (Sevilla et al. 2024,
epoch.ai/blog/can-ai-scaling-continue-through-2030). The factor of 10 to either side is our
assumption; the report's limits are 1e28 to 3e29 by the power of one campus, and 5,000 to 250,000
times GPT-4 by chips."""

FEASIBLE_GROWTH: Belief = (1.25, 1.40, 1.57)
"""Factor of growth per year of feasible budgets: that of the FLOPs per dollar of GPUs for machine
learning, which double every 2.07 years, 1.54 to 3.13 (Hobbhahn and Besiroglu 2022, Trends in GPU
price-performance), so that spending stays as it is."""

OVERTRAINING: Belief = (1.0, 2.0, 10.0)
"""Tokens per param of the largest runs over the compute-optimal ratio of about 20: Llama 3 405B has
38.5 and Llama 3 70B 214 (arXiv:2407.21783). The interval is our assumption."""

_GROWTH_OF_TEXT = "aggregated_2022"
"""Stock whose growth stands in for growth that is not published."""

_DEFAULTS: dict[str, tuple[Belief, str]] = {
    "usable": (1.0, "share of the stock: all"),
    "words_per_token": (WORDS_PER_TOKEN, "rule of thumb for English"),
    "compute": (LARGEST_BUDGET, "FLOPs in 2022: PaLM 540B, within a factor of 2"),
    "compute_growth": (BUDGET_GROWTH, "a year, 2010 to 2024: Sevilla and Roldán 2024"),
    "overtraining": (OVERTRAINING, "tokens per param over optimal: Llama 3 405B is 2, 70B is 10"),
    "feasible": (FEASIBLE_BUDGET, "FLOPs by 2030: Sevilla et al. 2024, within a factor of 10"),
    "feasible_growth": (FEASIBLE_GROWTH, "a year, GPUs: Hobbhahn and Besiroglu 2022"),
}
_Z95 = NormalDist().inv_cdf(0.95)


def year_of(stock: str | Belief) -> int:
    """Return the year of a published stock; 2024 for a number.

    Raises
    ------
    InputError
        If there is no such stock.
    """
    return int(_published(stock)["year"]) if isinstance(stock, str) else 2024


def tabulate_assumptions(
    stock: str | Belief, stock_growth: Belief | None, stock_year: int, **others: Belief
) -> pd.DataFrame:
    """Return a table with the columns ``q5``, ``median``, ``q95`` and ``source``.

    Parameters
    ----------
    stock, stock_growth, stock_year
        As for :func:`scalingbayes.data_exhaustion`.
    **others
        The other assumptions, by name.

    Raises
    ------
    InputError
        If the stock is unknown, its growth is missing, or an assumption is not positive or its
        quantiles decrease.
    """
    beliefs = _stock(stock, stock_growth, stock_year)
    if not isinstance(stock, str) or _published(stock)["unit"] == "tokens":
        others = {name: each for name, each in others.items() if name != "words_per_token"}
    for name, belief in others.items():
        default, source = _DEFAULTS[name]
        beliefs[name] = (belief, source if belief == default else "given")
    rows = {}
    for name, (belief, source) in beliefs.items():
        quantiles = check_numbers(name, belief).ravel()
        if quantiles.size not in (1, 3) or (np.diff(quantiles) < 0).any():
            raise InputError(
                f"{name} must be a number, or its 5 % quantile, median and 95 % quantile in "
                f"increasing order; got {belief!r}."
            )
        rows[name] = [*np.broadcast_to(quantiles, 3), source]
    return pd.DataFrame.from_dict(rows, orient="index", columns=["q5", "median", "q95", "source"])


def draw_logs(
    assumptions: pd.DataFrame, seed: int, shape: tuple[int, ...]
) -> dict[str, Float[np.ndarray, "chains draws 1"]]:
    """Draw the logarithm of each assumption from a two-piece normal distribution.

    Parameters
    ----------
    assumptions
        From :func:`tabulate_assumptions`.
    seed
        Seed of the draws.
    shape
        Numbers of chains and draws.
    """
    # A stream for each assumption: a change of one does not change the draws of the others.
    streams = np.random.default_rng(seed).spawn(len(assumptions))
    found = {}
    logs = np.log(assumptions[["q5", "median", "q95"]].to_numpy(float))
    for name, (low, middle, high), random in zip(assumptions.index, logs, streams, strict=True):
        z = random.standard_normal((*shape, 1)) / _Z95
        found[str(name)] = middle + z * np.where(z < 0, middle - low, high - middle)
    return found


def _published(stock: str) -> "pd.Series[Any]":
    table = token_stock()
    if stock not in table.index:
        raise unknown("stock", stock, table.index, "Or pass a number of tokens.")
    (row,) = (each for name, each in table.iterrows() if name == stock)
    return row


def _stock(stock: str | Belief, growth: Belief | None, year: int) -> dict[str, tuple[Belief, str]]:
    """Return the stock and its growth per year, each with its source."""
    if not isinstance(stock, str):
        if growth is None:
            raise InputError(
                "stock_growth is needed if stock is a number: stock_growth=1.07 for 7 % a year."
            )
        return {
            "stock": (stock, f"tokens in {year}: given"),
            "stock_growth": (growth, "a year: given"),
        }
    row = _published(stock)
    paper = f"Villalobos et al. {row['year']}"
    source = f"{row['unit']} in {year}: {paper}, {stock}"
    amount = tuple(row[["low", "amount", "high"]])
    if growth is not None:
        return {"stock": (amount, source), "stock_growth": (growth, "a year: given")}
    grows, of = row, stock
    if np.isnan(row["growth_per_year"]):
        grows, of = _published(_GROWTH_OF_TEXT), _GROWTH_OF_TEXT
    low, middle, high = (float(grows[f"growth_{each}"]) for each in ("low", "per_year", "high"))
    published = f"a year: Villalobos et al. {grows['year']}, {of}"
    return {
        "stock": (amount, source),
        "stock_growth": ((1 + low, 1 + middle, 1 + high), published),
    }
