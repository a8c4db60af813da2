"""Parameters of laws and noise models: what they mean, their units and their priors."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from math import inf
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array
from numpyro import distributions
from numpyro.distributions import (
    Cauchy,
    Delta,
    Distribution,
    Laplace,
    LeftTruncatedDistribution,
    Logistic,
    Normal,
    StudentT,
    Uniform,
    biject_to,
    constraints,
)

from scalingbayes._core.distributions import TruncatedBelow
from scalingbayes._core.errors import InputError, unknown

_LEAST_MASS = 1e-3
_FUNCTIONS = {"log": jnp.log, "exp": jnp.exp, "softplus": jax.nn.softplus}


def evaluate(expression: str, names: Mapping[str, Any]) -> Any:
    """Evaluate the expression of a unit, shift or power where ``names`` gives its names' values."""
    return eval(expression, {"__builtins__": {}, **_FUNCTIONS}, dict(names))


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
        the names of the law's inputs, of its target, and of other parameters; for Chinchilla's A
        it is ``"loss * params**alpha"``. ``"1"`` for a dimensionless parameter.
    shift
        Where the parameter is counted from: an expression like ``unit`` that is added. ``log``,
        ``exp`` and ``softplus`` may be used.
    power
        What the number that the prior speaks of is raised to, an expression in dimensionless
        parameters: the parameter is ``shift + unit * number**power``. With ``"1/alpha_N"`` the
        prior of Kaplan's N_c is stated for N_c**alpha_N, which is a loss.
    """

    description: str
    prior: Distribution
    unit: str = "1"
    shift: str = "0"
    power: str = "1"

    @property
    def plain(self) -> bool:
        """Whether the parameter is the number that its prior speaks of, in any units."""
        return (self.unit, self.shift, self.power) == ("1", "0", "1")

    @property
    def free(self) -> bool:
        """Whether every value that the default prior's support allows is allowed in any units."""
        return self.prior.support is constraints.real or self.low is not None

    @property
    def low(self) -> float | None:
        """What a positive parameter is above in any units; None where that is for others to say."""
        if self.shift == "0" and not self.unit.startswith("-"):
            return 0.0
        try:
            return float(self.shift) if self.unit == "1" else None
        except ValueError:
            return None

    @property
    def depends_on(self) -> frozenset[str]:
        """Names that unit, shift and power are made of."""
        code = compile(f"({self.unit}, {self.shift}, {self.power})", "<parameter>", "eval")
        return frozenset(code.co_names) - set(_FUNCTIONS)

    def describe_prior(self, name: str) -> str:
        """Say the default prior as a sampling statement."""
        return _prior(self.prior).describe(name, self)

    def raised(self, number: Any, names: Mapping[str, Any]) -> Any:
        """Raise the prior's number to the power."""
        return number if self.power == "1" else number ** evaluate(self.power, names)

    def place(self, value: Any, names: Mapping[str, Any]) -> Any:
        """Take a value at the point where all is 1 to where ``names`` says how large each is."""
        return evaluate(self.shift, names) + evaluate(self.unit, names) * value

    def displace(self, value: Any, names: Mapping[str, Any]) -> Any:
        """Invert :meth:`place`."""
        return (value - evaluate(self.shift, names)) / evaluate(self.unit, names)

    def number(self, value: Any, names: Mapping[str, Any]) -> Any:
        """Find the number that the prior speaks of: invert :meth:`raised` and :meth:`place`."""
        displaced = self.displace(value, names)
        return displaced if self.power == "1" else displaced ** (1 / evaluate(self.power, names))

    def keep(self, value: Any, names: Mapping[str, Any]) -> tuple[Any, Any]:
        """Keep a value in its range, and say if it was: where its displaced number is positive."""
        inside = self.displace(value, names) > 0
        return jnp.where(inside, value, self.place(1.0, names)), inside


