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
        coordinates = self._coordinates(point).items()
        terms = [self.priors[name].log_density(coordinate) for name, coordinate in coordinates]
        return jnp.stack(terms).sum()

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
        values = self._values(point)
        scales = self._scales(values)
        return {
            name: value * scales[name] if self.priors[name].at_reference else value
            for name, value in values.items()
        }

    def center(self, dtype: Any) -> Point:
        """Take the priors' means to R^k (0 where there is none): where a search may start."""
        coordinates = {}
        for name in self.parameters:
            prior = self.priors[name]
            mean = prior.bijector.inv(jnp.asarray(prior.whole.mean, dtype))
            coordinates[name] = jnp.where(jnp.isfinite(mean), mean, 0.0)
        if self._works_on_shares:
            units = self._log_units(coordinates)
            shares = _to_shares([coordinates[name] - log for name, log in units.items()])
            coordinates |= zip(units, shares, strict=True)
        return jnp.stack(list(coordinates.values()))

    @property
    def _works_on_shares(self) -> bool:
        """Whether the law's terms are sampled as their sum and their shares in it."""
        return bool(self.law.terms) and all(
            self.priors[name].over_positive for name in self.law.terms
        )

    def _log_units(self, coordinates: Values) -> dict[str, Any]:
        """Take logs of the units in which the priors of the law's terms are stated."""
        scales = self._scales(
            {
                name: self.priors[name].bijector(coordinates[name])
                for name, parameter in self.parameters.items()
                if parameter.unit == "1"
            }
        )
        return {
            name: 0.0 if self.priors[name].at_reference else jnp.log(scales[name])
            for name in self.law.terms
        }

    def _coordinates(self, point: Point) -> Values:
        """Each parameter's own coordinate, in which its prior is stated."""
        coordinates = dict(zip(self.parameters, point, strict=True))
        if self._works_on_shares:
            units = self._log_units(coordinates)
            logs = _from_shares([coordinates[name] for name in units])
            for (name, unit), log in zip(units.items(), logs, strict=True):
                coordinates[name] = log + unit
        return coordinates

    def _values(self, point: Point) -> Values:
        """Each parameter in the units in which its prior is stated."""
        coordinates = self._coordinates(point)
        return {name: self.priors[name].bijector(z) for name, z in coordinates.items()}

    def _scales(self, values: Mapping[str, Array]) -> Values:
        # Units are made of dimensionless parameters, which are the same at the reference point.
        names = {**self.reference, **values}
        return {name: parameter.scale(names) for name, parameter in self.parameters.items()}


def _from_shares(shares: list[Array]) -> list[Array]:
    """Break a sum into positive terms, stick by stick.

    Takes the log of the sum, and of each term but the last the logit of its share in what the
    terms before it leave. Returns the logs of the terms. The map's determinant is 1 or -1.
    """
    rest, *logits = shares
    logs = []
    for logit in logits:
        logs.append(rest + jax.nn.log_sigmoid(logit))
        rest += jax.nn.log_sigmoid(-logit)
    return [*logs, rest]


def _to_shares(logs: list[Array]) -> list[Array]:
    """Invert :func:`_from_shares`."""
    rest, logits = logs[-1], []
    for log in reversed(logs[:-1]):
        logits.append(log - rest)
        rest = jnp.logaddexp(log, rest)
    return [rest, *reversed(logits)]
