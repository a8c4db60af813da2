"""Other software and published procedures on the same tables, to compare answers and times.

Nothing here is timed, and nothing uses this package: each function does what its source does, as a
careful user would write it. All take arrays of params, tokens and loss, and answer in their units.

    pip install autograd chinchilla simple-scaling-laws pymc nutpie

A missing package raises `Absent`, so that the other peers can still be compared.
"""

import importlib
import logging
import os
import tempfile
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import product
from types import ModuleType
from typing import Any, Literal

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import numpyro
import numpyro.distributions as dist
import pandas as pd
from numpyro import infer
from scipy.optimize import minimize

NAMES = ("E", "A", "B", "alpha", "beta")

HOFFMANN = np.array([np.log(406.4), np.log(410.7), np.log(1.69), 0.34, 0.28])
"""The fit that Hoffmann et al. 2022 published, as a point (a, b, e, alpha, beta)."""

HOFFMANN_GRID: dict[str, list[float]] = {
    "a": [0.0, 5.0, 10.0, 15.0, 20.0, 25.0],
    "b": [0.0, 5.0, 10.0, 15.0, 20.0, 25.0],
    "e": [-1.0, -0.5, 0.0, 0.5, 1.0],
    "alpha": [0.0, 0.5, 1.0, 1.5, 2.0],
    "beta": [0.0, 0.5, 1.0, 1.5, 2.0],
}
"""The grid of starts of Hoffmann et al. 2022, appendix D.3; a, b, e are logarithms of A, B, E."""

DELTA = 1e-3
"""Log loss at which Huber's loss turns from a square to a line."""


class Absent(Exception):  # noqa: N818 - no error: a reason to leave a row out
    """A package that a peer needs is not installed."""

    def __init__(self, name: str, remedy: str) -> None:
        super().__init__(f"{name} is not installed: {remedy}")
        self.name = name
        self.remedy = remedy


@dataclass(frozen=True)
class PointFit:
    """The answer of a peer, and its sum of Huber losses, whatever the peer itself minimised."""

    values: dict[str, float]
    objective: float
    starts: int


def need(module: str, package: str) -> ModuleType:
    """Import a peer's module, or raise an error that says how to install its package."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise Absent(package, f"pip install {package}") from error


# Hoffmann et al. 2022, approach 3, and its replication by Besiroglu et al. 2024


def sum_of_huber(
    point: np.ndarray,
    log_params: np.ndarray,
    log_tokens: np.ndarray,
    log_loss: np.ndarray,
    backend: Any = np,
) -> Any:
    """Sum the Huber losses of a point (a, b, e, alpha, beta); the backend may be autograd's."""
    a, b, e, alpha, beta = point
    model, data = a - alpha * log_params, b - beta * log_tokens
    expected = backend.log(backend.exp(model) + backend.exp(data) + backend.exp(e))
    size = backend.abs(expected - log_loss)
    near, far = 0.5 * size**2, DELTA * (size - 0.5 * DELTA)
    return backend.sum(backend.where(size <= DELTA, near, far))


def huber_objective(
    values: Mapping[str, float], params: np.ndarray, tokens: np.ndarray, loss: np.ndarray
) -> float:
    """Sum the Huber losses of given E, A, B, alpha and beta."""
    logs = [np.log(values[name]) for name in ("A", "B", "E")]
    point = np.array([*logs, values["alpha"], values["beta"]])
    return float(sum_of_huber(point, np.log(params), np.log(tokens), np.log(loss)))


def hoffmann_starts() -> np.ndarray:
    """Return the 4,500 points (a, b, e, alpha, beta) of the published grid; shape (4500, 5)."""
    return np.array(list(product(*HOFFMANN_GRID.values())))


def scipy_starts(
    params: np.ndarray, tokens: np.ndarray, loss: np.ndarray, starts: np.ndarray
) -> PointFit:
    """Minimise the sum of Huber losses by BFGS with numerical gradients, from each start."""
    logs = np.log(params), np.log(tokens), np.log(loss)
    best_objective, best_point = np.inf, starts[0]
    with np.errstate(all="ignore"):  # line searches overflow far from the data
        for start in starts:
            found = minimize(sum_of_huber, start, args=logs, method="BFGS")
            if found.fun < best_objective:
                best_objective, best_point = found.fun, found.x
    return PointFit(named(in_units(best_point)), float(best_objective), len(starts))


