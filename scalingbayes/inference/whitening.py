"""Whitened coordinates, in which a posterior is close to a standard normal.

The samplers and the Laplace approximation start from these coordinates.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Int

from scalingbayes._core.devices import by_owner, fetch, interleave, map_each, map_tasks
from scalingbayes._core.precision import to_dtype
from scalingbayes._core.programs import compiled
from scalingbayes.inference.mode import Mode, check_found, find_mode
from scalingbayes.model.log_density import LogDensity

_SMALLEST_CURVATURE = 1e-2  # a flat direction would otherwise get an unbounded scale


class Whitening(NamedTuple):
    """Affine map from whitened coordinates ``x`` to points: ``point = center + root @ x``.

    Parameters
    ----------
    center
        The point at ``x = 0``.
    root
        A square root of the covariance: ``root @ root.T`` approximates the posterior's covariance.
    """

    center: Float[Array | np.ndarray, "*fits dim"]
    root: Float[Array | np.ndarray, "*fits dim dim"]

    def to_points(
        self, x: Float[np.ndarray, "fits *draws dim"]
    ) -> Float[np.ndarray, "fits *draws dim"]:
        """Return the points at whitened coordinates."""
        flat = x.reshape(len(x), -1, x.shape[-1])
        return (self.center[:, None] + flat @ np.swapaxes(self.root, 1, 2)).reshape(x.shape)

    def from_points(
        self, points: Float[np.ndarray, "fits points dim"]
    ) -> Float[np.ndarray, "fits points dim"]:
        """Return the whitened coordinates of points: the inverse of :meth:`to_points`."""
        offsets = (points - self.center[:, None])[..., None]
        return np.linalg.solve(self.root[:, None], offsets)[..., 0]

    def select(self, fits: Int[np.ndarray, " chosen"] | int) -> "Whitening":
        """Return the whitening of some fits, or of one."""
        return Whitening(self.center[fits], self.root[fits])

    def marginal(self, chosen: Int[np.ndarray, " chosen"]) -> "Whitening":
        """Return the whitening of the marginal distribution of some coordinates."""
        return Whitening(self.center[:, chosen], triangular_roots(self.root[:, chosen]))

    def relative_to(self, other: "Whitening") -> "Whitening":
        """Return this whitening with its points expressed in another's whitened coordinates.

        ``other`` is the whitening of a single fit.
        """
        center = np.linalg.solve(other.root, (self.center - other.center)[..., None])[..., 0]
        return Whitening(center, np.linalg.solve(other.root, self.root))


def triangular_roots(
    roots: Float[Array | np.ndarray, "fits dim whole"],
) -> Float[np.ndarray, "fits dim dim"]:
    """Return the lower-triangular factors of ``roots @ roots.T``, one per fit.

    Uses QR: the products can be too ill-conditioned for a Cholesky factorisation.
    """
    lower = np.swapaxes(np.linalg.qr(np.swapaxes(np.asarray(roots), 1, 2)).R, 1, 2)
    return lower * np.sign(np.diagonal(lower, axis1=1, axis2=2))[:, None]


def whiten_at_mode(
    densities: LogDensity, random: Sequence[np.random.Generator], starts: int, dtype: str
) -> tuple[Mode, Whitening]:
    """Return the modes of each fit, and the whitening by the curvature at the best mode.

    Parameters
    ----------
    densities
        Log densities of several fits, stacked.
    random
        One generator per fit.
    starts
        Number of searches per fit. They begin at normal draws around the priors' centre.
    dtype
        ``"float64"`` or ``"float32"``.

    Returns
    -------
    modes
        The end of every search, with leading axes (fits, starts). The log density is NaN where a
        search found no mode.
    whitening
        The whitening of each fit at its best mode.

    Raises
    ------
    InputError
        If no search of a fit found a mode.
    """
    fits, dim = len(random), len(densities.parameters) + densities.effects
    offsets = interleave([each.standard_normal((starts, dim)) for each in random])
    owner = np.tile(np.arange(fits), starts)
    modes = fetch(_find_modes(densities, owner, to_dtype(offsets, dtype)))
    modes = jax.tree.map(lambda values: by_owner(values, fits), modes)
    found = np.isfinite(modes.log_density) & np.isfinite(modes.curvature).all((-2, -1))
    modes = modes._replace(log_density=np.where(found, modes.log_density, np.nan))
    check_found(modes.log_density)
    best = np.nanargmax(modes.log_density, axis=1)
    return modes, whitening_at(modes, np.arange(fits), best)


def whitening_at(
    modes: Mode, fits: Int[np.ndarray, " chosen"], starts: Int[np.ndarray, " chosen"]
) -> Whitening:
    """Return the whitening by the curvature at chosen modes, indexed by fit and start."""
    return whiten(modes.point[fits, starts], modes.curvature[fits, starts])


def laplace_whitening(
    densities: LogDensity, random: Sequence[np.random.Generator], starts: int, dtype: str
) -> Whitening:
    """Return the whitening by the exact Hessian at the best mode: the Laplace approximation.

    The arguments are those of :func:`whiten_at_mode`, whose curvature is approximate.
    """
    center = whiten_at_mode(densities, random, starts, dtype)[1].center
    return whiten(center, -fetch(_hessians(densities, to_dtype(center, dtype))))


def whiten(center: Float[Any, "fits dim"], curvature: Float[Any, "fits dim dim"]) -> Whitening:
    """Return the whitening by the curvature of the log density at the centers."""
    curvatures, directions = np.linalg.eigh(curvature.astype(float))
    # Rounding decides the sign of an eigenvector, and the sign decides all draws: the largest
    # component is made positive.
    largest = np.abs(directions).argmax(axis=1, keepdims=True)
    directions = directions * np.sign(np.take_along_axis(directions, largest, axis=1))
    scales = np.maximum(np.abs(curvatures), _SMALLEST_CURVATURE) ** -0.5
    return Whitening(center.astype(float), directions * scales[:, None])


@compiled
def _find_modes(
    densities: LogDensity,
    owner: Int[ArrayLike, " searches"],
    offsets: Float[ArrayLike, "searches dim"],
) -> Mode:
    def search(density: LogDensity, offset: Array) -> Mode:
        return find_mode(density, density.coordinates.center(offset.dtype) + offset)

    return map_tasks(search, densities, owner, offsets)


@compiled
def _hessians(
    densities: LogDensity, points: Float[ArrayLike, "fits dim"]
) -> Float[Array, "fits dim dim"]:
    def hessian(density: LogDensity, point: Array) -> Array:
        return jax.hessian(density)(point)

    return map_each(hessian, densities, points)
