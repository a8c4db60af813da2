"""The log density of a posterior on R^k: what every engine works on."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int
from numpyro.distributions import HalfNormal

from scalingbayes.laws import Law, Sum
from scalingbayes.laws.base.parameters import Parameter, Prior, in_order
from scalingbayes.model.noise import TAU, Noise
from scalingbayes.model.random_effects import RandomEffects
from scalingbayes.model.transforms import (
    from_shares,
    last_share,
    log_slope,
    stretch,
    to_shares,
    unstretch,
)

_STEP = 0.03
"""What the steps of a discrepancy are counted in: about as large as they come."""

Point = Float[Array, " dim"]
Values = dict[str, Array]


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class LogDensity:
    """Law, noise, priors and rows joined into one log density over unconstrained coordinates.

    A pytree: arrays and hyperparameters are leaves, so a compiled program serves every table of
    one padded length; ``jax.vmap`` over its leaves fits many tables at once. Inputs and target are
    measured at the reference point, which keeps the coordinates near 1 in any units and float32
    exact enough.

    Parameters
    ----------
    law, noise
        What the target follows and how it scatters.
    priors
        The prior of each parameter of the law and of the noise.
    inputs
        Each input of the law, over its reference value; shape (rows,).
    observed
        The observed target over its reference value; shape (rows,).
    weights
        How much each row counts; 0 for padding; shape (rows,).
    reference
        The reference value of each input and of the target, in the table's units.
    errors
        The known standard error of each row's target, over its reference value, on the scale on
        which it scatters.
    shared
        The errors that rows share. They have coordinates of their own, between the coordinates of
        the law and of the noise. Group effects are divided by tau, so that they are standard
        normal. The steps of a discrepancy are not divided by tau: the rows of a curve determine
        them well, so dividing would correlate them with tau.

    Densities of several tables may be stacked: then each array has one more axis in front, and what
    is below is for ``jax.vmap`` over it.
    """

    law: Law = field(metadata={"static": True})
    noise: Noise = field(metadata={"static": True})
    priors: dict[str, Prior]
    inputs: dict[str, Float[Any, "*fits rows"]]
    observed: Float[Any, "*fits rows"]
    weights: Float[Any, "*fits rows"]
    reference: dict[str, Float[Any, "*fits"]]
    errors: Float[Any, "*fits rows"] | None = None
    shared: RandomEffects | None = None

    @property
    def parameters(self) -> dict[str, Parameter]:
        """Parameters of the law, then of the noise: the order of the coordinates."""
        return {**self.law.parameters, **self.noise.parameters}

    def __call__(self, point: Point) -> Float[Array, ""]:
        """Log posterior density, up to a constant, at one point of R^k."""
        return self.weights @ self.log_likelihood(point) + self.log_prior(point)

    def log_likelihood(self, point: Point) -> Float[Array, " rows"]:
        """Log density of each row's target over its reference value."""
        values = self.at_reference(point)
        expected = self.law(self.inputs, values)
        if self.effects:
            location = self.noise.scale.link(expected) + self._shared(point, values)
            expected = self.noise.scale.inverse()(location)
        return self.noise(expected, values, self.inputs, self.errors).log_prob(self.observed)

    @property
    def observed_on_scale(self) -> Float[Array, " rows"]:
        """The observed target on the scale on which it scatters."""
        return self.noise.scale.link(self.observed)

    def location(self, point: Point) -> Float[Array, " rows"]:
        """Say what the law expects of each row, on the scale on which it scatters."""
        values = self.at_reference(point)
        location = self.noise.scale.link(self.law(self.inputs, values))
        return location + self._shared(point, values) if self.effects else location

    def log_likelihood_about(
        self, location: Float[Array, " rows"], point: Point
    ) -> Float[Array, " rows"]:
        """Log density of each row's target on its scale, given the location there."""
        values = self.at_reference(point)
        scatter = self.noise.about(location, values, self.inputs, self.errors)
        return scatter.log_prob(self.observed_on_scale)

    @property
    def effects(self) -> int:
        """How many errors rows share."""
        return 0 if self.shared is None else self.shared.told.shape[-1]

    @property
    def of_location(self) -> int:
        """How many of the coordinates, the first, decide where rows are expected."""
        return len(self.law.parameters) + (self.effects + 1 if self.effects else 0)

    def random_effects(self, point: Point) -> Float[Array, " effects"]:
        """Find the errors that rows share, on the scale on which they scatter."""
        return self._shared_by_group(point, self.at_reference(point))

    def _shared_by_group(self, point: Point, values: Values) -> Float[Array, " effects"]:
        first = len(self.law.parameters)
        return self._unit(values) * point[first : first + self.effects]

    def _unit(self, values: Values) -> Array | float:
        return _STEP if self.noise.discrepancy else values[TAU]

    def _shared(self, point: Point, values: Values) -> Float[Array, " rows"]:
        assert self.shared is not None
        errors = self._shared_by_group(point, values)
        return self.shared.design @ errors  # a gather would be slower

    @property
    def named(self) -> Int[np.ndarray, " named"]:
        """Which coordinates are those of parameters, which have names; not of shared errors."""
        dim, first = len(self.parameters) + self.effects, len(self.law.parameters)
        return np.delete(np.arange(dim), slice(first, first + self.effects))

    def with_random_effects(
        self, named: Float[Array, " named"], errors: Float[Array, " effects"]
    ) -> Point:
        """Put errors that rows share into coordinates that are without."""
        first = len(self.law.parameters)
        blank = self.without_random_effects(named)
        unit = self._unit(self.at_reference(blank))
        return jnp.concatenate([named[:first], errors / unit, named[first:]])

    def without_random_effects(self, named: Float[Array, " named"]) -> Point:
        """Put in shared errors of 0."""
        first = len(self.law.parameters)
        return jnp.concatenate([named[:first], jnp.zeros(self.effects, named.dtype), named[first:]])

    def log_prior(self, point: Point) -> Float[Array, ""]:
        """Log density of the priors over R^k; -inf outside a parameter's range."""
        first = len(self.law.parameters)
        shared = jax.scipy.stats.norm.logpdf(point[first : first + self.effects]).sum()
        return self.log_prior_of_parameters(point) + shared + self.log_prior_of_steps(point)

    def log_prior_of_parameters(self, point: Point) -> Float[Array, ""]:
        """Log density of the priors of the law and of the noise, whatever the shared errors."""
        each = self.log_priors(self.coordinates(point))[: len(self.parameters)]
        total = each.sum() + self.log_volume(point)
        if not any(self.priors[name].may_leave(each) for name, each in self.parameters.items()):
            return total
        return jnp.where(self._places(point)[2], total, -jnp.inf)

    def coordinates(self, point: Point) -> Point:
        """Coordinates in which the priors are stated: one a parameter, then the shared errors'."""
        first = len(self.law.parameters)
        named = jnp.stack(list(self._coordinates(point).values()))
        return jnp.concatenate([named, point[first : first + self.effects]])

    def log_volume(self, point: Point) -> Float[Array, ""]:
        """Log determinant of the map from points to :meth:`coordinates`."""
        if self._stretched is None:
            return jnp.zeros((), point.dtype)
        return log_slope(point[list(self.parameters).index(self._stretched)])

    def log_prior_of_steps(self, point: Point) -> Float[Array, ""]:
        """Log density of a discrepancy's steps given tau, over that of steps of the usual size.

        A search for the mode leaves it out: with tau the steps can shrink to nothing, where the
        density has no end.
        """
        if not (self.effects and self.noise.discrepancy):
            return jnp.zeros((), point.dtype)
        first = len(self.law.parameters)
        steps = point[first : first + self.effects]
        sd = self.at_reference(point)[TAU] / _STEP
        normal = jax.scipy.stats.norm.logpdf
        return (normal(steps, 0.0, sd) - normal(steps)).sum()

    def log_ratio(self, point: Point) -> Float[Array, ""]:
        """Log of what shared errors are counted in, over the spread of rows."""
        values = self.at_reference(point)
        return jnp.log(self._unit(values) / values["sigma"])

    def log_room(self, log_ratio: Float[Array, ""]) -> Float[Array, ""]:
        """Log of the room that rows leave to shared errors, if they scatter normally."""
        assert self.shared is not None
        return -jnp.log1p(jnp.exp(2 * log_ratio) * self.shared.told).sum() / 2

    def log_priors(self, coordinates: Point) -> Point:
        """Log density of each of :meth:`coordinates`."""
        count = len(self.parameters)
        pairs = zip(self.parameters, coordinates[:count], strict=True)
        named = jnp.stack([self.priors[name].log_density(z) for name, z in pairs])
        return jnp.concatenate([named, jax.scipy.stats.norm.logpdf(coordinates[count:])])

    def log_prior_of_numbers(self, point: Point) -> Values:
        """Log density of the number that each prior speaks of, by the parameter's name.

        Unlike :meth:`log_priors`, over the numbers themselves: what power-scaling raises.
        """
        coordinates = self._coordinates(point)
        return {
            name: self.priors[name].distribution.log_prob(self.priors[name].bijector(z))
            for name, z in coordinates.items()
        }

    def prior_shares(self, points: Float[Array, "draws dim"]) -> Values:
        """How much of the precision of each parameter is its prior's, from 0 to 1.

        The prior's curvature times the posterior's variance, on the coordinate in which the prior
        is stated: 1 where the posterior is the prior.
        """
        draws = jax.vmap(self._coordinates)(points)
        shares = {}
        for name, z in draws.items():
            curvature = jax.grad(jax.grad(self.priors[name].log_density))(z.mean())
            shares[name] = jnp.clip(-curvature * z.var(), 0.0, 1.0)
        return shares

    def in_units(self, point: Point) -> Values:
        """Parameters in the units of the table."""
        there = self._places(point)[1]
        return {name: there[name] for name in self.parameters}

    def from_units(self, values: Values) -> Point:
        """Invert :meth:`in_units`."""
        return self.from_reference(self.to_reference(values))

    def at_reference(self, point: Point) -> Values:
        """Parameters at the reference point, where every input is 1."""
        here = self._places(point)[0]
        return {name: here[name] for name in self.parameters}

    def to_reference(self, values: Values) -> Values:
        """Take parameters from the table's units to the reference point; they broadcast."""
        here: dict[str, Any] = dict.fromkeys(self.reference, 1.0)
        there: dict[str, Any] = {**self.reference, **values}
        for name, parameter in in_order(self.parameters).items():
            here[name] = parameter.place(parameter.displace(values[name], there), here)
        return {name: here[name] for name in self.parameters}

    def from_reference(self, values: Values) -> Point:
        """Invert :meth:`at_reference`."""
        here: dict[str, Any] = {**dict.fromkeys(self.reference, 1.0), **values}
        there: dict[str, Any] = dict(self.reference)
        coordinates = {}
        for name, parameter in in_order(self.parameters).items():
            prior = self.priors[name]
            number = parameter.number(values[name], here)
            there[name] = parameter.place(parameter.raised(number, there), there)
            own = number if prior.at_reference or parameter.plain else there[name]
            coordinates[name] = prior.bijector.inv(own)
        return self.from_coordinates(coordinates)

    def center(self, dtype: Any) -> Point:
        """Take the priors' means to R^k (0 where there is none): where a search may start."""
        coordinates = {}
        for name in self.parameters:
            prior = self.priors[name]
            mean = prior.bijector.inv(jnp.asarray(prior.untruncated.mean, dtype))
            coordinates[name] = jnp.where(jnp.isfinite(mean), mean, 0.0)
        return self.from_coordinates(coordinates)

    def from_coordinates(self, coordinates: Values) -> Point:
        """Invert :meth:`coordinates`, which are given by the parameters' names."""
        if self._works_on_shares:
            units = self._log_units(coordinates)
            logs = {name: coordinates[name] - unit for name, unit in units.items()}
            coordinates = coordinates | to_shares(self.law.terms, logs, self._power(coordinates))
            if self._stretched is not None:
                coordinates[self._stretched] = unstretch(coordinates[self._stretched])
        return self.without_random_effects(
            jnp.stack([coordinates[name] for name in self.parameters])
        )

    @property
    def _works_on_shares(self) -> bool:
        """Whether the law's terms are sampled as their sum and their shares in it."""
        return bool(self.law.terms.parts) and all(
            self.priors[name].is_logarithm and self._is_share(name) for name in self.law.terms
        )

    @property
    def _stretched(self) -> str | None:
        """The coordinate that is stretched: how large all else is over a floor that may be 0."""
        if not self._works_on_shares:
            return None
        *others, last = self.law.terms
        may_be_nothing = isinstance(self.law.parameters[last].prior, HalfNormal)
        return last_share(self.law.terms) if others and may_be_nothing else None

    def _is_share(self, name: str) -> bool:
        """Whether a term's coordinate and its share differ by a number, whatever the point."""
        parameter = self.law.parameters[name]
        numbers = {other for other, each in self.parameters.items() if each.plain}
        return self.priors[name].at_reference or (
            parameter.power.constant == 1 and parameter.depends_on <= {*self.reference, *numbers}
        )

    def _numbers(self, coordinates: Values) -> Values:
        """Dimensionless parameters, which are the same everywhere."""
        return {
            name: self.priors[name].bijector(coordinates[name])
            for name, parameter in self.parameters.items()
            if parameter.plain
        }

    def _power(self, coordinates: Values) -> Callable[[Sum], Any]:
        numbers = self._numbers(coordinates)
        return lambda part: part.power.evaluate(numbers)

    def _log_units(self, coordinates: Values) -> dict[str, Any]:
        """Take logs of the units in which the priors of the law's terms are stated."""
        names = {**self.reference, **self._numbers(coordinates)}
        return {
            name: 0.0
            if self.priors[name].at_reference
            else jnp.log(self.parameters[name].unit.evaluate(names))
            for name in self.law.terms
        }

    def _coordinates(self, point: Point) -> Values:
        """Each parameter's own coordinate, in which its prior is stated."""
        named = point
        if self.effects:
            first = len(self.law.parameters)
            named = jnp.concatenate([point[:first], point[first + self.effects :]])
        coordinates = dict(zip(self.parameters, named, strict=True))
        if self._works_on_shares:
            units = self._log_units(coordinates)
            if self._stretched is not None:
                coordinates[self._stretched] = stretch(coordinates[self._stretched])
            logs = from_shares(self.law.terms, coordinates, self._power(coordinates))
            coordinates |= {name: log + units[name] for name, log in logs.items()}
        return coordinates

    def _places(self, point: Point) -> tuple[dict[str, Any], dict[str, Any], Any]:
        """Each parameter at the reference point and in the table's units, and if they may be so.

        A parameter's number is placed at both. One whose prior is in the table's units is taken
        back from there, which may leave its range: e_0 below e_inf.
        """
        coordinates = self._coordinates(point)
        here: dict[str, Any] = dict.fromkeys(self.reference, 1.0)
        there: dict[str, Any] = dict(self.reference)
        inside: Any = True
        for name, parameter in in_order(self.parameters).items():
            prior = self.priors[name]
            number = prior.bijector(coordinates[name])
            if prior.at_reference or parameter.plain:
                number = parameter.raised(number, here)
                here[name] = parameter.place(number, here)
                there[name] = parameter.place(number, there)
                continue
            if prior.may_leave(parameter):
                number, kept = parameter.keep(number, there)
                inside = inside & kept
            here[name] = parameter.place(parameter.displace(number, there), here)
            there[name] = number
        return here, there, inside
