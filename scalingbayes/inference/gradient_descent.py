"""Maximum likelihood by any optax optimiser, on all rows or on random mini-batches of them."""

import itertools
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax
from jaxtyping import Array, ArrayLike, Float, Int

from scalingbayes._core.devices import fetch, over_devices, queue_width
from scalingbayes._core.programs import compiled
from scalingbayes._core.progress import Report
from scalingbayes.inference.mode import log_density_and_gain
from scalingbayes.model.log_density import LogDensity

_BLOCKS = 20  # parts of the steps after each of which progress is reported


class Descent(NamedTuple):
    """Ends of the searches.

    Parameters
    ----------
    point
        Where each search ended.
    log_density
        The objective there, over all rows.
    gain
        Nats that one more Gauss-Newton step promises: half the squared norm of the gradient over
        all rows, in the metric of the curvature.
    """

    point: Float[np.ndarray, "starts dim"]
    log_density: Float[np.ndarray, " starts"]
    gain: Float[np.ndarray, " starts"]


class _Search(NamedTuple):
    point: Any
    optimizer_state: Any


def descend(
    density: LogDensity,
    starts: Float[np.ndarray, "starts dim"],
    with_prior: bool,
    optimizer: optax.GradientTransformation,
    steps: int,
    batch_rows: int | None,
    seed: int,
    progress: Report,
) -> Descent:
    """Run an optimiser from every start.

    The optimiser minimises minus the mean log density per row. With mini-batches, each step draws
    rows with replacement, and the likelihood of the batch is scaled by rows over batch size, so
    that its gradient is an unbiased estimate of the gradient over all rows.

    Parameters
    ----------
    density
        The log density to maximise.
    starts
        Where the searches begin.
    with_prior
        Whether to maximise the posterior density rather than the likelihood.
    optimizer
        Any optax optimiser, including those with a line search such as ``optax.lbfgs``.
    steps
        Number of steps of each search.
    batch_rows
        Number of rows that a step reads; all rows if None.
    seed
        Seed of the mini-batches.
    progress
        Called with the fraction of the steps that is done.
    """
    density = fetch(density)  # to the host, from where devices of any number receive it
    counted = np.flatnonzero(density.weights > 0)
    with_extra = optax.with_extra_args_support(optimizer)
    width = queue_width(min(batch_rows or len(counted), len(counted)))
    searches = _begin(starts, with_extra)
    edges = np.linspace(0, steps, min(_BLOCKS, steps) + 1).round().astype(int)
    for first, last in itertools.pairwise(edges):
        shared = density, counted, np.uint32(seed), first, last
        searches = _run(shared, searches, with_extra, with_prior, batch_rows, width)
        progress(float(last / steps))
    points = fetch(searches.point)
    log_density, gain = fetch(_judge(density, points, with_prior, queue_width(len(counted))))
    return Descent(points, log_density, gain)


@partial(compiled, static=("optimizer",))
def _begin(
    starts: Float[ArrayLike, "starts dim"], optimizer: optax.GradientTransformationExtraArgs
) -> _Search:
    def part(_: None, starts: Array) -> _Search:
        return _Search(starts, jax.vmap(optimizer.init)(starts))

    return over_devices(part, None, jnp.asarray(starts))


@partial(compiled, static=("optimizer", "with_prior", "batch_rows", "width"))
def _run(
    shared: tuple[LogDensity, Array, Array, Array, Array],
    searches: _Search,
    optimizer: optax.GradientTransformationExtraArgs,
    with_prior: bool,
    batch_rows: int | None,
    width: int,
) -> _Search:
    """Run the steps from ``first`` to ``last`` of every search."""

    def part(shared: tuple[LogDensity, Array, Array, Array, Array], searches: _Search) -> _Search:
        density, counted, seed, first, last = shared
        total = density.weights.sum()

        def step(i: Array, search: _Search) -> _Search:
            rows = density
            if batch_rows is not None:
                key = jax.random.fold_in(jax.random.key(seed), i)
                drawn = jax.random.randint(key, (batch_rows,), 0, len(counted))
                rows = _select(density, counted[drawn], len(counted) / batch_rows)

            def loss(point: Array) -> Array:
                log_density = rows.weights @ rows.log_likelihood(point)
                prior = rows.prior(point) if with_prior else 0.0
                return -(log_density + prior) / total

            point, state = search
            value, gradient = jax.value_and_grad(loss)(point)
            updates, state = optimizer.update(
                gradient, state, point, value=value, grad=gradient, value_fn=loss
            )
            return _Search(point + updates, state)

        def search(start: _Search) -> _Search:
            return lax.fori_loop(first, last, step, start)

        return lax.map(search, searches, batch_size=width)

    return over_devices(part, shared, searches)


def _select(density: LogDensity, rows: Int[Array, " batch"], factor: float) -> LogDensity:
    """Return the log density of some rows, with the likelihood times a factor."""
    table = density.likelihood
    likelihood = replace(
        table,
        inputs={name: values[rows] for name, values in table.inputs.items()},
        observed=table.observed[rows],
        weights=factor * table.weights[rows],
        errors=None if table.errors is None else table.errors[rows],
    )
    return replace(density, likelihood=likelihood)


@partial(compiled, static=("with_prior", "width"))
def _judge(
    density: LogDensity, points: Float[ArrayLike, "starts dim"], with_prior: bool, width: int
) -> tuple[Float[Array, " starts"], Float[Array, " starts"]]:
    def part(density: LogDensity, points: Array) -> tuple[Array, Array]:
        def judge(point: Array) -> tuple[Array, Array]:
            return log_density_and_gain(density, point, with_prior)

        return lax.map(judge, points, batch_size=width)

    return over_devices(part, density, jnp.asarray(points))
