"""The log density of the priors at a point of R^k."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax.scipy.stats import norm
from jaxtyping import Array, Float

from scalingbayes.model.coordinates import Coordinates, Point, Values
from scalingbayes.model.discrepancy import STEP_UNIT
from scalingbayes.model.noise import TAU


@dataclass(frozen=True, eq=False)
class PriorDensity:
    """The log density of parameters and random effects before any row is seen.

    Parameters
    ----------
    coordinates
        The coordinates of points; they hold the priors.
    """

    coordinates: Coordinates

    def __call__(self, point: Point) -> Float[Array, ""]:
        """Return the log density over R^k; -inf outside a parameter's range."""
        effects_log_density = norm.logpdf(self.coordinates.effect_coordinates(point)).sum()
        return self.of_parameters(point) + effects_log_density + self.step_correction(point)

    def of_parameters(self, point: Point) -> Float[Array, ""]:
        """Return the log density of the parameters, without the random effects."""
        coordinates = self.coordinates
        parameters, priors = coordinates.parameters, coordinates.priors
        log_densities = self.of_coordinates(coordinates.prior_coordinates(point))[: len(parameters)]
        total = log_densities.sum() + coordinates.log_volume(point)
        if not any(priors[name].may_leave(parameter) for name, parameter in parameters.items()):
            return total
        return jnp.where(coordinates.in_range(point), total, -jnp.inf)

    def step_correction(self, point: Point) -> Float[Array, ""]:
        """Return the correction for a discrepancy's steps, whose sd is not 1.

        It is what the prior of the steps adds to the standard normal density that ``__call__``
        already counts.

        Searches for the mode leave this term out: with tau the steps can shrink to 0, where the
        density is unbounded.
        """
        coordinates = self.coordinates
        if not (coordinates.effects and coordinates.noise.discrepancy):
            return jnp.zeros((), point.dtype)
        steps = coordinates.effect_coordinates(point)
        sd = coordinates.at_reference(point)[TAU] / STEP_UNIT
        return (norm.logpdf(steps, 0.0, sd) - norm.logpdf(steps)).sum()

    def of_coordinates(self, coordinates: Point) -> Point:
        """Return the log density of each coordinate of :meth:`Coordinates.prior_coordinates`."""
        parameters, priors = self.coordinates.parameters, self.coordinates.priors
        pairs = zip(parameters, coordinates[: len(parameters)], strict=True)
        named = jnp.stack([priors[name].log_density(z) for name, z in pairs])
        return jnp.concatenate([named, norm.logpdf(coordinates[len(parameters) :])])

    def of_numbers(self, point: Point) -> Values:
        """Return the log density of the number that each prior describes, by parameter.

        Unlike :meth:`of_coordinates` the density is over the numbers themselves, which is what
        power-scaling raises to a power.
        """
        found = {}
        for name, z in self.coordinates.prior_coordinates_by_name(point).items():
            prior = self.coordinates.priors[name]
            found[name] = prior.distribution.log_prob(prior.bijector(z))
        return found

    def shares(self, points: Float[Array, "draws dim"]) -> Values:
        """Return the share of each parameter's posterior precision that is its prior's.

        The share is the prior's curvature times the posterior variance on the coordinate of the
        prior, clipped to [0, 1]. It is 1 if the posterior is the prior.
        """
        draws = jax.vmap(self.coordinates.prior_coordinates_by_name)(points)
        shares = {}
        for name, z in draws.items():
            curvature = jax.grad(jax.grad(self.coordinates.priors[name].log_density))(z.mean())
            shares[name] = jnp.clip(-curvature * z.var(), 0.0, 1.0)
        return shares
