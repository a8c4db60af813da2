"""Inputs of a law that an allocation chooses from several values, such as a number of experts."""

from collections.abc import Callable, Mapping, Sequence
from itertools import product

import numpy as np
import xarray as xr
from jaxtyping import Float

from scalingbayes._core.arguments import check_numbers
from scalingbayes._core.errors import InputError
from scalingbayes._core.numbers import kind_of, write
from scalingbayes.laws import Law

Choices = dict[str, Float[np.ndarray, " values"]]

_MOST = 500  # combinations of values
_OFTEN = 0.05  # share of draws, from which a choice at an end is worth a note


def split_choices(
    law: Law, inputs: Mapping[str, float | Sequence[float]]
) -> tuple[Choices, dict[str, float]]:
    """Return the inputs with several values, sorted, and the inputs with one.

    Raises
    ------
    InputError
        If a value is not in the input's domain, or there are too many combinations.
    """
    several = {name: x for name, x in inputs.items() if np.ndim(x) and name in law.inputs}
    choices = {
        name: np.unique(check_numbers(name, x, law.inputs[name].domain))
        for name, x in several.items()
    }
    count = np.prod([len(x) for x in choices.values()], initial=1.0)
    if count > _MOST:
        raise InputError(
            f"{' and '.join(choices)} have {count:.0f} combinations of values; at most {_MOST} can "
            f"be compared. Give fewer."
        )
    return choices, {name: x for name, x in inputs.items() if name not in choices}  # type: ignore[misc]


def choose_inputs(
    ask: Callable[[Mapping[str, float]], xr.Dataset],
    choices: Choices,
    fixed: Mapping[str, float],
    target: str,
) -> xr.Dataset:
    """Return for each draw and budget the answer with the values of least target.

    Parameters
    ----------
    ask
        Function that returns draws of an optimum, given the law's other inputs.
    choices, fixed
        From :func:`split_choices`.
    target
        Name of the variable that is to be least.

    Returns
    -------
    xarray.Dataset
        The best answers, and the values of the chosen inputs.
    """
    if not choices:
        return ask(fixed)
    best: xr.Dataset | None = None
    for values in product(*choices.values()):
        given = dict(zip(choices, map(float, values), strict=True))
        found = ask({**fixed, **given})
        found = found.assign({name: xr.full_like(found[target], x) for name, x in given.items()})
        if best is None:
            best = found
            continue
        # A draw may have no optimum at some of the values: its target is NaN there.
        better = (found[target] < best[target]) | best[target].isnull()
        best = found.where(better, best)
    assert best is not None
    return best


def at_an_end(draws: xr.Dataset, choices: Choices) -> tuple[str, ...]:
    """Return notes on inputs whose best value is often the smallest or the largest one given."""
    notes = []
    for name, values in choices.items():
        for end, which in ((values[0], "smallest"), (values[-1], "largest")):
            often = (draws[name] == end).mean(("chain", "draw")).to_numpy().max()
            if often > _OFTEN and len(values) > 1:
                notes.append(
                    f"The {which} value of {name}, {write(float(end), kind_of(name))}, is the best "
                    f"one in up to {often:.0%} of the draws: values beyond it may be better."
                )
    return tuple(notes)
