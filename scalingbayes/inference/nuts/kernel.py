"""One transition of a chain, as a pure function: a NUTS trajectory, then jumps."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, ArrayLike, Bool, Float, Int
from numpyro.infer.hmc_util import (
    IntegratorState,
    build_tree,
    dual_averaging,
    euclidean_kinetic_energy,
    velocity_verlet,
)

from scalingbayes.inference.nuts.jumps import jump
from scalingbayes.inference.nuts.proposal_mixture import Mixture

_TRIED_STEP_SIZE = (
    10.0  # dual averaging tries large steps first; a small one costs long trajectories
)

_init_adaptation, _update_adaptation = dual_averaging()


class Adaptation(NamedTuple):
    """State of the dual averaging of the log step size (Hoffman & Gelman 2014, section 3.2).

    The fields are those of numpyro's ``dual_averaging``, in its order.
    """

    log_step_size: Float[Any, "*chains"]
    averaged_log_step_size: Float[Any, "*chains"]
    averaged_error: Float[Any, "*chains"]
    updates: Float[Any, "*chains"]
    center: Float[Any, "*chains"]


class State(NamedTuple):
    """State of a chain between two transitions, in whitened coordinates.

    ``potential_energy`` and ``gradient`` belong to ``position`` unless ``stale`` is true: a jump
    changes the position without computing a gradient.
    """

    position: Float[Array, " dim"]
    potential_energy: Float[Array, ""]
    gradient: Float[Array, " dim"]
    stale: Bool[Array, ""]
    adaptation: Adaptation


class Info(NamedTuple):
    """Statistics of a transition, under ArviZ's names, and whether the chain jumped."""

    lp: Float[Any, "*draws"]
    energy: Float[Any, "*draws"]
    acceptance_rate: Float[Any, "*draws"]
    step_size: Float[Any, "*draws"]
    n_steps: Int[Any, "*draws"]
    tree_depth: Int[Any, "*draws"]
    diverging: Bool[Any, "*draws"]
    jumped: Bool[Any, "*draws"]


class Controls(NamedTuple):
    """Settings of a fit's transitions that warm-up learns.

    Parameters
    ----------
    mixture
        Distribution that jumps are proposed from.
    proposals
        Number of proposals per transition.
    target_accept
        Acceptance rate that the step size is adapted to.
    """

    mixture: Mixture
    proposals: Int[Any, "*fits"]
    target_accept: Float[Any, "*fits"]


def new_adaptation(chains: int) -> Adaptation:
    """Return the initial state of dual averaging for each chain: a log step size of 0."""
    initial = _init_adaptation(np.log(_TRIED_STEP_SIZE))
    return Adaptation(*(np.full(chains, float(value)) for value in initial))


def init(position: Float[Array, " dim"], adaptation: Adaptation) -> State:
    """Return the state of a chain whose energy and gradient are not known yet."""
    zero = jnp.zeros((), position.dtype)
    return State(position, zero, jnp.zeros_like(position), jnp.ones((), bool), adaptation)


def step(
    key: Array,
    state: State,
    log_density: Callable[[Array], Array],
    controls: Controls,
    adapt: Bool[ArrayLike, ""],
    max_tree_depth: int,
) -> tuple[State, Info]:
    """Compute one transition: a NUTS trajectory, then a choice among jumps.

    Parameters
    ----------
    key
        Random key.
    state
        Where the chain is.
    log_density
        The log density to sample from, in whitened coordinates.
    controls
        Jumps and target acceptance rate of the chain's fit.
    adapt
        Whether to adapt the step size. If not, the averaged step size of the warm-up is used.
    max_tree_depth
        A trajectory has at most ``2**max_tree_depth`` steps.
    """

    def potential(x: Array) -> Array:
        return -log_density(x)

    position, adaptation = state.position, state.adaptation
    energy, gradient = lax.cond(
        state.stale,
        jax.value_and_grad(potential),
        lambda _: (state.potential_energy, state.gradient),
        position,
    )
    momentum_key, tree_key, jump_key = jax.random.split(key, 3)
    momentum = jax.random.normal(momentum_key, position.shape, position.dtype)
    log_step_size = jnp.where(adapt, adaptation.log_step_size, adaptation.averaged_log_step_size)
    step_size = jnp.exp(log_step_size)
    tree = build_tree(
        velocity_verlet(potential, euclidean_kinetic_energy)[1],
        euclidean_kinetic_energy,
        IntegratorState(position, momentum, energy, gradient),
        jnp.ones_like(position),  # unit mass: the coordinates are whitened
        step_size,
        tree_key,
        max_tree_depth=max_tree_depth,
    )
    accepted = tree.sum_accept_probs / tree.num_proposals
    updated = Adaptation(*_update_adaptation(controls.target_accept - accepted, adaptation))
    adaptation = jax.tree.map(partial(jnp.where, adapt), updated, adaptation)
    lp_before = -tree.z_proposal_pe
    x, lp, jumped = jump(
        controls.mixture,
        log_density,
        tree.z_proposal,
        lp_before,
        jnp.asarray(controls.proposals),
        jump_key,
    )
    info = Info(
        lp=lp,
        energy=tree.z_proposal_energy + lp_before - lp,  # with the draw's own potential energy
        acceptance_rate=accepted,
        step_size=step_size,
        n_steps=tree.num_proposals,
        tree_depth=tree.depth,
        diverging=tree.diverging,
        jumped=jumped,
    )
    return State(x, -lp, tree.z_proposal_grad, jumped, adaptation), info