def bfgs_bootstrap(
    params: np.ndarray, tokens: np.ndarray, loss: np.ndarray, count: int, seed: int
) -> np.ndarray:
    """Refit resampled rows by BFGS with autograd's gradients; shape (count, 5), in NAMES' order.

    Every refit starts at the optimum of all rows, itself found from Hoffmann's published fit. From
    there BFGS takes a third less time than from Hoffmann's fit, to the same standard errors; one
    refit in fifteen stops a little short, at an objective some 1e-4 of it too high.
    """
    autograd_numpy = need("autograd.numpy", "autograd")
    gradient = need("autograd", "autograd").grad(sum_of_huber)
    table = np.log(np.stack([params, tokens, loss]))

    def refit(rows: np.ndarray, start: np.ndarray) -> np.ndarray:
        args = (*table[:, rows], autograd_numpy)
        return minimize(sum_of_huber, start, args=args, jac=gradient, method="BFGS").x

    random, everything = np.random.default_rng(seed), np.arange(len(loss))
    with np.errstate(all="ignore"):
        optimum = refit(everything, HOFFMANN)
        resampled = [random.choice(everything, len(loss)) for _ in range(count)]
        return np.array([in_units(refit(rows, optimum)) for rows in resampled])


def in_units(point: np.ndarray) -> np.ndarray:
    """Return E, A, B, alpha, beta of a point (a, b, e, alpha, beta)."""
    a, b, e, alpha, beta = point
    return np.array([np.exp(e), np.exp(a), np.exp(b), alpha, beta])


def named(values: np.ndarray) -> dict[str, float]:
    return {name: float(value) for name, value in zip(NAMES, values, strict=True)}


# The package `chinchilla`


def chinchilla_package(
    params: np.ndarray,
    tokens: np.ndarray,
    loss: np.ndarray,
    grid: Mapping[str, list[float]] = HOFFMANN_GRID,
) -> PointFit:
    """Fit by BFGS in extended precision from each point of a grid, in parallel processes."""
    values = in_a_chinchilla_project(params, tokens, loss, grid, fit_chinchilla)
    starts = int(np.prod([len(axis) for axis in grid.values()]))
    return PointFit(values, huber_objective(values, params, tokens, loss), starts)


def chinchilla_package_grid(
    params: np.ndarray,
    tokens: np.ndarray,
    loss: np.ndarray,
    grid: Mapping[str, list[float]] = HOFFMANN_GRID,
) -> float:
    """Evaluate the objective at each point of a grid, without fitting; return the least."""
    return in_a_chinchilla_project(
        params, tokens, loss, grid, lambda project: float(project.sweep_param_grid(plot=False)[1])
    )


def fit_chinchilla(project: Any) -> dict[str, float]:
    project.fit()
    return project.params


def in_a_chinchilla_project[T](
    params: np.ndarray,
    tokens: np.ndarray,
    loss: np.ndarray,
    grid: Mapping[str, list[float]],
    act: Callable[[Any], T],
) -> T:
    """Create the directory with a table that the package works in, and change to it.

    It minimises the mean of the loss function that it is given, and the gradient of so small a mean
    is below BFGS's tolerance long before the optimum. Times the rows it is the published sum.
    """
    package = need("chinchilla", "chinchilla")
    log_huber = need("chinchilla._metrics", "chinchilla").log_huber

    def published(observed: np.ndarray, expected: np.ndarray) -> np.ndarray:
        return len(observed) * log_huber(observed, expected, delta=DELTA)

    # E, A and B, or their logarithms, must come in this order whatever the grid's.
    ordered = {name: grid[name] for name in ("e", "a", "b", "alpha", "beta")}
    table = {"C": 6 * params * tokens, "N": params, "D": tokens, "loss": loss}
    with tempfile.TemporaryDirectory() as directory, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of forks, overflow, and figures that cannot be shown
        plt.switch_backend("agg")  # fits are always plotted and shown
        pd.DataFrame(table).to_csv(f"{directory}/df.csv", index=False)
        return act(package.Chinchilla(directory, ordered, loss_fn=published, log_level=50))


