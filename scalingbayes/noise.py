"""How observed values scatter about a law."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from math import log

import jax.numpy as jnp
import numpyro.distributions as dist
from jaxtyping import Array, Float
from numpyro.distributions import Distribution, TransformedDistribution

from scalingbayes.distributions import RoundedLaplace, StudentT
from scalingbayes.errors import InputError, unknown
from scalingbayes.parameters import Parameter
from scalingbayes.targets import Scale, Target

HUBER_DELTA = 1e-3
"""Where Huber's loss turns from a square to a line, in log loss (Hoffmann et al. 2022, eq. 3)."""

_NORMAL_NU = 1e3  # Student's t counts as normal; its constant would soon be lost in rounding


@dataclass(frozen=True, eq=False)
class Noise:
    """A noise model: the distribution of an observed value, given what the law expects.

    Parameters
    ----------
    name
        The name that :func:`scalingbayes.fit` knows it by.
    scale
        The scale on which values scatter: that of the law's target.
    distribution
        ``distribution(location, **parameters)``, over values on that scale, symmetric about the
        location and falling away from it.
    parameters
        Each parameter's meaning, unit and default prior.
    equation
        The model as a reader would write it.
    """

    name: str
    scale: Scale
    distribution: Callable[..., Distribution]
    parameters: Mapping[str, Parameter]
    equation: str

    def __call__(self, expected: Array, values: Mapping[str, Array]) -> Distribution:
        """Condition on what the law expects; ``values`` may hold more than the noise needs."""
        location = self.scale.link(expected)
        return TransformedDistribution(self.about(location, values), self.scale.inverse())

    def about(self, location: Array, values: Mapping[str, Array]) -> Distribution:
        """Condition on the location; the same as a call, on the scale."""
        return self.distribution(location, **{name: values[name] for name in self.parameters})

    def __repr__(self) -> str:
        return f"Noise({self.name!r}: {self.equation})"


@cache
def student_t(target: Target) -> Noise:
    """Student's t on the target's scale, its degrees of freedom inferred.

    A few bad runs need not be thrown out by hand: the tail takes them.
    """

    def distribution(
        location: Float[Array, "*#shape"],
        *,
        sigma: Float[Array, "*#shape"],
        nu: Float[Array, "*#shape"],
    ) -> Distribution:
        return StudentT(jnp.minimum(nu, _NORMAL_NU), location, sigma)

    return Noise(
        name="student_t",
        scale=target.on_scale,
        distribution=distribution,
        equation=_equation(target, "sigma * t_nu"),
        parameters={
            "sigma": _spread(target),
            "nu": Parameter("degrees of freedom; small is heavy-tailed", dist.LogNormal(2.0, 1.0)),
        },
    )


@cache
def huber(target: Target) -> Noise:
    """Laplace's distribution with a rounded tip, whose log density is minus Huber's loss.

    Given the tip's width, the law of greatest likelihood is that of least Huber loss, which is
    what Hoffmann et al. 2022 minimise; the spread sigma, which they do not need, is inferred.

    Raises
    ------
    InputError
        If the target scatters on a plain scale, where the tip's width has no meaning.
    """
    if target.scale == "plain":
        raise InputError(
            f"Noise model 'huber' has a tip of {HUBER_DELTA:g} on a log or logit scale, and "
            f"{target.column!r} scatters on its own: use 'student_t'."
        )

    def distribution(
        location: Float[Array, "*#shape"], *, sigma: Float[Array, "*#shape"]
    ) -> Distribution:
        return RoundedLaplace(location, sigma, HUBER_DELTA)

    return Noise(
        name="huber",
        scale=target.on_scale,
        distribution=distribution,
        equation=_equation(target, f"Laplace(sigma), its tip rounded within {HUBER_DELTA:g}"),
        parameters={"sigma": _spread(target)},
    )


NOISES: dict[str, Callable[[Target], Noise]] = {"student_t": student_t, "huber": huber}
"""The noise models there are, by name: each is made for a target."""


def get_noise(noise: str | Noise, target: Target) -> Noise:
    """Look up a noise model for a target by its name; a noise model is returned as it is.

    Raises
    ------
    InputError
        If no noise model has the name.
    """
    if isinstance(noise, Noise):
        return noise
    if noise not in NOISES:
        raise unknown("noise model", noise, NOISES)
    return NOISES[noise](target)


def _equation(target: Target, scatter: str) -> str:
    scale = target.on_scale
    return f"{scale.of(target.column)} = {scale.of(f'expected {target.column}')} + {scatter}"


def _spread(target: Target) -> Parameter:
    return Parameter(
        f"spread of the {target.on_scale.of(target.column)} about the law",
        dist.LogNormal(log(target.on_scale.spread), 1.5),
        unit=target.unit,
    )
