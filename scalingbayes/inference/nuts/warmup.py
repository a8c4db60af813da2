"""Warm-up in stages: each adapts step sizes; after it, whitening and jumps are refined."""

from collections import deque
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Bool, Float, Int, Real, Shaped
from numpyro.diagnostics import effective_sample_size, split_gelman_rubin

from scalingbayes._core.devices import interleave
from scalingbayes._core.trees import stack
from scalingbayes.inference.nuts.constants import Constants
from scalingbayes.inference.nuts.kernel import Controls, new_adaptation
from scalingbayes.inference.nuts.proposal_mixture import Mixture, learn, with_modes
from scalingbayes.inference.nuts.sampling import Adapted, Batch, Chains, Trace, advance
from scalingbayes.inference.nuts.starts import Starts
from scalingbayes.inference.whitening import Whitening


class WarmUp(NamedTuple):
    """End of the warm-up.

    Parameters
    ----------
    chains
        Where the chains are.
    adapted
        What was learnt about each fit.
    relative_ess
        Effective sample size of each fit's last stage over its number of draws.
    gradients
        Number of gradients that each fit took.
    """

    chains: Chains
    adapted: Adapted
    relative_ess: Float[np.ndarray, " fits"]
    gradients: Int[np.ndarray, " fits"]


def warm_up(
    batch: Batch,
    starts: Starts,
    seeds: Shaped[np.ndarray, " chains"],
    warmup: int,
    target_accept: float,
    constants: Constants,
) -> WarmUp:
    """Adapt in stages. A fit whose chains disagree or diverge at the end gets further stages.

    Parameters
    ----------
    batch, starts, seeds
        The fits, where their chains start, and the seed of each chain.
    warmup
        Number of planned draws per chain.
    target_accept
        Acceptance rate that step sizes are adapted to.
    constants
        Stages, jumps, and when a fit goes on. A fit with 0 proposals per draw makes no
        jumps.
    """
    fits = batch.fits
    proposals = proposals_per_draw(np.zeros((fits, 1, 1)), starts.modes, constants)
    controls = Controls(starts.mixture, proposals, np.full(fits, target_accept))
    adapted = Adapted(starts.whitening, controls)
    fresh = new_adaptation(len(seeds))
    chains = Chains(starts.positions, fresh, seeds, np.zeros(len(seeds), int))
    lengths = stage_lengths(warmup, constants)
    recent: deque[np.ndarray] = deque(maxlen=constants.mixture_stages)
    active = np.ones(fits, bool)
    relative_ess, gradients = np.zeros(fits), np.zeros(fits, int)
    for stage, length in enumerate(lengths, start=1):
        draws = np.where(active, length, 0)
        moved, trace = advance(batch, chains, adapted, draws, np.ones(fits, int), adapt=True)
        gradients += trace.gradients
        points = adapted.whitening.to_points(trace.x)
        recent.append(points)
        target = next_target_accept(adapted, trace, target_accept, constants)
        needs_stage = active & (stage < len(lengths))
        if stage >= len(constants.stage_ends):
            agreeing = max_rhat(trace.x) <= constants.max_rhat  # false for NaN
            needs_stage &= ~agreeing | (target > adapted.controls.target_accept)
            relative_ess = np.where(active, relative_sample_size(points), relative_ess)
        learnt, x = _learn(
            adapted, trace, needs_stage, recent, starts.modes, batch.dtype, constants
        )
        controls = learnt.controls._replace(target_accept=target)
        restarted = moved._replace(position=interleave(x[:, :, -1]), adaptation=fresh)
        moved = _where(needs_stage[batch.owner], restarted, moved)
        chains = _where(active[batch.owner], moved, chains)
        adapted = _where(active, learnt._replace(controls=controls), adapted)
        active = needs_stage
        if not active.any():
            break
    return WarmUp(chains, adapted, relative_ess, gradients)


def stage_lengths(warmup: int, constants: Constants) -> Int[np.ndarray, " stages"]:
    """Return the number of draws of each stage, planned and extra."""
    ends = [round(end * warmup) for end in constants.stage_ends]
    planned = np.diff(ends, prepend=0)
    return np.append(planned, np.repeat(planned[-1], constants.extra_stages))


def next_target_accept(
    adapted: Adapted, trace: Trace, target_accept: float, constants: Constants
) -> Float[np.ndarray, " fits"]:
    """Return the target acceptance rate of each fit: higher once it has diverged."""
    careful = 1 - constants.rejection_factor * (1 - target_accept)
    return np.where(has_diverged(trace.info.diverging), careful, adapted.controls.target_accept)


def proposals_per_draw(
    steps: Real[np.ndarray, "fits chains draws"], modes: Sequence[Whitening], constants: Constants
) -> Int[np.ndarray, " fits"]:
    """Return the number of proposals per draw of each fit: more for longer trajectories."""
    several = np.array([len(each.center) > 1 for each in modes])
    beyond = np.maximum(steps.mean((1, 2)) - constants.easy_steps, 0.0)
    least = np.where(several, constants.proposals_between_modes, constants.least_proposals)
    return np.maximum(least, (constants.proposals_per_gradient * beyond).round().astype(int))


