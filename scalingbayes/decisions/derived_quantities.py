"""Quantities that a law derives from its parameters, such as the critical batch size at a loss."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Array, Float

from scalingbayes._core.arguments import RealNumbers, check_numbers
from scalingbayes._core.checked import checked
from scalingbayes._core.domains import POSITIVE
from scalingbayes._core.errors import InputError
from scalingbayes._core.precision import precision, to_device
from scalingbayes._core.programs import compiled
from scalingbayes.laws import Law
from scalingbayes.laws.base.derived import Derived
from scalingbayes.laws.base.inputs import side_by_side
from scalingbayes.posterior.extrapolation import beyond
from scalingbayes.posterior.posterior import Posterior
from scalingbayes.posterior.user_units import inputs_in_nats
from scalingbayes.results import SAMPLE_DIMS, Estimate

_CASE = "case"


@checked
def derived_quantities(post: Posterior, **inputs: RealNumbers) -> Estimate:
    """Estimate the quantities that follow from a law's parameters, at chosen inputs.

    Laws declare such quantities beside their target (``law.derived``). ``critical_batch`` has the
    critical batch size B_crit, the least steps S_min and the least examples E_min, at any value of
    the column in ``by``; ``kaplan_steps`` has them at any loss and size; ``routed`` has
    ``dense_params``, the size of the dense model that is as good as a routed one, and
    ``cutoff_params``, the size above which experts no longer help.

    Parameters
    ----------
    post
        A fit of a law that declares derived quantities.
    **inputs
        Inputs of these quantities, such as ``params=7e9`` or ``loss=2.5``. Arrays are several
        cases. Only the quantities whose inputs are all given are estimated. A loss is in the
        table's unit.

    Returns
    -------
    Estimate
        Draws of shape (chains, draws, cases) of each quantity. The dim of one input has its name.

    Raises
    ------
    InputError
        If the law has no derived quantity of these inputs, or an input cannot be used.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> runs = sb.datasets.load("critical_batch_size")  # doctest: +SKIP
    >>> post = sb.fit(runs, "critical_batch(by=params)")  # doctest: +SKIP
    >>> sb.derived_quantities(post, params=[85e6, 1.2e9]).median()["B_crit"]  # doctest: +SKIP
    """
    if not isinstance(post, Posterior):
        raise InputError(f"post must be a posterior, as sb.fit returns; got {type(post).__name__}.")
    asked = _asked(post.law, inputs)
    return post.with_exact(lambda each: _estimate(each, asked, inputs))


def _asked(law: Law, inputs: Mapping[str, Any]) -> dict[str, Derived]:
    """Return the quantities whose inputs are given, or raise InputError."""
    asked = {n: each for n, each in law.derived.items() if set(each.inputs) <= set(inputs)}
    used = {name for each in asked.values() for name in each.inputs}
    if asked and used == set(inputs):
        return asked
    offered = [f"{n} from {' and '.join(d.inputs) or 'nothing'}" for n, d in law.derived.items()]
    raise InputError(
        f"Law {law.name!r} derives {', '.join(offered) or 'no quantities'}; "
        f"got {', '.join(inputs) or 'no inputs'}."
    )


def _estimate(post: Posterior, asked: Mapping[str, Derived], inputs: Mapping[str, Any]) -> Estimate:
    law = post.law
    domains = {name: each.domain for name, each in law.inputs.items()}
    numbers = {
        name: check_numbers(name, x, domains.get(name, POSITIVE)) for name, x in inputs.items()
    }
    given = side_by_side(numbers)
    points = inputs_in_nats(post, given)
    with precision("float64"):
        values, where = to_device((post.values, points), "float64")
        answers = _evaluate(law, tuple(asked), values, where)
        found = {name: np.asarray(answers[name]) for name in asked}
    draws = xr.Dataset(
        {
            name: ((*SAMPLE_DIMS, *([_CASE] if asked[name].inputs else [])), x)
            for name, x in found.items()
        },
        {name: post.draws[name].to_numpy() for name in SAMPLE_DIMS},
    )
    notes = [f"{name}: {each.description}." for name, each in asked.items()]
    for name, x in given.items():
        if name in law.inputs:
            notes += beyond(name, x, post.tree["constant_data"][name].to_numpy())
    title = f"Quantities that follow from {law.equation}"
    return Estimate(title, _labelled(draws, given), post.verdict, notes=tuple(notes))


def _labelled(draws: xr.Dataset, given: Mapping[str, Float[np.ndarray, " cases"]]) -> xr.Dataset:
    """Return draws whose cases are labelled by their inputs."""
    if not given:
        return draws
    if len(given) == 1:
        ((name, values),) = given.items()
        return draws.rename({_CASE: name}).assign_coords({name: values})
    rows = pd.MultiIndex.from_arrays(list(given.values()), names=list(given))
    return draws.assign_coords(xr.Coordinates.from_pandas_multiindex(rows, _CASE))


@partial(compiled, static=("law", "names"))
def _evaluate(
    law: Law, names: tuple[str, ...], values: dict[str, Array], inputs: dict[str, Array]
) -> dict[str, Array]:
    found = {}
    for name in names:
        each = law.derived[name]
        parameters = {
            n: values[n][..., None] if each.inputs else values[n] for n in each.parameters
        }
        found[name] = each.function(*(inputs[n] for n in each.inputs), **parameters)
    return found
