"""The distribution of parameters over tables, inferred from draws of each table's own posterior.

The parameters of a table are normal over tables, with means mu and standard deviations tau. Given
(mu, tau), the evidence of a table is the mean over its draws of the density N(theta; mu, tau^2)
divided by the density of the fit's own prior. Draws of (mu, tau) are proposed as if the likelihood
of each table were normal, which has a closed form (Gelman et al., Bayesian Data Analysis, 3rd ed.,
section 5.4), and are weighted by the evidence of all tables.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.special import logsumexp

from scalingbayes.inference.importance import effective_sample_size, resample
from scalingbayes.inference.pareto import pareto_smooth

_LIKELIHOOD_EXPONENTS = (
    1.0,
    0.5,
    0.2,
    0.05,
    0.0,
)  # of all normal likelihoods, one for each proposal component
_EXPONENT_OF_OTHERS = 0.7  # in a component that leaves out one table
_PROPOSALS = 12_000
_KEPT = 2000
_CELLS = 1000  # of the grid of tau
_LARGEST_TAU = 4.0  # in scales of its half-normal prior
_SMALLEST_TAU = 1e-3  # in the same unit
_KERNELS = 1000  # largest number of draws in the evidence of a table
_MIN_INFORMATION = 1e-3  # of a table in any direction, relative to its prior's


type _Normal = tuple[Float[np.ndarray, "dim dim"], Float[np.ndarray, " dim"]]
"""Precision of a normal likelihood, and precision times mean."""

type _Terms = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Coefficients of a quadratic in mu: of each table, for each tau."""


class Hyperprior(NamedTuple):
    """The prior of the population: mu ~ Normal(loc, scale), tau ~ HalfNormal(between)."""

    loc: Float[np.ndarray, " dim"]
    scale: Float[np.ndarray, " dim"]
    between: Float[np.ndarray, " dim"]


class PopulationDraws(NamedTuple):
    """Draws of the population's means and sds, and diagnostics of their importance weights."""

    mu: Float[np.ndarray, "draws dim"]
    tau: Float[np.ndarray, "draws dim"]
    pareto_k: float
    effective_draws: float

    def log_density(self, points: Float[np.ndarray, "points dim"]) -> Float[np.ndarray, " points"]:
        """Return the log predictive density of the parameters of a new table."""
        precision = self.tau**-2
        square = (points**2) @ (-precision.T / 2) + points @ (self.mu * precision).T
        constant = -(np.log(2 * np.pi * self.tau**2) + self.mu**2 * precision).sum(1) / 2
        return logsumexp(square + constant, axis=1) - np.log(len(self.mu))

    def predictive_moments(self) -> tuple[Float[np.ndarray, " dim"], Float[np.ndarray, " dim"]]:
        """Return the predictive mean and sd of the parameters of a new table."""
        return self.mu.mean(0), np.sqrt(self.mu.var(0) + (self.tau**2).mean(0))


