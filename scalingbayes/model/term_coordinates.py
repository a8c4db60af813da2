"""The part of the coordinates that concerns a law's terms: their sum and their log ratios."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float
from numpyro.distributions import HalfNormal, LogNormal

from scalingbayes.laws import Sum
from scalingbayes.laws.base.parameters import Parameter, Prior
from scalingbayes.model.transforms import (
    last_ratio,
    lengthen_tail,
    log_slope,
    logs_from_ratios,
    ratios_from_logs,
    shorten_tail,
)


@dataclass(frozen=True, eq=False)
class TermCoordinates:
    """The map between coordinates of terms that are sampled and those of their priors.

    The map is the identity unless every term's prior coordinate is its logarithm plus a known
    number. Other parameters keep the coordinates of their priors.

    Parameters
    ----------
    terms
        The sum of the law's terms.
    parameters, priors
        Parameters of the law and of the noise, and their priors.
    reference
        The reference value of each input and of the target.
    """

    terms: Sum
    parameters: Mapping[str, Parameter]
    priors: Mapping[str, Prior]
    reference: Mapping[str, Any]

    @cached_property
    def in_use(self) -> bool:
        """Whether the terms are sampled as their sum and log ratios."""
        return bool(self.terms.parts) and all(
            self.priors[name].is_logarithm and self._has_known_unit(name) for name in self.terms
        )

    @cached_property
    def long_tailed(self) -> str | None:
        """Name of the log ratio to the last term, if that term is a floor that may be 0.

        None otherwise. The log of a lognormal floor has no long tail.
        """
        if not self.in_use:
            return None
        *others, last = self.terms
        declared, prior = self.parameters[last].prior, self.priors[last]
        can_be_zero = isinstance(declared, HalfNormal) and prior.family is not LogNormal
        return last_ratio(self.terms) if others and can_be_zero else None

    def to_priors(self, coordinates: Mapping[str, Array]) -> dict[str, Array]:
        """Return the coordinates in which priors are stated, given those that are sampled."""
        found = dict(coordinates)
        if not self.in_use:
            return found
        if self.long_tailed is not None:
            found[self.long_tailed] = lengthen_tail(found[self.long_tailed])
        units = self._log_units(found)
        logs = logs_from_ratios(self.terms, found, self._power(found))
        return found | {name: log + units[name] for name, log in logs.items()}

    def from_priors(self, coordinates: Mapping[str, Array]) -> dict[str, Array]:
        """Invert :meth:`to_priors`."""
        found = dict(coordinates)
        if not self.in_use:
            return found
        units = self._log_units(found)
        logs = {name: found[name] - unit for name, unit in units.items()}
        found |= ratios_from_logs(self.terms, logs, self._power(found))
        if self.long_tailed is not None:
            found[self.long_tailed] = shorten_tail(found[self.long_tailed])
        return found

    def log_volume(self, coordinates: Mapping[str, Array]) -> Float[Array, ""] | float:
        """Return the log absolute determinant of the Jacobian of :meth:`to_priors`."""
        return 0.0 if self.long_tailed is None else log_slope(coordinates[self.long_tailed])

    def _has_known_unit(self, name: str) -> bool:
        """Whether the unit of a term's prior depends on dimensionless parameters alone."""
        parameter = self.parameters[name]
        numbers = {other for other, each in self.parameters.items() if each.plain}
        return self.priors[name].at_reference or (
            parameter.power.constant == 1 and parameter.depends_on <= {*self.reference, *numbers}
        )

    def _numbers(self, coordinates: Mapping[str, Array]) -> dict[str, Array]:
        """Return the dimensionless parameters, which are the same everywhere."""
        return {
            name: self.priors[name].bijector(coordinates[name])
            for name, parameter in self.parameters.items()
            if parameter.plain
        }

    def _power(self, coordinates: Mapping[str, Array]) -> Callable[[Sum], Any]:
        numbers = self._numbers(coordinates)
        return lambda part: part.power.evaluate(numbers)

    def _log_units(self, coordinates: Mapping[str, Array]) -> dict[str, Any]:
        """Return the logs of the units in which the priors of the terms are stated."""
        values = {**self.reference, **self._numbers(coordinates)}
        return {
            name: 0.0
            if self.priors[name].at_reference
            else jnp.log(self.parameters[name].unit.evaluate(values))
            for name in self.terms
        }
