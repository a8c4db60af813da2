"""Jumps of a chain: proposals from a mixture, of which one or the present point is chosen."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from scalingbayes.inference.nuts.proposal_mixture import Mixture


class Candidate(NamedTuple):
    """A point that a jump may choose, its log density, and its score: the largest is chosen."""

    x: Float[Array, " dim"]
    log_density: Float[Array, ""]
    score: Float[Array, ""]


def jump(
    mixture: Mixture,
    log_density: Callable[[Array], Array],
    here: Float[Array, " dim"],
    log_density_here: Float[Array, ""],
    count: Int[Array, ""],
    key: Array,
) -> tuple[Float[Array, " dim"], Float[Array, ""], Bool[Array, ""]]:
    """Choose among the present point and proposals from the mixture, by importance weight.

    The transition leaves the density invariant for any mixture: iterated sampling importance
    resampling (Andrieu et al. 2018, Bernoulli 24, section 3). Combined with a local sampler it
    connects distant modes (Samsonov et al. 2022, arXiv:2111.02702).

    Parameters
    ----------
    mixture
        Distribution of the proposals.
    log_density
        The log density to sample from.
    here, log_density_here
        Present point of the chain and its log density.
    count
        Number of proposals.
    key
        Random key.

    Returns
    -------
    x, log_density, moved
        The chosen point, its log density, and whether it is a proposal.
    """

    def score(key: Array, x: Array, log_density: Array) -> Candidate:
        # Gumbel-max trick: the largest score is chosen in proportion to the weights.
        noise = jax.random.gumbel(key, (), x.dtype)
        return Candidate(x, log_density, log_density - mixture.log_density(x) + noise)

    def propose(i: Array, carry: tuple[Candidate, Array]) -> tuple[Candidate, Array]:
        best, moved = carry
        draw_key, score_key = jax.random.split(jax.random.fold_in(key, i))
        x = mixture.draw(draw_key)
        new = score(score_key, x, log_density(x))
        better = new.score > best.score  # false for NaN
        chosen = jax.tree.map(lambda a, b: jnp.where(better, a, b), new, best)
        return chosen, moved | better

    def choose() -> tuple[Array, Array, Array]:
        # Proposals use the keys below `count`.
        start = score(jax.random.fold_in(key, count), here, log_density_here)
        best, moved = lax.fori_loop(0, count, propose, (start, jnp.zeros((), bool)))
        return best.x, best.log_density, moved

    # A fit without jumps does not evaluate the mixture at all.
    return lax.cond(count > 0, choose, lambda: (here, log_density_here, jnp.zeros((), bool)))
