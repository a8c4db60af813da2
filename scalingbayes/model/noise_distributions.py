"""The distributions of noise models, on the scale on which targets scatter.

They are functions of a module, not nested ones, so that a noise can be pickled.
"""

from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Array, Float
from numpyro.distributions import Distribution

from scalingbayes._core.distributions import StudentT
from scalingbayes._core.one_sided import NormalPlusExcess, StudentTOrExcess

_NORMAL_NU = 1e3  # above this many degrees of freedom rounding would spoil Student's t


def student_t(
    location: Float[Array, "*#shape"],
    *,
    sigma: Float[Array, "*#shape"],
    nu: Float[Array, "*#shape"],
) -> Distribution:
    """Return Student's t."""
    return StudentT(jnp.minimum(nu, _NORMAL_NU), location, sigma)


def location_scale(
    family: Callable[..., Distribution],
    location: Float[Array, "*#shape"],
    *,
    sigma: Float[Array, "*#shape"],
) -> Distribution:
    """Return the distribution of a family with a location and a scale."""
    return family(location, sigma)


def one_sided(
    sign: int,
    location: Float[Array, "*#shape"],
    *,
    sigma: Float[Array, "*#shape"],
    excess: Float[Array, "*#shape"],
) -> Distribution:
    """Return normal noise with an excess; ``sign`` is 1 for an excess above the location."""
    return NormalPlusExcess(location, sigma, excess, sign)


def with_failures(
    sign: int,
    location: Float[Array, "*#shape"],
    *,
    sigma: Float[Array, "*#shape"],
    nu: Float[Array, "*#shape"],
    failed: Float[Array, "*#shape"],
    excess: Float[Array, "*#shape"],
) -> Distribution:
    """Return Student's t, or with probability ``failed`` normal noise with an excess."""
    return StudentTOrExcess(jnp.minimum(nu, _NORMAL_NU), location, sigma, failed, excess, sign)