def choose_thinning(
    relative_ess: Float[np.ndarray, " fits"], max_thinning: int, constants: Constants
) -> Int[np.ndarray, " fits"]:
    """Return the smallest power of two that gives each fit enough effective draws."""
    powers = 2 ** np.arange(int(np.log2(max_thinning)) + 1)
    enough = relative_ess[:, None] * powers >= constants.min_relative_ess
    return powers[np.where(enough.any(1), enough.argmax(1), -1)]


def max_rhat(x: Float[np.ndarray, "fits chains draws dim"]) -> Float[np.ndarray, " fits"]:
    """Return the split R-hat of the coordinate in which the chains of a fit differ most."""
    return np.array(split_gelman_rubin(np.moveaxis(x, 0, 2))).max(-1)


def has_diverged(diverging: Bool[np.ndarray, "fits chains draws"]) -> Bool[np.ndarray, " fits"]:
    """Return which fits diverged in the second half of a stage, after the step size settled."""
    return diverging[:, :, diverging.shape[2] // 2 :].any((1, 2))


def relative_sample_size(
    x: Float[np.ndarray, "fits chains draws dim"],
) -> Float[np.ndarray, " fits"]:
    """Return the effective sample size over the number of draws, of the worst coordinate."""
    _, chains, draws, _ = x.shape
    with np.errstate(divide="ignore", invalid="ignore"):
        effective = effective_sample_size(np.moveaxis(x, 0, 2)).min(-1)
    return np.nan_to_num(effective) / (chains * draws)  # 0 where a chain has not moved


def refine(
    whitening: Whitening, x: Float[np.ndarray, "fits chains draws dim"], constants: Constants
) -> tuple[Whitening, Float[np.ndarray, "fits chains draws dim"]]:
    """Return the whitening by the covariance of all draws of a fit, and the draws in it.

    The covariance is shrunk towards that of the present whitening.
    """
    fits, chains, draws, dim = x.shape
    count = chains * draws
    flat = x.reshape(fits, count, dim)
    mean = flat.mean(1)
    deviations = flat - mean[:, None]
    covariance = np.einsum("fni,fnj->fij", deviations, deviations) / (count - 1)
    shrunk = (count * covariance + constants.shrinkage * np.eye(dim)) / (
        count + constants.shrinkage
    )
    root = np.linalg.cholesky(shrunk)
    refined = Whitening(whitening.to_points(mean[:, None])[:, 0], whitening.root @ root)
    return refined, Whitening(mean, root).from_points(flat).reshape(x.shape)


def _learn(
    adapted: Adapted,
    trace: Trace,
    needs_stage: Bool[np.ndarray, " fits"],
    recent: Sequence[Float[np.ndarray, "fits chains _ dim"]],
    modes: Sequence[Whitening],
    dtype: str,
    constants: Constants,
) -> tuple[Adapted, Float[np.ndarray, "fits chains draws dim"]]:
    """Return what a stage teaches, and its draws in the new coordinates.

    Only fits that have another stage (``needs_stage``) are whitened anew. After the last stage the
    whitening stays, because the averaged step size was adapted to it.
    """
    whitening, x, mixture = adapted.whitening, trace.x, adapted.controls.mixture
    if needs_stage.any():
        whitening, x = _where(needs_stage, refine(whitening, x, constants), (whitening, x))
    proposals = proposals_per_draw(trace.info.n_steps, modes, constants)
    if proposals.any():
        points = np.concatenate(recent, axis=2)
        flat = points.reshape(len(points), -1, points.shape[-1])
        mixture = learn_mixture(whitening, flat, modes, dtype)
    return Adapted(whitening, adapted.controls._replace(mixture=mixture, proposals=proposals)), x


def learn_mixture(
    whitening: Whitening,
    points: Float[np.ndarray, "fits draws dim"],
    modes: Sequence[Whitening],
    dtype: str,
) -> Mixture:
    """Return mixtures learnt from draws, with components at the modes of fits with several."""
    learnt = learn(whitening.from_points(points), dtype)
    mixtures = [jax.tree.map(lambda each, fit=fit: each[fit], learnt) for fit in range(len(modes))]
    for fit, fit_modes in enumerate(modes):
        if len(fit_modes.center) > 1:
            near = fit_modes.relative_to(whitening.select(fit))
            mixtures[fit] = with_modes(mixtures[fit], near.center, near.root)
    return stack(mixtures)


def _where(chosen: Bool[np.ndarray, " rows"], new: Any, old: Any) -> Any:
    """Return trees of arrays with the chosen rows from ``new`` and the others from ``old``."""

    def one(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.where(chosen.reshape(-1, *[1] * (np.ndim(a) - 1)), a, b)

    return jax.tree.map(one, new, old)
