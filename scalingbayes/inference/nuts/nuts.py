"""The No-U-Turn sampler (Hoffman & Gelman 2014), in coordinates whitened at the mode."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, override

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, ArrayLike, Bool, Float, Int, Real, Shaped
from numpyro.diagnostics import effective_sample_size, split_gelman_rubin
from numpyro.infer.hmc_util import (
    IntegratorState,
    build_tree,
    dual_averaging,
    euclidean_kinetic_energy,
    velocity_verlet,
)

from scalingbayes._core.devices import as_lanes, by_owner, fetch, map_each, map_lanes
from scalingbayes._core.precision import precision, to_dtype
from scalingbayes.inference.draws import Draws, Progress
from scalingbayes.inference.engine import Engine
from scalingbayes.inference.nuts.mixture import Mixture, at_modes, jump, learn, remember
from scalingbayes.inference.settings import check_between, check_whole
from scalingbayes.inference.whitening import Whitening, about, whiten
from scalingbayes.model.bound_model import BoundModel, stack_densities
from scalingbayes.model.log_density import LogDensity
from scalingbayes.model.marginal import MarginalDensity, integrated

_BLOCK = 100  # most draws of a chain between two looks at progress and at Ctrl-C
_ROWS_PER_BLOCK = 10_000_000  # rows times draws, so that a block of a large table stays short
_WARMUP_STAGES = (0.2, 0.35, 0.55, 1.0)  # parts of the warm-up after which a stage ends
_LEARNT_STAGES = 3  # whose draws jumps are learnt from, lest a mode be lost that is rare in one
_MORE_STAGES = 4  # at most, as long as the last, where chains disagree or steps get smaller
_DISAGREE = 1.1  # by R-hat
_FEW = 0.2  # of the draws; a fit whose are worth fewer is thinned. Twice what a verdict asks for
_COMPARABLE_MODES = 10.0  # nats; chains start in modes that are this near the best,
_APART = 1.0  # and, in whitened coordinates, so far from each other
_SHRINKAGE = 10.0  # draws that the present whitening counts for when it is refined
_EASY_STEPS = 7  # gradients that a draw may take before jumps are tried
_JUMPS_PER_STEP = 0.5  # draws from the mixture for each gradient beyond these
_JUMPS_BETWEEN_MODES = 4  # where there are several, however short trajectories are
_CAREFUL = 0.1  # of the rejections that are aimed at, where warm-up diverges

_, _update_adaptation = dual_averaging()


@dataclass(frozen=True)
class NUTS(Engine):
    """Sample with NUTS.

    Each chain starts near a mode of the posterior; of several those of most mass, by height and
    width, have one each. The curvature at the first whitens the coordinates; warm-up adapts the
    step size and refines the whitening, in stages, from the draws of all chains.
    Where there are several modes, or trajectories are long, as along narrow ridges, chains may also
    jump after each of them, to draws from a mixture that is learnt from the same draws, and knows
    the modes: these join ridges' ends, and modes. Where trajectories of the warm-up diverge, as in
    a narrow end of the posterior, steps are made smaller; where its chains disagree, it goes on.
    Where the end of the warm-up is worth less than a fifth of its draws, two, four or more times
    as many are made as are kept. One short compiled program runs warm-up and sampling for any
    number of draws.

    Parameters
    ----------
    chains
        Number of chains, at least 2 (so that they can be compared).
    draws
        Draws kept of each chain.
    warmup
        Draws of each chain spent on adaptation and discarded; where these then disagree or diverge,
        up to 1.8 times as many more.
    target_accept
        Acceptance rate that the step size is adapted to. Where warm-up diverges, a tenth as many
        rejections are aimed at: .99 in place of .9.
    max_tree_depth
        At most ``2**max_tree_depth`` gradients are spent on a draw.
    starts
        Searches for modes: chains start in the best that are found. A mode that one search in ten
        finds is missed by one fit in thirty.
    jumps
        Whether chains may jump; if not, NUTS alone moves them.
    max_thinning
        Of the draws made one in so many, or the power of two below, is kept at least, however few
        independent ones the warm-up was worth; the record says what a fit's ``thinning`` is. With 1
        all are kept. It is decided before there are draws: a fit that went on for as long as its
        draws look bad would end when these happen to miss a mode.

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
    starts: int = 32
    jumps: bool = True
    max_thinning: int = 8

    def __post_init__(self) -> None:
        least = {"chains": 2, "draws": 4, "warmup": 50, "max_tree_depth": 1, "starts": 1}
        check_whole(self, **least, max_thinning=1)
        check_between(self, 0.0, 1.0, "target_accept")

    @override
    def run(
        self, models: Sequence[BoundModel], seeds: Sequence[int], dtype: str, progress: Progress
    ) -> list[Draws]:
        with precision(dtype):
            return _Sampler(self, models, seeds, dtype, progress).run()


