"""Warm-up in rounds: after each, the whitening, the jumps and the step size are adapted."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from scalingbayes._core.devices import interleave
from scalingbayes._core.progress import Report, silent
from scalingbayes.inference.hmc.lockstep import Superchains, Trace, Tuning, advance
from scalingbayes.inference.nuts.constants import Constants
from scalingbayes.inference.nuts.sampling import Density
from scalingbayes.inference.nuts.starts import Starts
from scalingbayes.inference.nuts.warmup import (
    choose_thinning,
    learn_mixture,
    max_rhat,
    refine,
    relative_sample_size,
)

SUPERCHAINS = 16
"""Groups of chains that start at one point. They are stored, and compared, as chains are."""

# Thinning must reach twice the effective sample size that the verdict requires of 4,096 draws.
CONSTANTS = Constants(min_relative_ess=0.8)
BLOCKS_PER_ROUND = 2
_EXTRA = 4  # times the planned rounds, for fits whose superchains disagree or diverge
_MAX_RHAT = 1.02  # of the last round
_ACCEPTANCE_ERROR = 0.05  # of the last round; above it the step size has not settled
_SMALLEST_FACTOR, _LARGEST_FACTOR = 0.1, 1.5  # by which one round changes the step size


@dataclass(frozen=True, eq=False)
class Batch:
    """Fits that are sampled side by side.

    Parameters
    ----------
    densities
        Log density of each fit, stacked.
    fits
        Number of fits.
    width
        Number of chains of a superchain that a device moves at once.
    dtype
        ``"float64"`` or ``"float32"``.
    """

    densities: Density
    fits: int
    width: int
    dtype: str

    def advance(
        self,
        superchains: Superchains,
        tuning: Tuning,
        thinning: Int[np.ndarray, " fits"],
        blocks: int,
        progress: Report = silent,
    ) -> tuple[Superchains, Trace]:
        """Draw from each chain in blocks, as :func:`~.lockstep.advance` does."""
        traces = []
        for block in range(1, blocks + 1):
            superchains, trace = advance(
                self.densities, superchains, tuning, thinning, self.width, self.dtype
            )
            traces.append(trace)
            progress(block / blocks)
        return superchains, jax.tree.map(lambda *values: np.concatenate(values, axis=3), *traces)


class WarmUp(NamedTuple):
    """End of the warm-up.

    Parameters
    ----------
    superchains
        Where the chains are.
    tuning
        What was learnt about each fit.
    thinning
        Number of transitions per draw that each fit needs.
    gradients
        Number of gradients that each chain of a fit took, one after the other.
    target_accept
        Acceptance rate that the step size of each fit was adapted to.
    """

    superchains: Superchains
    tuning: Tuning
    thinning: Int[np.ndarray, " fits"]
    gradients: Int[np.ndarray, " fits"]
    target_accept: Float[np.ndarray, " fits"]


def warm_up(
    batch: Batch,
    starts: Starts,
    seeds: Shaped[np.ndarray, "superchains chains"],
    rounds: int,
    target_accept: float,
    max_thinning: int,
    progress: Report,
) -> WarmUp:
    """Adapt in rounds. A fit whose superchains disagree or diverge gets further rounds.

    Parameters
    ----------
    batch, starts
        The fits, and where their superchains start.
    seeds
        Seed of each chain; the superchains of all fits interleaved.
    rounds
        Number of planned rounds.
    target_accept
        Acceptance rate that step sizes are adapted to.
    max_thinning
        Upper limit on thinning.
    progress
        Called after each round with the fraction of the planned work that is done, up to a half.
    """
    fits = batch.fits
    owner = np.tile(np.arange(fits), SUPERCHAINS)
    at_start = np.repeat(starts.positions[:, None], seeds.shape[1], axis=1)
    superchains = Superchains(at_start, seeds, np.zeros(len(seeds), int))
    tuning = Tuning(starts.whitening, starts.mixture, np.ones(fits))
    target = np.full(fits, target_accept)
    active = np.ones(fits, bool)
    relative_ess, gradients = np.zeros(fits), np.zeros(fits, int)
    total = rounds * (1 + _EXTRA)
    for count in range(1, total + 1):
        superchains, trace = batch.advance(
            superchains, tuning, active.astype(int), BLOCKS_PER_ROUND
        )
        gradients += trace.n_steps[:, 0, 0].sum(1)
        x = flatten(trace.x).astype(float)
        relative_ess = np.where(active, relative_sample_size(x), relative_ess)
        progress(min(1.0, count / rounds) / 2)
        active = active & (count < total)
        if count >= rounds:
            diverged = trace.diverging.any((1, 2, 3))
            active &= diverged | ~_settled(trace, x, target)
            careful = 1 - CONSTANTS.rejection_factor * (1 - target_accept)
            target = np.where(active & diverged, careful, target)
        if not active.any():
            break
        tuning, position = _adapt(batch, tuning, trace, x, starts, target, active)
        position = np.where(active[owner, None, None], interleave(position), superchains.position)
        superchains = superchains._replace(position=position)
    thinning = choose_thinning(relative_ess, max_thinning, CONSTANTS)
    slow = np.where(thinning > 1, thinning, 0)
    if slow.any():
        # Superchains that start near one mode can agree before they reach its tails.
        superchains, trace = batch.advance(superchains, tuning, slow, rounds * BLOCKS_PER_ROUND)
        gradients += trace.n_steps[:, 0, 0].sum(1)
    return WarmUp(superchains, tuning, thinning, gradients, target)


def flatten(
    values: Shaped[np.ndarray, "fits superchains chains draws *shape"],
) -> Shaped[np.ndarray, "fits superchains all *shape"]:
    """Return the draws of a superchain as those of one chain, one chain after the other.

    At a lag below the number of draws per chain, the autocorrelation of the result is that of the
    chains times the share of pairs within one chain. The usual effective sample size is right: it
    sums the autocorrelations with the weights that the mean of a short chain gives them.
    """
    fits, superchains, chains, draws, *shape = values.shape
    return values.reshape(fits, superchains, chains * draws, *shape)


def next_step_size(
    step_size: Float[np.ndarray, " fits"],
    acceptance_rate: Float[np.ndarray, " fits"],
    target_accept: Float[np.ndarray, " fits"],
) -> Float[np.ndarray, " fits"]:
    """Return the step size at which trajectories should reach the target acceptance rate.

    The rejection rate of a leapfrog trajectory of fixed length is in proportion to the square of a
    small step size.
    """
    with np.errstate(divide="ignore"):
        factor = np.sqrt((1 - target_accept) / (1 - acceptance_rate))
    return step_size * np.clip(factor, _SMALLEST_FACTOR, _LARGEST_FACTOR)


def _settled(
    trace: Trace,
    x: Float[np.ndarray, "fits superchains draws dim"],
    target_accept: Float[np.ndarray, " fits"],
) -> Bool[np.ndarray, " fits"]:
    """Return which fits' superchains agree, and have the acceptance rate that is aimed at."""
    rate = trace.acceptance_rate.mean((1, 2, 3))
    agree = max_rhat(x) <= _MAX_RHAT  # false for NaN
    return agree & (np.abs(rate - target_accept) <= _ACCEPTANCE_ERROR)


def _adapt(
    batch: Batch,
    tuning: Tuning,
    trace: Trace,
    x: Float[np.ndarray, "fits superchains draws dim"],
    starts: Starts,
    target_accept: Float[np.ndarray, " fits"],
    active: Bool[np.ndarray, " fits"],
) -> tuple[Tuning, Float[np.ndarray, "fits superchains chains dim"]]:
    """Return what a round teaches about active fits, and the chains in the new coordinates."""
    whitening, moved = refine(tuning.whitening, x, CONSTANTS)
    points = tuning.whitening.to_points(x)
    flat = points.reshape(len(points), -1, points.shape[-1])
    mixture = learn_mixture(whitening, flat, starts.modes, batch.dtype)
    rate = trace.acceptance_rate.mean((1, 2, 3))
    step_size = next_step_size(tuning.step_size, rate, target_accept)

    def one(new: Any, old: Any) -> Any:
        return np.where(active.reshape(-1, *[1] * (np.ndim(new) - 1)), new, old)

    learnt = jax.tree.map(one, Tuning(whitening, mixture, step_size), tuning)
    return learnt, moved.reshape(trace.x.shape)[:, :, :, -1]
