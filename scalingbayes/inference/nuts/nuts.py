"""The No-U-Turn sampler (Hoffman & Gelman 2014, JMLR 15), in whitened coordinates."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, override

import numpy as np

from scalingbayes._core.arguments import Count, OpenFraction, at_least
from scalingbayes._core.checked import checked
from scalingbayes._core.devices import interleave
from scalingbayes._core.precision import precision
from scalingbayes._core.progress import Report
from scalingbayes.inference.draws import Draws
from scalingbayes.inference.engine import Engine
from scalingbayes.inference.nuts.constants import (
    BLOCK,
    MIXTURE_PROPOSALS,
    MIXTURE_TREE_DEPTH,
    ROWS_PER_BLOCK,
    Constants,
)
from scalingbayes.inference.nuts.sampling import Batch, Density, advance, draw_random_effects
from scalingbayes.inference.nuts.starts import find_starts
from scalingbayes.inference.nuts.warmup import choose_thinning, warm_up
from scalingbayes.model.bound_model import BoundModel
from scalingbayes.model.log_density import LogDensity
from scalingbayes.model.marginal import MarginalDensity, integrated
from scalingbayes.model.mixture_density import MixtureDensity
from scalingbayes.model.stacking import stack_densities, stack_mixtures


@checked
@dataclass(frozen=True)
class NUTS(Engine):
    """Sample with NUTS.

    Each chain starts near a mode of the posterior. If there are several modes, those of largest
    estimated mass get one chain each. Warm-up runs in stages: each stage adapts the step sizes, and
    its draws refine the whitening of the coordinates. If trajectories diverge, the target
    acceptance rate rises; if chains disagree, warm-up goes on.

    If there are several modes, if trajectories are long (as along narrow ridges), or if the density
    is the mixture of an allowance, each trajectory is followed by jumps: proposals from a mixture
    of t distributions that is learnt from the warm-up's draws and that keeps a component at every
    mode.

    If the effective sample size of the warm-up's last stage is below a fifth of its draws, the
    draws are thinned: 2, 4 or 8 transitions per draw that is kept.

    Parameters
    ----------
    chains
        Number of chains; at least 2, so that they can be compared.
    draws
        Number of draws per chain that are kept.
    warmup
        Number of draws per chain that are spent on adaptation and discarded. A fit whose chains
        disagree or diverge at the end of it gets up to 1.8 times as many more.
    target_accept
        Acceptance rate that the step size is adapted to. If warm-up diverges, the rejection rate
        that is aimed at falls to a tenth: 0.99 in place of 0.9.
    max_tree_depth
        A draw takes at most ``2**max_tree_depth`` gradients; at most 8 for the mixture of an
        allowance, where jumps replace long trajectories.
    starts
        Number of searches for modes. A mode that one search in ten finds is missed by one fit in
        thirty.
    jumps
        Whether chains may jump.
    max_thinning
        Upper limit on thinning. NUTS keeps one draw in ``k``, where ``k`` is a power of two, at
        most this value, chosen from the effective sample size of the warm-up. The record holds
        ``k`` as ``thinning``. The choice is made before sampling: a rule that continues while the
        draws look bad would stop when they happen to miss a mode.

    Raises
    ------
    InputError
        If a setting is out of range.

    Examples
    --------
    >>> NUTS(chains=2, draws=500).warmup
    300
    """

    constants: ClassVar[Constants] = Constants()
    """Constants that are not settings. Benchmarks change them in a subclass."""

    supports_allowance: ClassVar[bool] = True

    chains: Annotated[int, at_least(2)] = 4
    draws: Annotated[int, at_least(4)] = 1000
    warmup: Annotated[int, at_least(50)] = 300
    target_accept: OpenFraction = 0.9
    max_tree_depth: Count = 10
    starts: Count = 32
    jumps: bool = True
    max_thinning: Count = 8

    @override
    def run(
        self, models: Sequence[BoundModel], seeds: Sequence[int], dtype: str, progress: Report
    ) -> list[Draws]:
        with precision(dtype):
            return self._sample(models, seeds, dtype, progress)

    def _sample(
        self, models: Sequence[BoundModel], seeds: Sequence[int], dtype: str, progress: Report
    ) -> list[Draws]:
        constants = self.constants
        random = [np.random.default_rng(seed) for seed in seeds]
        size = self.chains
        chain_seeds = interleave([r.integers(2**32, size=size, dtype=np.uint32) for r in random])
        densities, sampled = searched_and_sampled(models, dtype)
        max_tree_depth = self.max_tree_depth
        if not self.jumps:
            constants = replace(constants, proposals_per_gradient=0.0, proposals_between_modes=0)
        elif isinstance(sampled, MixtureDensity):
            constants = replace(constants, least_proposals=MIXTURE_PROPOSALS)
            max_tree_depth = min(max_tree_depth, MIXTURE_TREE_DEPTH)
        batch = Batch(
            sampled,
            fits=len(models),
            chains=size,
            planned=self.warmup + self.draws,
            block=max(1, min(BLOCK, ROWS_PER_BLOCK // sum(len(model.runs) for model in models))),
            max_tree_depth=max_tree_depth,
            dtype=dtype,
            progress=progress,
        )
        marginal = isinstance(sampled, MarginalDensity)
        starts = find_starts(densities, marginal, random, size, self.starts, constants, dtype)
        warm = warm_up(batch, starts, chain_seeds, self.warmup, self.target_accept, constants)
        thinning = choose_thinning(warm.relative_ess, self.max_thinning, constants)
        draws = np.full(len(models), self.draws)
        _, trace = advance(batch, warm.chains, warm.adapted, draws, thinning, adapt=False)
        points = warm.adapted.whitening.to_points(trace.x)
        points = draw_random_effects(sampled, points, random, dtype)
        facts = {
            "gradients": warm.gradients + trace.gradients,
            "thinning": thinning,
            "target_accept": warm.adapted.controls.target_accept,
        }
        return [
            Draws(
                points[fit],
                {name: values[fit] for name, values in trace.info._asdict().items()},
                {name: values[fit].item() for name, values in facts.items()},
            )
            for fit in range(len(models))
        ]


def searched_and_sampled(models: Sequence[BoundModel], dtype: str) -> tuple[LogDensity, Density]:
    """Return the densities whose modes chains start at, and the densities that are sampled."""
    if models[0].allowance is not None:
        mixtures, typical = stack_mixtures(models, dtype)
        return typical, mixtures
    densities = stack_densities(models, dtype)
    return densities, integrated(densities)
