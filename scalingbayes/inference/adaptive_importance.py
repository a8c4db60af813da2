"""Adaptive importance sampling: proposals about the weighted draws of the round before."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from scalingbayes.inference.importance import (
    Density,
    Proposals,
    log_densities,
    student_t_proposals,
    truncated_weights,
)
from scalingbayes.inference.whitening import Whitening


def adaptive_proposals(
    densities: Density,
    whitening: Whitening,
    random: Sequence[np.random.Generator],
    count: int,
    scales: Sequence[float],
    rounds: int,
    dtype: str,
) -> tuple[list[Proposals], Float[np.ndarray, "fits draws"]]:
    """Return the proposals of the last round for each fit, and the log density at each.

    Parameters
    ----------
    densities
        The densities of several fits, stacked.
    whitening
        The whitening in which the first round is drawn.
    random, count, scales
        As for :func:`propose`.
    rounds
        Number of rounds. With one round nothing adapts.
    dtype
        ``"float64"`` or ``"float32"``.
    """
    for left in reversed(range(rounds)):
        proposals = propose(whitening, random, count, scales)
        points = np.stack([each.points for each in proposals])
        log_density = log_densities(densities, points, dtype)
        if left:
            whitening = _adapted_whitening(whitening, proposals, log_density)
    return proposals, log_density


def propose(
    whitening: Whitening,
    random: Sequence[np.random.Generator],
    count: int,
    scales: Sequence[float] = (1.0,),
) -> list[Proposals]:
    """Draw from t distributions in the whitened coordinates of each fit.

    Parameters
    ----------
    whitening
        The whitening of each fit.
    random
        One generator per fit.
    count
        Number of draws per fit.
    scales
        The scales of the t distributions, each with an equal share of the draws.
    """
    dim = whitening.center.shape[1]
    standard = [student_t_proposals(each, count, dim, scales) for each in random]
    points = whitening.to_points(np.stack([each.points for each in standard]))
    volumes = np.linalg.slogdet(whitening.root)[1]
    return [
        Proposals(points[fit], each.log_density - volumes[fit]) for fit, each in enumerate(standard)
    ]


def _adapted_whitening(
    whitening: Whitening,
    proposals: Sequence[Proposals],
    log_density: Float[np.ndarray, "fits draws"],
) -> Whitening:
    """Return the whitening by the mean and covariance of weighted draws (Cappé et al. 2008).

    Parameters
    ----------
    whitening
        The whitening of the proposals. A fit keeps it if the covariance is singular.
    proposals
        Draws of each fit from its proposal distribution.
    log_density
        The log density of the posterior at each.
    """
    centers, roots = [], []
    for fit, (each, found) in enumerate(zip(proposals, log_density, strict=True)):
        weights = truncated_weights(found, each.log_density)
        center = weights @ each.points
        deviations = each.points - center
        try:
            root = np.linalg.cholesky((weights[:, None] * deviations).T @ deviations)
        except np.linalg.LinAlgError:
            center, root = map(np.asarray, whitening.select(fit))
        centers.append(center)
        roots.append(root)
    return Whitening(np.stack(centers), np.stack(roots))
