"""The conditional distribution of an observed value, given what the law expects."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import override

import jax.numpy as jnp
from jaxtyping import Array
from numpyro.distributions import Delta, Distribution, TransformedDistribution

from scalingbayes.laws.base.parameters import Parameter
from scalingbayes.laws.base.targets import Scale

SIGMA = "sigma"
"""Name of the parameter for the spread of rows about their location."""

EXCESS = "excess"
"""Name of the parameter for the mean by which runs are worse than their location."""

TAU = "tau"
"""Name of the parameter for the spread of the random effects."""

SPREAD_EXPONENT = "spread_exponent"
"""Name of the parameter for the power at which the spread falls with scale."""


@dataclass(frozen=True, eq=False)
class Noise:
    """The distribution of an observed value about the value that a law expects.

    :meth:`NoiseModel.for_law` makes those that the package has. Make a ``Noise`` yourself only
    for a distribution of your own.

    Parameters
    ----------
    name
        Name of the noise model, with its options.
    scale
        The scale on which values scatter: the scale of the law's target.
    distribution
        ``distribution(location, **parameters)``: a distribution over values on that scale.
    parameters
        Each parameter's meaning, unit and default prior, by name.
    equation
        The model as a reader would write it.
    varying
        Inputs of the law. The spread sigma falls as a power of their product.
    error
        Column of the table with the known standard error of each target, or "".
    groups
        Column of the table whose labels say which runs share an error, or "".
    discrepancy
        Inputs of the law. The law's own error is a random walk in the log of their product.
    normal
        Whether the distribution is normal.
    symmetric
        Whether the distribution is symmetric about ``location`` and unimodal. If not, ``location``
        is the value of a run without excess, and the mode is near it.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> noise = sb.NormalNoise().for_law(sb.get_law("chinchilla"))
    >>> list(noise.parameters)
    ['sigma']
    """

    name: str
    scale: Scale
    distribution: Callable[..., Distribution]
    parameters: Mapping[str, Parameter]
    equation: str
    varying: tuple[str, ...] = ()
    error: str = ""
    groups: str = ""
    discrepancy: tuple[str, ...] = ()
    normal: bool = False
    symmetric: bool = True

    @property
    def has_random_effects(self) -> bool:
        """Whether runs share errors."""
        return bool(self.groups or self.discrepancy)

    def __call__(
        self,
        expected: Array,
        values: Mapping[str, Array],
        inputs: Mapping[str, Array],
        errors: Array | None = None,
    ) -> Distribution:
        """Return the distribution of observed values in the target's unit.

        Parameters
        ----------
        expected
            The value that the law expects of each run.
        values
            Parameters by name; other parameters are ignored.
        inputs
            Inputs of each run over their reference values; other inputs are ignored.
        errors
            Known standard errors of the targets, on the scale; none by default.
        """
        location = self.scale.link(expected)
        on_scale = self.about(location, values, inputs, errors)
        return TransformedDistribution(on_scale, self.scale.inverse())

    def about(
        self,
        location: Array,
        values: Mapping[str, Array],
        inputs: Mapping[str, Array],
        errors: Array | None = None,
    ) -> Distribution:
        """Return the distribution of observed values on the scale, about a location there."""
        others = {n: values[n] for n in self.parameters if n not in (TAU, SPREAD_EXPONENT)}
        return self.distribution(location, **{**others, SIGMA: self.spread(values, inputs, errors)})

    def spread(
        self,
        values: Mapping[str, Array],
        inputs: Mapping[str, Array],
        errors: Array | None = None,
    ) -> Array:
        """Return sigma of each run on the scale; the arguments are those of a call."""
        sigma = values[SIGMA]
        if self.varying:
            log_size = sum(jnp.log(inputs[name]) for name in self.varying)
            sigma = sigma * jnp.exp(-values[SPREAD_EXPONENT] * log_size)
        return sigma if errors is None else jnp.hypot(sigma, errors)

    def without_parameters(self) -> "Noise":
        """Return the noise model without free parameters: their values are known.

        Two calls return the same object, so that a compiled program serves both.
        """
        return _without_parameters(self)

    def __repr__(self) -> str:
        return f"Noise({self.name!r}: {self.equation})"


class NoScatter(Noise):
    """The noise of constants whose source states no scatter: a run is what the law expects.

    :func:`no_scatter` makes it.
    """

    @override
    def about(
        self,
        location: Array,
        values: Mapping[str, Array],
        inputs: Mapping[str, Array],
        errors: Array | None = None,
    ) -> Distribution:
        """Return the distribution whose only value is the location."""
        return Delta(location)


NO_SCATTER = "none"
"""Name of the noise of constants whose source states no scatter."""


@cache
def no_scatter(scale: Scale) -> NoScatter:
    """Return the noise of constants whose source states no scatter.

    Two calls with one scale return the same object, so that a compiled program serves both.
    """
    return NoScatter(NO_SCATTER, scale, Delta, {}, "no scatter is stated")


@cache
def _without_parameters(noise: Noise) -> Noise:
    return replace(noise, parameters={})
