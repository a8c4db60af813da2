"""The log density of a mixture of posteriors that discount the runs: see ``model/allowance.py``."""

from dataclasses import dataclass, replace
from typing import Any

import jax
from jaxtyping import Array, Float

from scalingbayes._core.row_blocks import sum_over_rows
from scalingbayes.model.coordinates import Point, Values
from scalingbayes.model.log_density import LogDensity


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class MixtureDensity:
    """The log density of the law's parameters under a mixture of posteriors.

    Each posterior has a likelihood power T, and weights of the rows and known parameters of the
    noise that depend on an exponent g. A pytree, which may be stacked as a
    :class:`~scalingbayes.model.log_density.LogDensity` may.

    Parameters
    ----------
    density
        The density of the law's parameters, with a known noise. Its weights are not used.
    noise_values
        The parameters of the noise for each g.
    row_weights
        The weight of each row for each g.
    powers
        The likelihood powers.
    log_weights
        The log of weight over evidence, for each g and T.
    """

    density: LogDensity
    noise_values: dict[str, Float[Any, "*fits exponents"]]
    row_weights: Float[Any, "*fits exponents rows"]
    powers: Float[Any, "*fits powers"]
    log_weights: Float[Any, "*fits exponents powers"]

    def posterior(self, exponent: int, power: int) -> LogDensity:
        """Return the density of one posterior of the mixture, by the places of its g and T."""
        likelihood = replace(
            self.density.likelihood,
            weights=self.powers[power] * self.row_weights[exponent],
            noise_values={name: x[exponent] for name, x in self.noise_values.items()},
        )
        return replace(self.density, likelihood=likelihood)

    def __call__(self, point: Point) -> Float[Array, ""]:
        """Return the log density at a point."""
        return self.log_likelihood(point) + self.density.prior(point)

    def log_likelihood(self, point: Point) -> Float[Array, ""]:
        """Return the log of the mixture's density over the prior density."""
        return jax.nn.logsumexp(self._terms(point))

    def _terms(self, point: Point) -> Float[Array, "exponents powers"]:
        likelihood = self.density.likelihood

        def of_rows(values: tuple[Values, Values], rows: tuple[Array, Any]) -> Array:
            part, row_weights = replace(likelihood, **rows[1]), rows[0]
            location = part.law_location(values[0])

            def total(noise_values: Values, row_weights: Array) -> Array:
                given_noise = replace(part, noise_values=noise_values)
                return row_weights @ given_noise.log_likelihood_at(location, values[0])

            return jax.vmap(total)(values[1], row_weights)

        values = self.density.coordinates.at_reference(point)
        rows = (self.row_weights, likelihood.rows)
        totals = sum_over_rows(of_rows, (values, self.noise_values), rows)
        return self.log_weights + self.powers * totals[:, None]
