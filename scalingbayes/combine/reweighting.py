"""Posteriors under a pooled prior, from reweighted draws of a fit."""

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import xarray as xr
from jaxtyping import Float, Int

from scalingbayes.combine.pooled_coordinates import predictive_priors
from scalingbayes.combine.population import PopulationDraws, TableDraws
from scalingbayes.inference.importance import (
    effective_sample_size,
    log_evidence,
    resample,
)
from scalingbayes.inference.pareto import pareto_smooth
from scalingbayes.laws.base.parameters import Parameter
from scalingbayes.laws.base.resolved_priors import resolve_priors
from scalingbayes.posterior.diagnostics import MAX_PARETO_K, MIN_EFFECTIVE_DRAWS
from scalingbayes.posterior.posterior import Posterior
from scalingbayes.posterior.record import ATTRIBUTE, Record
from scalingbayes.results import SAMPLE_DIMS


class ImportanceWeights(NamedTuple):
    """Importance weights of a table's draws under the prior that the other tables predict.

    Parameters
    ----------
    values
        Smoothed weights; their sum is 1.
    pareto_k
        Pareto's k of the weights.
    log_evidence_gain
        Log evidence under the new prior, less that under the fit's own prior.
    """

    values: Float[np.ndarray, " draws"]
    pareto_k: float
    log_evidence_gain: float

    @property
    def effective_draws(self) -> float:
        """The effective number of draws."""
        return effective_sample_size(self.values)

    @property
    def reliable(self) -> bool:
        """Whether the weights pass their checks."""
        enough = self.effective_draws >= MIN_EFFECTIVE_DRAWS
        return self.pareto_k <= MAX_PARETO_K and enough


def weigh(draws: TableDraws, population_of_others: PopulationDraws) -> ImportanceWeights:
    """Return the weights of a table's draws under the prior that the other tables predict."""
    log_weights = population_of_others.log_density(draws.points) - draws.log_prior
    weights, pareto_k = pareto_smooth(log_weights)
    return ImportanceWeights(weights, pareto_k, log_evidence(log_weights))


def reweighted_posterior(
    post: Posterior,
    pooled: Mapping[str, Parameter],
    draws: TableDraws,
    population_of_others: PopulationDraws,
    weights: ImportanceWeights,
    random: np.random.Generator,
) -> Posterior:
    """Return the posterior of a table under the prior that the other tables predict.

    Parameters
    ----------
    post
        The fit of the table.
    pooled
        The pooled parameters.
    draws
        Draws of the pooled parameters from the fit.
    population_of_others
        The population, given the other tables.
    weights
        Weights of the draws.
    random
        Generator of the random numbers.

    Returns
    -------
    Posterior
        Draws of the fit, resampled by their weights; one chain.
    """
    chosen = resample(weights.values, len(draws.points), random)
    record = _record(post, pooled, population_of_others, draws.points[chosen], weights)
    return _select(post, chosen, record)


def _record(
    post: Posterior,
    pooled: Mapping[str, Parameter],
    population_of_others: PopulationDraws,
    points: Float[np.ndarray, "draws dim"],
    weights: ImportanceWeights,
) -> Record:
    """Return the record of the fit, with the pooled priors and the diagnostics of the weights."""
    priors = resolve_priors(pooled, predictive_priors(pooled, population_of_others))
    _, sds = population_of_others.predictive_moments()
    shares = np.minimum(points.var(0) / sds**2, 1.0)
    facts = {
        **post.record.facts,
        # The prior that the other tables predict comes from weighted draws, too.
        "pareto_k": float(np.maximum(weights.pareto_k, population_of_others.pareto_k)),
        "effective_draws": weights.effective_draws,
        "weighed_from": post.verdict.word,
    }
    if "log_evidence" in facts:
        facts["log_evidence"] += weights.log_evidence_gain
    pooled_priors = {name: prior.as_record(name, pooled[name]) for name, prior in priors.items()}
    return replace(
        post.record,
        priors=post.record.priors | pooled_priors,
        # The shares of the other parameters are known for the fit's own priors only.
        prior_shares=dict(zip(pooled, shares.tolist(), strict=True)),
        facts=facts,
    )


def _select(post: Posterior, chosen: Int[np.ndarray, " draws"], record: Record) -> Posterior:
    """Return a posterior with some draws of another one, as one chain."""
    groups = {}
    for name, node in post.tree.children.items():
        group = node.to_dataset().drop_vars("lp", errors="ignore")  # a density under another prior
        if not group.data_vars:
            group = group.drop_vars(list(group.coords))
        elif "draw" in group.dims:
            group = group.stack(sample=SAMPLE_DIMS, create_index=False)
            group = group.isel(sample=chosen).drop_vars(SAMPLE_DIMS, errors="ignore")
            group = group.rename(sample="draw").expand_dims("chain").transpose(*SAMPLE_DIMS, ...)
            group = group.assign_coords(chain=[0], draw=np.arange(len(chosen)))
        groups[name] = group
    tree = xr.DataTree.from_dict(groups)
    tree.attrs[ATTRIBUTE] = record.to_json()
    return Posterior(tree, post.law, post.noise)
