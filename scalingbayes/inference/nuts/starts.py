"""Modes of a posterior, and where chains and jumps start."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float, Int

from scalingbayes._core.devices import interleave
from scalingbayes._core.trees import stack
from scalingbayes.inference.nuts.constants import Constants
from scalingbayes.inference.nuts.proposal_mixture import Mixture, at_modes
from scalingbayes.inference.whitening import Whitening, whiten_at_mode, whitening_at
from scalingbayes.model.log_density import LogDensity


class Starts(NamedTuple):
    """Where the chains of several fits start.

    Parameters
    ----------
    positions
        Start of each chain, in whitened coordinates.
    whitening
        Whitening of each fit by the curvature at its mode of largest mass.
    mixture
        Distribution that each fit's jumps are proposed from at first.
    modes
        For each fit the whitenings at its distinct modes, largest mass first.
    """

    positions: Float[np.ndarray, "chains dim"]
    whitening: Whitening
    mixture: Mixture
    modes: list[Whitening]


def find_starts(
    densities: LogDensity,
    marginal: bool,
    random: Sequence[np.random.Generator],
    chains: int,
    searches: int,
    constants: Constants,
    dtype: str,
) -> Starts:
    """Return the modes of each fit, and draw the start of each chain around one of them.

    Chain i starts around mode i modulo the number of distinct modes.

    Parameters
    ----------
    densities
        Log density of each fit, stacked.
    marginal
        Whether the random effects are integrated out of the density that is sampled.
    random
        One generator per fit.
    chains
        Number of chains per fit.
    searches
        Number of searches for modes per fit.
    constants
        Which modes count.
    dtype
        ``"float64"`` or ``"float32"``.
    """
    modes, best_whitening = whiten_at_mode(densities, random, searches, dtype)
    modes = jax.tree.map(np.asarray, modes)
    named = densities.coordinates.parameter_indices if marginal else None
    if named is None:
        x = best_whitening.from_points(modes.point)
    else:
        x = best_whitening.marginal(named).from_points(modes.point[..., named])
    positions, whitenings, mixtures, distinct_of_fits = [], [], [], []
    for fit, generator in enumerate(random):
        log_density = modes.log_density[fit]
        found = distinct_modes(x[fit], log_density, constants)
        distinct = whitening_at(modes, np.full(len(found), fit), found)
        distinct = distinct if named is None else distinct.marginal(named)
        # Laplace approximation of a mode's mass: height times volume.
        log_mass = log_density[found] + np.linalg.slogdet(distinct.root)[1]
        distinct = distinct.select(np.argsort(-log_mass))
        best = distinct.select(0)
        near = distinct.relative_to(best)
        normals = generator.standard_normal((chains, 1, x.shape[-1]))
        positions.append(near.select(np.arange(chains) % len(found)).to_points(normals)[:, 0])
        whitenings.append(best)
        mixtures.append(at_modes(near.center, near.root))
        distinct_of_fits.append(distinct)
    return Starts(interleave(positions), stack(whitenings), stack(mixtures), distinct_of_fits)


def distinct_modes(
    modes: Float[np.ndarray, "starts dim"],
    log_density: Float[np.ndarray, " starts"],
    constants: Constants,
) -> Int[np.ndarray, " distinct"]:
    """Return the indices of the distinct modes that are comparable to the best; the best first."""
    falling = np.argsort(-log_density)  # NaN last
    comparable = log_density[falling] >= np.nanmax(log_density) - constants.mode_nats
    found: list[int] = []
    for each in falling[comparable]:
        distances = [np.linalg.norm(modes[each] - modes[other]) for other in found]
        if all(distance > constants.mode_distance for distance in distances):
            found.append(each)
    return np.array(found)
