"""The log density with the errors that rows share integrated out."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from scalingbayes.density import LogDensity, Point, Values
from scalingbayes.noise import SHARED

_ROUNDING = 1e-12  # of the most that is told of an error


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class MarginalDensity:
    """The log density of the parameters alone, where rows scatter normally and all alike.

    Given the parameters, errors that rows share are then normal: they are integrated out, which
    leaves fewer unknowns and none that tau's size decides, and are drawn afterwards.

    In a basis in which the rows tell of each shared error alone, these are independent.

    Parameters
    ----------
    whole
        The log density of parameters and shared errors.
    turn
        From that basis to the shared errors.
    design
        How much each row has of each error of that basis.
    told
        How many rows' worth is told of each.
    """

    whole: LogDensity
    turn: Float[Any, "*fits effects effects"]
    design: Float[Any, "*fits rows effects"]
    told: Float[Any, "*fits effects"]

    @staticmethod
    def exists(density: LogDensity) -> bool:
        """Whether errors can be integrated out of a density."""
        noise = density.noise
        return noise.shares and noise.normal and not (noise.varying or noise.error)

    @staticmethod
    def of(densities: LogDensity) -> "MarginalDensity":
        """Integrate shared errors out of several log densities, stacked."""
        dtype = densities.weights.dtype
        design = np.asarray(densities.design, float)
        weights = np.asarray(densities.weights, float)[..., None]
        counts = np.swapaxes(design, 1, 2) @ (weights * design)
        told, turn = np.linalg.eigh(counts)
        # Of some nothing is told; what rounding leaves there would count where sigma is small.
        told = np.where(told > _ROUNDING * told.max(axis=-1, keepdims=True), told, 0.0)
        design = np.where(told[:, None] > 0, design @ turn, 0.0)
        arrays = (each.astype(dtype) for each in (turn, design, told))
        return MarginalDensity(densities, *arrays)

    def __call__(self, named: Float[Array, " named"]) -> Float[Array, ""]:
        """Log posterior density, up to a constant, of the parameters.

        Its first derivatives are right; those beyond are without what the means' own add.
        """
        bare = self.whole.without_shared_errors(named)
        values = self.whole.at_reference(bare)
        deviations, ratio, means, precision = self._shared(values)
        # Their squares are least at the means, so that slopes by these are 0.
        means = lax.stop_gradient(means)
        weights = self.whole.weights
        # A sum of squares: the difference that it is equal to would be lost where sigma is small.
        squares = weights @ (deviations - ratio * (self.design @ means)) ** 2 + means @ means
        log_likelihood = -weights.sum() * jnp.log(values["sigma"])
        log_likelihood -= (squares + jnp.log(precision).sum()) / 2
        return log_likelihood + self.whole.log_prior_of_parameters(bare)

    def complete(self, named: Float[Array, " named"], normals: Float[Array, " effects"]) -> Point:
        """Draw the shared errors given the parameters, from standard normal numbers."""
        values = self.whole.at_reference(self.whole.without_shared_errors(named))
        *_, means, precision = self._shared(values)
        drawn = self.turn @ (means + normals / jnp.sqrt(precision))
        return self.whole.with_shared_errors(named, values[SHARED] * drawn)

    def _shared(self, values: Values) -> tuple[Array, Array, Array, Array]:
        """Give deviations and tau, over sigma; and of errors over tau means and precisions."""
        whole = self.whole
        expected = whole.noise.scale.link(whole.law(whole.inputs, values))
        deviations = (whole.observed_on_scale - expected) / values["sigma"]
        ratio = values[SHARED] / values["sigma"]
        precision = 1 + ratio**2 * self.told
        means = ratio * (whole.weights * deviations) @ self.design / precision
        return deviations, ratio, means, precision
