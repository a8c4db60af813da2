"""Check that the draws of a posterior are such as a fit can return."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool, Float

from scalingbayes._core.errors import InputError
from scalingbayes.laws.base.parameters import Parameter, Prior
from scalingbayes.laws.base.resolved_priors import read_prior
from scalingbayes.posterior.posterior import Posterior
from scalingbayes.results import SAMPLE_DIMS

_ROUNDING = 1e-5  # relative error of a prior's number that is computed from the table's units


def check_ranges(post: Posterior) -> None:
    """Check the sizes of a posterior's groups, and the values of its draws.

    Raises
    ------
    InputError
        If a parameter is not finite or outside the support of its prior, or if draws or runs are
        missing. A prior whose unit has functions, such as exp, is not looked at: JAX would have to
        compute them, which a process that was forked cannot.
    """
    record, draws = post.record, post.draws
    runs = post.tree["observed_data"].sizes["run"]
    rows = post.tree["table"].sizes["run"]
    if min(draws.sizes.get(name, 0) for name in SAMPLE_DIMS) < 1:
        raise InputError("It holds no draws.")
    if rows != record.data.rows or (record.of != "published" and runs != rows):
        raise InputError(
            f"It holds a table of {rows} runs and {runs} targets; its record says "
            f"{record.data.rows} runs."
        )
    values = {name: x for name, x in post.values.items() if draws[name].dims == SAMPLE_DIMS}
    parameters = {**post.law.parameters, **post.noise.parameters}
    for name, parameter in parameters.items():
        if name not in values or values[name].dtype.kind != "f":
            raise InputError(f"The draws of {name} are not numbers of each chain and draw.")
        if not np.isfinite(values[name]).all():
            raise InputError(f"The draws of {name} are not all finite.")
        if name in record.priors and all(
            each.is_arithmetic for each in (parameter.unit, parameter.shift, parameter.power)
        ):
            prior = read_prior(name, record.priors[name])
            within = _within(parameter, prior, values[name], {**record.reference, **values})
            if not within.all():
                raise InputError(
                    f"{np.sum(~within):,} draws of {name} are impossible under its prior, "
                    f"{record.priors[name]['statement']}."
                )


def _within(
    parameter: Parameter,
    prior: Prior,
    values: Float[np.ndarray, "chains draws"],
    names: Mapping[str, float | Float[np.ndarray, "chains draws"]],
) -> Bool[np.ndarray, "chains draws"]:
    """Return whether values are in the support of a prior, up to rounding."""
    number, rounding = values, _ROUNDING * np.abs(values)
    if prior.at_reference:
        with np.errstate(invalid="ignore"):
            number = np.asarray(parameter.number(values, names))
            origin = np.asarray(parameter.displace(0.0, names))
        rounding = _ROUNDING * (np.abs(number) + np.abs(origin))
    support = prior.distribution.support
    return np.asarray(support(number) | support(number - rounding) | support(number + rounding))
