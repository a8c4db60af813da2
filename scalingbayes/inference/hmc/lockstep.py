"""Superchains, moved block by block: one compiled program for warm-up and sampling.

A superchain is a group of chains that start at one point. All chains of a fit take the same number
of steps of the same size, so that no chain waits for a longer trajectory.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, ArrayLike, Bool, Float, Int, Shaped
from numpyro.infer.hmc_util import euclidean_kinetic_energy, velocity_verlet

from scalingbayes._core.devices import by_owner, fetch, map_tasks
from scalingbayes._core.precision import to_dtype
from scalingbayes._core.programs import compiled
from scalingbayes.inference.nuts.jumps import jump
from scalingbayes.inference.nuts.proposal_mixture import Mixture
from scalingbayes.inference.nuts.sampling import Density
from scalingbayes.inference.whitening import Whitening

BLOCK = 4  # draws per chain in one call of the compiled program
MAX_STEPS = 64  # of a trajectory
PROPOSALS = 2  # that a jump chooses from
_MEAN_LENGTH = np.pi / 2  # of a trajectory: it decorrelates a standard normal
_GOLDEN = (np.sqrt(5) - 1) / 2  # multiples modulo 1 cover [0, 1] evenly
_DIVERGENCE = 1000.0  # energy error, in nats; as in NUTS


class Tuning(NamedTuple):
    """What warm-up has learnt about each fit.

    Parameters
    ----------
    whitening
        Coordinates in which the posterior is near a standard normal.
    mixture
        Distribution that jumps are proposed from.
    step_size
        Step size of all chains.
    """

    whitening: Whitening
    mixture: Mixture
    step_size: Float[Any, "*fits"]


class Superchains(NamedTuple):
    """State of superchains between two blocks; the superchains of all fits interleaved.

    Parameters
    ----------
    position
        Whitened coordinates.
    seed
        Seed of each chain.
    transitions
        Number of transitions so far. The seed and this number determine the next random key.
    """

    position: Float[Any, "superchains chains dim"]
    seed: Shaped[Any, "superchains chains"]
    transitions: Int[Any, " superchains"]


class Trace(NamedTuple):
    """Draws in whitened coordinates, with statistics under ArviZ's names."""

    x: Float[Any, "*shape dim"]
    lp: Float[Any, "*shape"]
    energy: Float[Any, "*shape"]
    acceptance_rate: Float[Any, "*shape"]
    n_steps: Int[Any, "*shape"]
    diverging: Bool[Any, "*shape"]