# The package `simple-scaling-laws`


def simple_scaling_laws_package(
    params: np.ndarray, tokens: np.ndarray, loss: np.ndarray
) -> PointFit:
    """Fit by least squares of the loss itself, from the best points of the package's own grid."""
    model, target = fit_simple_scaling_laws(params, tokens, loss, count=1, seed=0)
    fit = model.fits[target]
    values = named(simple_scaling_laws_units(model, fit.params[None])[0])
    objective = huber_objective(values, params, tokens, loss)
    return PointFit(values, objective, fit.optimizer["n_starts"])


def simple_scaling_laws_bootstrap(
    params: np.ndarray, tokens: np.ndarray, loss: np.ndarray, count: int, seed: int
) -> np.ndarray:
    """Fit, and refit the package's own bootstrap; shape (count, 5), in NAMES' order."""
    model, target = fit_simple_scaling_laws(params, tokens, loss, count, seed)
    return simple_scaling_laws_units(model, model.draws[target].params)


def simple_scaling_laws_grid(
    params: np.ndarray, tokens: np.ndarray, loss: np.ndarray
) -> np.ndarray:
    """Solve E, A and B exactly at each of the package's 36 pairs of exponents.

    Rows are alpha, beta and half the sum of squares there; shape (36, 3), the best pair first.
    """
    fitting = need("simple_scaling_laws.fitting", "simple-scaling-laws")
    laws = need("simple_scaling_laws.laws", "simple-scaling-laws")
    law = laws.build_law("separable-power", ["model_size__params"], ["dataset_size__tokens"])
    log_inputs = np.log(np.stack([params, tokens], axis=1))
    log_inputs -= log_inputs.mean(axis=0)
    bounds = fitting.parameter_bounds(law, loss, signed_amplitude=False)
    seeder = fitting.GridSeeder(law, log_inputs, np.ones(len(loss)), bounds)
    found = seeder.seeds(loss, n_seeds=len(seeder.nonlinear))
    return np.array([[*point[law.n_linear :], cost] for cost, point in found])


def fit_simple_scaling_laws(
    params: np.ndarray, tokens: np.ndarray, loss: np.ndarray, count: int, seed: int
) -> tuple[Any, str]:
    """Fit the package's model and refit its bootstrap, of one draw at least."""
    package = need("simple_scaling_laws", "simple-scaling-laws")
    polars = need("polars", "polars")
    target = "test_loss__loss"  # prefixes say what a column is
    table = polars.DataFrame(
        {
            "training_run_id": np.arange(len(loss)),
            "model_size__params": params,
            "dataset_size__tokens": tokens,
            target: loss,
        }
    )
    return package.fit(table, law="separable-power", n_draws=count, seed=seed), target


def simple_scaling_laws_units(model: Any, points: np.ndarray) -> np.ndarray:
    """Convert E, A, B, alpha and beta from the inputs' geometric means to the table's units."""
    values = points.copy()
    domain = model.observed_domain
    values[:, 1] *= domain["model_size__params"]["reference"] ** values[:, 3]
    values[:, 2] *= domain["dataset_size__tokens"]["reference"] ** values[:, 4]
    return values


# The Student t model, written by hand


