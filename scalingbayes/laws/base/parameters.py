"""Parameters of laws and noise models: their meaning, units and priors."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from numpyro.distributions import (
    Distribution,
    LeftTruncatedDistribution,
    biject_to,
    constraints,
)

from scalingbayes._core.arguments import as_floats, shown
from scalingbayes._core.distributions import TruncatedBelow
from scalingbayes._core.errors import InputError
from scalingbayes.laws.base.expressions import Expression


@dataclass(frozen=True, eq=False)
class Parameter:
    """One parameter of a law or of a noise model.

    The parameter is ``shift + unit * u**power``, where ``u`` is the number that the default prior
    describes.

    Parameters
    ----------
    description
        What the parameter means, in a few words.
    prior
        The default prior of ``u``. It is stated at the reference point, where every input and the
        loss are measured in the data's own units (the geometric mean of an input, the smallest
        loss). The prior therefore means the same in every table, whatever its units.
    unit
        The size of one unit of the parameter, as an
        :class:`~scalingbayes.laws.base.expressions.Expression` or its text. It may name the law's
        inputs, its target and other parameters. For Chinchilla's A it is
        ``"loss * params**alpha"``. It is ``"1"`` for a dimensionless parameter.
    shift
        The origin from which the parameter is measured, an expression like ``unit``.
    power
        The power of ``u``, an expression in dimensionless parameters. With ``"1/alpha_N"`` the
        prior of Kaplan's N_c describes N_c**alpha_N, which is a loss.

    Raises
    ------
    InputError
        If ``prior`` is no distribution, or ``unit``, ``shift`` or ``power`` cannot be parsed.

    Examples
    --------
    >>> import numpyro.distributions as dist
    >>> Parameter("weight of finite data", dist.LogNormal(-1.2, 1.5), unit="loss * tokens**beta")
    Parameter('weight of finite data', unit='loss * tokens**beta', shift='0', power='1')
    """

    description: str
    prior: Distribution
    unit: Expression
    shift: Expression
    power: Expression

    def __init__(
        self,
        description: str,
        prior: Distribution,
        unit: Expression | str = "1",
        shift: Expression | str = "0",
        power: Expression | str = "1",
    ) -> None:
        if not isinstance(prior, Distribution):
            raise InputError(
                f"The prior of the parameter {description!r} must be a distribution of numpyro, "
                f"such as dist.LogNormal(0, 1); got {prior!r}."
            )
        object.__setattr__(self, "description", description)
        object.__setattr__(self, "prior", prior)
        for name, value in {"unit": unit, "shift": shift, "power": power}.items():
            object.__setattr__(self, name, Expression.of(value))

    def __repr__(self) -> str:
        expressions = {"unit": self.unit, "shift": self.shift, "power": self.power}
        listed = ", ".join(f"{name}={str(each)!r}" for name, each in expressions.items())
        return f"Parameter({self.description!r}, {listed})"

    @property
    def plain(self) -> bool:
        """Whether the parameter is the number that its prior describes, in any units."""
        constants = self.unit.constant, self.shift.constant, self.power.constant
        return constants == (1, 0, 1)

    @property
    def free(self) -> bool:
        """Whether the support of the default prior is the parameter's range in any units."""
        return self.prior.support is constraints.real or self.low is not None

    @property
    def low(self) -> float | None:
        """The lower bound of a positive parameter; None if it depends on other parameters."""
        if self.shift.constant == 0 and not self.unit.is_negative:
            return 0.0
        if self.unit.constant == 1 and self.shift.constant is not None:
            return float(self.shift.constant)
        return None

    def check(self, name: str, values: Any) -> Float[np.ndarray, "..."]:
        """Return a caller's values of the parameter as an array, after a check of their range.

        A bound that depends on other parameters is not checked.

        Raises
        ------
        InputError
            If a value is not a finite number of the parameter's range. The message has the name.
        """
        found = as_floats(values)
        if found is None or found.size == 0 or not np.all(np.isfinite(found)):
            raise InputError(f"{name} must be finite numbers; got {shown(values)}.")
        low = self.low if self.low is not None else -np.inf
        inside = found > low
        if self.plain:  # its range is that of the prior
            inside = np.asarray(self.prior.support(found))
        if not np.all(inside):
            bad = float(found[~inside].flat[0])
            raise InputError(
                f"{name} must be in the range of the parameter ({self.description}); got {bad:g}."
            )
        return found

    @property
    def depends_on(self) -> frozenset[str]:
        """The names in unit, shift and power."""
        return self.unit.names | self.shift.names | self.power.names

    def describe_prior(self, name: str) -> str:
        """Return the default prior as a sampling statement."""
        return Prior.of(self.prior).describe(name, self)

    def raised(self, number: Any, values: Mapping[str, Any]) -> Any:
        """Return the prior's number raised to the power."""
        return number if self.power.constant == 1 else number ** self.power.evaluate(values)

    def place(self, value: Any, values: Mapping[str, Any]) -> Any:
        """Return ``shift + unit * value``, where ``values`` holds inputs, target and parameters."""
        return self.shift.evaluate(values) + self.unit.evaluate(values) * value

    def displace(self, value: Any, values: Mapping[str, Any]) -> Any:
        """Invert :meth:`place`."""
        return (value - self.shift.evaluate(values)) / self.unit.evaluate(values)

    def number(self, value: Any, values: Mapping[str, Any]) -> Any:
        """Return the number that the prior describes: invert :meth:`raised` and :meth:`place`."""
        displaced = self.displace(value, values)
        return (
            displaced
            if self.power.constant == 1
            else displaced ** (1 / self.power.evaluate(values))
        )

    def keep(self, value: Any, values: Mapping[str, Any]) -> tuple[Any, Any]:
        """Replace a value outside the parameter's range by one inside.

        Returns
        -------
        tuple
            The value, and whether it was inside: its displaced number was positive.
        """
        inside = self.displace(value, values) > 0
        return jnp.where(inside, value, self.place(1.0, values)), inside


