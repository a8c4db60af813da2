"""The map between points of R^k, on which engines work, and parameters with their random effects.

A point holds the coordinates of the law's parameters, then of the random effects, then of the
noise's parameters.
"""

from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from scalingbayes.laws import Law
from scalingbayes.laws.base.parameters import Parameter, Prior, in_order
from scalingbayes.model.discrepancy import STEP_UNIT
from scalingbayes.model.noise import SIGMA, TAU, Noise
from scalingbayes.model.term_coordinates import TermCoordinates

Point = Float[Array, " dim"]
Values = dict[str, Array]


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class Coordinates:
    """Unconstrained coordinates of a model's parameters and random effects.

    A prior is stated on the parameter's value, or on its logarithm if it is positive. A point holds
    these coordinates, except that the law's terms are replaced by their log sum and log ratios: see
    :class:`~scalingbayes.model.term_coordinates.TermCoordinates`.

    Group effects are divided by tau, so that they are standard normal. The steps of a discrepancy
    are not divided by tau: the rows of a curve determine the steps well, so dividing would
    correlate them with tau.

    Parameters
    ----------
    law, noise
        The law and the noise model, whose parameters these are.
    effects
        Number of random effects.
    priors
        The prior of each parameter.
    reference
        The reference value of each input and of the target, in the table's units.
    """

    law: Law = field(metadata={"static": True})
    noise: Noise = field(metadata={"static": True})
    effects: int = field(metadata={"static": True})
    priors: dict[str, Prior]
    reference: dict[str, Float[Any, "*fits"]]

    @property
    def parameters(self) -> dict[str, Parameter]:
        """Parameters of the law, then of the noise: the order of the coordinates."""
        return {**self.law.parameters, **self.noise.parameters}

    @property
    def parameter_indices(self) -> Int[np.ndarray, " named"]:
        """Indices of the coordinates of parameters in a point."""
        return np.delete(np.arange(len(self.parameters) + self.effects), self._of_effects)

    def with_random_effects(
        self, named: Float[Array, " named"], effects: Float[Array, " effects"]
    ) -> Point:
        """Return the point with these coordinates of parameters and these random effects."""
        unit = self._effect_unit(self.at_reference(self.without_random_effects(named)))
        return self._join(named, effects / unit)

    def without_random_effects(self, named: Float[Array, " named"]) -> Point:
        """Return the point with these coordinates of parameters and random effects of 0."""
        return self._join(named, jnp.zeros(self.effects, named.dtype))

    def effect_coordinates(self, point: Point) -> Float[Array, " effects"]:
        """Return the coordinates of the random effects."""
        return point[self._of_effects]

    def random_effects(self, point: Point) -> Float[Array, " effects"]:
        """Return the random effects on the target's scale."""
        return self.values_and_effects(point)[1]

    def values_and_effects(self, point: Point) -> tuple[Values, Float[Array, " effects"]]:
        """Return :meth:`at_reference` and :meth:`random_effects`."""
        values, effects = self.at_reference(point), self.effect_coordinates(point)
        return values, self._effect_unit(values) * effects if self.effects else effects

    def log_effect_ratio(self, point: Point) -> Float[Array, ""]:
        """Return the log of the unit of random effects over the spread of rows."""
        values = self.at_reference(point)
        return jnp.log(self._effect_unit(values) / values[SIGMA])

    def prior_coordinates(self, point: Point) -> Point:
        """Return the coordinates on which priors are stated: of parameters, then of effects."""
        named = jnp.stack(list(self.prior_coordinates_by_name(point).values()))
        return jnp.concatenate([named, self.effect_coordinates(point)])

    def prior_coordinates_by_name(self, point: Point) -> Values:
        """Return the coordinate of each parameter on which its prior is stated."""
        return self._terms.to_priors(self._sampled(point))

    def from_priors(self, coordinates: Values) -> Point:
        """Invert :meth:`prior_coordinates_by_name`; the random effects of the point are 0."""
        sampled = self._terms.from_priors(coordinates)
        return self.without_random_effects(jnp.stack([sampled[name] for name in self.parameters]))

    def log_volume(self, point: Point) -> Float[Array, ""]:
        """Return the log absolute determinant of the Jacobian of :meth:`prior_coordinates`."""
        return jnp.zeros((), point.dtype) + self._terms.log_volume(self._sampled(point))

    def in_units(self, point: Point) -> Values:
        """Return the parameters in the units of the table."""
        in_units = self._locate(point)[1]
        return {name: in_units[name] for name in self.parameters}

    def from_units(self, values: Values) -> Point:
        """Return the point of parameters in the units of the table, without random effects."""
        return self.from_reference(self.to_reference(values))

    def at_reference(self, point: Point) -> Values:
        """Return the parameters for inputs measured in units of the reference point."""
        at_reference = self._locate(point)[0]
        return {name: at_reference[name] for name in self.parameters}

    def in_range(self, point: Point) -> Any:
        """Return whether every parameter is in its range, which priors of a user may leave."""
        return self._locate(point)[2]

    def to_reference(self, values: Values) -> Values:
        """Convert parameters from the table's units to the reference point; they broadcast."""
        at_reference = self._ones()
        in_units: dict[str, Any] = {**self.reference, **values}
        for name, parameter in in_order(self.parameters).items():
            at_reference[name] = parameter.place(
                parameter.displace(values[name], in_units), at_reference
            )
        return {name: at_reference[name] for name in self.parameters}

    def from_reference(self, values: Values) -> Point:
        """Return the point of parameters at the reference point, without random effects."""
        at_reference = {**self._ones(), **values}
        in_units: dict[str, Any] = dict(self.reference)
        coordinates = {}
        for name, parameter in in_order(self.parameters).items():
            prior = self.priors[name]
            number = parameter.number(values[name], at_reference)
            in_units[name] = parameter.place(parameter.raised(number, in_units), in_units)
            stated = number if prior.at_reference or parameter.plain else in_units[name]
            coordinates[name] = prior.bijector.inv(stated)
        return self.from_priors(coordinates)

    def center(self, dtype: Any) -> Point:
        """Return the point of the priors' means (0 where there is none): a start for searches."""
        coordinates = {}
        for name in self.parameters:
            prior = self.priors[name]
            mean = prior.bijector.inv(jnp.asarray(prior.untruncated.mean, dtype))
            coordinates[name] = jnp.where(jnp.isfinite(mean), mean, 0.0)
        return self.from_priors(coordinates)

    @property
    def _of_effects(self) -> slice:
        first = len(self.law.parameters)
        return slice(first, first + self.effects)

    def _join(self, named: Array, effects: Array) -> Point:
        first = self._of_effects.start
        return jnp.concatenate([named[:first], effects, named[first:]])

    def _effect_unit(self, values: Values) -> Array | float:
        return STEP_UNIT if self.noise.discrepancy else values[TAU]

    @property
    def _terms(self) -> TermCoordinates:
        return TermCoordinates(self.law.terms, self.parameters, self.priors, self.reference)

    def _sampled(self, point: Point) -> Values:
        """Return the coordinates of parameters in a point, by name."""
        of_effects = self._of_effects
        named = point
        if self.effects:
            named = jnp.concatenate([point[: of_effects.start], point[of_effects.stop :]])
        return dict(zip(self.parameters, named, strict=True))

    def _ones(self) -> dict[str, Any]:
        """Return the inputs and the target at the reference point, in its own units."""
        return dict.fromkeys(self.reference, 1.0)

    def _locate(self, point: Point) -> tuple[dict[str, Any], dict[str, Any], Any]:
        """Return parameters at the reference point and in the table's units, and if in range.

        A prior stated in the table's units may have mass outside the range of its parameter, such
        as e_0 below e_inf.
        """
        coordinates = self.prior_coordinates_by_name(point)
        at_reference = self._ones()
        in_units: dict[str, Any] = dict(self.reference)
        inside: Any = True
        for name, parameter in in_order(self.parameters).items():
            prior = self.priors[name]
            number = prior.bijector(coordinates[name])
            if prior.at_reference or parameter.plain:
                number = parameter.raised(number, at_reference)
                at_reference[name] = parameter.place(number, at_reference)
                in_units[name] = parameter.place(number, in_units)
                continue
            if prior.may_leave(parameter):
                number, kept = parameter.keep(number, in_units)
                inside = inside & kept
            at_reference[name] = parameter.place(parameter.displace(number, in_units), at_reference)
            in_units[name] = number
        return at_reference, in_units, inside
