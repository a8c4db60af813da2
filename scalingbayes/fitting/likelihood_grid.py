"""The likelihood of a law, or its least-squares fit, at every cell of a grid of parameters."""

import math
from collections.abc import Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jax import lax
from jaxtyping import Array, ArrayLike, Float, Int

from scalingbayes._core.arguments import Positive, Weights, shown
from scalingbayes._core.checked import checked
from scalingbayes._core.devices import fetch, over_devices, side_by_side
from scalingbayes._core.errors import InputError, unknown
from scalingbayes._core.memory import check_size
from scalingbayes._core.precision import default_dtype, precision, to_dtype
from scalingbayes._core.programs import compiled
from scalingbayes._core.progress import Progress, report_progress
from scalingbayes.data.runs import Table, as_runs
from scalingbayes.inference.linear import fit_cells, linear_form
from scalingbayes.laws import Law
from scalingbayes.model.bound_model import BoundModel
from scalingbayes.model.log_density import LogDensity
from scalingbayes.model.model import Model, ModelLike, as_model

Axes = Mapping[str, Float[ArrayLike, " _"]]

_BLOCK = 1 << 16  # cells that a CPU core evaluates at once: as many as fit its cache
_BLOCK_ON_ACCELERATOR = 1 << 22
_CALL = 1 << 24  # cells of one compiled call: progress is reported between calls
_BYTES_OF_CELL = 20  # of a term, with copies
_ROWS_AT_ONCE = 4  # rows that are added up before the sums are written to memory