def in_order(parameters: Mapping[str, Parameter]) -> dict[str, Parameter]:
    """Sort parameters so that each comes after those that its unit, shift and power name.

    Raises
    ------
    InputError
        If parameters depend on each other in a cycle.
    """
    graph = {
        name: [other for other in parameters if other in parameter.depends_on]
        for name, parameter in parameters.items()
    }
    try:
        return {name: parameters[name] for name in TopologicalSorter(graph).static_order()}
    except CycleError as error:
        raise InputError(f"parameters depend on each other: {error.args[1]}.") from error


def place_all(
    parameters: Mapping[str, Parameter], numbers: Mapping[str, Any], reference: Mapping[str, Any]
) -> dict[str, Any]:
    """Return parameters, given the numbers that their priors describe.

    Parameters
    ----------
    parameters
        The parameters.
    numbers
        For each parameter, the number that its prior describes.
    reference
        The reference point: the units of the inputs and of the target.
    """
    values: dict[str, Any] = {}
    for name, parameter in in_order(parameters).items():
        names = {**reference, **values}
        values[name] = parameter.place(parameter.raised(numbers[name], names), names)
    return values


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class Prior:
    """A prior and the units in which it is stated.

    A pytree whose leaves are the hyperparameters by name, so a change of their values does not
    recompile. numpyro's distributions are pytrees too, but the order of their leaves differs
    between processes, which would defeat JAX's persistent compilation cache.

    Parameters
    ----------
    hyperparameters
        Arguments of the family.
    family
        A class of scalar continuous numpyro distributions.
    at_reference
        Whether the prior is stated at the data's reference point (default priors) or in the units
        of the table (the other priors that a user passes).
    above
        The lower bound at which the family is truncated; None if it is not truncated.
    """

    hyperparameters: dict[str, Any]
    family: type[Distribution] = field(metadata={"static": True})
    at_reference: bool = field(default=True, metadata={"static": True})
    above: float | None = field(default=None, metadata={"static": True})

    @classmethod
    def of(cls, distribution: Distribution, **how: Any) -> "Prior":
        """Return a prior, given a numpyro distribution and the other fields."""
        hyperparameters = {name: float(value) for name, value in distribution.get_args().items()}
        return cls(hyperparameters, type(distribution), **how)

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
        """The prior before truncation."""
        return self.family(**self.hyperparameters)

    @property
    def bijector(self) -> Any:
        """The map from the real line onto the prior's support."""
        return biject_to(self.distribution.support)

    def may_leave(self, parameter: Parameter) -> bool:
        """Whether the prior has mass outside the parameter's range, such as e_0 below e_inf."""
        return not (self.at_reference or parameter.free)

    def log_density(self, coordinate: Array) -> Array:
        """Return the log density of the parameter's coordinate on the real line."""
        value = self.bijector(coordinate)
        volume = self.bijector.log_abs_det_jacobian(coordinate, value)
        return self.distribution.log_prob(value) + volume

    @property
    def is_logarithm(self) -> bool:
        """Whether the coordinate can be the logarithm of a term: support (0, inf) or all reals."""
        if self.above is not None:
            return self.above == 0
        return self.family.support in (constraints.positive, constraints.real)

    def as_record(self, name: str, parameter: Parameter) -> dict[str, Any]:
        """Return the prior with its exact numbers, as a record for JSON."""
        return {
            "statement": self.describe(name, parameter),
            "family": self.family.__name__,
            "hyperparameters": self.hyperparameters,
            "at_reference": self.at_reference,
            "above": self.above,
        }

    def describe(self, name: str, parameter: Parameter) -> str:
        """Return a sampling statement, such as ``alpha ~ LogNormal(loc=-1, scale=0.8)``."""
        arguments = ", ".join(f"{key}={value:.4g}" for key, value in self.hyperparameters.items())
        above = "" if self.above is None else f", above {self.above:g}"
        law = f"{self.family.__name__}({arguments}){above}"
        if parameter.plain:
            return f"{name} ~ {law}"
        if not self.at_reference:
            over = f"({name} - ({parameter.shift})) / ({parameter.unit})"
            within = "" if parameter.free else f", where {over} > 0"
            return f"{name} ~ {law}, in the table's units{within}"
        is_name = str(parameter.unit).isidentifier()
        unit = str(parameter.unit) if is_name else f"({parameter.unit})"
        if (parameter.shift.constant, parameter.power.constant) == (0, 1):
            return f"{name} / {unit} ~ {law}"
        start = "" if parameter.shift.constant == 0 else f"{parameter.shift} + "
        times = "" if parameter.unit.constant == 1 else f"{unit} * "
        raised = "" if parameter.power.constant == 1 else f"**({parameter.power})"
        return f"{name} = {start}{times}u{raised}, u ~ {law}"
