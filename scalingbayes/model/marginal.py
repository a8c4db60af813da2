"""The log density with the errors that rows share integrated out."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from scalingbayes.model.log_density import LogDensity, Point, Values
from scalingbayes.model.noise import TAU
from scalingbayes.model.random_effects import RandomEffects


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class MarginalDensity:
    """The log density of the parameters alone, where rows scatter normally and all alike.

    Given the parameters, errors that rows share are then normal: they are integrated out, which
    leaves fewer unknowns and none that tau's size decides, and are drawn afterwards.

    In the basis in which rows tell of each shared error apart, these are independent.

    Parameters
    ----------
    density
        The log density of parameters and shared errors.
    """

    density: LogDensity

    def __call__(self, named: Float[Array, " named"]) -> Float[Array, ""]:
        """Log posterior density, up to a constant, of the parameters.

        Its first derivatives are right; those beyond are without what the means' own add.
        """
        bare = self.density.without_random_effects(named)
        values = self.density.at_reference(bare)
        deviations, ratio, means, precision = self._shared(values)
        # Their squares are least at the means, so that slopes by these are 0.
        means = lax.stop_gradient(means)
        weights, shared = self.density.weights, self._errors
        # A sum of squares: the difference that it is equal to would be lost where sigma is small.
        squares = weights @ (deviations - ratio * (shared.turned @ means)) ** 2 + means @ means
        log_likelihood = -weights.sum() * jnp.log(values["sigma"])
        log_likelihood -= (squares + jnp.log(precision).sum()) / 2
        return log_likelihood + self.density.log_prior_of_parameters(bare)

    def complete(self, named: Float[Array, " named"], normals: Float[Array, " effects"]) -> Point:
        """Draw the shared errors given the parameters, from standard normal numbers."""
        values = self.density.at_reference(self.density.without_random_effects(named))
        *_, means, precision = self._shared(values)
        drawn = self._errors.turn @ (means + normals / jnp.sqrt(precision))
        return self.density.with_random_effects(named, values[TAU] * drawn)

    @property
    def _errors(self) -> RandomEffects:
        assert self.density.shared is not None
        return self.density.shared

    def _shared(self, values: Values) -> tuple[Array, Array, Array, Array]:
        """Give deviations and tau, over sigma; and of errors over tau means and precisions."""
        density, shared = self.density, self._errors
        expected = density.noise.scale.link(density.law(density.inputs, values))
        deviations = (density.observed_on_scale - expected) / values["sigma"]
        ratio = values[TAU] / values["sigma"]
        precision = 1 + ratio**2 * shared.told
        means = ratio * (density.weights * deviations) @ shared.turned / precision
        return deviations, ratio, means, precision


def integrated(density: LogDensity) -> LogDensity | MarginalDensity:
    """Integrate out the errors that rows share, where that can be done."""
    noise = density.noise
    possible = noise.has_random_effects and noise.normal and not (noise.varying or noise.error)
    return MarginalDensity(density) if possible else density
