"""The log density with the random effects integrated out."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from scalingbayes.model.coordinates import Point, Values
from scalingbayes.model.log_density import LogDensity
from scalingbayes.model.noise import SIGMA, TAU
from scalingbayes.model.random_effects import EffectsDesign


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class MarginalDensity:
    """The log density of the parameters alone, for normal noise of one spread.

    Given the parameters, the random effects are then normal, and independent after the rotation of
    :class:`~scalingbayes.model.random_effects.EffectsDesign`. They are integrated out, which leaves
    fewer unknowns and none whose scale is tau, and are drawn after sampling.

    Parameters
    ----------
    density
        The log density of parameters and random effects.
    """

    density: LogDensity

    def __call__(self, named: Float[Array, " named"]) -> Float[Array, ""]:
        """Return the log posterior density of the parameters, up to a constant.

        First derivatives are exact. Second derivatives are approximate: the means are held
        constant.
        """
        bare = self.density.coordinates.without_random_effects(named)
        values = self.density.coordinates.at_reference(bare)
        deviations, ratio, means, precision = self._conditional(values)
        # The squares are least at the means, so their derivatives by the means are 0.
        means = lax.stop_gradient(means)
        weights = self.density.weights
        # A sum of squares; the equal form, a difference of squares, loses digits where sigma is
        # small.
        residuals = deviations - ratio * self._effects.rotated_design.apply(means)
        squares = weights @ residuals**2 + means @ means
        log_likelihood = -weights.sum() * jnp.log(values[SIGMA])
        log_likelihood -= (squares + jnp.log(precision).sum()) / 2
        return log_likelihood + self.density.prior.of_parameters(bare)

    def complete(self, named: Float[Array, " named"], normals: Float[Array, " effects"]) -> Point:
        """Draw the random effects given the parameters, from standard normal numbers."""
        coordinates = self.density.coordinates
        values = coordinates.at_reference(coordinates.without_random_effects(named))
        *_, means, precision = self._conditional(values)
        drawn = self._effects.unrotated(means + normals / jnp.sqrt(precision))
        return coordinates.with_random_effects(named, values[TAU] * drawn)

    @property
    def _effects(self) -> EffectsDesign:
        assert self.density.likelihood.random_effects is not None
        return self.density.likelihood.random_effects

    def _conditional(self, values: Values) -> tuple[Array, Array, Array, Array]:
        """Compute the normal distribution of the rotated effects, given the parameters.

        Returns
        -------
        deviations
            Deviation of each row from the law, over sigma.
        ratio
            tau / sigma.
        means, precision
            Mean and precision of each rotated effect over tau.
        """
        likelihood, effects = self.density.likelihood, self._effects
        location = likelihood.law_location(values)
        deviations = (likelihood.observed_on_scale - location) / values[SIGMA]
        ratio = values[TAU] / values[SIGMA]
        precision = 1 + ratio**2 * effects.information
        projected = effects.rotated_design.project(likelihood.weights * deviations)
        return deviations, ratio, ratio * projected / precision, precision


def integrated(density: LogDensity) -> LogDensity | MarginalDensity:
    """Return the density with random effects integrated out, if that is possible."""
    noise = density.noise
    possible = noise.has_random_effects and noise.normal and not (noise.varying or noise.error)
    return MarginalDensity(density) if possible else density
