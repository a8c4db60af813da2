"""The bias of IsoFLOP curves on runs of a law whose optimum is known."""

import warnings
from collections.abc import Mapping
from typing import Annotated, Any

import jax.numpy as jnp
import numpy as np
import pandas as pd
from jaxtyping import Float

from scalingbayes._core.arguments import Positive, PositiveNumbers, at_least, check_numbers
from scalingbayes._core.checked import checked
from scalingbayes._core.domains import Domain
from scalingbayes._core.errors import InputError, InputWarning
from scalingbayes._core.memory import check_size
from scalingbayes._core.precision import precision, to_device
from scalingbayes.allocation import optimum, require_allocation
from scalingbayes.data.runs import Runs
from scalingbayes.decisions.approaches.isoflop import BUDGETS, Curve, isoflop
from scalingbayes.laws import Law, get_law
from scalingbayes.laws.base.inputs import beside_budget

_BYTES_OF_RUN = 400  # of the table, with copies
_SWEEP = (1e17, 1e18, 1e19, 1e20, 1e21)


@checked
def isoflop_sweep(
    values: Mapping[str, float],
    law: str | Law = "chinchilla",
    *,
    budgets: PositiveNumbers = _SWEEP,
    width: Annotated[float, Domain("above 1", 1.0)] = 4.0,
    points: Annotated[int, at_least(3)] = 15,
    offset: Positive = 1.0,
    **inputs: float,
) -> Runs:
    """Simulate noise-free runs of a law at IsoFLOP budgets.

    Parameters
    ----------
    values
        The law's parameters, by name.
    law
        A law of params and tokens with an optimum.
    budgets
        Budgets in FLOPs; shape (budgets,).
    width
        Model sizes are log-spaced from 1 / width to width times the middle size.
    points
        Number of runs per budget.
    offset
        The middle size divided by the optimal size.
    **inputs
        The law's other inputs.

    Returns
    -------
    Runs
        A table with the column ``isoflop_budget``.

    Raises
    ------
    InputError
        If the law has no optimum in params, ``values`` are not those of the law, or a number is out
        of its range.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> values = {"E": 1.69, "A": 406.4, "B": 410.7, "alpha": 0.34, "beta": 0.28}
    >>> len(sb.isoflop_sweep(values, budgets=[1e19, 1e20], points=7))
    14
    """
    law = get_law(law)
    compute = check_numbers("budgets", budgets).ravel()
    check_size(
        f"A table of {len(compute) * points:,} runs",
        float(len(compute)) * points,
        _BYTES_OF_RUN,
        "Give fewer points or budgets",
    )
    best, fixed, given = _optimum(law, values, compute, inputs)
    ratios = offset * width ** np.linspace(-1, 1, points)
    params = (best["params"][:, None] * ratios).ravel()
    budget = np.repeat(compute, points)
    tokens = budget / (law.budget.flops * params)
    with precision("float64"):
        at = to_device({**fixed, "params": params, "tokens": tokens}, "float64")
        loss = np.asarray(law(at, to_device(given, "float64")))
    columns = {name: np.full(budget.shape, float(value)) for name, value in fixed.items()}
    table = {"params": params, "tokens": tokens, law.target.column: loss, BUDGETS: budget}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InputWarning)  # small sizes are intended here
        return Runs({**table, **columns}, name=f"noise-free runs on {law.equation}")


@checked
def isoflop_bias(
    values: Mapping[str, float],
    law: str | Law = "chinchilla",
    *,
    compute: Positive = 1e24,
    widths: PositiveNumbers = (2.0, 4.0, 8.0, 16.0),
    curve: Curve = "parabola",
    budgets: PositiveNumbers = _SWEEP,
    points: Annotated[int, at_least(3)] = 15,
    offset: Positive = 1.0,
    **inputs: float,
) -> pd.DataFrame:
    """Compute the error of approach 2 on noise-free runs, whose optimum is known.

    The loss of a budget is not a parabola in log params: if alpha and beta differ, it rises faster
    on one side. The vertex is therefore off the optimum, and more so for a wider range of sizes.

    Parameters
    ----------
    values, law, budgets, points, offset, **inputs
        As for :func:`isoflop_sweep`.
    compute
        Budget in FLOPs to which the power laws are extrapolated.
    widths
        Widths of the range of sizes; shape (widths,).
    curve
        As for :func:`isoflop`.

    Returns
    -------
    pandas.DataFrame
        One row a width: ``params`` and ``tokens`` of the power laws, ``params_error`` and
        ``tokens_error``, the relative errors against the law's own optimum, and the exponents ``a``
        and ``b``.

    Raises
    ------
    InputError
        As for :func:`isoflop_sweep`, or if the runs bracket fewer than two minima.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> values = {"E": 1.69, "A": 406.4, "B": 410.7, "alpha": 0.34, "beta": 0.28}
    >>> sb.isoflop_bias(values, widths=[2, 16])["tokens_error"].round(3).tolist()
    [-0.003, -0.051]
    """
    law = get_law(law)
    target = np.array([float(compute)])
    truth, _, _ = _optimum(law, values, target, inputs)
    sweep: dict[str, Any] = {"budgets": budgets, "points": points, "offset": offset, **inputs}
    rows = {}
    for width in check_numbers("widths", widths).ravel():
        found = isoflop(isoflop_sweep(values, law, width=width, **sweep), curve)
        read = found.allocate(target).iloc[0]
        errors = {f"{name}_error": read[name] / truth[name][0] - 1 for name in read.index}
        rows[width] = {**read, **errors, "a": found.exponents.a, "b": found.exponents.b}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("width")


def _optimum(
    law: Law,
    values: Mapping[str, float],
    compute: Float[np.ndarray, " budgets"],
    inputs: Mapping[str, float],
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], dict[str, float]]:
    """Return the law's optimum for each budget, its checked other inputs, and its parameters."""
    require_allocation(law)
    if law.budget.size != "params" or law.target.column != "loss":
        raise InputError(
            f"Law {law.name!r} is of {law.budget.size} and {law.target.column}. Choose a law of "
            f"params and loss, such as 'chinchilla'."
        )
    if set(values) != set(law.parameters):
        raise InputError(
            f"values must have the parameters of law {law.name!r}, {', '.join(law.parameters)}; "
            f"got {', '.join(map(str, values)) or 'none'}."
        )
    given = {name: float(law.parameters[name].check(name, value)) for name, value in values.items()}
    fixed = beside_budget(law, inputs)
    with precision("float64"):
        best = optimum(
            law, to_device(given, "float64"), jnp.asarray(compute), to_device(fixed, "float64")
        )
        found = {name: np.asarray(best[name]) for name in ("params", "tokens")}
    if not all(np.isfinite(each).all() for each in found.values()):
        raise InputError(f"Law {law.name!r} has no optimum with these values at these budgets.")
    return found, fixed, given
