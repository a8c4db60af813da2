"""The distribution of parameters over tables, from draws of each table's own posterior.

Parameters of table t are normal with means mu and standard deviations tau. Given these, the table's
evidence is the mean over its draws of N(theta; mu, tau^2) over the density of the fit's own prior.
(mu, tau) are drawn as if each table's likelihood were normal, which has a closed form (Gelman et
al., Bayesian Data Analysis, 3rd ed., section 5.4), and weighed by the evidence of all tables.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from scalingbayes.inference.importance import resample, smooth

_POWERS = (1.0, 0.5, 0.2, 0.05, 0.0)  # of all normal likelihoods in what (mu, tau) is drawn from
_POWER_OF_OTHERS = 0.7  # of all but one
_PROPOSALS = 12_000
_KEPT = 2000
_CELLS = 1000  # of the grid of tau
_LARGEST_TAU = 4.0  # in scales of its half-normal prior
_SMALLEST_TAU = 1e-3  # tables that differ by less are alike
_KERNELS = 1000  # draws of a table that its evidence is made of
_WEAKEST = 1e-3  # the least that a table is taken to say in a direction, over what its prior says


type _Normal = tuple[Float[np.ndarray, "dim dim"], Float[np.ndarray, " dim"]]
type _Terms = tuple[np.ndarray, np.ndarray, np.ndarray]


class Hyperprior(NamedTuple):
    """mu ~ Normal(loc, scale), tau ~ HalfNormal(between), a parameter each."""

    loc: Float[np.ndarray, " dim"]
    scale: Float[np.ndarray, " dim"]
    between: Float[np.ndarray, " dim"]


class Members(NamedTuple):
    """Draws of the population's mean and sd, and Pareto's k and worth of their weights."""

    mu: Float[np.ndarray, "draws dim"]
    tau: Float[np.ndarray, "draws dim"]
    pareto_k: float
    effective_draws: float

    def log_density(self, points: Float[np.ndarray, "points dim"]) -> Float[np.ndarray, " points"]:
        """Log density of the parameters of a new table."""
        precision = self.tau**-2
        square = (points**2) @ (-precision.T / 2) + points @ (self.mu * precision).T
        constant = -(np.log(2 * np.pi * self.tau**2) + self.mu**2 * precision).sum(1) / 2
        return _log_sum(square + constant) - np.log(len(self.mu))

    def moments(self) -> tuple[Float[np.ndarray, " dim"], Float[np.ndarray, " dim"]]:
        """Mean and sd of the parameters of a new table."""
        return self.mu.mean(0), np.sqrt(self.mu.var(0) + (self.tau**2).mean(0))


@dataclass(frozen=True, eq=False)
class TableDraws:
    """What the fit of one table says of the pooled parameters, in their coordinates.

    Parameters
    ----------
    points
        Draws of its posterior.
    log_prior
        Log density of its own prior at each.
    loc, scale
        A normal near that prior; the prior itself if that is normal.
    """

    points: Float[np.ndarray, "draws dim"]
    log_prior: Float[np.ndarray, " draws"]
    loc: Float[np.ndarray, " dim"]
    scale: Float[np.ndarray, " dim"]

    def moments(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Weights that make the fit's prior the normal one; mean and covariance under them."""
        z = (self.points - self.loc) / self.scale
        log_ratio = -(z**2 / 2 + np.log(np.sqrt(2 * np.pi) * self.scale)).sum(1) - self.log_prior
        weights = np.exp(log_ratio - log_ratio.max())
        weights /= weights.sum()
        mean = weights @ self.points
        off = self.points - mean
        return weights, mean, (weights[:, None] * off).T @ off

    def likelihood(self, which: Sequence[int]) -> _Normal:
        """Describe some parameters' likelihood as a normal: precision, and that times the mean."""
        _, mean, covariance = self.moments()
        mean, covariance = mean[which], covariance[np.ix_(which, which)]
        loc, scale = self.loc[which], self.scale[which]
        posterior = np.linalg.inv(covariance)
        relative = posterior * np.outer(scale, scale) - np.eye(len(mean))
        values, vectors = np.linalg.eigh(relative)
        relative = (vectors * np.maximum(values, _WEAKEST)) @ vectors.T
        return relative / np.outer(scale, scale), posterior @ mean - loc / scale**2

    def log_evidence(
        self, mu: Float[np.ndarray, "proposals dim"], tau: Float[np.ndarray, "proposals dim"]
    ) -> Float[np.ndarray, " proposals"]:
        """Log of the table's evidence for each mean and sd of the population, but for a constant.

        Draws stand for kernels that keep their mean and covariance (West 1993, J. R. Stat. Soc. B
        55, 409-422), so that it is smooth however small tau is, and without bias where the
        posterior is normal. Integrals over a kernel are closed forms.
        """
        weights, mean, covariance = self.moments()
        dim = len(mean)
        count = min(_KERNELS, 1 / (weights**2).sum())
        width = (4 / ((dim + 2) * count)) ** (2 / (dim + 4))  # Silverman's, squared
        relative = covariance / np.outer(self.scale, self.scale)
        # A kernel over the prior, as it comes into the integral, must fall off.
        width = min(width, 0.5, 0.5 / np.linalg.eigvalsh(relative)[-1])
        # An even comb through the draws; all is counted from the mean, against rounding.
        taken = np.linspace(0, len(self.points) - 1, min(_KERNELS, len(self.points))).astype(int)
        d = np.sqrt(1 - width) * (self.points[taken] - mean)
        own = self.scale**-2
        kernel = np.linalg.inv(width * covariance)
        population = tau**-2
        # The exponent is quadratic in theta: precision Q, and kernel @ d + c in front.
        c = population * (mu - mean) - own * (self.loc - mean)
        Q = kernel + np.eye(dim) * (population - own)[:, None, :]
        inverse = np.linalg.inv(Q)
        through = kernel @ inverse
        constant = np.einsum("mi,mij,mj->m", c, inverse, c) - np.linalg.slogdet(Q)[1]
        constant += (np.log(population) - population * (mu - mean) ** 2).sum(1)
        linear = np.einsum("mij,mj->mi", through, c)
        square = (through @ kernel - kernel).reshape(len(mu), -1)
        pairs = (d[:, :, None] * d[:, None, :]).reshape(len(d), -1)
        with np.errstate(divide="ignore"):
            logs = np.log(weights[taken])
        parts = np.array_split(np.arange(len(mu)), -(-len(mu) // 1000))
        sums = [
            _log_sum(pairs @ square[i].T / 2 + d @ linear[i].T + logs[:, None], 0) for i in parts
        ]
        return np.concatenate(sums) + constant / 2


@dataclass(frozen=True, eq=False)
class Population:
    """What tables say together.

    Parameters
    ----------
    all
        Draws of the population, given all tables.
    others
        For each table those given the others: what they predict is its prior.
    """

    all: Members
    others: list[Members]


def infer_population(tables: Sequence[TableDraws], hyperprior: Hyperprior, seed: int) -> Population:
    """Infer the mean and sd of parameters over tables.

    Parameters
    ----------
    tables
        Draws of each table's own posterior.
    hyperprior
        Priors of the means and sds.
    seed
        Seed of the draws.
    """
    random = np.random.default_rng(seed)
    mu, tau, log_density = _propose(tables, hyperprior, random)
    log_prior = -(((mu - hyperprior.loc) / hyperprior.scale) ** 2 / 2).sum(1)
    log_prior -= ((tau / hyperprior.between) ** 2 / 2).sum(1)
    evidence = np.stack([table.log_evidence(mu, tau) for table in tables])

    def given(which: Iterable[int]) -> Members:
        log_weights = log_prior - log_density
        for place in which:
            log_weights = log_weights + evidence[place]
        weights, pareto_k = smooth(log_weights)
        chosen = resample(weights, _KEPT, np.random.default_rng([seed, 1]))
        return Members(mu[chosen], tau[chosen], pareto_k, float(1 / (weights**2).sum()))

    every = range(len(tables))
    others = [given(other for other in every if other != place) for place in every]
    return Population(given(every), others)


def _propose(
    tables: Sequence[TableDraws],
    hyperprior: Hyperprior,
    random: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray, Float[np.ndarray, " proposals"]]:
    """Draw (mu, tau) with normal likelihoods raised to several powers, and say how likely each was.

    tau of each parameter is drawn on a grid of its own; mu, given all tau, together. Powers below 1
    reach beyond where likelihoods are not normal, 0 as far as the hyperprior; and what is drawn
    without a table reaches where the others alone point.
    """
    dim = len(hyperprior.loc)
    every = np.outer(_POWERS, np.ones(len(tables)))
    powers = np.concatenate([every, _POWER_OF_OTHERS * (1 - np.eye(len(tables)))])
    each = -(-_PROPOSALS // len(powers))
    grid = hyperprior.between[:, None] * np.linspace(_SMALLEST_TAU, _LARGEST_TAU, _CELLS + 1)
    cells = grid[:, 1] - grid[:, 0]
    middles = (grid[:, 1:] + grid[:, :-1]) / 2
    shares = np.empty((len(powers), dim, _CELLS))
    for j in range(dim):
        terms = _normal_terms([table.likelihood([j]) for table in tables], middles[j][:, None])
        for place, power in enumerate(powers):
            log_evidence = _given_tau(terms, power, hyperprior.loc[j], hyperprior.scale[j])[2]
            log_share = log_evidence - (middles[j] / hyperprior.between[j]) ** 2 / 2
            share = np.exp(log_share - log_share.max())
            shares[place, j] = share / share.sum()
    cell = np.concatenate(
        [np.stack([resample(share, each, random) for share in of_power], 1) for of_power in shares]
    )
    tau = grid[np.arange(dim), cell] + cells * random.uniform(size=cell.shape)
    terms = _normal_terms([table.likelihood(range(dim)) for table in tables], tau)
    normal = random.standard_normal(tau.shape)
    mu = np.empty_like(tau)
    centers, roots = [], []
    for place, power in enumerate(powers):
        center, precision, _ = _given_tau(terms, power, hyperprior.loc, hyperprior.scale)
        centers.append(center)
        roots.append(np.linalg.cholesky(precision))
        own = slice(place * each, (place + 1) * each)
        off = np.linalg.solve(roots[-1][own].mT, normal[own][..., None])[..., 0]
        mu[own] = center[own] + off
    found = []
    for place, (center, root) in enumerate(zip(centers, roots, strict=True)):
        z = (root.mT @ (mu - center)[..., None])[..., 0]
        of_mu = np.log(np.diagonal(root, axis1=1, axis2=2)).sum(1) - (z**2).sum(1) / 2
        with np.errstate(divide="ignore"):
            of_tau = np.log(shares[place][np.arange(dim), cell]).sum(1)
        found.append(of_mu + of_tau)
    return mu, tau, _log_sum(np.stack(found), 0)


def _normal_terms(likelihoods: Sequence[_Normal], tau: Float[np.ndarray, "taus dim"]) -> _Terms:
    """Find tables' log evidence, normal likelihoods given: a quadratic in mu for each tau.

    With precision P, P times mean b and T = diag(tau^2) it is
    -mu' (I + P T)^-1 P mu / 2 + mu' (I + P T)^-1 b + b' T (I + P T)^-1 b / 2 - log|I + P T| / 2.
    """
    squares, lines, constants = [], [], []
    for precision, information in likelihoods:
        widened = np.eye(tau.shape[1]) + precision * tau[:, None, :] ** 2
        inverse = np.linalg.inv(widened)
        square, line = inverse @ precision, inverse @ information
        squares.append((square + square.mT) / 2)
        lines.append(line)
        gain = (information * tau**2 * line).sum(1)
        constants.append((gain - np.linalg.slogdet(widened)[1]) / 2)
    return np.stack(squares), np.stack(lines), np.stack(constants)


def _given_tau(
    terms: _Terms,
    powers: Float[np.ndarray, " tables"],
    loc: Float[np.ndarray, "*dim"],
    scale: Float[np.ndarray, "*dim"],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean and precision of mu given tau, and the log evidence for tau."""
    square, line, constant = (np.tensordot(powers, each, 1) for each in terms)
    precision = np.eye(line.shape[1]) * scale**-2 + square
    information = loc * scale**-2 + line
    mean = np.linalg.solve(precision, information[..., None])[..., 0]
    log_evidence = constant + (information * mean).sum(1) / 2
    return mean, precision, log_evidence - np.linalg.slogdet(precision)[1] / 2


def _log_sum(
    values: Float[np.ndarray, "rows columns"], axis: int = 1
) -> Float[np.ndarray, " left"]:
    top = values.max(axis)
    return np.log(np.exp(values - np.expand_dims(top, axis)).sum(axis)) + top
