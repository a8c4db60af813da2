"""Coordinates in which pooled parameters are normal over tables, and their priors there."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from numpyro.distributions import Distribution, LogNormal, Normal, constraints

from scalingbayes._core.precision import precision
from scalingbayes.combine.population import PopulationDraws, TableDraws
from scalingbayes.laws.base.parameters import Parameter
from scalingbayes.laws.base.resolved_priors import read_prior
from scalingbayes.posterior.posterior import Posterior

POOLABLE = (constraints.positive, constraints.real)
"""Supports of parameters that can be pooled."""

_PRIOR_DRAWS = 10_000


def is_positive(parameter: Parameter) -> bool:
    """Return whether a parameter's coordinate is its logarithm, and not the parameter itself."""
    return parameter.prior.support is not constraints.real


def normal_approximation(prior: Distribution, parameter: Parameter) -> tuple[float, float]:
    """Return the mean and sd of a prior in the parameter's coordinate.

    For a prior that is not normal there, they are those of a normal with the same median and the
    same central 68 % interval.
    """
    if isinstance(prior, LogNormal if is_positive(parameter) else Normal):
        return float(prior.loc), float(prior.scale)
    with precision("float64"):
        draws = prior.sample(jax.random.key(0), (_PRIOR_DRAWS,))
    low, middle, high = np.quantile(_coordinate(parameter, draws), [0.16, 0.5, 0.84])
    return float(middle), float((high - low) / 2)


def read_draws(post: Posterior, pooled: Mapping[str, Parameter]) -> TableDraws:
    """Return a fit's draws of the pooled parameters, and the density of the fit's own priors.

    Pooled parameters have no unit, so their priors do not depend on the reference point.
    """
    points, log_priors, normals = [], [], []
    for name, parameter in pooled.items():
        record = post.record.priors[name]
        with precision("float64"):
            prior = read_prior(name, record).distribution
            values = post.values[name].ravel()
            log_prior = np.asarray(prior.log_prob(jnp.asarray(values)))
        z = _coordinate(parameter, values)
        points.append(z)
        log_priors.append(log_prior + z if is_positive(parameter) else log_prior)
        normals.append(normal_approximation(prior, parameter))
    loc, scale = np.transpose(normals)
    return TableDraws(np.stack(points, 1), np.sum(log_priors, 0), loc, scale)


def predictive_priors(
    pooled: Mapping[str, Parameter], population: PopulationDraws
) -> dict[str, Distribution]:
    """Return priors with the mean and variance that a population predicts for a new table."""
    return {
        name: (LogNormal if is_positive(parameter) else Normal)(float(mean), float(sd))
        for (name, parameter), mean, sd in zip(
            pooled.items(), *population.predictive_moments(), strict=True
        )
    }


def _coordinate(
    parameter: Parameter, values: Float[np.ndarray, " draws"]
) -> Float[np.ndarray, " draws"]:
    return np.log(values) if is_positive(parameter) else np.asarray(values, float)
