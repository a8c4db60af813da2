"""Maximum likelihood, or the mode of the posterior, by many searches side by side."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jaxtyping import Array, ArrayLike, Bool, Float

from scalingbayes._core.arguments import Count
from scalingbayes._core.checked import checked
from scalingbayes._core.devices import fetch, over_devices, queue_width, run_queue
from scalingbayes._core.errors import InputError
from scalingbayes._core.precision import precision, to_device, to_dtype
from scalingbayes._core.programs import compiled
from scalingbayes._core.progress import Report
from scalingbayes.inference.mode import TIGHT, Search, begin, check_found, climb
from scalingbayes.model.bound_model import BoundModel, padded_length
from scalingbayes.model.log_density import LogDensity

if TYPE_CHECKING:
    import optax

Objective = Literal["likelihood", "posterior"]

_LOOSE = 0.1  # nats; all searches stop when a step promises less
_CONTINUED = 64  # number of searches, the best ones, that are continued to TIGHT
_LARGEST_GAIN = 1e-3  # nats; a smaller one moves no parameter by 0.05 standard errors
_FEWEST = 256  # smallest number of searches that a program is compiled for
_SPREAD = 2.0  # sd of random starts around the priors' centre, in unconstrained coordinates

HOFFMANN_STARTS: Mapping[str, Sequence[float]] = {
    "A": tuple(np.exp(np.arange(0.0, 26.0, 5.0))),
    "B": tuple(np.exp(np.arange(0.0, 26.0, 5.0))),
    "E": tuple(np.exp(np.arange(-1.0, 1.1, 0.5))),
    "alpha": (0.05, 0.5, 1.0, 1.5, 2.0),
    "beta": (0.05, 0.5, 1.0, 1.5, 2.0),
}
"""The grid of 4,500 starts of Hoffmann et al. 2022, appendix D.3. Exponents that start at 0 there
start at 0.05 here, because a term with exponent 0 cannot be distinguished from E."""


class Optimum(NamedTuple):
    """The best point, its log density, and the end of every search."""

    point: Float[np.ndarray, " dim"]
    log_density: float
    searches: pd.DataFrame


@checked
@dataclass(frozen=True)
class Optimize:
    """Search for the parameters of greatest likelihood, or posterior density, from many starts.

    Returns a point, not draws. By default all searches run in one compiled program of the
    Levenberg-Marquardt method with the noise model's robust weights, until a step promises less
    than 0.1 nats; the best 64 searches continue to 1e-6 nats. It needs no tuning, and each step
    reads all rows. Any optax optimiser can take its place, for instance to read only a mini-batch
    of a very large table in each step.

    Parameters
    ----------
    starts
        Number of random starts; or ``"hoffmann"`` for the 4,500 starts of Hoffmann et al. 2022; or
        the starts themselves, as a DataFrame or mapping with a column for each parameter of the
        law.
    objective
        ``"likelihood"`` or ``"posterior"``.
    optimizer
        An optax optimiser in place of Levenberg-Marquardt, such as ``optax.lbfgs()``. It minimises
        minus the mean log density per row. A search has converged if a Gauss-Newton step from its
        end promises less than 1e-3 nats over all rows; ``PointEstimate.searches`` says so for each.
    steps
        Number of steps of the optimiser, for each start.
    batch_rows
        Number of rows in each step of the optimiser, drawn at random; by default all rows. Combine
        it with a learning rate that decays to 0, and with few starts.

    Raises
    ------
    InputError
        If a setting is out of range.

    Examples
    --------
    >>> import optax
    >>> schedule = optax.cosine_decay_schedule(0.02, 5000)
    >>> engine = Optimize(starts=1, optimizer=optax.adam(schedule), steps=5000, batch_rows=4096)
    """

    starts: Count | Literal["hoffmann"] | pd.DataFrame | Mapping[str, Any] = 256
    objective: Objective = "likelihood"
    optimizer: "optax.GradientTransformation | None" = None
    steps: Count = 1000
    batch_rows: Count | None = None

    def __post_init__(self) -> None:
        if self.batch_rows is not None and self.optimizer is None:
            raise InputError(
                "batch_rows needs an optax optimiser, because Levenberg-Marquardt reads all "
                "rows: add optimizer=optax.adam(...), or leave batch_rows out."
            )

    def run_point(self, model: BoundModel, seed: int, dtype: str, progress: Report) -> Optimum:
        """Search from all starts, and return the best end.

        Parameters
        ----------
        model
            The model to fit.
        seed
            Seed of random starts and mini-batches.
        dtype
            ``"float64"`` or ``"float32"``.
        progress
            Called with the fraction of the work that is done.

        Raises
        ------
        InputError
            If the starts do not suit the law, or no search ended at a finite log density.
        """
        with precision(dtype):
            density = model.density(dtype)
            starts = self._starts(density, seed, dtype)
            if self.optimizer is None:
                point, log_density, converged = self._least_squares(density, starts, progress)
            else:
                from scalingbayes.inference.gradient_descent import descend

                ends = descend(
                    density,
                    starts,
                    self.objective == "posterior",
                    self.optimizer,
                    self.steps,
                    self.batch_rows,
                    seed,
                    progress,
                )
                point, log_density = ends.point, ends.log_density
                converged = ends.gain < _LARGEST_GAIN  # false for NaN
            check_found(log_density[None])
            values = jax.vmap(density.coordinates.in_units)(jnp.asarray(point))
        table = pd.DataFrame({name: np.asarray(values[name]) for name in density.parameters})
        table["log_density"] = log_density
        table["converged"] = converged
        best = int(np.nanargmax(log_density))
        return Optimum(point[best], float(log_density[best]), table)

    def _least_squares(
        self, density: LogDensity, starts: Float[np.ndarray, "starts dim"], progress: Report
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the end of each search, its log density, and whether it converged.

        All searches stop at a loose tolerance; the best are continued to a tight one.
        """
        searches = search(density, starts, self.objective, _LOOSE)
        progress(0.5)
        order = np.argsort(-searches.best.log_density)[:_CONTINUED]  # NaN last
        best = search(density, np.asarray(searches.best.point)[order], self.objective, TIGHT)
        progress(1.0)
        point, log_density = np.array(searches.best.point), np.array(searches.best.log_density)
        converged = np.zeros(len(point), bool)
        point[order], log_density[order] = best.best.point, best.best.log_density
        converged[order] = best.converged
        return point, log_density, converged

    @staticmethod
    def _table(starts: Any) -> pd.DataFrame:
        try:
            table = pd.DataFrame(starts)
        except ValueError as error:
            raise InputError(
                f"starts must be columns of one length, a list of values for each parameter: "
                f"{error}."
            ) from error
        if table.empty:
            raise InputError("starts has no rows: give at least one point to start from.")
        return table

    def _starts(
        self, density: LogDensity, seed: int, dtype: str
    ) -> Float[np.ndarray, "starts dim"]:
        center = np.asarray(density.coordinates.center(jnp.dtype(dtype)))
        if isinstance(self.starts, int):
            normal = np.random.default_rng(seed).standard_normal((self.starts, len(center)))
            normal[0] = 0.0
            return to_dtype(center + _SPREAD * normal, dtype)
        if isinstance(self.starts, str):
            grid = list(itertools.product(*HOFFMANN_STARTS.values()))
            table = pd.DataFrame(grid, columns=list(HOFFMANN_STARTS))
        else:
            table = self._table(self.starts)
        wanted = list(density.law.parameters)
        if set(table.columns) != set(wanted):
            raise InputError(
                f"starts must have a column for each parameter of law {density.law.name!r}, "
                f"{', '.join(wanted)}; these have {', '.join(map(str, table.columns))}."
            )
        of_noise = density.coordinates.in_units(jnp.asarray(center))
        spread = {name: float(of_noise[name]) for name in density.noise.parameters}
        try:
            columns = {name: table[name].to_numpy(float) for name in wanted}
        except (TypeError, ValueError) as error:
            raise InputError(f"starts must be numbers: {error}.") from error
        given = columns | {name: np.full(len(table), value) for name, value in spread.items()}
        points = np.asarray(jax.vmap(density.coordinates.from_units)(to_device(given, dtype)))
        if not np.all(np.isfinite(points)):
            row = int(np.argmax(~np.isfinite(points).all(axis=1)))
            raise InputError(
                f"starts, row {row + 1}: "
                f"{', '.join(f'{name} {columns[name][row]:g}' for name in wanted)} is outside "
                f"the range of the parameters of law {density.law.name!r}: give values within "
                f"their ranges."
            )
        return points


