"""The No-U-Turn sampler (Hoffman & Gelman 2014), in coordinates whitened at the mode."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, ArrayLike, Bool, Float, Int, Shaped
from numpyro.infer.hmc_util import (
    IntegratorState,
    build_tree,
    dual_averaging,
    euclidean_kinetic_energy,
    velocity_verlet,
)

from scalingbayes.density import LogDensity
from scalingbayes.errors import InputError
from scalingbayes.inference.draws import Draws, Progress
from scalingbayes.inference.mode import Mode, find_mode
from scalingbayes.model import Model
from scalingbayes.precision import precision, to_device

_BLOCK = 100  # most draws of a chain between two looks at progress and at Ctrl-C
_ROWS_PER_BLOCK = 10_000_000  # rows times draws, so that a block of a large table stays short
_WARMUP_STAGES = (0.2, 0.5, 1.0)  # parts of the warm-up after which a stage ends
_COMPARABLE_MODES = 10.0  # nats; chains start in every mode that is this near the best
_SHRINKAGE = 10.0  # draws that the present whitening counts for when it is refined
_SMALLEST_CURVATURE = 1e-2  # of the log density at the mode; flatter directions count as this

_, _update_adaptation = dual_averaging()


@dataclass(frozen=True)
class NUTS:
    """Sample with NUTS.

    Each chain starts near a mode of the posterior. The Laplace approximation there whitens the
    coordinates; warm-up adapts the step size and twice refines the whitening from the draws of all
    chains. One short compiled program runs warm-up and sampling for any number of draws.

    Parameters
    ----------
    chains
        Number of chains, at least 2 (so that they can be compared).
    draws
        Draws kept of each chain.
    warmup
        Draws of each chain spent on adaptation and discarded.
    target_accept
        Acceptance rate that the step size is adapted to; nearer 1 for difficult posteriors.
    max_tree_depth
        At most ``2**max_tree_depth`` gradients are spent on a draw.

    Raises
    ------
    InputError
        If a setting is out of range.
    """

    chains: int = 4
    draws: int = 1000
    warmup: int = 300
    target_accept: float = 0.9
    max_tree_depth: int = 10

    def __post_init__(self) -> None:
        for name, smallest in {"chains": 2, "draws": 4, "warmup": 50, "max_tree_depth": 1}.items():
            value = getattr(self, name)
            if not isinstance(value, int) or value < smallest:
                raise InputError(
                    f"{name} must be a whole number of {smallest} or more; got {value!r}."
                )
        if not 0 < self.target_accept < 1:
            raise InputError(f"target_accept must be between 0 and 1; got {self.target_accept}.")

    def run(self, model: Model, seed: int, dtype: str, progress: Progress | None = None) -> Draws:
        """Sample the posterior of a model.

        Parameters
        ----------
        model
            What to fit.
        seed
            Seed of all that is random here.
        dtype
            ``"float64"`` or ``"float32"``.
        progress
            Called after each block of draws.
        """
        with precision(dtype):
            density = model.density(dtype)
            sampler = _Sampler(self, density, len(model.runs), seed, dtype, progress)
            return sampler.run()


class _Whitening(NamedTuple):
    """Coordinates x in which the posterior is close to a standard normal: z = center + root x."""

    center: Float[Array | np.ndarray, " dim"]
    root: Float[Array | np.ndarray, "dim dim"]


class _Chains(NamedTuple):
    """Where the chains are, in whitened coordinates, and how far their step sizes are adapted."""

    positions: Float[Array | np.ndarray, "chains dim"]
    adaptation: tuple[Float[Array | np.ndarray, " chains"], ...]


class _Sampler:
    """The loop on the host over compiled blocks of draws."""

    def __init__(
        self,
        settings: NUTS,
        density: LogDensity,
        rows: int,
        seed: int,
        dtype: str,
        progress: Progress | None,
    ) -> None:
        self.settings = settings
        self.density = density
        self.dtype = dtype
        self.progress = progress
        self.block = max(1, min(_BLOCK, _ROWS_PER_BLOCK // rows))
        self.random = np.random.default_rng(seed)
        self.seeds = self.random.integers(2**32, size=settings.chains, dtype=np.uint32)
        self.done = 0
        self.gradients = 0

    def run(self) -> Draws:
        settings = self.settings
        positions, whitening = self.start()
        for end in _WARMUP_STAGES:
            chains = _Chains(positions, _new_adaptation(settings.chains))
            draws = round(end * settings.warmup) - self.done
            chains, x, stats = self.advance(chains, whitening, draws, True)
            if end < 1:
                positions, whitening = _refine(whitening, x)
        _, x, stats = self.advance(chains, whitening, settings.draws, False)
        return Draws(np.asarray(whitening.center + x @ whitening.root.T), stats, self.gradients)

    def start(self) -> tuple[np.ndarray, _Whitening]:
        """Find modes; whiten by the Laplace approximation at the best, and start near them."""
        shape = (self.settings.chains, len(self.density.parameters))
        noise = to_device(self.random.standard_normal(shape), self.dtype)
        modes = jax.tree.map(np.asarray, _find_modes(self.density, noise, _vectorized()))
        best = np.nanargmax(modes.log_density)
        curvatures, directions = np.linalg.eigh(modes.precision[best].astype(float))
        scales = np.maximum(np.abs(curvatures), _SMALLEST_CURVATURE) ** -0.5
        center = modes.point[best].astype(float)
        near = modes.log_density > modes.log_density[best] - _COMPARABLE_MODES
        offsets = np.where(near[:, None], modes.point - center, 0.0)
        positions = offsets @ directions / scales + self.random.standard_normal(shape)
        return positions, _Whitening(center, directions * scales)

    def advance(
        self, chains: _Chains, whitening: _Whitening, draws: int, adapt: bool
    ) -> tuple[_Chains, np.ndarray, dict[str, np.ndarray]]:
        """Move every chain on by a number of draws, block after block."""
        settings = self.settings
        whitening, chains = to_device((whitening, chains), self.dtype)
        blocks = []
        for first in range(0, draws, self.block):
            count = min(self.block, draws - first)
            chains, block = _advance(
                self.density,
                whitening,
                chains,
                self.seeds,
                self.done,
                count,
                adapt,
                settings.target_accept,
                settings.max_tree_depth,
                _vectorized(),
            )
            blocks.append(jax.tree.map(lambda values, n=count: np.asarray(values)[:, :n], block))
            self.done += count
            if self.progress is not None:
                chains_done = settings.chains * self.done
                total = settings.chains * (settings.warmup + settings.draws)
                self.progress(chains_done, total)
        x, stats = jax.tree.map(lambda *values: np.concatenate(values, axis=1), *blocks)
        self.gradients += int(stats["n_steps"].sum())
        return chains, x.astype(float), stats


def _vectorized() -> bool:
    """Whether chains run side by side: they do on an accelerator.

    On a CPU one after the other is faster, since none waits for the longest tree of the others.
    """
    return jax.default_backend() != "cpu"


def _map_chains[Tree](function: Callable[..., Tree], arguments: Any, vectorized: bool) -> Tree:
    return jax.vmap(function)(arguments) if vectorized else lax.map(function, arguments)


@partial(jax.jit, static_argnames=("vectorized",))
def _find_modes(density: LogDensity, noise: Float[Array, "chains dim"], vectorized: bool) -> Mode:
    starts = density.center(noise.dtype) + noise
    return _map_chains(partial(find_mode, density), starts, vectorized)


@partial(jax.jit, static_argnames=("max_tree_depth", "vectorized"))
def _advance(
    density: LogDensity,
    whitening: _Whitening,
    chains: _Chains,
    seeds: Shaped[Array, " chains"],
    first: Int[ArrayLike, ""],
    count: Int[ArrayLike, ""],
    adapt: Bool[ArrayLike, ""],
    target_accept: Float[ArrayLike, ""],
    max_tree_depth: int,
    vectorized: bool,
) -> tuple[_Chains, tuple[Float[Array, "chains block dim"], dict[str, Array]]]:
    """Take ``count`` draws of every chain; the rest of the block's buffers stay empty."""

    def potential(x: Array) -> Array:
        return -density(jnp.asarray(whitening.center + whitening.root @ x))

    _, leapfrog = velocity_verlet(potential, euclidean_kinetic_energy)

    def run_chain(chain: tuple[_Chains, Array]) -> tuple[_Chains, tuple[Array, dict[str, Array]]]:
        (position, adaptation), seed = chain
        dtype = position.dtype
        unit_mass = jnp.ones_like(position)

        def draw(i: Array, carry: Any) -> Any:
            state, adaptation, buffers = carry
            momentum_key, tree_key = jax.random.split(
                jax.random.fold_in(jax.random.key(seed), first + i)
            )
            momentum = jax.random.normal(momentum_key, position.shape, dtype)
            step_size = jnp.exp(jnp.where(adapt, adaptation[0], adaptation[1]))
            tree = build_tree(
                leapfrog,
                euclidean_kinetic_energy,
                state._replace(r=momentum),
                unit_mass,
                step_size,
                tree_key,
                max_tree_depth=max_tree_depth,
            )
            accepted = tree.sum_accept_probs / tree.num_proposals
            adaptation = jax.tree.map(
                partial(jnp.where, adapt),
                _update_adaptation(target_accept - accepted, adaptation),
                adaptation,
            )
            state = IntegratorState(
                tree.z_proposal, momentum, tree.z_proposal_pe, tree.z_proposal_grad
            )
            new = (
                tree.z_proposal,
                {
                    "lp": -tree.z_proposal_pe,
                    "energy": tree.z_proposal_energy,
                    "acceptance_rate": accepted,
                    "step_size": step_size,
                    "n_steps": tree.num_proposals,
                    "tree_depth": tree.depth,
                    "diverging": tree.diverging,
                },
            )
            buffers = jax.tree.map(lambda buffer, value: buffer.at[i].set(value), buffers, new)
            return state, adaptation, buffers

        energy, gradient = jax.value_and_grad(potential)(position)
        state = IntegratorState(position, jnp.zeros_like(position), energy, gradient)
        real, whole = jnp.zeros(_BLOCK, dtype), jnp.zeros(_BLOCK, int)
        buffers = (
            jnp.zeros((_BLOCK, position.size), dtype),
            {
                "lp": real,
                "energy": real,
                "acceptance_rate": real,
                "step_size": real,
                "n_steps": whole,
                "tree_depth": whole,
                "diverging": jnp.zeros(_BLOCK, bool),
            },
        )
        state, adaptation, buffers = lax.fori_loop(0, count, draw, (state, adaptation, buffers))
        return _Chains(state.z, adaptation), buffers

    return _map_chains(run_chain, (chains, seeds), vectorized)


def _new_adaptation(chains: int) -> tuple[np.ndarray, ...]:
    """Dual averaging as it begins: log step size 0, and drawn towards log 10."""
    zero = np.zeros(chains)
    return zero, zero, zero, zero, np.full(chains, np.log(10.0))


def _refine(whitening: _Whitening, x: np.ndarray) -> tuple[np.ndarray, _Whitening]:
    """Whiten by the covariance of all chains' draws, shrunk towards the present whitening.

    Returns where the chains are in the new coordinates, and these.
    """
    chains, draws, dim = x.shape
    count, mean = chains * draws, x.mean((0, 1))
    spread = np.cov(x.reshape(count, dim), rowvar=False)
    root = np.linalg.cholesky((count * spread + _SHRINKAGE * np.eye(dim)) / (count + _SHRINKAGE))
    positions = np.linalg.solve(root, (x[:, -1] - mean).T).T
    return positions, _Whitening(whitening.center + whitening.root @ mean, whitening.root @ root)
