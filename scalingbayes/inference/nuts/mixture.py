"""Jumps of a chain to far points: draws from a mixture that is learnt from earlier draws."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.scipy.linalg import solve_triangular
from jaxtyping import Array, ArrayLike, Bool, Float, Int

from scalingbayes._core.devices import fetch, map_each
from scalingbayes._core.precision import to_dtype
from scalingbayes.inference.whitening import triangular

_PARTS = 12
_LEARNT_FROM = 960  # draws
_ITERATIONS = 20
_OF_MODES = 4  # of these parts at most, and
_SHARE_OF_MODES = 0.25  # so much of the draws
_HALF_DEGREES = 4  # half the degrees of freedom; heavier tails than the posterior's
_LEAST_VARIANCE = 1e-6  # of whitened draws, in float32 too


class Mixture(NamedTuple):
    """Multivariate t distributions, with 8 degrees of freedom.

    Parameters
    ----------
    log_weights
        Log of how much each part counts.
    centers
        Where each part is.
    roots
        Triangular matrices, of which each times its transpose is a part's shape.
    inverses
        The inverses of these.
    """

    log_weights: Float[Any, "*fits parts"]
    centers: Float[Any, "*fits parts dim"]
    roots: Float[Any, "*fits parts dim dim"]
    inverses: Float[Any, "*fits parts dim dim"]

    def draw(self, key: Array) -> Float[Array, " dim"]:
        """Draw a point."""
        part_key, normal_key, scale_key = jax.random.split(key, 3)
        dtype, dim = self.centers.dtype, self.centers.shape[-1]
        part = jax.random.categorical(part_key, self.log_weights)
        normals = jax.random.normal(normal_key, (dim,), dtype)
        scale = jax.random.exponential(scale_key, (_HALF_DEGREES,), dtype).mean()
        return self.centers[part] + self.roots[part] @ normals / jnp.sqrt(scale)

    def log_density(self, x: Float[Array, " dim"]) -> Float[Array, ""]:
        """Log density at a point, up to a constant."""
        degrees = 2 * _HALF_DEGREES
        falls = (degrees + x.size) / 2 * jnp.log1p(self.squares(x) / degrees)
        return jax.nn.logsumexp(self.log_heights() - falls)

    def log_heights(self) -> Float[Array, " parts"]:
        """Log density of each part at its center times its weight, up to a constant."""
        volumes = jnp.log(jnp.diagonal(self.inverses, axis1=-2, axis2=-1)).sum(-1)
        return self.log_weights + volumes

    def squares(self, x: Float[Array, " dim"]) -> Float[Array, " parts"]:
        """Say how far a point is from each center, squared, where the part's shape is round."""
        from_origin = self.inverses.reshape(-1, x.size) @ x  # one product; many small are slow
        to_centers = jnp.einsum("kij,kj->ki", self.inverses, self.centers)
        return ((from_origin.reshape(to_centers.shape) - to_centers) ** 2).sum(-1)


def at_modes(centers: Float[Any, "modes dim"], roots: Float[Any, "modes dim dim"]) -> Mixture:
    """Mix what is known of modes before there are draws: their places and how wide each is."""
    roots = triangular(roots)
    chosen = np.arange(_PARTS) % len(centers)
    parts = centers[chosen], roots[chosen], np.linalg.inv(roots)[chosen]
    return Mixture(np.zeros(_PARTS), *parts)


def remember(
    learnt: Mixture, centers: Float[Any, "modes dim"], roots: Float[Any, "modes dim dim"]
) -> Mixture:
    """Give modes the places of the parts that count least, lest one be lost that has few draws.

    Parameters
    ----------
    learnt
        The mixture of one fit.
    centers, roots
        Where modes are, the best first, and how wide.
    """
    count = min(len(centers), _OF_MODES)
    least = np.argsort(learnt.log_weights)[:count]
    found = jax.tree.map(np.array, learnt)
    for own, of_modes in zip(found, at_modes(centers, roots), strict=True):
        own[least] = of_modes[:count]
    others = np.delete(np.arange(_PARTS), least)
    rest = np.exp(learnt.log_weights[others]).sum()
    found.log_weights[others] += np.log((1 - _SHARE_OF_MODES) / rest)
    found.log_weights[least] = np.log(_SHARE_OF_MODES / count)
    return found