def advance(
    densities: Density,
    superchains: Superchains,
    tuning: Tuning,
    thinning: Int[np.ndarray, " fits"],
    width: int,
    dtype: str,
) -> tuple[Superchains, Trace]:
    """Draw ``BLOCK`` times from each chain.

    Parameters
    ----------
    densities
        Log density of each fit, stacked.
    superchains, tuning
        Where the chains are, and what warm-up has learnt.
    thinning
        Number of transitions per draw of each fit; a fit with 0 stays where it is.
    width
        Number of chains of a superchain that a device moves at once.
    dtype
        ``"float64"`` or ``"float32"``.

    Returns
    -------
    superchains, trace
        Where the chains end, and their draws; shape (fits, superchains, chains, draws, ...).
    """
    fits = len(thinning)
    owner = np.tile(np.arange(fits), len(superchains.seed) // fits)
    position, tuning = to_dtype((superchains.position, tuning), dtype)
    moved, trace = fetch(
        _run_block(
            densities, tuning, owner, superchains._replace(position=position), thinning, width
        )
    )
    return moved, jax.tree.map(lambda values: by_owner(values, fits), trace)


@partial(compiled, static=("width",))
def _run_block(
    densities: Density,
    tuning: Tuning,
    owner: Int[ArrayLike, " superchains"],
    superchains: Superchains,
    thinning: Int[ArrayLike, " fits"],
    width: int,
) -> tuple[Superchains, Trace]:
    def run(
        fit: tuple[Density, Tuning, Array], superchain: Superchains
    ) -> tuple[Superchains, Trace]:
        density, tuning, thinning = fit

        def chain(own: tuple[Array, Array]) -> tuple[Array, Trace]:
            return _run_chain(density, tuning, thinning, *own, superchain.transitions)

        position, trace = lax.map(chain, (superchain.position, superchain.seed), batch_size=width)
        transitions = superchain.transitions + BLOCK * thinning
        return Superchains(position, superchain.seed, transitions), trace

    return map_tasks(run, (densities, tuning, jnp.asarray(thinning)), owner, superchains)


def _run_chain(
    density: Density,
    tuning: Tuning,
    thinning: Int[Array, ""],
    position: Float[Array, " dim"],
    seed: Shaped[Array, ""],
    transitions: Int[Array, ""],
) -> tuple[Float[Array, " dim"], Trace]:
    whitening = tuning.whitening

    def log_density(x: Array) -> Array:
        return density(jnp.asarray(whitening.center + whitening.root @ x))

    def draw(x: Array, index: Array) -> tuple[Array, Trace]:
        def transition(i: Array, before: Trace) -> Trace:
            count = transitions + index * thinning + i
            # Chains share the length, which is jittered so that no direction has a period of it.
            length = 2 * _MEAN_LENGTH * jnp.mod((count + 1) * _GOLDEN, 1.0)
            steps = jnp.clip(jnp.ceil(length / tuning.step_size), 1, MAX_STEPS).astype(int)
            key = jax.random.fold_in(jax.random.key(seed), count)
            after = _transition(key, before.x, log_density, tuning, steps)
            # The statistics of a draw include discarded transitions.
            return after._replace(
                n_steps=before.n_steps + after.n_steps,
                diverging=before.diverging | after.diverging,
            )

        kept = lax.fori_loop(0, thinning, transition, _nothing(x))
        return kept.x, kept

    return lax.scan(draw, position, jnp.arange(BLOCK))


def _nothing(x: Float[Array, " dim"]) -> Trace:
    zero, none = jnp.zeros((), x.dtype), jnp.zeros((), bool)
    return Trace(x, zero, zero, zero, jnp.zeros((), int), none)


def _transition(
    key: Array,
    x: Float[Array, " dim"],
    log_density: Callable[[Array], Array],
    tuning: Tuning,
    steps: Int[Array, ""],
) -> Trace:
    """Compute one transition: a trajectory with a Metropolis test, then a choice among jumps."""

    def potential(x: Array) -> Array:
        return -log_density(x)

    momentum_key, accept_key, jump_key = jax.random.split(key, 3)
    begin, move = velocity_verlet(potential, euclidean_kinetic_energy)
    start = begin(x, jax.random.normal(momentum_key, x.shape, x.dtype))
    unit = jnp.ones_like(x)  # mass: the coordinates are whitened
    end = lax.fori_loop(0, steps, lambda _, state: move(tuning.step_size, unit, state), start)
    energy = start.potential_energy + euclidean_kinetic_energy(unit, start.r)
    error = end.potential_energy + euclidean_kinetic_energy(unit, end.r) - energy
    error = jnp.where(jnp.isnan(error), jnp.inf, error)
    rate = jnp.exp(-jnp.maximum(error, 0.0))
    accepted = jax.random.uniform(accept_key, (), x.dtype) < rate
    x = jnp.where(accepted, end.z, x)
    lp = -jnp.where(accepted, end.potential_energy, start.potential_energy)
    kinetic = energy + jnp.where(accepted, error, 0.0) + lp
    x, lp, _ = jump(tuning.mixture, log_density, x, lp, jnp.asarray(PROPOSALS), jump_key)
    return Trace(x, lp, kinetic - lp, rate, steps + 1, error > _DIVERGENCE)