class _Chain(NamedTuple):
    """Where a chain is, in whitened coordinates, and how far its step size is adapted."""

    position: Float[Array | np.ndarray, "*lanes dim"]
    adaptation: tuple[Float[Array | np.ndarray, "*lanes"], ...]


class _Tuning(NamedTuple):
    """What warm-up has learnt of each fit."""

    whitening: Whitening
    mixture: Mixture
    jumps: Int[Array | np.ndarray, "*fits"]
    target_accept: Float[Array | np.ndarray, "*fits"]


class _Trace(NamedTuple):
    """Draws in whitened coordinates, and what there is to say of each."""

    x: Float[Any, "fits chains draws dim"]
    stats: dict[str, Shaped[Any, "fits chains draws"]]


class _Sampler:
    """The loop on the host over compiled blocks of draws.

    Chains of all fits are lanes, side by side.
    """

    def __init__(
        self,
        settings: NUTS,
        models: Sequence[BoundModel],
        seeds: Sequence[int],
        dtype: str,
        progress: Progress,
    ) -> None:
        self.settings = settings
        self.densities = stack_densities(models, dtype)
        self.sampled = integrated(self.densities)
        self.dtype = dtype
        self.progress = progress
        self.fits = len(models)
        self.owner = np.tile(np.arange(self.fits), settings.chains)
        rows = sum(len(model.runs) for model in models)
        self.block = max(1, min(_BLOCK, _ROWS_PER_BLOCK // rows))
        self.random = [np.random.default_rng(seed) for seed in seeds]
        self.seeds = as_lanes(
            [r.integers(2**32, size=settings.chains, dtype=np.uint32) for r in self.random]
        )
        self.modes: list[Whitening] = []  # of each fit, those of most mass first
        self.seen: deque[np.ndarray] = deque(maxlen=_LEARNT_STAGES)
        self.done = np.zeros(self.fits, int)
        self.expected = np.full(self.fits, settings.warmup + settings.draws)
        self.part = 0.0
        self.gradients = np.zeros(self.fits, int)

    @property
    def counts(self) -> Int[np.ndarray, " fits"]:
        """How many modes each fit has."""
        return np.array([len(each.center) for each in self.modes])

    def run(self) -> list[Draws]:
        chains, tuning, worth = self.warm_up()
        thinning = self.thinning(worth)
        draws = np.full(self.fits, self.settings.draws)
        _, trace = self.advance(chains, tuning, draws, False, thinning)
        points = self.complete(tuning.whitening.place(trace.x))
        facts = self.gradients, thinning, tuning.target_accept
        return [
            Draws(
                points[fit],
                {name: values[fit] for name, values in trace.stats.items()},
                {"gradients": gradients, "thinning": every, "target_accept": target},
            )
            for fit, (gradients, every, target) in enumerate(
                zip(*(each.tolist() for each in facts), strict=True)
            )
        ]

    def warm_up(self) -> tuple[_Chain, _Tuning, Float[np.ndarray, " fits"]]:
        """Adapt in stages; a fit whose chains disagree, or diverge, at the end has some more.

        Says too how many independent draws each of the last stage's is worth.
        """
        positions, whitening, mixture = self.start()
        chains = _Chain(positions, _new_adaptation(len(self.owner)))
        target = np.full(self.fits, self.settings.target_accept)
        careful = 1 - _CAREFUL * (1 - self.settings.target_accept)
        tuning = _Tuning(whitening, mixture, self.jumps(np.zeros((self.fits, 1, 1))), target)
        ends = [round(end * self.settings.warmup) for end in _WARMUP_STAGES]
        stages = np.diff(ends, prepend=0)
        most = len(stages) + _MORE_STAGES
        adapting = np.ones(self.fits, bool)
        worth = np.zeros(self.fits)
        for stage in range(1, most + 1):
            draws = stages[min(stage, len(stages)) - 1]
            own = np.where(adapting, draws, 0)
            moved, trace = self.advance(chains, tuning, own, True, np.ones(self.fits, int))
            again = adapting & (stage < most)
            target = np.where(_diverged(trace.stats["diverging"]), careful, tuning.target_accept)
            if stage >= len(stages):
                agreeing = _disagreement(trace.x) <= _DISAGREE  # not where that is not a number
                again &= ~agreeing | (target > tuning.target_accept)
                worth = np.where(adapting, _worth(tuning.whitening.place(trace.x)), worth)
            learnt, x = self.learn(tuning._replace(target_accept=target), trace, again)
            fresh = _Chain(as_lanes(x[:, :, -1]), _new_adaptation(len(self.owner)))
            moved = _pick(again[self.owner], fresh, moved)
            chains = _pick(adapting[self.owner], moved, chains)
            tuning = _pick(adapting, learnt, tuning)
            adapting = again
            if not adapting.any():
                break
        return chains, tuning, worth

    def learn(
        self, tuning: _Tuning, trace: _Trace, again: Bool[np.ndarray, " fits"]
    ) -> tuple[_Tuning, np.ndarray]:
        """Learn from a stage's draws; whiten anew, these too, where there will be another."""
        whitening, mixture = tuning.whitening, tuning.mixture
        x, stats = trace
        if again.any():
            whitening, x = _pick(again, _refine(whitening, x), (whitening, x))
        jumps = self.jumps(stats["n_steps"])
        self.seen.append(tuning.whitening.place(trace.x))
        if jumps.any():
            seen = np.concatenate(self.seen, axis=2)
            draws = whitening.displace(seen.reshape(self.fits, -1, x.shape[-1]))
            mixture = jax.tree.map(np.array, learn(draws, self.dtype))  # to be written over
            for fit in map(int, np.flatnonzero(self.counts > 1)):
                near = self.modes[fit].seen_from(whitening.take(fit))
                learnt = jax.tree.map(lambda each, n=fit: each[n], mixture)
                for of_all, own in zip(
                    mixture, remember(learnt, near.center, near.root), strict=True
                ):
                    of_all[fit] = own
        return _Tuning(whitening, mixture, jumps, tuning.target_accept), x

    def thinning(self, worth: Float[np.ndarray, " fits"]) -> Int[np.ndarray, " fits"]:
        """Say of how many draws one shall be kept: as many as make it worth a fifth."""
        powers = 2 ** np.arange(int(np.log2(self.settings.max_thinning)) + 1)
        enough = worth[:, None] * powers >= _FEW
        return powers[np.where(enough.any(1), enough.argmax(1), -1)]

    def start(self) -> tuple[np.ndarray, Whitening, Mixture]:
        """Start chains, and jumps, about good modes; whiten by the curvature at the best."""
        chains = self.settings.chains
        modes, highest = whiten(self.densities, self.random, self.settings.starts, self.dtype)
        modes = jax.tree.map(np.asarray, modes)
        named = self.densities.named if isinstance(self.sampled, MarginalDensity) else None
        if named is None:
            x = highest.displace(modes.point)
        else:
            x = highest.of(named).displace(modes.point[..., named])
        log_density = modes.log_density
        positions, whitenings, mixtures = [], [], []
        for fit, random in enumerate(self.random):
            found = distinct_modes(x[fit], log_density[fit])
            own = about(modes, np.full(len(found), fit), found)
            own = own if named is None else own.of(named)
            # A mode's mass is about its height times its volume.
            log_mass = log_density[fit, found] + np.linalg.slogdet(own.root)[1]
            own = own.take(np.argsort(-log_mass))
            best = own.take(0)
            near = own.seen_from(best)
            normals = random.standard_normal((chains, 1, x.shape[-1]))
            positions.append(near.take(np.arange(chains) % len(found)).place(normals)[:, 0])
            whitenings.append(best)
            mixtures.append(at_modes(near.center, near.root))
            self.modes.append(own)
        return as_lanes(positions), _stack(whitenings), _stack(mixtures)

    def jumps(self, steps: Real[np.ndarray, "fits chains draws"]) -> Int[np.ndarray, " fits"]:
        """Say how many jumps to try after each trajectory: the more, the longer these are."""
        if not self.settings.jumps:
            return np.zeros(self.fits, int)
        beyond = np.maximum(steps.mean((1, 2)) - _EASY_STEPS, 0.0)
        between = np.where(self.counts > 1, _JUMPS_BETWEEN_MODES, 0)
        return np.maximum(between, (_JUMPS_PER_STEP * beyond).round().astype(int))

    def complete(self, points: np.ndarray) -> np.ndarray:
        """Draw what was integrated out, if anything was."""
        if not isinstance(self.sampled, MarginalDensity):
            return points
        shape = (*points.shape[1:-1], self.densities.effects)
        normals = np.stack([random.standard_normal(shape) for random in self.random])
        lanes = to_dtype((points, normals), self.dtype)
        return fetch(_complete(self.sampled, *lanes)).astype(float)

    def advance(
        self,
        chains: _Chain,
        tuning: _Tuning,
        draws: Int[np.ndarray, " fits"],
        adapt: bool,
        thinning: Int[np.ndarray, " fits"],
    ) -> tuple[_Chain, _Trace]:
        """Move the chains of each fit on by a number of draws to keep, block after block."""
        settings = self.settings
        whitening, mixture, jumps, target_accept = tuning
        numbers = whitening, mixture, target_accept, chains
        whitening, mixture, target_accept, chains = to_dtype(numbers, self.dtype)
        tuning = _Tuning(whitening, mixture, jumps, target_accept)
        self.expected = np.maximum(self.expected, self.done + draws * thinning)
        size = max(1, self.block // thinning.max())
        blocks = []
        for first in range(0, draws.max(), size):
            count = np.clip(draws - first, 0, size)
            chains, block = _advance(
                self.sampled,
                tuning,
                self.owner,
                chains,
                self.seeds,
                self.done[self.owner],
                count[self.owner],
                thinning[self.owner],
                adapt,
                settings.max_tree_depth,
            )
            # From the host, as they first came: a program is compiled for each place of arguments.
            chains, block = fetch((chains, block))
            longest = count.max()
            blocks.append(jax.tree.map(lambda values, n=longest: values[:, :n], block))
            self.done += count * thinning
            self.part = max(self.part, float((self.done / self.expected).min()))
            self.progress(self.part)  # which stands still where there is more to do than expected
        x, stats = jax.tree.map(
            lambda *values: by_owner(np.concatenate(values, axis=1), self.fits), *blocks
        )
        self.gradients += stats["n_steps"].sum((1, 2))
        return chains, _Trace(x.astype(float), stats)


@partial(jax.jit, static_argnames=("max_tree_depth",))
def _advance(
    densities: LogDensity | MarginalDensity,
    tunings: _Tuning,
    owner: Int[ArrayLike, " lanes"],
    chains: _Chain,
    seeds: Shaped[ArrayLike, " lanes"],
    first: Int[ArrayLike, " lanes"],
    count: Int[ArrayLike, " lanes"],
    thinning: Int[ArrayLike, " lanes"],
    adapt: Bool[ArrayLike, ""],
    max_tree_depth: int,
) -> tuple[_Chain, tuple[Float[Array, "lanes block dim"], dict[str, Array]]]:
    """Take ``count`` draws of each chain, the last of each ``thinning`` that are made.

    The rest of the block's buffers stays empty.
    """

    def run_chain(
        owner: tuple[LogDensity | MarginalDensity, _Tuning],
        lane: tuple[_Chain, Array, Array, Array, Array],
    ) -> tuple[_Chain, tuple[Array, dict[str, Array]]]:
        density, (whitening, mixture, jumps, target_accept) = owner
        (position, adaptation), seed, first, count, thinning = lane
        dtype = position.dtype
        unit_mass = jnp.ones_like(position)

        def log_density(x: Array) -> Array:
            return density(jnp.asarray(whitening.center + whitening.root @ x))

        def potential(x: Array) -> Array:
            return -log_density(x)

        _, leapfrog = velocity_verlet(potential, euclidean_kinetic_energy)

        def draw(i: Array, carry: Any) -> Any:
            (position, energy, gradient, jumped), adaptation, buffers = carry
            energy, gradient = lax.cond(
                jumped, jax.value_and_grad(potential), lambda _: (energy, gradient), position
            )
            momentum_key, tree_key, jump_key = jax.random.split(
                jax.random.fold_in(jax.random.key(seed), first + i), 3
            )
            momentum = jax.random.normal(momentum_key, position.shape, dtype)
            step_size = jnp.exp(jnp.where(adapt, adaptation[0], adaptation[1]))
            tree = build_tree(
                leapfrog,
                euclidean_kinetic_energy,
                IntegratorState(position, momentum, energy, gradient),
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
            end, at_end = tree.z_proposal, -tree.z_proposal_pe
            x, lp, jumped = jump(mixture, log_density, end, at_end, jnp.asarray(jumps), jump_key)
            new = (
                x,
                {
                    "lp": lp,
                    "energy": tree.z_proposal_energy + at_end - lp,  # of the draw's, with its lp
                    "acceptance_rate": accepted,
                    "step_size": step_size,
                    "n_steps": tree.num_proposals,
                    "tree_depth": tree.depth,
                    "diverging": tree.diverging,
                    "jumped": jumped,
                },
            )
            # Of draws that are not kept, their gradients and divergences are.
            place = i // thinning
            new[1]["n_steps"] += buffers[1]["n_steps"][place]
            new[1]["diverging"] |= buffers[1]["diverging"][place]
            buffers = jax.tree.map(lambda all, value: all.at[place].set(value), buffers, new)
            return (x, -lp, tree.z_proposal_grad, jumped), adaptation, buffers

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
                "jumped": jnp.zeros(_BLOCK, bool),
            },
        )
        # As after a jump, energy and gradient are not known yet.
        start = position, jnp.zeros((), dtype), jnp.zeros_like(position), jnp.ones((), bool)
        carry = start, adaptation, buffers
        end, adaptation, buffers = lax.fori_loop(0, count * thinning, draw, carry)
        return _Chain(end[0], adaptation), buffers

    return map_lanes(
        run_chain, (densities, tunings), owner, (chains, seeds, first, count, thinning)
    )


@jax.jit
def _complete(
    densities: MarginalDensity,
    points: Float[ArrayLike, "fits chains draws named"],
    normals: Float[ArrayLike, "fits chains draws effects"],
) -> Float[Array, "fits chains draws dim"]:
    def one(density: MarginalDensity, lane: tuple[Array, Array]) -> Array:
        return lax.map(lambda drawn: jax.vmap(density.complete)(*drawn), lane)

    return map_each(one, densities, (points, normals))


def _new_adaptation(lanes: int) -> tuple[np.ndarray, ...]:
    """Dual averaging as it begins: log step size 0, and drawn towards log 10."""
    zero = np.zeros(lanes)
    return zero, zero, zero, zero, np.full(lanes, np.log(10.0))


def distinct_modes(
    modes: Float[np.ndarray, "starts dim"], log_density: Float[np.ndarray, " starts"]
) -> Int[np.ndarray, " distinct"]:
    """Pick the modes that are near the best, one of each that coincide; the best is the first."""
    falling = np.argsort(-log_density)  # NaN last
    found: list[int] = []
    for each in falling[log_density[falling] >= np.nanmax(log_density) - _COMPARABLE_MODES]:
        if all(np.linalg.norm(modes[each] - modes[other]) > _APART for other in found):
            found.append(each)
    return np.array(found)


def _stack(trees: Sequence[Any]) -> Any:
    """Put the arrays of each fit together."""
    return jax.tree.map(lambda *each: np.stack(each), *trees)


def _pick(chosen: Bool[np.ndarray, " rows"], new: Any, old: Any) -> Any:
    """Take the chosen rows of arrays from the new ones, and the others from the old."""

    def one(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.where(chosen.reshape(-1, *[1] * (np.ndim(a) - 1)), a, b)

    return jax.tree.map(one, new, old)


def _disagreement(x: Float[np.ndarray, "fits chains draws dim"]) -> Float[np.ndarray, " fits"]:
    """R-hat of the coordinate in which halves of chains differ most."""
    return np.array(split_gelman_rubin(np.moveaxis(x, 0, 2))).max(-1)


def _diverged(diverging: Bool[np.ndarray, "fits chains draws"]) -> Bool[np.ndarray, " fits"]:
    """Say which fits diverged in a stage, but for its first steps, which it has yet to learn."""
    return diverging[:, :, diverging.shape[2] // 2 :].any((1, 2))


def _worth(x: Float[np.ndarray, "fits chains draws dim"]) -> Float[np.ndarray, " fits"]:
    """Say how many independent draws each draw is worth, by the worst coordinate."""
    _, chains, draws, _ = x.shape
    with np.errstate(divide="ignore", invalid="ignore"):
        effective = effective_sample_size(np.moveaxis(x, 0, 2)).min(-1)
    return np.nan_to_num(effective) / (chains * draws)  # 0 where a chain has not moved


def _refine(whitening: Whitening, x: np.ndarray) -> tuple[Whitening, np.ndarray]:
    """Whiten by the covariance of all of a fit's draws, shrunk towards the present whitening.

    Returns the new coordinates, and the draws in these.
    """
    fits, chains, draws, dim = x.shape
    count = chains * draws
    flat = x.reshape(fits, count, dim)
    mean = flat.mean(1)
    deviations = flat - mean[:, None]
    spread = np.einsum("fni,fnj->fij", deviations, deviations) / (count - 1)
    root = np.linalg.cholesky((count * spread + _SHRINKAGE * np.eye(dim)) / (count + _SHRINKAGE))
    refined = Whitening(whitening.place(mean[:, None])[:, 0], whitening.root @ root)
    return refined, Whitening(mean, root).displace(flat).reshape(x.shape)