def search(
    density: LogDensity,
    starts: Float[np.ndarray, "starts dim"],
    objective: str,
    tolerance: float,
    weights: Float[np.ndarray, "starts rows"] | None = None,
) -> Search:
    """Search from every start by Levenberg-Marquardt, on all devices.

    Parameters
    ----------
    density
        The log density to maximise.
    starts
        Where the searches begin.
    objective
        ``"likelihood"`` or ``"posterior"``.
    tolerance
        The expected gain in nats at which a search has converged.
    weights
        Weights of the rows for each search, in place of the density's.
    """
    # The number of searches is padded to one of a few sizes, so that few programs are compiled.
    count, padded = len(starts), padded_length(max(len(starts), _FEWEST))
    idle = np.arange(padded) >= count

    def fill(values: Float[ArrayLike, "starts _"]) -> np.ndarray:
        return np.pad(values, ((0, padded - count), (0, 0)), mode="edge")

    tasks = (fill(starts), None if weights is None else fill(weights), idle)
    density = fetch(density)  # to the host, from where devices of any number receive it
    found = fetch(_search(density, tasks, tolerance, objective == "posterior"))
    return jax.tree.map(lambda values: values[:count], found)


@partial(compiled, static=("with_prior",))
def _search(
    density: LogDensity,
    tasks: tuple[Any, Any | None, Any],
    tolerance: Float[ArrayLike, ""],
    with_prior: bool,
) -> Search:
    """Search from each start with its own weights; an idle task ends at once."""

    def part(density: LogDensity, tasks: tuple[Array, Array | None, Array]) -> Search:
        def step(task: tuple[Array, Array | None, Array], search: Search) -> Search:
            own = density if task[1] is None else density.with_weights(task[1])
            return climb(own, search, with_prior, tolerance)

        def finished(search: Search) -> Bool[Array, ""]:
            return search.finished

        width = queue_width(len(density.weights))
        return run_queue(lambda task: begin(task[0], task[2]), step, finished, tasks, width)

    return over_devices(part, density, tasks)
