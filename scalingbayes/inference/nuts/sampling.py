"""Chains of several fits, moved block by block: the compiled block and the loop around it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, ArrayLike, Bool, Float, Int, Shaped

from scalingbayes._core.devices import by_owner, fetch, map_each, map_tasks
from scalingbayes._core.precision import to_dtype
from scalingbayes._core.programs import compiled
from scalingbayes._core.progress import Report
from scalingbayes.inference.nuts.constants import BLOCK
from scalingbayes.inference.nuts.kernel import Adaptation, Controls, Info, init, step
from scalingbayes.inference.whitening import Whitening
from scalingbayes.model.log_density import LogDensity
from scalingbayes.model.marginal import MarginalDensity
from scalingbayes.model.mixture_density import MixtureDensity

Density = LogDensity | MarginalDensity | MixtureDensity


class Chains(NamedTuple):
    """State of chains between two blocks; the chains of all fits interleaved.

    Parameters
    ----------
    position
        Whitened coordinates.
    adaptation
        State of the step sizes.
    seed
        Seed of each chain.
    transitions
        Number of transitions so far. The seed and this number determine the next random key.
    """

    position: Float[Any, "*chains dim"]
    adaptation: Adaptation
    seed: Shaped[Any, "*chains"]
    transitions: Int[Any, "*chains"]


class Adapted(NamedTuple):
    """What warm-up has learnt about each fit."""

    whitening: Whitening
    controls: Controls


class Trace(NamedTuple):
    """Draws in whitened coordinates, and the statistics of each."""

    x: Float[Any, "fits chains draws dim"]
    info: Info

    @property
    def gradients(self) -> Int[np.ndarray, " fits"]:
        """Number of gradients that the draws of each fit took."""
        return self.info.n_steps.sum((1, 2))


@dataclass(frozen=True, eq=False)
class Batch:
    """Fits that are sampled side by side.

    Parameters
    ----------
    densities
        Log density of each fit, stacked.
    fits, chains
        Number of fits, and of chains per fit.
    planned
        Number of transitions per chain that progress is measured against.
    block
        Largest number of transitions between two reports of progress.
    max_tree_depth
        A trajectory has at most ``2**max_tree_depth`` steps.
    dtype
        ``"float64"`` or ``"float32"``.
    progress
        Called after each block with the fraction done.
    """

    densities: Density
    fits: int
    chains: int
    planned: int
    block: int
    max_tree_depth: int
    dtype: str
    progress: Report

    @property
    def owner(self) -> Int[np.ndarray, " chains"]:
        """The fit of each chain."""
        return np.tile(np.arange(self.fits), self.chains)


def advance(
    batch: Batch,
    chains: Chains,
    adapted: Adapted,
    draws: Int[np.ndarray, " fits"],
    thinning: Int[np.ndarray, " fits"],
    adapt: bool,
) -> tuple[Chains, Trace]:
    """Draw from the chains of each fit, block after block.

    Parameters
    ----------
    batch, chains, adapted
        The fits, where their chains are, and what warm-up has learnt.
    draws
        Number of draws to keep of each chain of a fit.
    thinning
        Number of transitions per draw that is kept.
    adapt
        Whether to adapt step sizes.

    Returns
    -------
    chains, trace
        Where the chains end, and their draws. All fits' traces have the length of the longest.
    """
    dtype, owner = batch.dtype, batch.owner
    whitening, (mixture, proposals, target_accept) = adapted
    whitening, mixture, target_accept = to_dtype((whitening, mixture, target_accept), dtype)
    adapted = Adapted(whitening, Controls(mixture, proposals, target_accept))
    position, adaptation = to_dtype((chains.position, chains.adaptation), dtype)
    chains = chains._replace(position=position, adaptation=adaptation)
    expected = np.maximum(batch.planned, chains.transitions + (draws * thinning)[owner])
    size = max(1, batch.block // thinning.max())
    blocks = []
    for first in range(0, draws.max(), size):
        count = np.clip(draws - first, 0, size)
        # Fetch the results to the host: jit compiles again if the next call's arguments are on
        # another device.
        chains, block = fetch(
            _run_block(
                batch.densities,
                adapted,
                owner,
                chains,
                count[owner],
                thinning[owner],
                adapt,
                batch.max_tree_depth,
            )
        )
        longest = count.max()
        blocks.append(jax.tree.map(lambda values, n=longest: values[:, :n], block))
        batch.progress(float((chains.transitions / expected).min()))
    x, info = jax.tree.map(
        lambda *values: by_owner(np.concatenate(values, axis=1), batch.fits), *blocks
    )
    return chains, Trace(x.astype(float), info)


@partial(compiled, static=("max_tree_depth",))
def _run_block(
    densities: Density,
    adapted: Adapted,
    owner: Int[ArrayLike, " chains"],
    chains: Chains,
    draws: Int[ArrayLike, " chains"],
    thinning: Int[ArrayLike, " chains"],
    adapt: Bool[ArrayLike, ""],
    max_tree_depth: int,
) -> tuple[Chains, tuple[Float[Array, "chains block dim"], Info]]:
    """Draw at most ``BLOCK`` times from each chain; buffers beyond ``draws`` stay zero."""

    def run(
        fit: tuple[Density, Adapted], chain: tuple[Chains, Array, Array]
    ) -> tuple[Chains, tuple[Array, Info]]:
        state, draws, thinning = chain
        return _run_chain(*fit, state, draws, thinning, adapt, max_tree_depth)

    return map_tasks(run, (densities, adapted), owner, (chains, draws, thinning))


def _run_chain(
    density: Density,
    adapted: Adapted,
    chain: Chains,
    draws: Int[Array, ""],
    thinning: Int[Array, ""],
    adapt: Bool[ArrayLike, ""],
    max_tree_depth: int,
) -> tuple[Chains, tuple[Array, Info]]:
    whitening, controls = adapted
    transitions = draws * thinning

    def log_density(x: Array) -> Array:
        return density(jnp.asarray(whitening.center + whitening.root @ x))

    def transition(i: Array, carry: Any) -> Any:
        state, (x, infos) = carry
        key = jax.random.fold_in(jax.random.key(chain.seed), chain.transitions + i)
        state, info = step(key, state, log_density, controls, adapt, max_tree_depth)
        place = i // thinning  # the last of each `thinning` transitions stays
        # The statistics of a draw include the gradients and divergences of discarded transitions.
        info = info._replace(
            n_steps=info.n_steps + infos.n_steps[place],
            diverging=info.diverging | infos.diverging[place],
        )
        record = jax.tree.map(
            lambda buffer, value: buffer.at[place].set(value),
            (x, infos),
            (state.position, info),
        )
        return state, record

    start = init(chain.position, chain.adaptation), _buffers(chain.position)
    state, record = lax.fori_loop(0, transitions, transition, start)
    end = Chains(state.position, state.adaptation, chain.seed, chain.transitions + transitions)
    return end, record


def _buffers(position: Float[Array, " dim"]) -> tuple[Float[Array, "block dim"], Info]:
    """Return zeros in which the draws of a block and their statistics are recorded."""
    real = jnp.zeros(BLOCK, position.dtype)
    whole, flag = jnp.zeros(BLOCK, int), jnp.zeros(BLOCK, bool)
    info = Info(
        lp=real,
        energy=real,
        acceptance_rate=real,
        step_size=real,
        n_steps=whole,
        tree_depth=whole,
        diverging=flag,
        jumped=flag,
    )
    return jnp.zeros((BLOCK, position.size), position.dtype), info


def draw_random_effects(
    densities: Density,
    points: Float[np.ndarray, "fits chains draws _"],
    random: Sequence[np.random.Generator],
    dtype: str,
) -> Float[np.ndarray, "fits chains draws dim"]:
    """Draw the random effects that the sampled density integrates out, if any."""
    if not isinstance(densities, MarginalDensity):
        return points
    shape = (*points.shape[1:-1], densities.density.effects)
    normals = np.stack([each.standard_normal(shape) for each in random])
    return fetch(_draw_random_effects(densities, *to_dtype((points, normals), dtype))).astype(float)


@compiled
def _draw_random_effects(
    densities: MarginalDensity,
    points: Float[ArrayLike, "fits chains draws named"],
    normals: Float[ArrayLike, "fits chains draws effects"],
) -> Float[Array, "fits chains draws dim"]:
    def one(density: MarginalDensity, points_and_normals: tuple[Array, Array]) -> Array:
        return lax.map(lambda drawn: jax.vmap(density.complete)(*drawn), points_and_normals)

    return map_each(one, densities, (points, normals))
