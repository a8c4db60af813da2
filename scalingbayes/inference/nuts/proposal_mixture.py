"""The mixture that the jumps of a chain are proposed from, learnt from earlier draws."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.scipy.linalg import solve_triangular
from jaxtyping import Array, ArrayLike, Float

from scalingbayes._core.devices import fetch, map_each
from scalingbayes._core.precision import to_dtype
from scalingbayes._core.programs import compiled
from scalingbayes.inference.nuts.constants import (
    COMPONENTS,
    EM_DRAWS,
    EM_ITERATIONS,
    EM_SMALLEST_VARIANCE,
    HALF_DEGREES,
    MODE_COMPONENTS,
    MODE_SHARE,
)
from scalingbayes.inference.whitening import triangular_roots


class Mixture(NamedTuple):
    """A mixture of multivariate t distributions with 4 degrees of freedom.

    Parameters
    ----------
    log_weights
        Log weight of each component.
    centers
        Center of each component.
    roots
        Lower-triangular roots: ``root @ root.T`` is a component's scale matrix.
    inverses
        Inverses of the roots.
    """

    log_weights: Float[Any, "*fits components"]
    centers: Float[Any, "*fits components dim"]
    roots: Float[Any, "*fits components dim dim"]
    inverses: Float[Any, "*fits components dim dim"]

    def draw(self, key: Array) -> Float[Array, " dim"]:
        """Draw a point."""
        component_key, normal_key, scale_key = jax.random.split(key, 3)
        dtype, dim = self.centers.dtype, self.centers.shape[-1]
        chosen = jax.random.categorical(component_key, self.log_weights)
        normals = jax.random.normal(normal_key, (dim,), dtype)
        scale = jax.random.exponential(scale_key, (HALF_DEGREES,), dtype).mean()
        return self.centers[chosen] + self.roots[chosen] @ normals / jnp.sqrt(scale)

    def log_density(self, x: Float[Array, " dim"]) -> Float[Array, ""]:
        """Return the log density at a point, up to a constant."""
        degrees = 2 * HALF_DEGREES
        falls = (degrees + x.size) / 2 * jnp.log1p(self.squared_distances(x) / degrees)
        return jax.nn.logsumexp(self.log_heights() - falls)

    def log_heights(self) -> Float[Array, " components"]:
        """Return the log of each component's weight times its density at its center.

        The result is up to a constant.
        """
        volumes = jnp.log(jnp.diagonal(self.inverses, axis1=-2, axis2=-1)).sum(-1)
        return self.log_weights + volumes

    def squared_distances(self, x: Float[Array, " dim"]) -> Float[Array, " components"]:
        """Return the squared Mahalanobis distance of a point from each component's center."""
        from_origin = self.inverses.reshape(-1, x.size) @ x  # one product; many small are slow
        to_centers = jnp.einsum("kij,kj->ki", self.inverses, self.centers)
        return ((from_origin.reshape(to_centers.shape) - to_centers) ** 2).sum(-1)


def at_modes(centers: Float[Any, "modes dim"], roots: Float[Any, "modes dim dim"]) -> Mixture:
    """Return a mixture with components at the modes, for use before there are draws.

    Parameters
    ----------
    centers, roots
        Position and scale of each mode. Modes are repeated, or the last ones left out, to give
        the fixed number of components.
    """
    roots = triangular_roots(roots)
    chosen = np.arange(COMPONENTS) % len(centers)
    components = centers[chosen], roots[chosen], np.linalg.inv(roots)[chosen]
    return Mixture(np.zeros(COMPONENTS), *components)


def with_modes(
    learnt: Mixture, centers: Float[Any, "modes dim"], roots: Float[Any, "modes dim dim"]
) -> Mixture:
    """Return the mixture with its components of least weight replaced by components at modes.

    A mode from which there are few draws would otherwise drop out of the mixture.

    Parameters
    ----------
    learnt
        The mixture of one fit.
    centers, roots
        Position and scale of each mode, the best first.
    """
    count = min(len(centers), MODE_COMPONENTS)
    least = np.argsort(learnt.log_weights)[:count]
    found = jax.tree.map(np.array, learnt)  # copies, which are written to
    for values, of_modes in zip(found, at_modes(centers, roots), strict=True):
        values[least] = of_modes[:count]
    others = np.delete(np.arange(COMPONENTS), least)
    rest = np.exp(learnt.log_weights[others]).sum()
    found.log_weights[others] += np.log((1 - MODE_SHARE) / rest)
    found.log_weights[least] = np.log(MODE_SHARE / count)
    return found


def learn(x: Float[np.ndarray, "fits draws dim"], dtype: str) -> Mixture:
    """Learn a mixture from whitened draws, by expectation-maximisation for normal components.

    The roots of the normal components are then used as those of t components, whose tails are
    heavier.

    Parameters
    ----------
    x
        The draws.
    dtype
        ``"float64"`` or ``"float32"``.
    """
    draws = x[:, np.linspace(0, x.shape[1] - 1, EM_DRAWS).round().astype(int)]
    first = np.linspace(0, EM_DRAWS - 1, COMPONENTS).round().astype(int)
    return fetch(_learn(*to_dtype((draws, draws[:, first]), dtype)))


@compiled
def _learn(
    draws: Float[ArrayLike, "fits draws dim"], centers: Float[ArrayLike, "fits components dim"]
) -> Mixture:
    return map_each(_learn_one, draws, centers)


def _learn_one(
    draws: Float[Array, "draws dim"], centers: Float[Array, "components dim"]
) -> Mixture:
    """Fit normal components whose covariances are shrunk towards their common covariance."""
    count, dim = draws.shape
    components, unit = len(centers), jnp.eye(dim, dtype=draws.dtype)
    shrinkage = dim + 2.0  # draws that the common covariance counts for

    def maximise(shares: Float[Array, "draws components"]) -> Mixture:
        sizes = shares.sum(0)
        centers = shares.T @ draws / (sizes + EM_SMALLEST_VARIANCE)[:, None]
        deviations = draws[:, None] - centers
        squares = jnp.einsum("nk,nki,nkj->kij", shares, deviations, deviations)
        common = squares.sum(0) / count + EM_SMALLEST_VARIANCE * unit
        shapes = (squares + shrinkage * common) / (sizes + shrinkage)[:, None, None]
        roots = jnp.linalg.cholesky(shapes)
        inverses = jax.vmap(lambda root: solve_triangular(root, unit, lower=True))(roots)
        return Mixture(jnp.log((sizes + 1) / (count + components)), centers, roots, inverses)

    def share(mixture: Mixture) -> Float[Array, "draws components"]:
        heights = mixture.log_heights()
        distances = jax.vmap(mixture.squared_distances)(draws)
        return jax.nn.softmax(heights - distances / 2, axis=1)

    nearest = jnp.argmin(((draws[:, None] - centers) ** 2).sum(-1), axis=1)
    start = maximise(jax.nn.one_hot(nearest, components, dtype=draws.dtype))
    return lax.fori_loop(0, EM_ITERATIONS, lambda _, mixture: maximise(share(mixture)), start)
