"""Check that a table can identify the parameters of a model."""

import warnings
from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from scalingbayes._core.errors import InputError, InputWarning
from scalingbayes.data.columns import missing_columns
from scalingbayes.laws import COMMON_INPUTS
from scalingbayes.model.bound_model import BoundModel
from scalingbayes.model.table_checks import (
    check_target,
    warn_of_curves,
    warn_of_repeats,
    warn_of_undecayed,
)

_COLLINEAR = 0.01  # ratio of the smallest to the largest singular value of the log inputs
_SAME = 1e-6  # range of a log input below which all its values are the same


def check_identifiable(model: BoundModel) -> None:
    """Check that a model can be fitted to its runs.

    Warns of inputs that are collinear, of rows that form training curves, of rows that the law
    cannot tell apart, of decayed rows beside undecayed ones, and of a loss that looks like a
    perplexity.

    Raises
    ------
    InputError
        If the table lacks a column, a value is outside its domain, there are fewer runs than
        unknowns, an input that must vary has a single value, or a loss rises with scale.
    """
    law, noise, runs = model.law, model.noise, model.runs
    optional = [name for name in (noise.error, noise.groups) if name]
    needed = (*law.inputs, law.target.column, *optional)
    if missing := [column for column in needed if column not in runs.frame]:
        reads = f"Law {law.name!r} reads {', '.join(law.inputs)} and predicts {law.target.column}."
        raise missing_columns(missing, runs.frame, reads)
    counted = model.counted
    model.inputs, model.observed, model.errors  # noqa: B018 - reading the columns checks them
    unknowns = len(model.parameters)
    if counted.sum() < unknowns:
        raise InputError(
            f"The table has {int(counted.sum())} runs that count, fewer than the {unknowns} "
            f"unknowns of law {law.name!r} with {noise.name} noise "
            f"({', '.join(model.parameters)}). Add runs, or choose a law with fewer parameters."
        )
    varied = {name: x[counted] for name, x in _inputs_that_must_vary(model).items()}
    for name, values in varied.items():
        if np.ptp(np.log(values)) < _SAME:
            raise InputError(
                f"Column {runs.shown(name)} has the single value {values[0]:.6g}, so law "
                f"{law.name!r} cannot be identified. Add runs with other values of {name!r}."
            )
    _warn_if_collinear(varied)
    check_target(model)
    if not noise.has_random_effects:
        warn_of_curves(model)
    warn_of_undecayed(model)
    warn_of_repeats(model)


def _inputs_that_must_vary(model: BoundModel) -> dict[str, Float[np.ndarray, " runs"]]:
    """Return inputs with a unit of their own; a count of experts, for example, may be constant."""
    own = [name for name, x in model.law.inputs.items() if x.unit is None or name in COMMON_INPUTS]
    return {name: model.inputs[name] for name in own}


def _warn_if_collinear(inputs: Mapping[str, Float[np.ndarray, " runs"]]) -> None:
    """Warn if the log inputs are nearly linearly dependent."""
    if len(inputs) < 2:
        return
    logs = np.log(np.stack(list(inputs.values())))
    deviations = logs - logs.mean(axis=1, keepdims=True)
    spans = np.linalg.svd(deviations / deviations.std(axis=1, keepdims=True), compute_uv=False)
    if spans[-1] < _COLLINEAR * spans[0]:
        warnings.warn(
            f"{' and '.join(inputs)} are collinear over these runs (as in a single IsoFLOP budget, "
            f"or at a fixed ratio). The runs cannot separate their effects; the priors do. Add "
            f"runs in which one changes and the others do not.",
            InputWarning,
            stacklevel=4,
        )