def learn(x: Float[np.ndarray, "fits draws dim"], dtype: str) -> Mixture:
    """Learn a mixture from whitened draws, by expectation and maximisation.

    Parameters
    ----------
    x
        The draws.
    dtype
        ``"float64"`` or ``"float32"``.
    """
    draws = x[:, np.linspace(0, x.shape[1] - 1, _LEARNT_FROM).round().astype(int)]
    first = np.linspace(0, _LEARNT_FROM - 1, _PARTS).round().astype(int)
    return fetch(_learn(*to_dtype((draws, draws[:, first]), dtype)))


def jump(
    mixture: Mixture,
    log_density: Callable[[Array], Array],
    here: Float[Array, " dim"],
    log_density_here: Float[Array, ""],
    count: Int[Array, ""],
    key: Array,
) -> tuple[Float[Array, " dim"], Float[Array, ""], Bool[Array, ""]]:
    """Choose between a point and draws from the mixture, by density over the mixture's.

    This leaves the density as it is, whatever the mixture (iterated sampling-importance
    resampling; Andrieu et al. 2018, Bernoulli 24, section 3). Among moves of a local sampler it
    joins what is far apart (Samsonov et al. 2022, arXiv:2111.02702).

    Parameters
    ----------
    mixture
        What is drawn from.
    log_density
        The log density to sample from.
    here, log_density_here
        Where the chain is.
    count
        How many are drawn.
    key
        Random key.

    Returns
    -------
    tuple
        Where the chain goes on, the log density there, and whether it moved.
    """

    def rate(key: Array, x: Array, log_density: Array) -> tuple[Array, Array, Array]:
        # Of log weights with Gumbel noise, each is the largest in proportion to its weight.
        noise = jax.random.gumbel(key, (), x.dtype)
        return x, log_density, log_density - mixture.log_density(x) + noise

    def consider(i: Array, carry: tuple[Any, Array]) -> tuple[Any, Array]:
        best, moved = carry
        draw_key, score_key = jax.random.split(jax.random.fold_in(key, i))
        x = mixture.draw(draw_key)
        new = rate(score_key, x, log_density(x))
        better = new[-1] > best[-1]  # false for NaN
        chosen = jax.tree.map(lambda a, b: jnp.where(better, a, b), new, best)
        return chosen, moved | better

    def choose() -> tuple[Array, Array, Array]:
        # Draws have the keys from 0 on.
        start = rate(jax.random.fold_in(key, count), here, log_density_here)
        (x, there, _), moved = lax.fori_loop(0, count, consider, (start, jnp.zeros((), bool)))
        return x, there, moved

    # An easy fit does not pay for rating where it is.
    return lax.cond(count > 0, choose, lambda: (here, log_density_here, jnp.zeros((), bool)))


@jax.jit
def _learn(
    draws: Float[ArrayLike, "fits draws dim"], centers: Float[ArrayLike, "fits parts dim"]
) -> Mixture:
    return map_each(_learn_one, draws, centers)


def _learn_one(draws: Float[Array, "draws dim"], centers: Float[Array, "parts dim"]) -> Mixture:
    """Fit normal distributions, whose shapes are drawn towards what they have in common."""
    count, dim = draws.shape
    parts, unit = len(centers), jnp.eye(dim, dtype=draws.dtype)
    shrinkage = dim + 2.0  # draws' worth

    def maximise(shares: Float[Array, "draws parts"]) -> Mixture:
        own = shares.sum(0)
        centers = shares.T @ draws / (own + _LEAST_VARIANCE)[:, None]
        deviations = draws[:, None] - centers
        squares = jnp.einsum("nk,nki,nkj->kij", shares, deviations, deviations)
        common = squares.sum(0) / count + _LEAST_VARIANCE * unit
        shapes = (squares + shrinkage * common) / (own + shrinkage)[:, None, None]
        roots = jnp.linalg.cholesky(shapes)
        inverses = jax.vmap(lambda root: solve_triangular(root, unit, lower=True))(roots)
        return Mixture(jnp.log((own + 1) / (count + parts)), centers, roots, inverses)

    def share(mixture: Mixture) -> Float[Array, "draws parts"]:
        heights = mixture.log_heights()
        return jax.nn.softmax(heights - jax.vmap(mixture.squares)(draws) / 2, axis=1)

    nearest = jnp.argmin(((draws[:, None] - centers) ** 2).sum(-1), axis=1)
    start = maximise(jax.nn.one_hot(nearest, parts, dtype=draws.dtype))
    return lax.fori_loop(0, _ITERATIONS, lambda _, mixture: maximise(share(mixture)), start)
