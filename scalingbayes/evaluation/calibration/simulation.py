"""Simulate tables of runs: draw parameters from the priors, then losses at given inputs."""

from dataclasses import dataclass
from functools import cached_property

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, ArrayLike, Bool, Float, Int

from scalingbayes._core.arguments import Count, Seed
from scalingbayes._core.checked import checked
from scalingbayes._core.errors import InputError
from scalingbayes._core.memory import check_size
from scalingbayes._core.precision import precision
from scalingbayes._core.programs import compiled
from scalingbayes._core.progress import silent
from scalingbayes.data.runs import Runs, Table, as_runs
from scalingbayes.evaluation.calibration.design import typical_inputs
from scalingbayes.inference import PriorDraws
from scalingbayes.laws import Law
from scalingbayes.model.bound_model import BoundModel
from scalingbayes.model.log_density import LogDensity
from scalingbayes.model.model import DEFAULT_LAW, ModelLike, as_model

_ROWS = 64
_BYTES_OF_LOSS = 100  # of one simulated run, with copies
_MAX_ROUNDS = 20
_MAX_RANGE = 14.0  # of a table's targets on their scale: a factor of a million in the loss


@checked
@dataclass(frozen=True, eq=False)
class Simulation:
    """Simulated tables, and the parameters that each was simulated with.

    Parameters
    ----------
    model
        The model that the tables are drawn from. Its runs are the design. Its ``reference`` is the
        reference point of the default priors, for all tables.
    truths
        The parameters of each table, in the units of the design; dim ``table``.
    points
        Parameters and random effects of each table, as coordinates of the model's density; shape
        (tables, dim).
    observed
        The target of each run; shape (tables, runs).
    rejected
        Number of simulated tables that were redrawn because they were implausible: a value
        overflowed, the target left its domain (a loss of 0, an error rate within a millionth of 1),
        or the losses covered more than a factor of a million. Whether a table is rejected depends
        on its observed values alone, so the intervals of a correct posterior keep their coverage
        over the tables that remain.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> simulation = sb.simulate(model="chinchilla", count=2)  # doctest: +SKIP
    >>> simulation.table(0)  # a table of runs, with losses of its own  # doctest: +SKIP
    """

    model: BoundModel
    truths: xr.Dataset
    points: Float[np.ndarray, "tables dim"]
    observed: Float[np.ndarray, "tables runs"]
    rejected: int

    def __len__(self) -> int:
        return len(self.observed)

    @cached_property
    def tables(self) -> list[Runs]:
        """All tables: see :meth:`table`."""
        return [self.table(number) for number in range(len(self))]

    def table(self, number: int) -> Runs:
        """Return one table: the inputs of the design, with simulated targets and known errors."""
        columns = {name: values[number] for name, values in self._simulated.items()}
        frame = self.model.runs.frame.assign(**columns)
        return self.model.runs.with_frame(frame, f"simulated table {number}")

    @cached_property
    def _simulated(self) -> dict[str, Float[np.ndarray, "tables runs"]]:
        """The columns that differ between tables."""
        model = self.model
        columns = {model.law.target.column: self.observed}
        if model.errors is not None:
            with precision("float64"):
                slopes = np.asarray(model.noise.scale.slope(jnp.asarray(self.observed)))
            columns[model.noise.error] = model.errors / np.abs(slopes)
        return columns

    def __repr__(self) -> str:
        return f"{len(self)} tables of {len(self.model.runs)} runs simulated from\n{self.model}"