@dataclass(frozen=True, eq=False)
class TableDraws:
    """Draws of the pooled parameters from the fit of one table, in normal coordinates.

    Parameters
    ----------
    points
        Draws of the fit's posterior.
    log_prior
        Log density of the fit's own prior at each draw.
    loc, scale
        Mean and sd of a normal approximation of that prior; exact if the prior is normal.
    """

    points: Float[np.ndarray, "draws dim"]
    log_prior: Float[np.ndarray, " draws"]
    loc: Float[np.ndarray, " dim"]
    scale: Float[np.ndarray, " dim"]

    def reweighted_moments(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return weights of the draws under the normal prior, and weighted mean and covariance."""
        z = (self.points - self.loc) / self.scale
        log_ratio = -(z**2 / 2 + np.log(np.sqrt(2 * np.pi) * self.scale)).sum(1) - self.log_prior
        weights = np.exp(log_ratio - log_ratio.max())
        weights /= weights.sum()
        mean = weights @ self.points
        deviations = self.points - mean
        return weights, mean, (weights[:, None] * deviations).T @ deviations

    def likelihood(self, which: Sequence[int]) -> _Normal:
        """Return a normal approximation of the likelihood of some of the parameters."""
        _, mean, covariance = self.reweighted_moments()
        mean, covariance = mean[which], covariance[np.ix_(which, which)]
        loc, scale = self.loc[which], self.scale[which]
        posterior = np.linalg.inv(covariance)
        relative = posterior * np.outer(scale, scale) - np.eye(len(mean))
        values, vectors = np.linalg.eigh(relative)
        relative = (vectors * np.maximum(values, _MIN_INFORMATION)) @ vectors.T
        return relative / np.outer(scale, scale), posterior @ mean - loc / scale**2

    def log_evidence(
        self, mu: Float[np.ndarray, "proposals dim"], tau: Float[np.ndarray, "proposals dim"]
    ) -> Float[np.ndarray, " proposals"]:
        """Return the log evidence of the table given each population, up to a constant.

        Each draw is replaced by a normal kernel, in a way that keeps the mean and covariance of all
        draws (West 1993, J. R. Stat. Soc. B 55, 409-422). The evidence is then smooth for any small
        tau, and unbiased if the posterior is normal. The integral over each kernel has a closed
        form.
        """
        weights, mean, covariance = self.reweighted_moments()
        dim = len(mean)
        count = min(_KERNELS, effective_sample_size(weights))
        # The square of Silverman's bandwidth.
        shrinkage = (4 / ((dim + 2) * count)) ** (2 / (dim + 4))
        relative = covariance / np.outer(self.scale, self.scale)
        # Kernel over prior must be integrable, so the kernel must be narrower than the prior in
        # every direction.
        shrinkage = min(shrinkage, 0.5, 0.5 / np.linalg.eigvalsh(relative)[-1])
        # Evenly spaced draws, relative to the mean to avoid rounding errors.
        chosen = np.linspace(0, len(self.points) - 1, min(_KERNELS, len(self.points))).astype(int)
        d = np.sqrt(1 - shrinkage) * (self.points[chosen] - mean)
        prior_precision = self.scale**-2
        kernel = np.linalg.inv(shrinkage * covariance)
        population_precision = tau**-2
        # The exponent is quadratic in theta, with precision Q and linear term kernel @ d + c.
        c = population_precision * (mu - mean) - prior_precision * (self.loc - mean)
        Q = kernel + np.eye(dim) * (population_precision - prior_precision)[:, None, :]
        inverse = np.linalg.inv(Q)
        product = kernel @ inverse
        constant = np.einsum("mi,mij,mj->m", c, inverse, c) - np.linalg.slogdet(Q)[1]
        constant += (np.log(population_precision) - population_precision * (mu - mean) ** 2).sum(1)
        linear = np.einsum("mij,mj->mi", product, c)
        square = (product @ kernel - kernel).reshape(len(mu), -1)
        pairs = (d[:, :, None] * d[:, None, :]).reshape(len(d), -1)
        with np.errstate(divide="ignore"):
            logs = np.log(weights[chosen])
        parts = np.array_split(np.arange(len(mu)), -(-len(mu) // 1000))
        sums = [
            logsumexp(pairs @ square[i].T / 2 + d @ linear[i].T + logs[:, None], axis=0)
            for i in parts
        ]
        return np.concatenate(sums) + constant / 2


@dataclass(frozen=True, eq=False)
class Population:
    """The population, inferred from all tables and from all but one.

    Parameters
    ----------
    all
        Draws given all tables.
    others
        For each table, draws given the other tables. Their predictive distribution is the table's
        prior.
    """

    all: PopulationDraws
    others: list[PopulationDraws]


def infer_population(tables: Sequence[TableDraws], hyperprior: Hyperprior, seed: int) -> Population:
    """Return draws of the means and sds of parameters over tables.

    Parameters
    ----------
    tables
        Draws of each table's own posterior.
    hyperprior
        Priors of the means and sds.
    seed
        Seed of the random numbers.
    """
    random = np.random.default_rng(seed)
    mu, tau, log_density = _propose(tables, hyperprior, random)
    log_prior = -(((mu - hyperprior.loc) / hyperprior.scale) ** 2 / 2).sum(1)
    log_prior -= ((tau / hyperprior.between) ** 2 / 2).sum(1)
    evidence = np.stack([table.log_evidence(mu, tau) for table in tables])

    def condition_on(chosen_tables: Iterable[int]) -> PopulationDraws:
        log_weights = log_prior - log_density
        for table in chosen_tables:
            log_weights = log_weights + evidence[table]
        weights, pareto_k = pareto_smooth(log_weights)
        chosen = resample(weights, _KEPT, np.random.default_rng([seed, 1]))
        return PopulationDraws(mu[chosen], tau[chosen], pareto_k, effective_sample_size(weights))

    every = range(len(tables))
    others = [condition_on(other for other in every if other != left_out) for left_out in every]
    return Population(condition_on(every), others)


def _propose(
    tables: Sequence[TableDraws],
    hyperprior: Hyperprior,
    random: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray, Float[np.ndarray, " proposals"]]:
    """Return draws of mu and tau from a mixture of proposals, and their log proposal density.

    Each component of the mixture raises the normal likelihoods of the tables to powers. A power
    below 1 covers populations that non-normal likelihoods support; power 0 is the hyperprior. A
    component without one table covers the populations that the other tables support. In each
    component, tau of each parameter is drawn on a grid, and mu given tau is a joint normal.
    """
    dim = len(hyperprior.loc)
    all_tables = np.outer(_LIKELIHOOD_EXPONENTS, np.ones(len(tables)))
    powers = np.concatenate([all_tables, _EXPONENT_OF_OTHERS * (1 - np.eye(len(tables)))])
    count = -(-_PROPOSALS // len(powers))  # draws of each component
    grid = hyperprior.between[:, None] * np.linspace(_SMALLEST_TAU, _LARGEST_TAU, _CELLS + 1)
    probabilities = _tau_probabilities(tables, hyperprior, powers, grid)
    cell = np.concatenate(
        [np.stack([resample(p, count, random) for p in each], 1) for each in probabilities]
    )
    width = grid[:, 1] - grid[:, 0]
    tau = grid[np.arange(dim), cell] + width * random.uniform(size=cell.shape)
    terms = _normal_terms([table.likelihood(range(dim)) for table in tables], tau)
    normal = random.standard_normal(tau.shape)
    mu = np.empty_like(tau)
    centers, roots = [], []
    for component, power in enumerate(powers):
        center, precision, _ = _given_tau(terms, power, hyperprior.loc, hyperprior.scale)
        centers.append(center)
        roots.append(np.linalg.cholesky(precision))
        block = slice(component * count, (component + 1) * count)
        mu[block] = (
            center[block] + np.linalg.solve(roots[-1][block].mT, normal[block][..., None])[..., 0]
        )
    log_densities = []
    for component, (center, root) in enumerate(zip(centers, roots, strict=True)):
        z = (root.mT @ (mu - center)[..., None])[..., 0]
        log_mu = np.log(np.diagonal(root, axis1=1, axis2=2)).sum(1) - (z**2).sum(1) / 2
        with np.errstate(divide="ignore"):
            log_tau = np.log(probabilities[component][np.arange(dim), cell]).sum(1)
        log_densities.append(log_mu + log_tau)
    return mu, tau, logsumexp(np.stack(log_densities), axis=0)


def _tau_probabilities(
    tables: Sequence[TableDraws],
    hyperprior: Hyperprior,
    powers: Float[np.ndarray, "components tables"],
    grid: Float[np.ndarray, "dim edges"],
) -> Float[np.ndarray, "components dim cells"]:
    """Return the probability of each cell of the grid of tau, for each component and parameter."""
    middles = (grid[:, 1:] + grid[:, :-1]) / 2
    probabilities = np.empty((len(powers), *middles.shape))
    for j in range(len(grid)):
        terms = _normal_terms([table.likelihood([j]) for table in tables], middles[j][:, None])
        for component, power in enumerate(powers):
            log_evidence = _given_tau(terms, power, hyperprior.loc[j], hyperprior.scale[j])[2]
            logs = log_evidence - (middles[j] / hyperprior.between[j]) ** 2 / 2
            relative = np.exp(logs - logs.max())
            probabilities[component, j] = relative / relative.sum()
    return probabilities


def _normal_terms(likelihoods: Sequence[_Normal], tau: Float[np.ndarray, "taus dim"]) -> _Terms:
    """Return the log evidence of tables with normal likelihoods, as quadratics in mu.

    With precision P, precision times mean b, and T = diag(tau^2), the log evidence is
    -mu' (I + P T)^-1 P mu / 2 + mu' (I + P T)^-1 b + b' T (I + P T)^-1 b / 2 - log|I + P T| / 2.
    """
    squares, lines, constants = [], [], []
    for precision, precision_mean in likelihoods:
        widened = np.eye(tau.shape[1]) + precision * tau[:, None, :] ** 2
        inverse = np.linalg.inv(widened)
        square, line = inverse @ precision, inverse @ precision_mean
        squares.append((square + square.mT) / 2)
        lines.append(line)
        gain = (precision_mean * tau**2 * line).sum(1)
        constants.append((gain - np.linalg.slogdet(widened)[1]) / 2)
    return np.stack(squares), np.stack(lines), np.stack(constants)


def _given_tau(
    terms: _Terms,
    powers: Float[np.ndarray, " tables"],
    loc: Float[np.ndarray, "*dim"],
    scale: Float[np.ndarray, "*dim"],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the mean and precision of mu given tau, and the log evidence for tau."""
    square, line, constant = (np.tensordot(powers, each, 1) for each in terms)
    precision = np.eye(line.shape[1]) * scale**-2 + square
    precision_mean = loc * scale**-2 + line
    mean = np.linalg.solve(precision, precision_mean[..., None])[..., 0]
    log_evidence = constant + (precision_mean * mean).sum(1) / 2
    return mean, precision, log_evidence - np.linalg.slogdet(precision)[1] / 2
