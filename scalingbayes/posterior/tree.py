"""The tree of a posterior: an engine's draws in the units of the table, as ArviZ reads them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, ArrayLike, Float

from scalingbayes._core.precision import precision
from scalingbayes._core.programs import compiled
from scalingbayes.inference import Draws
from scalingbayes.model.bound_model import BoundModel
from scalingbayes.model.log_density import LogDensity
from scalingbayes.model.mixture_density import MixtureDensity
from scalingbayes.posterior.io import pack_table
from scalingbayes.posterior.record import ATTRIBUTE, Record
from scalingbayes.results import SAMPLE_DIMS

LARGEST_LOG_LIKELIHOOD = 30_000_000
"""Numbers of log likelihoods (240 MB). A tree that would hold more does without them."""


class Described(NamedTuple):
    """Draws in the units of the table.

    Parameters
    ----------
    values
        The parameters.
    log_likelihood
        The log likelihood of each run, of the target over its reference value; 0 if not wanted.
    log_priors
        The log prior density of the number that each parameter's prior is about.
    """

    values: Mapping[str, Float[Array | np.ndarray, "*draws"]]
    log_likelihood: Float[Array | np.ndarray, "..."]
    log_priors: Mapping[str, Float[Array | np.ndarray, "*draws"]]


@partial(compiled, static=("pointwise",))
def _describe(
    density: LogDensity, points: Float[ArrayLike, "draws dim"], pointwise: bool
) -> Described:
    """Return draws in the units of the table, with log likelihoods and log priors.

    Parameters
    ----------
    density
        The density that was sampled.
    points
        The draws, in the density's coordinates.
    pointwise
        Whether to compute the log likelihood of each run.
    """
    points = jnp.asarray(points)
    return Described(
        jax.vmap(density.coordinates.in_units)(points),
        jax.vmap(density.log_likelihood)(points) if pointwise else jnp.zeros(()),
        jax.vmap(density.prior.of_numbers)(points),
    )


@compiled
def _prior_shares(
    density: LogDensity, points: Float[ArrayLike, "draws dim"]
) -> dict[str, Float[Array, ""]]:
    return density.prior.shares(jnp.asarray(points))


def _describe_all(
    density: LogDensity, sets: Sequence[Float[np.ndarray, "chains draws dim"]], pointwise: bool
) -> list[Described]:
    """Return several sets of draws in the units of the table, described by one program."""
    flat = [points.reshape(-1, points.shape[-1]) for points in sets]
    ends = np.cumsum([len(points) for points in flat])[:-1]
    found = jax.tree.map(np.asarray, _describe(density, np.concatenate(flat), pointwise))

    def one(place: int, shape: tuple[int, ...]) -> Described:
        def select(values: np.ndarray) -> np.ndarray:
            if not values.ndim:  # log likelihoods that are not wanted
                return values
            return np.split(values, ends)[place].reshape(*shape, *values.shape[1:])

        return jax.tree.map(select, found)

    return [one(place, points.shape[:2]) for place, points in enumerate(sets)]


def make_tree(model: BoundModel, draws: Draws, settings: Mapping[str, Any]) -> xr.DataTree:
    """Return the tree of an engine's draws.

    Parameters
    ----------
    model
        The model that was fitted.
    draws
        The engine's draws.
    settings
        The engine's settings, for the record.
    """
    counted = model.counted
    rows = np.flatnonzero(counted)
    pointwise = draws.points[..., 0].size * len(rows) <= LARGEST_LOG_LIKELIHOOD
    effects = draws.points.shape[-1] - len(model.parameters)
    with precision("float64"):
        density = model.density("float64", effects=effects)
        sets = [draws.points] if draws.exact is None else [draws.points, draws.exact.points]
        found, *of_exact = _describe_all(density, sets, pointwise)
        flat = draws.points.reshape(-1, draws.points.shape[-1])
        shares = jax.tree.map(float, _prior_shares(density, flat))
        random_effects = np.asarray(_random_effects(density, draws.points)) if effects else None
    target = model.law.target.column
    coords = _sample_coords(draws)
    by_run = {"run": rows}
    constant = {name: x[counted] for name, x in model.inputs.items()}
    constant["weights"] = model.weights[counted]
    groups = {
        "posterior": make_dataset(_in_order(found.values, model), SAMPLE_DIMS, coords),
        "sample_stats": make_dataset(draws.stats, SAMPLE_DIMS, coords),
        "observed_data": make_dataset({target: model.observed[counted]}, ("run",), by_run),
        "constant_data": make_dataset(constant, ("run",), by_run),
        "table": pack_table(model.runs.frame[counted], rows),
    }
    if pointwise and draws.exact is None:
        groups["log_likelihood"] = _log_likelihood(model, found, coords)
    if random_effects is not None and model.effects_labels_and_design is not None:
        labels, _ = model.effects_labels_and_design
        labelled = {**coords, "effect": labels.astype(object)}
        effect_draws = {target: random_effects[..., : len(labels)]}
        groups["random_effects"] = make_dataset(effect_draws, (*SAMPLE_DIMS, "effect"), labelled)
    if draws.of == "posterior":
        groups["log_prior"] = make_dataset(_in_order(found.log_priors, model), SAMPLE_DIMS, coords)
    if draws.exact is not None:
        groups |= _of_allowance(model, draws, draws.exact, of_exact[0])
    tree = xr.DataTree.from_dict(groups)
    shares = {name: shares[name] for name in model.parameters}
    tree.attrs[ATTRIBUTE] = Record.of_fit(model, draws, settings, shares).to_json()
    return tree


def exact_tree(tree: xr.DataTree, record: Record) -> xr.DataTree:
    """Return the tree of the posterior that takes the law as exact, of a fit with an allowance.

    Parameters
    ----------
    tree, record
        The tree and the record of the fit.
    """
    all_groups = tree.to_dict()
    kept = ("observed_data", "constant_data", "table")
    groups = {f"/{name}": all_groups[f"/{name}"] for name in kept}
    groups |= {"/posterior": all_groups["/exact"], "/sample_stats": all_groups["/exact_stats"]}
    if "/exact_log_likelihood" in all_groups:
        groups["/log_likelihood"] = all_groups["/exact_log_likelihood"]
    of_exact = replace(
        record,
        engine="laplace",
        options={},
        allowance=None,
        facts=record.exact_facts,
        exact_facts={},
    )
    found = xr.DataTree.from_dict(groups)
    found.attrs[ATTRIBUTE] = of_exact.to_json()
    return found


def _of_allowance(
    model: BoundModel, draws: Draws, exact: Draws, found: Described
) -> dict[str, xr.Dataset]:
    """Return the groups of an allowance.

    ``allowance`` holds the mixture's log likelihood at each draw of the posterior. The groups whose
    names begin with ``exact`` are those of the posterior that takes the law as exact.
    """
    with precision("float64"):
        mixture = replace(model, allowance=draws.allowance).mixture("float64")
        points = draws.points[..., : len(model.law.parameters)]
        log_mixture = np.asarray(_log_mixture(mixture, points))
    coords = _sample_coords(exact)
    groups = {
        "allowance": xr.Dataset({"log_mixture": (SAMPLE_DIMS, log_mixture)}),
        "exact": make_dataset(_in_order(found.values, model), SAMPLE_DIMS, coords),
        "exact_stats": make_dataset(exact.stats, SAMPLE_DIMS, coords),
    }
    if found.log_likelihood.ndim:
        groups["exact_log_likelihood"] = _log_likelihood(model, found, coords)
    return groups


def _sample_coords(draws: Draws) -> dict[str, Any]:
    """Return the coordinates of the chains and the draws."""
    sizes = zip(SAMPLE_DIMS, draws.points.shape[:2], strict=True)
    return {name: np.arange(size) for name, size in sizes}


def _log_likelihood(model: BoundModel, found: Described, coords: Mapping[str, Any]) -> xr.Dataset:
    """Return the log density of the target itself, not of the target over its reference value."""
    rows, target = np.flatnonzero(model.counted), model.law.target.column
    in_units = np.asarray(found.log_likelihood)[..., rows] - np.log(model.reference[target])
    dims = (*SAMPLE_DIMS, "run")
    return make_dataset({target: in_units}, dims, {**coords, "run": rows})


@compiled
def _log_mixture(
    mixture: MixtureDensity, points: Float[Array, "chains draws law"]
) -> Float[Array, "chains draws"]:
    return jax.vmap(jax.vmap(mixture.log_likelihood))(points)


def make_dataset(
    arrays: Mapping[str, Any], dims: Sequence[str], coords: Mapping[str, Any]
) -> xr.Dataset:
    """Return arrays of the same dims as a dataset."""
    variables = {name: (tuple(dims), np.asarray(values)) for name, values in arrays.items()}
    return xr.Dataset(variables, coords=coords)


def _in_order(arrays: Mapping[str, Any], model: BoundModel) -> dict[str, Any]:
    """Return arrays in the order of the parameters; jit sorts them by name."""
    return {name: arrays[name] for name in model.parameters}


@compiled
def _random_effects(
    density: LogDensity, points: Float[Array, "chains draws dim"]
) -> Float[Array, "chains draws effects"]:
    return jax.vmap(jax.vmap(density.coordinates.random_effects))(points)
