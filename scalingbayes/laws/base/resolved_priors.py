"""The priors of a model's parameters: a user's, the defaults, or those of a saved fit."""

from collections.abc import Mapping
from math import inf
from typing import Any

from numpyro import distributions
from numpyro.distributions import (
    Cauchy,
    Delta,
    Distribution,
    Laplace,
    Logistic,
    Normal,
    StudentT,
    Uniform,
    constraints,
)

from scalingbayes._core.errors import InputError, unknown
from scalingbayes.laws.base.parameters import Parameter, Prior

_LEAST_MASS = 1e-3  # a prior is truncated only if this much of its mass remains


def resolve_priors(
    parameters: Mapping[str, Parameter],
    given: Mapping[str, Distribution],
    defaults: Mapping[str, Distribution] | None = None,
) -> dict[str, Prior]:
    """Return the prior of every parameter.

    Parameters
    ----------
    parameters
        The parameters.
    given
        Priors of some parameters in the units of the table.
    defaults
        Priors of some of the other parameters at the reference point. The rest have the priors
        that the parameters declare.

    Raises
    ------
    InputError
        If a prior names no parameter, is not a scalar continuous numpyro distribution, or has mass
        below the lower bound of its parameter and cannot be truncated there.
    """
    defaults = {} if defaults is None else defaults
    for what, priors in (("priors", given), ("default_priors", defaults)):
        if not isinstance(priors, Mapping):
            raise InputError(
                f"{what} must map names of parameters to distributions, such as "
                f"{{'alpha': dist.LogNormal(-1, 0.2)}}; got {type(priors).__name__}."
            )
        for name in priors:
            if name not in parameters:
                raise unknown("parameter", name, parameters, "Give priors for these only.")

    def resolve(name: str, parameter: Parameter) -> Prior:
        if name in given:
            return _given_prior(name, parameter, given[name], at_reference=False)
        if name in defaults:
            return _given_prior(name, parameter, defaults[name], at_reference=True)
        return Prior.of(parameter.prior)

    return {name: resolve(name, parameter) for name, parameter in parameters.items()}


def recorded_priors(
    records: Mapping[str, Mapping[str, Any]], *, at_reference: bool
) -> dict[str, Distribution]:
    """Return priors from the records of :meth:`Prior.as_record`.

    Parameters
    ----------
    records
        The record of each parameter's prior.
    at_reference
        Whether to return the default priors, stated at the reference point, or those that a user
        passed, stated in the units of the table.

    Raises
    ------
    InputError
        If numpyro has no family of the recorded name.
    """
    return {
        name: read_prior(name, record).untruncated
        for name, record in records.items()
        if record["at_reference"] == at_reference
    }


def read_prior(name: str, record: Mapping[str, Any]) -> Prior:
    """Return a prior from its record, written by :meth:`Prior.as_record`.

    Raises
    ------
    InputError
        If numpyro has no family of the recorded name.
    """
    family = getattr(distributions, record["family"], None)
    if family is None:
        raise InputError(
            f"The prior of {name!r} was a {record['family']}, which numpyro does not have: "
            f"the fit cannot be repeated from its record."
        )
    how = {key: record[key] for key in ("at_reference", "above")}
    return Prior(record["hyperparameters"], family, **how)


def _given_prior(name: str, parameter: Parameter, prior: Distribution, at_reference: bool) -> Prior:
    if not isinstance(prior, Distribution):
        raise InputError(
            f"The prior of {name!r} must be a numpyro distribution, such as "
            f"dist.LogNormal(0, 1); got {type(prior).__name__}."
        )
    family = type(prior).__name__
    if prior.shape() != () or prior.is_discrete or isinstance(prior, Delta):
        raise InputError(
            f"The prior of {name!r} must be a scalar continuous distribution; "
            f"got {family} of shape {prior.shape()}."
        )
    try:
        type(prior)(**prior.get_args())
    except TypeError as error:
        raise InputError(
            f"The prior of {name!r} must be a family with parameters of its own, such as "
            f"dist.LogNormal or dist.Gamma; {family} is made of other distributions."
        ) from error
    reals = (Normal, StudentT, Cauchy, Laplace, Logistic)
    if isinstance(parameter.prior, Uniform) and parameter.plain:
        low, high = parameter.prior.low, parameter.prior.high
        ends = _ends(prior.support)
        if ends[0] < low or ends[1] > high:
            raise InputError(
                f"The prior of {name!r} must be a distribution on [{low}, {high}], such as "
                f"dist.Uniform({low}, {high}); {family} has mass outside it."
            )
        return Prior.of(prior, at_reference=at_reference)
    if parameter.prior.support is constraints.real:
        low = None
    else:
        low = 0.0 if at_reference else parameter.low
    bounds = _ends(prior.support)
    if low is None or bounds[0] >= low:
        return Prior.of(prior, at_reference=at_reference)
    if isinstance(prior, reals) or bounds[0] >= 0:
        if prior.cdf(low) > 1 - _LEAST_MASS:
            raise InputError(
                f"{name!r} is above {low:g} but {family} has less than {_LEAST_MASS:g} of its mass "
                f"there: pass a distribution over numbers above {low:g}."
            )
        return Prior.of(prior, at_reference=at_reference, above=low)
    raise InputError(
        f"{name!r} is positive but {family} has mass below 0: pass a distribution over positive "
        f"numbers, such as dist.LogNormal."
    )


def _ends(support: Any) -> tuple[float, float]:
    if support is constraints.unit_interval:
        return 0.0, 1.0
    low, high = (getattr(support, f"{end}_bound", None) for end in ("lower", "upper"))
    return (-inf if low is None else float(low)), (inf if high is None else float(high))
