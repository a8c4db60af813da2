"""The log likelihood of rows, given parameters and random effects."""

from dataclasses import dataclass, field
from typing import Any

import jax
from jaxtyping import Array, Float

from scalingbayes.laws import Law
from scalingbayes.model.coordinates import Values
from scalingbayes.model.noise import Noise
from scalingbayes.model.random_effects import EffectsDesign


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class Likelihood:
    """Rows of a table, and their log density under a law and a noise model.

    Inputs and target are divided by their reference values. Parameters are those at the reference
    point.

    Parameters
    ----------
    law, noise
        The law, and the distribution of rows about it.
    inputs
        Each input of the law over its reference value.
    observed
        The observed target over its reference value.
    weights
        The weight of each row's log likelihood; 0 for padding.
    errors
        Known standard errors of the target, on its scale and in the unit of deviations there.
    random_effects
        Errors that several rows share.
    noise_values
        Known parameters of the noise, at the reference point; none by default.
    """

    law: Law = field(metadata={"static": True})
    noise: Noise = field(metadata={"static": True})
    inputs: dict[str, Float[Any, "*fits rows"]]
    observed: Float[Any, "*fits rows"]
    weights: Float[Any, "*fits rows"]
    errors: Float[Any, "*fits rows"] | None = None
    random_effects: EffectsDesign | None = None
    noise_values: dict[str, Float[Any, "*fits"]] = field(default_factory=dict)

    @property
    def observed_on_scale(self) -> Float[Array, " rows"]:
        """The observed target on the scale on which it scatters."""
        return self.noise.scale.link(self.observed)

    @property
    def rows(self) -> dict[str, Any]:
        """The arrays that have a value for each row, by the names of their fields."""
        names = ("inputs", "observed", "weights", "errors")
        return {name: getattr(self, name) for name in names}

    def __call__(self, values: Values, effects: Float[Array, " effects"]) -> Float[Array, " rows"]:
        """Return, for each row, the log density of the ratio target / reference value."""
        if self.random_effects is None:
            expected = self.law(self.inputs, values)
        else:
            expected = self.noise.scale.inverse()(self.location(values, effects))
        known = {**values, **self.noise_values}
        return self.noise(expected, known, self.inputs, self.errors).log_prob(self.observed)

    def law_location(self, values: Values) -> Float[Array, " rows"]:
        """Return the location of each row on the target's scale, without random effects."""
        return self.noise.scale.link(self.law(self.inputs, values))

    def location(self, values: Values, effects: Float[Array, " effects"]) -> Float[Array, " rows"]:
        """Return the location of each row on the target's scale."""
        location = self.law_location(values)
        if self.random_effects is None:
            return location
        return location + self.random_effects.design.apply(effects)

    def log_likelihood_at(
        self, location: Float[Array, " rows"], values: Values
    ) -> Float[Array, " rows"]:
        """Return the log density of each row's target on its scale, given the location there."""
        known = {**values, **self.noise_values}
        scatter = self.noise.about(location, known, self.inputs, self.errors)
        return scatter.log_prob(self.observed_on_scale)

    def spread(self, values: Values) -> Float[Array, "*#rows"]:
        """Return sigma of each row on the target's scale."""
        return self.noise.spread({**values, **self.noise_values}, self.inputs, self.errors)
