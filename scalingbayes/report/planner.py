"""What the planner of a report computes with: the draws, and the law and its cost in JavaScript."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from scalingbayes.allocation import Cost
from scalingbayes.allocation.expected import expected, expected_for_budget
from scalingbayes.laws import Law
from scalingbayes.posterior.extrapolation import ERROR_PER_DECADE, standard_errors
from scalingbayes.posterior.posterior import Posterior
from scalingbayes.posterior.user_units import predicts_perplexity
from scalingbayes.report.javascript import to_javascript
from scalingbayes.report.near_optimal import WASTE
from scalingbayes.results import SAMPLE_DIMS

MOST_DRAWS = 4000
"""Draws in a page, at most."""


@dataclass(frozen=True)
class Planner:
    """What the page's JavaScript reads.

    Parameters
    ----------
    data
        The numbers of the fit, ready for JSON; ``draws`` are float64 in base 64.
    functions
        JavaScript: an object of the law and its cost.
    """

    data: dict[str, Any]
    functions: str


def make_planner(post: Posterior, cost: Cost, inputs: Mapping[str, float], prob: float) -> Planner:
    """Return what the page needs to compute the allocations of a posterior.

    Parameters
    ----------
    post
        The posterior; at most 4,000 of its draws go into the page.
    cost
        What a budget pays for, without serving.
    inputs
        Values of the law's inputs other than the model's size and tokens.
    prob
        Probability of the intervals.

    Raises
    ------
    UntranslatableError
        If the law or the cost has an operation that has no JavaScript.
    """
    law = post.law
    kept, constant = post.thin(MOST_DRAWS), post.tree["constant_data"]
    seen = {"training": post.compute}
    seen |= {"size": constant[law.budget.size].to_numpy(), "tokens": constant["tokens"].to_numpy()}
    data = {
        "draws": [_encode(kept.values[name]) for name in law.parameters],
        "allDraws": post.values[next(iter(law.parameters))].size,
        "errors": _kept_errors(post, kept),
        "errorPerDecade": ERROR_PER_DECADE,
        "seen": {name: [float(x.min()), float(x.max())] for name, x in seen.items()},
        "oneMinimum": law.optimum is not None,
        "perplexity": predicts_perplexity(post),
        "prob": prob,
        "waste": WASTE,
        "inputs": [[name, float(value)] for name, value in inputs.items()],
    }
    return Planner(data, _functions(law, cost, post.cost.at(inputs), tuple(inputs)))


def _kept_errors(post: Posterior, kept: Posterior) -> str | None:
    """Return the law's errors beyond the runs of the draws that a page has."""
    errors = standard_errors(post)
    if errors is None:
        return None
    coords = {name: post.draws[name].to_numpy() for name in SAMPLE_DIMS}
    whole = xr.DataArray(errors[..., 0], coords, SAMPLE_DIMS)
    return _encode(whole.sel(draw=kept.draws["draw"].to_numpy()).to_numpy())


def _functions(law: Law, cost: Cost, table_cost: Cost, others: tuple[str, ...]) -> str:
    """Return the functions of the law and the cost that `planner.js` describes."""
    parameters, budget = tuple(law.parameters), ("served", "log_budget")

    def serving(served: Any) -> Cost:
        return replace(cost, served_tokens=served)

    def split(given: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        return {n: given[n] for n in parameters}, {n: given[n] for n in others}

    def loss(log_size: Any, log_tokens: Any, **given: Any) -> Any:
        return expected(law, *split(given), log_size, log_tokens)

    def loss_along(scale: Any, served: Any, log_budget: Any, **given: Any) -> Any:
        return expected_for_budget(law, *split(given), serving(served), scale, log_budget)

    def slope_along(scale: Any, **given: Any) -> Any:
        return jax.jvp(lambda scale: loss_along(scale, **given), (scale,), (jnp.ones_like(scale),))[
            1
        ]

    fixed = (*parameters, *others)
    functions = {
        "loss": to_javascript(loss, fixed, ("log_size", "log_tokens")),
        "lossAlong": to_javascript(loss_along, (*fixed, *budget), ("scale",)),
        "slopeAlong": to_javascript(slope_along, (*fixed, *budget), ("scale",)),
        "logTokens": to_javascript(
            lambda scale, served, log_budget: serving(served).log_tokens(scale, log_budget),
            budget,
            ("scale",),
        ),
        "logServed": to_javascript(
            lambda scale, served: serving(served).log_served(scale), ("served",), ("scale",)
        ),
        "logSize": _of_scale(cost.log_size),
        "logTraining": _of_scale(cost.log_training),
        "logTableTraining": _of_scale(table_cost.log_training),
    }
    code = ",\n".join(f"{name}: {code}" for name, code in functions.items())
    return f"{{\n{code}\n}}"


def _of_scale(function: Any) -> str:
    return f"({to_javascript(lambda scale: function(scale), (), ('scale',))})([])"


def _encode(values: Any) -> str:
    flat = np.ascontiguousarray(np.ravel(values), "<f8")
    return base64.b64encode(flat.tobytes()).decode("ascii")
