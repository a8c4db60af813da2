"""Parameters of laws and noise models: what they mean, their units and their priors."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import jax
from jaxtyping import Array
from numpyro.distributions import (
    Cauchy,
    Delta,
    Distribution,
    Laplace,
    LeftTruncatedDistribution,
    Logistic,
    Normal,
    StudentT,
    biject_to,
    constraints,
)

from scalingbayes.errors import InputError, unknown


@dataclass(frozen=True, eq=False)
class Parameter:
    """One parameter of a law or of a noise model.

    Parameters
    ----------
    description
        What it means, in a few words.
    prior
        Its default prior at the reference point, where every input and the loss are measured in
        units of the data's own (the geometric mean of an input, the smallest loss). Such a prior
        means the same whatever units the table is in.
    unit
        What one unit at the reference point is in the table's units, as a Python expression in
        the law's inputs, ``loss`` and the dimensionless parameters; for Chinchilla's A it is
        ``"loss * params**alpha"``. ``"1"`` for a dimensionless parameter.
    """

    description: str
    prior: Distribution
    unit: str = "1"

    @property
    def depends_on(self) -> frozenset[str]:
        """Names that the unit is made of."""
        return frozenset(compile(self.unit, "<unit>", "eval").co_names)

    def scale(self, names: Mapping[str, Any]) -> Any:
        """Evaluate the unit where ``names`` gives the reference point and the parameters."""
        return eval(self.unit, {"__builtins__": {}}, dict(names))


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class Prior:
    """A prior and the units in which it is stated.

    A pytree whose leaves are the hyperparameters, by name: other values compile nothing new.
    (numpyro's distributions are pytrees too, but the order of their leaves differs from process to
    process, which would defeat JAX's persistent compilation cache.)

    Parameters
    ----------
    hyperparameters
        Arguments of the family.
    family
        A class of scalar continuous numpyro distributions.
    at_reference
        Whether it is stated at the data's reference point (default priors) or in the units of the
        table (priors that a user gives).
    positive
        Whether a family over all reals is cut off below 0.
    """

    hyperparameters: dict[str, Any]
    family: type[Distribution] = field(metadata={"static": True})
    at_reference: bool = field(default=True, metadata={"static": True})
    positive: bool = field(default=False, metadata={"static": True})

    @property
    def distribution(self) -> Distribution:
        """The prior as a numpyro distribution."""
        return LeftTruncatedDistribution(self.whole, low=0.0) if self.positive else self.whole

    @property
    def whole(self) -> Distribution:
        """The prior before it is cut off below 0."""
        return self.family(**self.hyperparameters)

    @property
    def bijector(self) -> Any:
        """The map from the real line onto the prior's support."""
        return biject_to(self.distribution.support)

    def log_density(self, coordinate: Array) -> Array:
        """Log density of the coordinate on the real line that stands for the parameter."""
        value = self.bijector(coordinate)
        volume = self.bijector.log_abs_det_jacobian(coordinate, value)
        return self.distribution.log_prob(value) + volume

    @property
    def over_positive(self) -> bool:
        """Whether the prior is over all positive numbers, so that its coordinate is a logarithm."""
        return self.positive or self.family.support is constraints.positive

    def as_record(self, name: str, parameter: Parameter) -> dict[str, Any]:
        """Write it down with its exact numbers."""
        return {
            "statement": self.describe(name, parameter),
            "family": self.family.__name__,
            "hyperparameters": self.hyperparameters,
            "at_reference": self.at_reference,
            "positive": self.positive,
        }

    def describe(self, name: str, parameter: Parameter) -> str:
        """Say it as a sampling statement, such as ``alpha ~ LogNormal(loc=-1, scale=0.8)``."""
        arguments = ", ".join(f"{key}={value:.4g}" for key, value in self.hyperparameters.items())
        unit = parameter.unit if parameter.unit.isidentifier() else f"({parameter.unit})"
        above = ", above 0" if self.positive else ""
        over = where = ""
        if parameter.unit != "1":
            over, where = (
                (f" / {unit}", "") if self.at_reference else ("", ", in the table's units")
            )
        return f"{name}{over} ~ {self.family.__name__}({arguments}){above}{where}"


def resolve_priors(
    parameters: Mapping[str, Parameter], given: Mapping[str, Distribution]
) -> dict[str, Prior]:
    """Take the default prior of every parameter, or the one that the caller gives in its place.

    Raises
    ------
    InputError
        If a prior is for a parameter that there is not, is not a scalar continuous numpyro
        distribution, or reaches below 0 for a positive parameter and cannot be cut off there.
    """
    if not isinstance(given, Mapping):
        raise InputError(
            f"priors must map names of parameters to distributions, such as "
            f"{{'alpha': dist.LogNormal(-1, 0.2)}}; got {type(given).__name__}."
        )
    for name in given:
        if name not in parameters:
            raise unknown("parameter", name, parameters, "Give priors for these only.")
    return {
        name: _given_prior(name, parameter, given[name])
        if name in given
        else _prior(parameter.prior)
        for name, parameter in parameters.items()
    }


def _prior(distribution: Distribution, **how: bool) -> Prior:
    hyperparameters = {name: float(value) for name, value in distribution.get_args().items()}
    return Prior(hyperparameters, type(distribution), **how)


def _given_prior(name: str, parameter: Parameter, prior: Distribution) -> Prior:
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
            f"The prior of {name!r} must be of a family with parameters of its own, such as "
            f"dist.LogNormal or dist.Gamma; {family} is made of other distributions."
        ) from error
    reals = (Normal, StudentT, Cauchy, Laplace, Logistic)
    if parameter.prior.support is constraints.real or _above_zero(prior.support):
        return _prior(prior, at_reference=False)
    if prior.support is constraints.real and isinstance(prior, reals):
        return _prior(prior, at_reference=False, positive=True)
    raise InputError(
        f"{name!r} is positive but {family} has mass below 0: give a distribution over positive "
        f"numbers, such as dist.LogNormal."
    )


def _above_zero(support: Any) -> bool:
    return support in (
        constraints.positive,
        constraints.nonnegative,
        constraints.unit_interval,
    ) or bool(getattr(support, "lower_bound", -1) >= 0)