@checked
def simulate(
    runs: Table | None = None,
    model: ModelLike = DEFAULT_LAW,
    *,
    count: Count = 1000,
    seed: Seed = 0,
) -> Simulation:
    """Simulate tables: draw parameters from the priors, then the loss of each run.

    Parameters
    ----------
    runs
        The design: a table with the inputs of every simulated table. The losses of the design, if
        it has any, set the reference point of the default priors and the scale of known errors. A
        known error is kept on the target's scale: if the simulated loss is twice the design's, so
        is its error. By default the design is 64 runs over the ranges of
        typical sweeps.
    model
        The law or the model, as for :func:`scalingbayes.fit`. The design must have the columns that
        the noise names. Without a reference point of its own, the model has the design's, with a
        loss of 1 if the design has no losses.
    count
        Number of tables.
    seed
        Seed of the parameters and of the noise.

    Raises
    ------
    InputError
        If the design, the law, a prior or a setting cannot be used, or too few tables drawn from
        the priors have finite losses in the target's domain.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> simulation = sb.simulate(model="power_law", count=10)
    >>> len(simulation.tables), simulation.observed.shape
    (10, (10, 64))
    >>> list(simulation.truths)
    ['E', 'A', 'alpha', 'sigma', 'nu']
    """
    unbound = as_model(model)
    law = unbound.law
    bound = unbound.bind(_design(runs, law))
    check_size(f"{count:,} tables", count, _BYTES_OF_LOSS * len(bound.runs), "Give a smaller count")
    points, observed = [], []
    rejected = kept = 0
    for step in range(_MAX_ROUNDS):
        (draws,) = PriorDraws(count).run([bound], [_stream(seed, step)], "float64", silent)
        losses = _observe(bound, draws.points[0], _stream(seed, step, 1))
        good = _plausible(bound, losses)
        good &= np.cumsum(good) <= count - kept
        points.append(draws.points[0][good])
        observed.append(losses[good])
        kept += int(good.sum())
        if kept == count:
            rejected += int((~good[: np.flatnonzero(good)[-1]]).sum())
            break
        rejected += int((~good).sum())
    else:
        raise InputError(
            f"Of {_MAX_ROUNDS * count} tables simulated from the priors of law {law.name!r}, only "
            f"{kept} have a {law.target.column} that is finite and "
            f"{law.target.on_scale.domain.name} in every run. Use narrower priors, or a design "
            f"with smaller ranges."
        )
    chosen = np.concatenate(points)
    return Simulation(bound, _in_units(bound, chosen), chosen, np.concatenate(observed), rejected)


def _plausible(
    model: BoundModel, losses: Float[np.ndarray, "tables runs"]
) -> Bool[np.ndarray, " tables"]:
    """Return which tables are plausible: see :class:`Simulation`."""
    scale = model.law.target.on_scale
    inside = (np.isfinite(losses) & ~scale.domain.excludes(losses)).all(1)
    with precision("float64"):
        on_scale = np.asarray(scale.link(jnp.asarray(np.where(inside[:, None], losses, 0.5))))
        invertible = np.isclose(scale.inverse()(on_scale), losses, rtol=1e-9, atol=0.0).all(1)
    return inside & invertible & (np.ptp(on_scale, axis=1) < _MAX_RANGE * model.unit)


def _design(runs: Table | None, law: Law) -> Runs:
    """Return the design as a table; add a constant target if the design has none."""
    if runs is None:
        inputs = typical_inputs(law, _ROWS, np.random.default_rng(0))
        runs = Runs(inputs, name=f"typical runs of {law.name}")
    runs = as_runs(runs)
    if law.target.column in runs.frame:
        return runs
    constant = 0.5 if law.target.scale == "logit" else 1.0  # for which the reference is 1
    frame = runs.frame.assign(**{law.target.column: constant})
    return runs.with_frame(frame)


def _stream(*numbers: int) -> int:
    """Return a seed derived from several numbers."""
    seeds = np.random.SeedSequence([int(each) for each in numbers])
    return int(seeds.generate_state(1, np.uint64)[0] >> 1)


def _observe(
    model: BoundModel, points: Float[np.ndarray, "tables dim"], seed: int
) -> Float[np.ndarray, "tables runs"]:
    """Simulate the target of each run, in the units of the design."""
    with precision("float64"):
        on_scale = _scatter(model.density("float64", len(model.runs)), jnp.asarray(points), seed)
        ratios = np.asarray(model.noise.scale.inverse()(on_scale))
    return ratios * model.reference[model.law.target.column]


def _in_units(model: BoundModel, points: Float[np.ndarray, "tables dim"]) -> xr.Dataset:
    """Return the parameters of each table, in the units of the design."""
    with precision("float64"):
        values = _values(model.density("float64"), jnp.asarray(points))
    return xr.Dataset({name: ("table", np.asarray(values[name])) for name in model.parameters})


@compiled
def _scatter(
    density: LogDensity, points: Float[Array, "tables dim"], seed: Int[ArrayLike, ""]
) -> Float[Array, "tables runs"]:
    """Draw the targets, over their reference value, on the target's scale."""
    locations = jax.vmap(density.location)(points)
    values = {
        n: each[:, None] for n, each in jax.vmap(density.coordinates.at_reference)(points).items()
    }
    scatter = density.noise.about(
        locations, values, density.likelihood.inputs, density.likelihood.errors
    )
    return scatter.sample(jax.random.key(seed))


@compiled
def _values(
    density: LogDensity, points: Float[Array, "tables dim"]
) -> dict[str, Float[Array, " tables"]]:
    return jax.vmap(density.coordinates.in_units)(points)