def in_order(parameters: Mapping[str, Parameter]) -> dict[str, Parameter]:
    """Sort parameters so that each comes after those that its unit, shift and power name.

    Raises
    ------
    TypeError
        If two depend on each other.
    """
    graph = {
        name: [other for other in parameters if other in parameter.depends_on]
        for name, parameter in parameters.items()
    }
    try:
        return {name: parameters[name] for name in TopologicalSorter(graph).static_order()}
    except CycleError as error:
        raise TypeError(f"parameters depend on each other: {error.args[1]}.") from error


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
    above
        Where a family that reaches below is cut off.
    """

    hyperparameters: dict[str, Any]
    family: type[Distribution] = field(metadata={"static": True})
    at_reference: bool = field(default=True, metadata={"static": True})
    above: float | None = field(default=None, metadata={"static": True})

    @property
    def distribution(self) -> Distribution:
        """The prior as a numpyro distribution."""
        if self.above is None:
            return self.untruncated
        if self.untruncated.support is constraints.real:
            return LeftTruncatedDistribution(self.untruncated, low=self.above)
        return TruncatedBelow(self.untruncated, self.above)

    @property
    def untruncated(self) -> Distribution:
        """The prior before it is cut off."""
        return self.family(**self.hyperparameters)

    @property
    def bijector(self) -> Any:
        """The map from the real line onto the prior's support."""
        return biject_to(self.distribution.support)

    def may_leave(self, parameter: Parameter) -> bool:
        """Whether it gives mass to values that the parameter cannot have, as e_0 below e_inf."""
        return not (self.at_reference or parameter.free)

    def log_density(self, coordinate: Array) -> Array:
        """Log density of the coordinate on the real line that stands for the parameter."""
        value = self.bijector(coordinate)
        volume = self.bijector.log_abs_det_jacobian(coordinate, value)
        return self.distribution.log_prob(value) + volume

    @property
    def is_logarithm(self) -> bool:
        """Whether the coordinate may be a logarithm: of a positive number, or any real."""
        if self.above is not None:
            return self.above == 0
        return self.family.support in (constraints.positive, constraints.real)

    def as_record(self, name: str, parameter: Parameter) -> dict[str, Any]:
        """Write it down with its exact numbers."""
        return {
            "statement": self.describe(name, parameter),
            "family": self.family.__name__,
            "hyperparameters": self.hyperparameters,
            "at_reference": self.at_reference,
            "above": self.above,
        }

    def describe(self, name: str, parameter: Parameter) -> str:
        """Say it as a sampling statement, such as ``alpha ~ LogNormal(loc=-1, scale=0.8)``."""
        arguments = ", ".join(f"{key}={value:.4g}" for key, value in self.hyperparameters.items())
        above = "" if self.above is None else f", above {self.above:g}"
        law = f"{self.family.__name__}({arguments}){above}"
        if parameter.plain:
            return f"{name} ~ {law}"
        if not self.at_reference:
            over = f"({name} - ({parameter.shift})) / ({parameter.unit})"
            within = "" if parameter.free else f", where {over} > 0"
            return f"{name} ~ {law}, in the table's units{within}"
        unit = parameter.unit if parameter.unit.isidentifier() else f"({parameter.unit})"
        if (parameter.shift, parameter.power) == ("0", "1"):
            return f"{name} / {unit} ~ {law}"
        start = "" if parameter.shift == "0" else f"{parameter.shift} + "
        times = "" if parameter.unit == "1" else f"{unit} * "
        raised = "" if parameter.power == "1" else f"**({parameter.power})"
        return f"{name} = {start}{times}u{raised}, u ~ {law}"


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


def recorded_priors(records: Mapping[str, Mapping[str, Any]]) -> dict[str, Distribution]:
    """Read back the priors that a user gave from what :meth:`Prior.as_record` wrote of all.

    Raises
    ------
    InputError
        If one is of a family that numpyro does not have.
    """
    found = {}
    for name, record in records.items():
        if record["at_reference"]:
            continue  # a default
        found[name] = read_prior(name, record).untruncated
    return found


def read_prior(name: str, record: Mapping[str, Any]) -> Prior:
    """Read back a prior from what :meth:`Prior.as_record` wrote.

    Raises
    ------
    InputError
        If it is of a family that numpyro does not have.
    """
    family = getattr(distributions, record["family"], None)
    if family is None:
        raise InputError(
            f"The prior of {name!r} was a {record['family']}, which numpyro does not have: "
            f"the fit cannot be repeated from its record."
        )
    how = {key: record[key] for key in ("at_reference", "above")}
    return Prior(record["hyperparameters"], family, **how)


def _prior(distribution: Distribution, **how: Any) -> Prior:
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
    if isinstance(parameter.prior, Uniform) and parameter.plain:
        low, high = parameter.prior.low, parameter.prior.high
        ends = _ends(prior.support)
        if ends[0] < low or ends[1] > high:
            raise InputError(
                f"{name!r} is from {low} to {high}: give a distribution there, such as "
                f"dist.Uniform({low}, {high}); {family} reaches beyond."
            )
        return _prior(prior, at_reference=False)
    low = None if parameter.prior.support is constraints.real else parameter.low
    reach = _ends(prior.support)
    if low is None or reach[0] >= low:
        return _prior(prior, at_reference=False)
    if isinstance(prior, reals) or reach[0] >= 0:
        if prior.cdf(low) > 1 - _LEAST_MASS:
            raise InputError(
                f"{name!r} is above {low:g} but {family} has less than {_LEAST_MASS:g} of its mass "
                f"there: give a distribution over numbers above {low:g}."
            )
        return _prior(prior, at_reference=False, above=low)
    raise InputError(
        f"{name!r} is positive but {family} has mass below 0: give a distribution over positive "
        f"numbers, such as dist.LogNormal."
    )


def _ends(support: Any) -> tuple[float, float]:
    if support is constraints.unit_interval:
        return 0.0, 1.0
    low, high = (getattr(support, f"{end}_bound", None) for end in ("lower", "upper"))
    return (-inf if low is None else float(low)), (inf if high is None else float(high))
