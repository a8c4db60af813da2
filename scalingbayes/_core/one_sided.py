"""Distributions of values that an excess moves to one side: a normal plus an exponential."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array
from numpy.polynomial import chebyshev
from numpyro.distributions import Distribution, constraints
from numpyro.distributions.util import promote_shapes
from scipy import special

from scalingbayes._core.distributions import StudentT

_CENTER = 3.75  # where the variable of the Chebyshev series is 0
_DEGREE = 26  # for which the series of erfcx is exact to rounding in float64


def _erfcx_series() -> tuple[float, ...]:
    """Return the Chebyshev series of ``(1 + 2 x) erfcx(x)`` in ``(x - c) / (x + c)``."""

    def scaled(t: Any) -> Any:
        x = _CENTER * (1 + t) / (1 - t)
        return (1 + 2 * x) * special.erfcx(x)

    return tuple(float(each) for each in chebyshev.chebinterpolate(scaled, _DEGREE))


_SERIES = _erfcx_series()


def erfcx(x: Array) -> Array:
    """Return exp(x^2) erfc(x) for x of 0 or more (Shepherd & Laframboise 1981).

    One smooth expression for all x, so that first and second derivatives keep their precision in
    float32. Those of :func:`jax.scipy.special.erfcx` are differences of nearly equal numbers.
    """
    t = (x - _CENTER) / (x + _CENTER)
    first = second = jnp.zeros_like(t)
    for coefficient in _SERIES[:0:-1]:  # Clenshaw's recurrence
        first, second = coefficient + 2 * t * first - second, first
    return (_SERIES[0] + t * first - second) / (1 + 2 * x)


class NormalPlusExcess(Distribution):
    """A normal variable plus or minus an exponential one: the exponentially modified Gaussian.

    Parameters
    ----------
    loc, scale
        Mean and standard deviation of the normal variable.
    excess
        Mean of the exponential variable.
    sign
        1 if the exponential variable is added, -1 if it is subtracted.
    """

    arg_constraints = {  # noqa: RUF012 - numpyro's way
        "loc": constraints.real,
        "scale": constraints.positive,
        "excess": constraints.positive,
    }
    support = constraints.real
    reparametrized_params = ["loc", "scale", "excess"]  # noqa: RUF012
    pytree_aux_fields = ("sign",)

    def __init__(self, loc: Array, scale: Array, excess: Array, sign: int = 1) -> None:
        self.loc, self.scale, self.excess = promote_shapes(loc, scale, excess)
        self.sign = sign
        super().__init__(jnp.broadcast_shapes(*map(jnp.shape, (loc, scale, excess))))

    def log_prob(self, value: Array, intermediates: None = None) -> Array:
        """Return the log density."""
        z = self.sign * (value - self.loc) / self.scale
        rate = self.scale / self.excess
        u = z - rate
        above = u > 0
        # Two forms of log Phi(u) = log(erfcx(-u / sqrt 2) / 2) - u^2 / 2, without cancellation.
        half_erfcx = erfcx(jnp.where(above, u, -u) / np.sqrt(2)) / 2
        near = jnp.where(above, u, 0.0)
        far = -rate * (near + rate / 2) + jnp.log1p(-half_erfcx * jnp.exp(-near * near / 2))
        below = jnp.log(half_erfcx) - z * z / 2
        return jnp.where(above, far, below) - jnp.log(self.excess)

    def sample(self, key: Array, sample_shape: tuple[int, ...] = ()) -> Array:
        """Draw values."""
        shape, dtype = sample_shape + self.batch_shape, jnp.result_type(self.loc, self.scale)
        normal, exponential = jax.random.split(key)
        excess = self.excess * jax.random.exponential(exponential, shape, dtype)
        scatter = self.scale * jax.random.normal(normal, shape, dtype)
        return self.loc + scatter + self.sign * excess


class StudentTOrExcess(Distribution):
    """A mixture of Student's t and of the same location plus normal scatter and an excess.

    Parameters
    ----------
    df, loc, scale
        Degrees of freedom, location and scale of Student's t. The location and the scale are also
        those of the normal variable of the other part.
    share
        Probability of the other part.
    excess, sign
        Those of :class:`NormalPlusExcess`.
    """

    arg_constraints = {  # noqa: RUF012
        "df": constraints.positive,
        "loc": constraints.real,
        "scale": constraints.positive,
        "share": constraints.unit_interval,
        "excess": constraints.positive,
    }
    support = constraints.real
    pytree_aux_fields = ("sign",)

    def __init__(
        self, df: Array, loc: Array, scale: Array, share: Array, excess: Array, sign: int = 1
    ) -> None:
        self.df, self.loc, self.scale, self.share, self.excess = promote_shapes(
            df, loc, scale, share, excess
        )
        self.sign = sign
        super().__init__(jnp.broadcast_shapes(*map(jnp.shape, (df, loc, scale, share, excess))))

    def log_prob(self, value: Array, intermediates: None = None) -> Array:
        """Return the log density."""
        regular = StudentT(self.df, self.loc, self.scale).log_prob(value)
        moved = NormalPlusExcess(self.loc, self.scale, self.excess, self.sign).log_prob(value)
        return jnp.logaddexp(jnp.log1p(-self.share) + regular, jnp.log(self.share) + moved)

    def sample(self, key: Array, sample_shape: tuple[int, ...] = ()) -> Array:
        """Draw values."""
        keys = jax.random.split(key, 4)
        shape, dtype = sample_shape + self.batch_shape, jnp.result_type(self.loc, self.scale)
        moved = jax.random.bernoulli(keys[0], self.share, shape)
        t = jax.random.t(keys[1], self.df, shape, dtype)
        normal = jax.random.normal(keys[2], shape, dtype)
        excess = self.excess * jax.random.exponential(keys[3], shape, dtype)
        scatter = self.scale * jnp.where(moved, normal, t)
        return self.loc + scatter + self.sign * jnp.where(moved, excess, 0.0)
