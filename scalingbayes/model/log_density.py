"""The log density of a posterior on R^k, which every engine works on."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import jax
from jaxtyping import Array, Float

from scalingbayes._core.row_blocks import sum_over_rows
from scalingbayes.laws import Law
from scalingbayes.laws.base.parameters import Parameter
from scalingbayes.model.coordinates import Coordinates, Point, Values
from scalingbayes.model.likelihood import Likelihood
from scalingbayes.model.noise import Noise
from scalingbayes.model.prior_density import PriorDensity


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class LogDensity:
    """Law, noise, priors and rows as one log density over unconstrained coordinates.

    A pytree: arrays and hyperparameters are leaves, so one compiled program serves every table of
    one padded length. Densities of several tables may be stacked; each array then has one more axis
    in front, for ``jax.vmap``. Inputs and target are measured at the reference point, which keeps
    the coordinates near 1 in any units and float32 accurate enough.

    Parameters
    ----------
    coordinates
        The map between points of R^k and parameters.
    likelihood
        The rows, and their log density given parameters.
    """

    coordinates: Coordinates
    likelihood: Likelihood

    @property
    def prior(self) -> PriorDensity:
        """The log density of the priors."""
        return PriorDensity(self.coordinates)

    @property
    def law(self) -> Law:
        """The law."""
        return self.likelihood.law

    @property
    def noise(self) -> Noise:
        """The noise model."""
        return self.likelihood.noise

    @property
    def parameters(self) -> dict[str, Parameter]:
        """Parameters of the law, then of the noise: the order of the coordinates."""
        return self.coordinates.parameters

    @property
    def effects(self) -> int:
        """The number of random effects."""
        return self.coordinates.effects

    @property
    def weights(self) -> Float[Any, "*fits rows"]:
        """The weight of each row's log likelihood; 0 for padding."""
        return self.likelihood.weights

    @property
    def location_size(self) -> int:
        """The number of leading coordinates that the location of rows depends on.

        They are the law's parameters, the random effects and tau, the first parameter of a noise
        model with random effects.
        """
        return len(self.law.parameters) + (self.effects + 1 if self.effects else 0)

    def with_weights(self, weights: Float[Array, " rows"]) -> "LogDensity":
        """Return the density with other weights of the rows."""
        return replace(self, likelihood=replace(self.likelihood, weights=weights))

    def given_noise(self, noise_values: dict[str, Float[Any, "*fits"]]) -> "LogDensity":
        """Return the density of the law's parameters, with the parameters of the noise known.

        Parameters
        ----------
        noise_values
            The parameters of the noise, at the reference point. The noise has no random effects.
        """
        priors = {name: self.coordinates.priors[name] for name in self.law.parameters}
        noise = self.noise.without_parameters()
        return LogDensity(
            replace(self.coordinates, noise=noise, priors=priors),
            replace(self.likelihood, noise_values=noise_values),
        )

    def __call__(self, point: Point) -> Float[Array, ""]:
        """Return the log posterior density at a point, up to a constant."""
        if self.likelihood.random_effects is None:
            total = self.sum_over_rows(_total, point)
        else:
            total = _total(self, point)
        return total + self.prior(point)

    def sum_over_rows(self, function: Callable[["LogDensity", Point], Any], point: Point) -> Any:
        """Return ``function(density, point)``, a sum over rows, in bounded memory.

        Parameters
        ----------
        function
            Takes a density of some of the rows. There are no random effects.
        point
            The point.
        """

        def of_rows(values: tuple[Point, Values], rows: dict[str, Any]) -> Any:
            likelihood = replace(self.likelihood, **rows, noise_values=values[1])
            return function(replace(self, likelihood=likelihood), values[0])

        values = (point, self.likelihood.noise_values)
        return sum_over_rows(of_rows, values, self.likelihood.rows)

    def log_likelihood(self, point: Point) -> Float[Array, " rows"]:
        """Return, for each row, the log density of the ratio target / reference value."""
        return self.likelihood(*self.coordinates.values_and_effects(point))

    def location(self, point: Point) -> Float[Array, " rows"]:
        """Return the location of each row on the target's scale."""
        return self.likelihood.location(*self.coordinates.values_and_effects(point))

    def log_likelihood_at(
        self, location: Float[Array, " rows"], point: Point
    ) -> Float[Array, " rows"]:
        """Return the log density of each row's target on its scale, given the location there."""
        return self.likelihood.log_likelihood_at(location, self.coordinates.at_reference(point))


def _total(density: LogDensity, point: Point) -> Float[Array, ""]:
    """Return the weighted sum of the rows' log densities."""
    total: Array = density.weights @ density.log_likelihood(point)
    return total
