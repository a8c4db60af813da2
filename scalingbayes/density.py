"""The log density of a posterior on R^k: what every engine works on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from scalingbayes.laws import Law
from scalingbayes.noise import Noise
from scalingbayes.parameters import Parameter, Prior

Point = Float[Array, " dim"]
Values = dict[str, Array]


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class LogDensity:
    """Law, noise, priors and rows joined into one log density over unconstrained coordinates.

    A pytree: arrays and hyperparameters are leaves, so a compiled program serves every table of
    one padded length; ``jax.vmap`` over its leaves fits many tables at once. Inputs and losses are
    measured at the reference point, which keeps the coordinates near 1 in any units and float32
    exact enough.

    Parameters
    ----------
    law, noise
        What the losses follow and how they scatter.
    priors
        The prior of each parameter of the law and of the noise.
    inputs
        Each input of the law, over its reference value; shape (rows,).
    loss
        The observed losses over the reference loss; shape (rows,).
    weights
        How much each row counts; 0 for padding; shape (rows,).
    reference
        The reference value of each input and of the loss, in the table's units.
    """

    law: Law = field(metadata={"static": True})
    noise: Noise = field(metadata={"static": True})
    priors: dict[str, Prior]
    inputs: dict[str, Float[Array, " rows"]]
    loss: Float[Array, " rows"]
    weights: Float[Array, " rows"]
    reference: dict[str, Float[Array, ""]]

    @property
    def parameters(self) -> dict[str, Parameter]:
        """Parameters of the law, then of the noise: the order of the coordinates."""
        return {**self.law.parameters, **self.noise.parameters}

    def __call__(self, point: Point) -> Float[Array, ""]:
        """Log posterior density, up to a constant, at one point of R^k."""
        return self.weights @ self.log_likelihood(point) + self.log_prior(point)

    def log_likelihood(self, point: Point) -> Float[Array, " rows"]:
        """Log density of each row's loss over the reference loss."""
        values = self._values(point)
        scales = self._scales(values)
        values = {
            name: value if self.priors[name].at_reference else value / scales[name]
            for name, value in values.items()
        }
        expected = self.law(self.inputs, values)
        return self.noise(expected, values).log_prob(self.loss)

    def log_prior(self, point: Point) -> Float[Array, ""]:
        """Log density of the priors over R^k."""
        total = jnp.zeros((), point.dtype)
        for coordinate, (name, value) in zip(point, self._values(point).items(), strict=True):
            prior = self.priors[name]
            total += prior.distribution.log_prob(value)
            total += prior.bijector.log_abs_det_jacobian(coordinate, value)
        return total

    def in_units(self, point: Point) -> Values:
        """Parameters in the units of the table."""
        values = self._values(point)
        scales = self._scales(values)
        return {
            name: value * scales[name] if self.priors[name].at_reference else value
            for name, value in values.items()
        }

    def center(self, dtype: Any) -> Point:
        """Find the priors' means in R^k (0 where there is none): where a search may start."""
        means = [
            self.priors[name].bijector.inv(jnp.asarray(self.priors[name].distribution.mean, dtype))
            for name in self.parameters
        ]
        return jnp.stack([jnp.where(jnp.isfinite(mean), mean, 0.0) for mean in means])

    def _values(self, point: Point) -> Values:
        """Each parameter in the units in which its prior is stated."""
        return {
            name: self.priors[name].bijector(coordinate)
            for name, coordinate in zip(self.parameters, point, strict=True)
        }

    def _scales(self, values: Mapping[str, Array]) -> Values:
        # Units are made of dimensionless parameters, which are the same at the reference point.
        names = {**self.reference, **values}
        return {name: parameter.scale(names) for name, parameter in self.parameters.items()}
