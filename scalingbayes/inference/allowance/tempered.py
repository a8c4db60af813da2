"""Posteriors of a law given the noise, at several likelihood powers: evidence and predictions."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Int
from scipy.special import logsumexp

from scalingbayes._core.devices import fetch, map_draws, map_tasks
from scalingbayes._core.precision import to_dtype
from scalingbayes._core.programs import compiled
from scalingbayes.inference.adaptive_importance import propose
from scalingbayes.inference.importance import student_t_log_density
from scalingbayes.inference.mode import Mode, find_mode
from scalingbayes.inference.whitening import Whitening, whiten
from scalingbayes.model.allowance import LIKELIHOOD_POWERS
from scalingbayes.model.log_density import LogDensity

_PROPOSAL_POWERS = (1.0, 0.22, 0.05)  # likelihood powers at whose modes proposals are centred
_PROPOSALS = 200  # at each mode


class Tempered(NamedTuple):
    """Evidence and predictions at each of ``LIKELIHOOD_POWERS``.

    Parameters
    ----------
    log_evidence
        The log of the integral of prior times likelihood to the power.
    scores
        The mean log predictive density of the held-out rows; 0 if there are none.
    """

    log_evidence: Float[np.ndarray, " powers"]
    scores: Float[np.ndarray, " powers"]


def temper(
    densities: LogDensity,
    starts: Float[np.ndarray, "fits dim"],
    held_out: Sequence[Int[np.ndarray, " _"]],
    random: Sequence[np.random.Generator],
    dtype: str,
) -> list[Tempered]:
    """Compute evidence and predictions by importance sampling.

    One set of proposals serves all likelihood powers: a mixture of t distributions at the modes of
    three of them.

    Parameters
    ----------
    densities
        Densities of the law's parameters, stacked. Their noise is known.
    starts
        Where the searches for the modes begin.
    held_out
        The rows of each table that are held out.
    random
        One generator a density.
    dtype
        ``"float64"`` or ``"float32"``.
    """
    fits, dim = starts.shape
    modes = len(_PROPOSAL_POWERS)
    owner = np.repeat(np.arange(fits), modes)
    powers = np.tile(_PROPOSAL_POWERS, fits)
    begun = to_dtype((starts[owner], powers), dtype)
    found = fetch(_find_modes(densities, owner, *begun))
    whitening = whiten(found.point, found.curvature)
    proposals = propose(whitening, [each for each in random for _ in range(modes)], _PROPOSALS)
    points = np.stack([each.points for each in proposals]).reshape(fits, -1, dim)
    log_proposal = _log_proposal(points, whitening, modes)
    longest = _padded(max(map(len, held_out)))
    padded = np.stack([np.pad(rows, (0, longest - len(rows))) for rows in held_out])
    evaluated = fetch(_evaluate((densities, padded), to_dtype(points, dtype)))
    total, prior, rows = (x.astype(float) for x in evaluated)
    return [
        _at_powers(total[i], prior[i] - log_proposal[i], rows[i, :, : len(held_out[i])])
        for i in range(fits)
    ]


def _at_powers(
    log_likelihood: Float[np.ndarray, " draws"],
    log_ratio: Float[np.ndarray, " draws"],
    rows: Float[np.ndarray, "draws rows"],
) -> Tempered:
    """Return evidence and predictions; ``log_ratio`` is the log of prior over proposal density."""
    log_weights = np.array(LIKELIHOOD_POWERS)[:, None] * log_likelihood + log_ratio
    log_weights = np.where(np.isfinite(log_weights), log_weights, -np.inf)
    log_sum = logsumexp(log_weights, axis=1)
    log_evidence = log_sum - np.log(len(log_likelihood))
    if not rows.shape[1]:
        return Tempered(log_evidence, np.zeros(len(log_evidence)))
    weights = np.exp(log_weights - log_sum[:, None])
    rows = np.where(np.isfinite(rows), rows, -np.inf)
    largest = rows.max(0)
    with np.errstate(divide="ignore"):
        predictive = np.log(weights @ np.exp(rows - largest)) + largest
    return Tempered(log_evidence, predictive.mean(1))


def _padded(rows: int) -> int:
    """Return the number of held-out rows that a program is compiled for: 64, 128, 256, 512."""
    return max(64, 1 << (rows - 1).bit_length())


def _log_proposal(
    points: Float[np.ndarray, "fits draws dim"], whitening: Whitening, modes: int
) -> Float[np.ndarray, "fits draws"]:
    """Return the log density of the mixture of t distributions at its draws."""
    dim, parts = points.shape[-1], []
    for mode in range(modes):
        own = Whitening(whitening.center[mode::modes], whitening.root[mode::modes])
        square = (own.from_points(points) ** 2).sum(-1)
        volume = np.linalg.slogdet(own.root)[1]
        parts.append(student_t_log_density(square, dim) - volume[:, None])
    found: Float[np.ndarray, "fits draws"] = logsumexp(parts, axis=0) - np.log(modes)
    return found


@compiled
def _find_modes(
    densities: LogDensity,
    owner: Int[ArrayLike, " searches"],
    starts: Float[ArrayLike, "searches dim"],
    powers: Float[ArrayLike, " searches"],
) -> Mode:
    def search(density: LogDensity, task: tuple[Array, Array]) -> Mode:
        start, power = task
        return find_mode(density.with_weights(power * density.weights), start)

    return map_tasks(search, densities, owner, (starts, powers))


@compiled
def _evaluate(
    densities_and_rows: tuple[LogDensity, Int[ArrayLike, "fits rows"]],
    points: Float[ArrayLike, "fits draws dim"],
) -> tuple[Array, Array, Array]:
    """Return log likelihood, log prior and the log densities of held-out rows, at each draw."""

    def one(fit: tuple[LogDensity, Array], point: Array) -> Any:
        density, rows = fit
        found = density.log_likelihood_at(density.location(point), point)
        return density.weights @ found, density.prior(point), found[rows]

    return map_draws(one, densities_and_rows, jnp.asarray(points))
