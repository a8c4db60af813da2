"""Maximum likelihood, or the mode of the posterior, by many searches side by side."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jaxtyping import Array, ArrayLike, Bool, Float

from scalingbayes._core.devices import fetch, over_devices, queue_width, run_queue
from scalingbayes._core.errors import InputError
from scalingbayes._core.precision import precision, to_device, to_dtype
from scalingbayes.inference.draws import Progress
from scalingbayes.inference.mode import TIGHT, Search, begin, check_found, climb
from scalingbayes.inference.settings import check_choice, check_whole
from scalingbayes.model.bound_model import BoundModel, padded_length
from scalingbayes.model.log_density import LogDensity

Objective = Literal["likelihood", "posterior"]
OBJECTIVES = ("likelihood", "posterior")

_LOOSE = 0.1  # nats that a step may still promise when all searches stop
_GO_ON = 64  # searches, the best
_FEWEST = 256  # searches of a compiled program
_SPREAD = 2.0  # of random starts about the priors' centre

HOFFMANN_STARTS: Mapping[str, Sequence[float]] = {
    "A": tuple(np.exp(np.arange(0.0, 26.0, 5.0))),
    "B": tuple(np.exp(np.arange(0.0, 26.0, 5.0))),
    "E": tuple(np.exp(np.arange(-1.0, 1.1, 0.5))),
    "alpha": (0.05, 0.5, 1.0, 1.5, 2.0),
    "beta": (0.05, 0.5, 1.0, 1.5, 2.0),
}
"""The grid of 4,500 starts of Hoffmann et al. 2022, appendix D.3. Exponents of 0, where a term
cannot be told from E, begin at 0.05 here."""


class Optimum(NamedTuple):
    """What the searches found."""

    point: Float[np.ndarray, " dim"]
    log_density: float
    searches: pd.DataFrame


@dataclass(frozen=True)
class Optimize:
    """Find the parameters of greatest likelihood, or posterior density, from many starts.

    All searches run in one compiled program, by Levenberg and Marquardt's method with the robust
    weights of the noise model, until a step promises less than 0.1 nats; then the best 64 go on to
    1e-6. It returns a point, not draws.

    Parameters
    ----------
    starts
        How many random starts, or ``"hoffmann"`` for the 4,500 of Hoffmann et al. 2022, or values
        to start from: a DataFrame or mapping with a column for each parameter of the law.
    objective
        ``"likelihood"`` or ``"posterior"``.

    Raises
    ------
    InputError
        If a setting is out of range.
    """

    starts: int | str | pd.DataFrame | Mapping[str, Any] = 256
    objective: Objective = "likelihood"

    def __post_init__(self) -> None:
        check_choice(self, objective=OBJECTIVES)
        if isinstance(self.starts, str):
            check_choice(self, starts=("hoffmann",))
        elif not isinstance(self.starts, (pd.DataFrame, Mapping)):
            check_whole(self, starts=1)

    def run_point(self, model: BoundModel, seed: int, dtype: str, progress: Progress) -> Optimum:
        """Search.

        Parameters
        ----------
        model
            What to fit.
        seed
            Seed of random starts.
        dtype
            ``"float64"`` or ``"float32"``.
        progress
            Called after each of the two rounds.
        """
        with precision(dtype):
            density = model.density(dtype)
            starts = self._starts(density, seed, dtype)
            searches = search(density, starts, self.objective, _LOOSE)
            progress(0.5)
            order = np.argsort(-searches.best.log_density)[:_GO_ON]  # NaN last
            best = search(density, np.asarray(searches.best.point)[order], self.objective, TIGHT)
            progress(1.0)
            point, log_density = np.array(searches.best.point), np.array(searches.best.log_density)
            converged = np.zeros(len(point), bool)
            point[order], log_density[order] = best.best.point, best.best.log_density
            converged[order] = best.converged
            values = jax.vmap(density.in_units)(jnp.asarray(point))
            table = pd.DataFrame({name: np.asarray(values[name]) for name in density.parameters})
            table["log_density"] = log_density
            table["converged"] = converged
            check_found(log_density[None])
            top = int(np.nanargmax(log_density))
        return Optimum(point[top], float(log_density[top]), table)

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
        center = np.asarray(density.center(jnp.dtype(dtype)))
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
        of_noise = density.in_units(jnp.asarray(center))
        spread = {name: float(of_noise[name]) for name in density.noise.parameters}
        try:
            columns = {name: table[name].to_numpy(float) for name in wanted}
        except (TypeError, ValueError) as error:
            raise InputError(f"starts must be numbers: {error}.") from error
        given = columns | {name: np.full(len(table), value) for name, value in spread.items()}
        points = np.asarray(jax.vmap(density.from_units)(to_device(given, dtype)))
        if not np.all(np.isfinite(points)):
            row = int(np.argmax(~np.isfinite(points).all(axis=1)))
            raise InputError(
                f"starts, row {row + 1}: "
                f"{', '.join(f'{name} {columns[name][row]:g}' for name in wanted)} is no point "
                f"that law {density.law.name!r} can have: give values within its parameters' "
                f"ranges."
            )
        return points


def search(
    density: LogDensity,
    starts: Float[np.ndarray, "starts dim"],
    objective: str,
    tolerance: float,
    weights: Float[np.ndarray, "starts rows"] | None = None,
) -> Search:
    """Search from every start, on all devices.

    Parameters
    ----------
    density
        What to climb.
    starts
        Where to begin.
    objective
        One of :data:`OBJECTIVES`.
    tolerance
        The expected gain at which a search has converged, in nats.
    weights
        Weights of the rows for each search, in place of the density's.
    """
    # Rounded up to a few numbers of searches, so that few programs are compiled.
    count, room = len(starts), padded_length(max(len(starts), _FEWEST))
    idle = np.arange(room) >= count

    def fill(values: Float[ArrayLike, "starts _"]) -> np.ndarray:
        return np.pad(values, ((0, room - count), (0, 0)), mode="edge")

    items = (fill(starts), None if weights is None else fill(weights), idle)
    density = fetch(density)  # which devices of any number and host take
    found = fetch(_search(density, items, tolerance, objective == "posterior"))
    return jax.tree.map(lambda values: values[:count], found)


@partial(jax.jit, static_argnames=("with_prior",))
def _search(
    density: LogDensity,
    items: tuple[Any, Any | None, Any],
    tolerance: Float[ArrayLike, ""],
    with_prior: bool,
) -> Search:
    """Search from each start, with the weights given for it, unless it is idle."""

    def part(density: LogDensity, items: tuple[Array, Array | None, Array]) -> Search:
        def step(item: tuple[Array, Array | None, Array], search: Search) -> Search:
            own = density if item[1] is None else replace(density, weights=item[1])
            return climb(own, search, with_prior, tolerance)

        def finished(search: Search) -> Bool[Array, ""]:
            return search.finished

        width = queue_width(len(density.weights))
        return run_queue(lambda item: begin(item[0], item[2]), step, finished, items, width)

    return over_devices(part, density, items)
