"""How observed values scatter about a law."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from math import log

import jax
import jax.numpy as jnp
import numpyro.distributions as dist
from jax.scipy.special import gammaln
from jaxtyping import Array, Float
from numpyro.distributions import Distribution, TransformedDistribution, constraints
from numpyro.distributions.util import promote_shapes

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


class StudentT(dist.StudentT):
    """Student's t, with a logarithm in place of ``log1p``: it takes half the time.

    The difference is rounding of the order of the density's own.
    """

    def log_prob(self, value: Array, intermediates: None = None) -> Array:
        """Return the log density."""
        half = self.df / 2
        constant = jnp.log(self.scale) + jnp.log(self.df * jnp.pi) / 2
        constant += gammaln(half) - gammaln(half + 0.5)
        z = (value - self.loc) / self.scale
        return -(half + 0.5) * jnp.log(1 + z * z / self.df) - constant


class RoundedLaplace(Distribution):
    """Laplace's distribution with a rounded tip: log density -huber(x - loc) / (tip * scale) + c.

    Parameters
    ----------
    loc, scale
        Location, and scale of the exponential tails.
    tip
        Within this distance of the location it is Gaussian.
    """

    arg_constraints = {  # noqa: RUF012 - numpyro's way
        "loc": constraints.real,
        "scale": constraints.positive,
        "tip": constraints.positive,
    }
    support = constraints.real
    reparametrized_params = ["loc", "scale"]  # noqa: RUF012

    def __init__(self, loc: Array, scale: Array, tip: Array | float) -> None:
        self.loc, self.scale, self.tip = promote_shapes(loc, scale, tip)
        super().__init__(jnp.broadcast_shapes(*map(jnp.shape, (loc, scale, tip))))

    def _masses(self) -> tuple[Array, Array]:
        """Mass of the tip and of both tails, before they are normalised."""
        ratio = self.tip / (2 * self.scale)
        tip = jnp.sqrt(2 * jnp.pi * self.tip * self.scale) * jax.lax.erf(jnp.sqrt(ratio))
        return tip, 2 * self.scale * jnp.exp(-ratio)

    def log_prob(self, value: Array, intermediates: None = None) -> Array:
        """Return the log density."""
        distance = jnp.abs(value - self.loc)
        inside = jnp.minimum(distance, self.tip)
        huber_over_tip = inside * (distance - inside / 2) / self.tip
        return -huber_over_tip / self.scale - jnp.log(sum(self._masses()))

    def sample(self, key: Array, sample_shape: tuple[int, ...] = ()) -> Array:
        """Draw values."""
        keys = jax.random.split(key, 4)
        shape = sample_shape + self.batch_shape
        tip, tails = self._masses()
        sd = jnp.sqrt(self.tip * self.scale)
        bound = self.tip / sd
        near = sd * jax.random.truncated_normal(keys[0], -bound, bound, shape, bound.dtype)
        far = self.tip + self.scale * jax.random.exponential(keys[1], shape, bound.dtype)
        far *= jax.random.rademacher(keys[2], shape, bound.dtype)
        in_tip = jax.random.bernoulli(keys[3], tip / (tip + tails), shape)
        return self.loc + jnp.where(in_tip, near, far)


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