@dataclass(frozen=True)
class Centred:
    """A table over its reference point: geometric means of the inputs, smallest loss.

    Stated there, A and B are parts of the loss in the middle of the data. As coefficients of raw
    inputs each would be all but a function of its exponent, and sampling many times slower.
    """

    params: float
    tokens: float
    loss: float
    log_params: np.ndarray
    log_tokens: np.ndarray
    log_loss: np.ndarray

    @classmethod
    def of(cls, params: np.ndarray, tokens: np.ndarray, loss: np.ndarray) -> "Centred":
        log_params, log_tokens, log_loss = np.log(params), np.log(tokens), np.log(loss)
        logs = log_params, log_tokens, log_loss
        means = log_params.mean(), log_tokens.mean(), log_loss.min()
        at, centred = np.exp(means), [x - mean for x, mean in zip(logs, means, strict=True)]
        return cls(float(at[0]), float(at[1]), float(at[2]), *centred)

    def in_units(self, draws: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Convert draws from the reference point to the table's units."""
        alpha, beta = draws["alpha"], draws["beta"]
        return {
            "E": draws["E"] * self.loss,
            "A": draws["A"] * self.loss * self.params**alpha,
            "B": draws["B"] * self.loss * self.tokens**beta,
            "alpha": alpha,
            "beta": beta,
        }


def pymc_nuts(
    params: np.ndarray,
    tokens: np.ndarray,
    loss: np.ndarray,
    sampler: Literal["pymc", "nutpie"],
    chains: int = 4,
    draws: int = 1000,
    tune: int = 1000,
    seed: int = 0,
) -> dict[str, np.ndarray]:
    """Sample by PyMC's own NUTS or by nutpie's; each of E, A, B, alpha, beta is (chains, draws)."""
    pm = need("pymc", "pymc")
    if sampler == "nutpie":
        need("nutpie", "nutpie")
    logging.getLogger("pymc").setLevel(logging.ERROR)
    table = Centred.of(params, tokens, loss)
    with pm.Model(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of forks in a process that has used JAX
        E = pm.HalfNormal("E", 1.0)
        A, B = pm.LogNormal("A", -1.2, 1.5), pm.LogNormal("B", -1.2, 1.5)
        alpha, beta = pm.LogNormal("alpha", -1.0, 0.8), pm.LogNormal("beta", -1.0, 0.8)
        sigma, nu = pm.LogNormal("sigma", np.log(0.01), 1.5), pm.LogNormal("nu", 2.0, 1.0)
        model_term = A * pm.math.exp(-alpha * table.log_params)
        data_term = B * pm.math.exp(-beta * table.log_tokens)
        expected = pm.math.log(E + model_term + data_term)
        pm.StudentT("log_loss", nu=nu, mu=expected, sigma=sigma, observed=table.log_loss)
        found = pm.sample(
            draws,
            tune=tune,
            chains=chains,
            cores=min(chains, os.cpu_count() or 1),
            random_seed=seed,
            nuts_sampler=sampler,
            progressbar=False,
            compute_convergence_checks=False,
        )
    return table.in_units({name: found["posterior"][name].to_numpy() for name in NAMES})


def numpyro_one_by_one(
    params: np.ndarray,
    tokens: np.ndarray,
    loss: np.ndarray,
    chains: int = 4,
    draws: int = 500,
    warmup: int = 500,
    seed: int = 0,
) -> dict[str, np.ndarray]:
    """Sample one table with numpyro's NUTS at its defaults; each of NAMES is (chains, draws)."""
    table = Centred.of(params, tokens, loss)

    def model() -> None:
        E = numpyro.sample("E", dist.HalfNormal(1.0))
        A = numpyro.sample("A", dist.LogNormal(-1.2, 1.5))
        B = numpyro.sample("B", dist.LogNormal(-1.2, 1.5))
        alpha = numpyro.sample("alpha", dist.LogNormal(-1.0, 0.8))
        beta = numpyro.sample("beta", dist.LogNormal(-1.0, 0.8))
        sigma = numpyro.sample("sigma", dist.LogNormal(np.log(0.01), 1.5))
        nu = numpyro.sample("nu", dist.LogNormal(2.0, 1.0))
        model_term = A * jnp.exp(-alpha * table.log_params)
        data_term = B * jnp.exp(-beta * table.log_tokens)
        scatter = dist.StudentT(nu, jnp.log(E + model_term + data_term), sigma)
        numpyro.sample("log_loss", scatter, obs=table.log_loss)

    with jax.enable_x64(True):
        sampler = infer.MCMC(
            infer.NUTS(model),
            num_warmup=warmup,
            num_samples=draws,
            num_chains=chains,
            chain_method="vectorized",
            progress_bar=False,
        )
        sampler.run(jax.random.key(seed))
        found = sampler.get_samples(group_by_chain=True)
        return table.in_units({name: np.asarray(found[name]) for name in NAMES})
