"""Hamiltonian Monte Carlo with many short chains in lockstep."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, override

import numpy as np

from scalingbayes._core.arguments import Count, OpenFraction, at_least
from scalingbayes._core.checked import checked
from scalingbayes._core.devices import interleave, queue_width
from scalingbayes._core.errors import InputError
from scalingbayes._core.precision import precision
from scalingbayes._core.progress import Report
from scalingbayes.inference.draws import Draws
from scalingbayes.inference.engine import Engine
from scalingbayes.inference.hmc.lockstep import BLOCK
from scalingbayes.inference.hmc.warmup import (
    BLOCKS_PER_ROUND,
    CONSTANTS,
    SUPERCHAINS,
    Batch,
    flatten,
    warm_up,
)
from scalingbayes.inference.nuts.nuts import searched_and_sampled
from scalingbayes.inference.nuts.sampling import draw_random_effects
from scalingbayes.inference.nuts.starts import find_starts
from scalingbayes.model.bound_model import BoundModel
from scalingbayes.model.marginal import MarginalDensity

_LEAST_DRAWS = 4096


@checked
@dataclass(frozen=True)
class HMC(Engine):
    """Sample with many short chains of Hamiltonian Monte Carlo in lockstep.

    The engine is for accelerators, whose time is that of the gradients in sequence. NUTS computes
    thousands in sequence, this engine some hundreds, and in total several times as many as NUTS:
    on a CPU it is slower.

    The coordinates are whitened, as those of NUTS. All chains of a fit have the same step size and
    the same number of steps, about a quarter of the period of a standard normal; the number is
    jittered. Each trajectory is followed by a jump: a choice among the present point and two
    proposals from a mixture of t distributions, as in NUTS.

    The chains are divided into 16 superchains. The chains of a superchain start at one point near a
    mode, and are stored one after the other as one chain. R-hat of these chains is thus the nested
    R-hat of Margossian et al. 2024 (Bayesian Analysis, doi:10.1214/24-BA1453): superchains disagree
    until chains have forgotten where they started.

    Parameters
    ----------
    chains
        Number of chains: a multiple of 16, and at least 256.
    draws
        Number of draws per chain that are kept: a multiple of 4. With all chains there must be
        4,096 draws.
    warmup
        Number of transitions per chain that are spent on adaptation and discarded, rounded up to a
        multiple of 8. A fit whose superchains disagree or diverge at the end of it gets up to four
        times as many more. A fit whose draws are thinned by k gets k times as many after that.
    target_accept
        Mean acceptance rate that the step size is adapted to.
    starts
        Number of searches for modes.
    max_thinning
        Upper limit on the number of transitions per draw that is kept, as for NUTS.

    Raises
    ------
    InputError
        If a setting is out of range.

    Examples
    --------
    >>> HMC(chains=4096).draws
    4
    """

    supports_allowance: ClassVar[bool] = True

    chains: Annotated[int, at_least(256)] = 1024
    draws: Annotated[int, at_least(BLOCK)] = BLOCK
    warmup: Annotated[int, at_least(8)] = 32
    target_accept: OpenFraction = 0.9
    starts: Count = 32
    max_thinning: Count = 8

    def __post_init__(self) -> None:
        for name, divisor in {"chains": SUPERCHAINS, "draws": BLOCK}.items():
            if getattr(self, name) % divisor:
                raise InputError(
                    f"{name} must be a multiple of {divisor}; got {getattr(self, name)}."
                )
        if self.chains * self.draws < _LEAST_DRAWS:
            raise InputError(
                f"chains times draws must be {_LEAST_DRAWS:,} or more, so that R-hat of "
                f"{SUPERCHAINS} superchains can pass; got {self.chains} x {self.draws}: give "
                f"draws={-(-_LEAST_DRAWS // self.chains // BLOCK) * BLOCK}."
            )

    @override
    def run(
        self, models: Sequence[BoundModel], seeds: Sequence[int], dtype: str, progress: Report
    ) -> list[Draws]:
        with precision(dtype):
            return self._sample(models, seeds, dtype, progress)

    def _sample(
        self, models: Sequence[BoundModel], seeds: Sequence[int], dtype: str, progress: Report
    ) -> list[Draws]:
        random = [np.random.default_rng(seed) for seed in seeds]
        searched, sampled = searched_and_sampled(models, dtype)
        size = self.chains // SUPERCHAINS
        drawn = [r.integers(2**32, size=(SUPERCHAINS, size), dtype=np.uint32) for r in random]
        width = min(size, queue_width(max(len(model.runs) for model in models)))
        batch = Batch(sampled, len(models), width, dtype)
        marginal = isinstance(sampled, MarginalDensity)
        starts = find_starts(searched, marginal, random, SUPERCHAINS, self.starts, CONSTANTS, dtype)
        rounds = -(-self.warmup // (BLOCK * BLOCKS_PER_ROUND))
        target, largest = self.target_accept, self.max_thinning
        warm = warm_up(batch, starts, interleave(drawn), rounds, target, largest, progress)
        _, trace = batch.advance(
            warm.superchains,
            warm.tuning,
            warm.thinning,
            self.draws // BLOCK,
            progress.part(0.5, 1.0),
        )
        points = warm.tuning.whitening.to_points(flatten(trace.x.astype(float)))
        points = draw_random_effects(sampled, points, random, dtype)
        stats = {name: flatten(values) for name, values in trace._asdict().items() if name != "x"}
        step_sizes = warm.tuning.step_size[:, None, None]
        stats["step_size"] = np.broadcast_to(step_sizes, stats["lp"].shape)
        facts = {
            "gradients": warm.gradients * self.chains + trace.n_steps.sum((1, 2, 3)),
            "sequential_gradients": warm.gradients + trace.n_steps[:, 0, 0].sum(1),
            "thinning": warm.thinning,
            "target_accept": warm.target_accept,
        }
        return [
            Draws(
                points[fit],
                {name: values[fit] for name, values in stats.items()},
                {name: values[fit].item() for name, values in facts.items()},
            )
            for fit in range(len(models))
        ]