@checked
def evaluate_grid(
    runs: Table,
    axes: Axes,
    model: ModelLike = "chinchilla",
    *,
    fixed: Mapping[str, float] | None = None,
    weights: Weights | None = None,
    dtype: str | None = None,
    memory: Positive | None = None,
    progress: Progress = None,
) -> xr.DataArray:
    """Evaluate the log likelihood at every cell of a grid of parameters.

    Works for any law and any number of axes. Cells are spread over all devices, in blocks that fit
    a core's cache. A term that depends on some of the axes is computed on these axes only.

    Parameters
    ----------
    runs, weights
        As for :func:`scalingbayes.fit`.
    model
        The law or the model. For a law, the noise is Student's t with one spread.
    axes
        Values of parameters of the law or the noise, in the table's units. The grid is the product
        of the axes.
    fixed
        Values of all other parameters.
    dtype
        ``"float64"`` or ``"float32"``, which is several times faster. The default is that of
        :func:`scalingbayes.fit`.
    memory
        Bytes that the grid may take; by default most of the memory that is free.
    progress
        As for :func:`scalingbayes.fit`.

    Returns
    -------
    xarray.DataArray
        The log likelihood, with a dim for each axis, in the order of ``axes``.

    Raises
    ------
    InputError
        If parameters are missing or unknown, or the grid does not fit into memory.

    Examples
    --------
    >>> import numpy as np
    >>> import scalingbayes as sb
    >>> runs = sb.datasets.load("chinchilla")
    >>> axes = {"alpha": np.linspace(0.3, 0.4, 11), "beta": np.linspace(0.3, 0.4, 21)}
    >>> fixed = {"E": 1.82, "A": 482.0, "B": 2085.0, "sigma": 0.005, "nu": 4.0}
    >>> sb.evaluate_grid(runs, axes, "chinchilla", fixed=fixed).shape
    (11, 21)
    """
    runs = as_runs(runs)
    bound = as_model(model, noise="student_t").bind(runs, weights)
    if bound.noise.has_random_effects:
        raise InputError(
            "A grid cannot have errors that runs share: use a model without groups and discrepancy."
        )
    dtype = dtype or default_dtype(len(runs))
    values = _grid_values(bound, axes, fixed or {})
    shape = tuple(len(values[name]) for name in axes)
    itemsize = np.dtype(dtype).itemsize
    smaller = "" if itemsize == 4 else ", dtype='float32' (half the size)"
    _check_memory(shape, itemsize, memory, smaller)
    block = _BLOCK_ON_ACCELERATOR if side_by_side() else _BLOCK
    outer = len(shape)  # how many axes are split into cells; the others are evaluated whole
    while outer > 0 and math.prod(shape[outer - 1 :]) <= block:
        outer -= 1
    outer = min(outer, len(shape) - 1)  # the last axis is never split
    names = tuple(axes)
    outer_shape, size = shape[:outer], math.prod(shape[outer:])
    count = math.prod(outer_shape)
    devices = len(jax.devices())
    at_once = min(count, max(devices, _CALL // size // devices * devices))
    result = np.empty((count, size), dtype)
    with precision(dtype), report_progress(progress, "evaluating the grid") as report:
        density = fetch(bound.density(dtype))  # NumPy arrays go to any number of devices and hosts
        arrays = to_dtype(values, dtype)
        log_slopes = _log_slopes(bound)
        for first in range(0, count, at_once):
            chosen = np.minimum(np.arange(first, first + at_once), count - 1)
            cells = np.unravel_index(chosen, outer_shape) if outer_shape else ()
            index = np.stack(cells, axis=1) if cells else np.zeros((at_once, 0), int)
            found = fetch(_evaluate(density, names, outer, arrays, index, len(runs)))
            last = min(first + at_once, count)
            result[first:last] = found.reshape(at_once, size)[: last - first] + log_slopes
            report(last / count)
    coords = {name: values[name] for name in names}
    attrs = {"law": bound.law.name, "noise": bound.noise.name, "runs": runs.name}
    return xr.DataArray(result.reshape(shape), coords, names, "log_likelihood", attrs)


@checked
def profile_grid(
    runs: Table,
    axes: Axes,
    law: str | Law = "chinchilla",
    *,
    weights: Weights | None = None,
) -> xr.Dataset:
    """Fit a law's terms at every cell of a grid of its exponents, by least squares.

    Deviations are relative to the observed loss (on the target's scale, to first order). All cells
    are computed by a few matrix products: a million cells take some hundredths of a second.

    Parameters
    ----------
    runs, law, weights
        As for :func:`scalingbayes.fit`. Given its exponents, the law must be linear in its terms.
    axes
        Values of each exponent.

    Returns
    -------
    xarray.Dataset
        For each cell: ``sse``, the smallest sum of squared deviations; the fitted value of each
        linear parameter, in the table's units; ``log_profile``, the log likelihood maximised over
        the linear parameters and the spread; and ``log_marginal``, the log likelihood with these
        integrated out under flat priors (for the spread, flat in its logarithm). Both logarithms
        are up to a constant.

    Raises
    ------
    InputError
        If the law is not linear in its terms, or ``axes`` does not name exactly its exponents.

    Examples
    --------
    >>> import numpy as np
    >>> import scalingbayes as sb
    >>> runs = sb.datasets.load("chinchilla")
    >>> axes = {"alpha": np.linspace(0.3, 0.4, 11), "beta": np.linspace(0.3, 0.4, 21)}
    >>> cells = sb.profile_grid(runs, axes)
    >>> sorted(cells.data_vars)
    ['A', 'B', 'E', 'log_marginal', 'log_profile', 'sse']
    """
    model = Model(law, "student_t").bind(runs, weights)
    form = linear_form(model.law)
    if set(axes) != set(form.exponents):
        raise InputError(
            f"axes must name the exponents of law {model.law.name!r}, "
            f"{' and '.join(form.exponents)}; got {', '.join(axes) or 'none'}."
        )
    values = {name: _axis(name, axes[name], model) for name in axes}
    shape = tuple(map(len, values.values()))
    _check_memory(shape, _BYTES_OF_CELL * (len(form.terms) + 2), None)
    longest = max(shape)  # a term is computed at each point of its axis, for each run
    check_size(f"An axis of {longest:,} points", longest * len(model.runs), 24, "Use fewer points")
    with precision("float64"):
        density = model.density("float64")
        observed = density.likelihood.observed
        cells = fit_cells(
            model.law,
            form,
            density.likelihood.inputs,
            observed,
            density.weights * density.noise.scale.slope(observed) ** 2,
            {name: jnp.asarray(each) for name, each in values.items()},
        )
        mesh = dict(
            zip(values, np.meshgrid(*values.values(), indexing="ij", sparse=True), strict=True)
        )
        names = {**model.reference, **mesh}
        terms = {
            name: np.asarray(model.parameters[name].place(cells.coefficients[name], names))
            for name in form.terms
        }
        sse, log_det = np.asarray(cells.sse), np.asarray(cells.log_det)
    rows = model.weights.sum()
    data = {
        "sse": sse,
        "log_profile": -rows / 2 * np.log(sse),
        "log_marginal": -(log_det + (rows - len(form.terms)) * np.log(sse)) / 2,
        **terms,
    }
    dims = tuple(values)
    return xr.Dataset({name: (dims, x) for name, x in data.items()}, values)


@partial(compiled, static=("names", "outer"))
def _evaluate(
    density: LogDensity,
    names: tuple[str, ...],
    outer: int,
    values: dict[str, Float[Array, "..."]],
    index: Int[Array, "cells outer"],
    rows: Int[ArrayLike, ""],
) -> Float[Array, "cells *inner"]:
    """Return the log likelihood of some cells of the outer axes, over all cells of the inner axes.

    Parameters
    ----------
    density
        The log density of the model.
    names
        Names of the axes.
    outer
        How many axes are outer axes.
    values
        Values of each axis, and of each fixed parameter.
    index
        Index of each cell on each outer axis.
    rows
        How many rows of the density are runs; the others are padding.
    """

    def part(shared: Any, index: Int[Array, "cells outer"]) -> Array:
        density, values, rows = shared
        within = [len(values[name]) for name in names[outer:]]

        def block(cell: Int[Array, " outer"]) -> Array:
            placed = dict(values)
            for i, name in enumerate(names[:outer]):
                placed[name] = values[name][cell[i]]
            for i, name in enumerate(names[outer:]):
                placed[name] = values[name].reshape(
                    [-1 if j == i else 1 for j in range(len(within))]
                )
            here = density.coordinates.to_reference(placed)
            observed = density.likelihood.observed_on_scale

            def add(step: Array, total: Array) -> Array:
                for row in range(_ROWS_AT_ONCE):
                    i = step * _ROWS_AT_ONCE + row
                    inputs = {name: x[i] for name, x in density.likelihood.inputs.items()}
                    location = density.noise.scale.link(density.law(inputs, here))
                    error = (
                        None if density.likelihood.errors is None else density.likelihood.errors[i]
                    )
                    scatter = density.noise.about(location, here, inputs, error)
                    each = scatter.log_prob(observed[i])
                    total += density.weights[i] * each
                return total

            # The number of padded rows is a multiple of _ROWS_AT_ONCE; their weights are 0.
            steps = -(-rows // _ROWS_AT_ONCE)
            return lax.fori_loop(0, steps, add, jnp.zeros(within, observed.dtype))

        return lax.map(block, index)

    return over_devices(part, (density, values, rows), index)


def _log_slopes(model: BoundModel) -> float:
    """Return the log Jacobian from the target's scale to the table's units, over all runs."""
    with precision("float64"):
        slope = model.noise.scale.slope(jnp.asarray(model.observed))
        return float(model.weights @ np.log(np.asarray(slope)))


def _grid_values(
    model: BoundModel, axes: Axes, fixed: Mapping[str, float]
) -> dict[str, Float[np.ndarray, "..."]]:
    for name in (*axes, *fixed):
        if name not in model.parameters:
            raise unknown("parameter", name, model.parameters)
    if both := set(axes) & set(fixed):
        raise InputError(
            f"{', '.join(sorted(both))} cannot be both in axes and in fixed: remove one."
        )
    if missing := [n for n in model.parameters if n not in axes and n not in fixed]:
        raise InputError(
            f"No values for {', '.join(missing)}: each parameter of law {model.law.name!r} and "
            f"noise {model.noise.name!r} must be in axes or in fixed."
        )
    if not axes:
        raise InputError(
            "axes is empty: pass at least one, such as {'alpha': numpy.linspace(0.2, 0.5, 50)}."
        )
    values = {
        name: np.asarray(model.parameters[name].check(name, [value])[0])
        for name, value in fixed.items()
    }
    return values | {name: _axis(name, axes[name], model) for name in axes}


def _axis(name: str, given: Any, model: BoundModel) -> Float[np.ndarray, " _"]:
    values = model.parameters[name].check(f"axis {name!r}", given)
    if values.ndim != 1:
        raise InputError(f"axis {name!r} must be a list of finite numbers; got {shown(given)}.")
    return values


def _check_memory(
    shape: tuple[int, ...], bytes_each: int, memory: float | None, smaller: str = ""
) -> None:
    cells = math.prod(shape)
    check_size(
        f"The grid of {' x '.join(map(str, shape))} = {cells:,} cells",
        cells,
        bytes_each,
        f"Use fewer points on each axis{smaller}, or fewer axes",
        memory,
    )
