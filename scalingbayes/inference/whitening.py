"""Coordinates in which a posterior is close to a standard normal.

Every engine that samples begins here.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Int

from scalingbayes._core.devices import as_lanes, by_owner, fetch, map_each, map_lanes
from scalingbayes._core.precision import to_dtype
from scalingbayes.inference.mode import Mode, check_found, find_mode
from scalingbayes.model.log_density import LogDensity

_SMALLEST_CURVATURE = 1e-2  # of the log density at the mode; flatter directions count as this


class Whitening(NamedTuple):
    """Coordinates x: z = center + root x."""

    center: Float[Array | np.ndarray, "*fits dim"]
    root: Float[Array | np.ndarray, "*fits dim dim"]

    def place(
        self, x: Float[np.ndarray, "fits *draws dim"]
    ) -> Float[np.ndarray, "fits *draws dim"]:
        """Take whitened coordinates to the density's."""
        flat = x.reshape(len(x), -1, x.shape[-1])
        return (self.center[:, None] + flat @ np.swapaxes(self.root, 1, 2)).reshape(x.shape)

    def take(self, fits: Int[np.ndarray, " chosen"] | int) -> "Whitening":
        """Take some of the fits, or one."""
        return Whitening(self.center[fits], self.root[fits])

    def seen_from(self, other: "Whitening") -> "Whitening":
        """Describe the same in coordinates that another, of one fit, has whitened."""
        center = np.linalg.solve(other.root, (self.center - other.center)[..., None])[..., 0]
        return Whitening(center, np.linalg.solve(other.root, self.root))

    def of(self, chosen: Int[np.ndarray, " chosen"]) -> "Whitening":
        """Whiten some of the coordinates alone, whatever the others are."""
        return Whitening(self.center[:, chosen], triangular(self.root[:, chosen]))

    def displace(
        self, points: Float[np.ndarray, "fits points dim"]
    ) -> Float[np.ndarray, "fits points dim"]:
        """Invert :meth:`place`."""
        offsets = (points - self.center[:, None])[..., None]
        return np.linalg.solve(self.root[:, None], offsets)[..., 0]


def triangular(
    roots: Float[Array | np.ndarray, "fits dim whole"],
) -> Float[np.ndarray, "fits dim dim"]:
    """Give the triangular matrices that, times their transposes, are what these are times theirs.

    By QR, as the products may be too far from round for Cholesky's method.
    """
    lower = np.swapaxes(np.linalg.qr(np.swapaxes(np.asarray(roots), 1, 2)).R, 1, 2)
    return lower * np.sign(np.diagonal(lower, axis1=1, axis2=2))[:, None]


def whiten(
    densities: LogDensity, random: Sequence[np.random.Generator], starts: int, dtype: str
) -> tuple[Mode, Whitening]:
    """Look for modes, and whiten each fit by the curvature at its best.

    Parameters
    ----------
    densities
        Log densities of several fits, stacked.
    random
        A generator for each fit.
    starts
        How many searches of each fit begin, about the priors' centre.
    dtype
        ``"float64"`` or ``"float32"``.

    Returns
    -------
    tuple
        The modes that were found, with the axes fits and starts in front, and the coordinates. The
        log density of a search that found none is NaN.

    Raises
    ------
    InputError
        If no search of a fit found a mode.
    """
    fits, dim = len(random), len(densities.parameters) + densities.effects
    offsets = as_lanes([each.standard_normal((starts, dim)) for each in random])
    owner = np.tile(np.arange(fits), starts)
    modes = fetch(_find_modes(densities, owner, to_dtype(offsets, dtype)))
    modes = jax.tree.map(lambda values: by_owner(values, fits), modes)
    found = np.isfinite(modes.log_density) & np.isfinite(modes.curvature).all((-2, -1))
    modes = modes._replace(log_density=np.where(found, modes.log_density, np.nan))
    check_found(modes.log_density)
    best = np.nanargmax(modes.log_density, axis=1)
    return modes, about(modes, np.arange(fits), best)


def about(
    modes: Mode, fits: Int[np.ndarray, " chosen"], starts: Int[np.ndarray, " chosen"]
) -> Whitening:
    """Whiten by the curvature at some of the modes, given by their fits and starts."""
    return _whitening(modes.point[fits, starts], modes.curvature[fits, starts])


def laplace_whitening(
    densities: LogDensity, random: Sequence[np.random.Generator], starts: int, dtype: str
) -> Whitening:
    """Whiten by the Hessian at the best mode, the Laplace approximation; as :func:`whiten`."""
    center = whiten(densities, random, starts, dtype)[1].center
    return _whitening(center, -fetch(_hessians(densities, to_dtype(center, dtype))))


def _whitening(center: Float[Any, "fits dim"], curvature: Float[Any, "fits dim dim"]) -> Whitening:
    curvatures, directions = np.linalg.eigh(curvature.astype(float))
    # Rounding may turn an eigenvector round, and all draws with it: its largest part is positive.
    largest = np.abs(directions).argmax(axis=1, keepdims=True)
    directions = directions * np.sign(np.take_along_axis(directions, largest, axis=1))
    scales = np.maximum(np.abs(curvatures), _SMALLEST_CURVATURE) ** -0.5
    return Whitening(center.astype(float), directions * scales[:, None])


@jax.jit
def _find_modes(
    densities: LogDensity, owner: Int[ArrayLike, " lanes"], offsets: Float[ArrayLike, "lanes dim"]
) -> Mode:
    def climb(density: LogDensity, offset: Array) -> Mode:
        return find_mode(density, density.center(offset.dtype) + offset)

    return map_lanes(climb, densities, owner, offsets)


@jax.jit
def _hessians(
    densities: LogDensity, points: Float[ArrayLike, "fits dim"]
) -> Float[Array, "fits dim dim"]:
    def hessian(density: LogDensity, point: Array) -> Array:
        return jax.hessian(density)(point)

    return map_each(hessian, densities, points)
