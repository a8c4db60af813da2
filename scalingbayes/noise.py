"""How an observed loss scatters about the law."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import jax.numpy as jnp
import numpyro.distributions as dist
from jaxtyping import Array, Float
from numpyro.distributions import Distribution, TransformedDistribution
from numpyro.distributions.transforms import ExpTransform

from scalingbayes.errors import unknown
from scalingbayes.parameters import Parameter


@dataclass(frozen=True, eq=False)
class Noise:
    """A noise model: the distribution of an observed loss, given the loss that the law expects.

    Parameters
    ----------
    name
        The name that :func:`scalingbayes.fit` knows it by.
    distribution
        ``distribution(expected, **parameters)``, over losses in the units of ``expected``.
    parameters
        Each parameter's meaning, unit and default prior.
    equation
        The model as a reader would write it.
    """

    name: str
    distribution: Callable[..., Distribution]
    parameters: Mapping[str, Parameter]
    equation: str

    def __call__(self, expected: Array, values: Mapping[str, Array]) -> Distribution:
        """Condition on the law's loss; ``values`` may hold more than the noise needs."""
        return self.distribution(expected, **{name: values[name] for name in self.parameters})

    def __repr__(self) -> str:
        return f"Noise({self.name!r}: {self.equation})"


def _student_t(
    expected: Float[Array, "*#shape"],
    *,
    sigma: Float[Array, "*#shape"],
    nu: Float[Array, "*#shape"],
) -> Distribution:
    return TransformedDistribution(dist.StudentT(nu, jnp.log(expected), sigma), ExpTransform())


student_t = Noise(
    name="student_t",
    distribution=_student_t,
    equation="log loss = log L + sigma * t_nu",
    parameters={
        "sigma": Parameter("scale of the log loss about the law", dist.LogNormal(-4.6, 1.5)),
        "nu": Parameter("degrees of freedom; small is heavy-tailed", dist.LogNormal(2.0, 1.0)),
    },
)

NOISES: dict[str, Noise] = {noise.name: noise for noise in (student_t,)}
"""The noise models there are, by name."""


def get_noise(noise: str | Noise) -> Noise:
    """Look a noise model up by its name; a noise model is returned as it is.

    Raises
    ------
    InputError
        If no noise model has the name.
    """
    if isinstance(noise, Noise):
        return noise
    if noise not in NOISES:
        raise unknown("noise model", noise, NOISES)
    return NOISES[noise]
