"""Tables drawn from the priors, at given inputs."""

import warnings
from dataclasses import dataclass
from functools import cached_property

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Array, ArrayLike, Bool, Float, Int

from scalingbayes._core.arguments import check_seed
from scalingbayes._core.errors import InputError, InputWarning
from scalingbayes._core.precision import precision
from scalingbayes.data.runs import Runs, Table, as_runs
from scalingbayes.evaluation.calibration.design import typical_inputs
from scalingbayes.inference import PriorDraws, silent
from scalingbayes.laws import Law
from scalingbayes.model.bound_model import BoundModel
from scalingbayes.model.log_density import LogDensity
from scalingbayes.model.model import DEFAULT_LAW, ModelLike, as_model

_ROWS = 64
_MOST_ROUNDS = 20
_WIDEST = 14.0  # span of a table's values on their scale: losses over a factor of a million


@dataclass(frozen=True, eq=False)
class Simulation:
    """Tables whose law and parameters are known.

    Parameters
    ----------
    model
        What they are drawn from: its runs are the design, its ``reference`` is where the default
        priors are stated, for all tables.
    truths
        The parameters of each table, in the units of the design; dim ``table``.
    points
        The same, and errors that runs share, as coordinates of the model's density; shape (tables,
        dim).
    observed
        What each run reached; shape (tables, runs).
    rejected
        How many tables were drawn again since they are none that anyone has: a value overflowed
        or was no target's (a loss of 0, an error rate of 1 or within a millionth of it), or losses
        spread over more than a factor of a million. That depends on their values alone, so a
        right posterior's intervals hold as often among those that are left.
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
        """The tables, each with the design's inputs, and losses and their errors of its own."""
        model = self.model
        drawn = {model.law.target.column: self.observed}
        if model.errors is not None:
            with precision("float64"):
                slopes = np.asarray(model.noise.scale.slope(jnp.asarray(self.observed)))
            drawn[model.noise.error] = model.errors / np.abs(slopes)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", InputWarning)  # the design has been warned about
            return [
                Runs(
                    model.runs.frame.assign(**{name: x[number] for name, x in drawn.items()}),
                    name=f"simulated table {number}",
                )
                for number in range(len(self))
            ]

    def __repr__(self) -> str:
        return f"{len(self)} tables of {len(self.model.runs)} runs drawn from\n{self.model}"


def simulate(
    runs: Table | None = None,
    model: ModelLike = DEFAULT_LAW,
    *,
    count: int = 1000,
    seed: int = 0,
) -> Simulation:
    """Draw tables from the priors: parameters first, then the losses of a table's runs.

    Parameters
    ----------
    runs
        The design: a table whose inputs the simulated ones share. Its losses, if it has any, say no
        more than where default priors are stated, and how large errors are that are known: these
        stay as they are on the scale on which runs scatter, so that of a loss twice as high they
        are twice as large. By default 64 runs over the ranges of
        :func:`~scalingbayes.evaluation.calibration.typical_inputs`.
    model
        The law or the model, as for :func:`scalingbayes.fit`. Columns that the noise names are
        columns of the design. Without a reference point of its own, the model has the design's,
        with a loss of 1 if the design has no losses.
    count
        How many tables.
    seed
        Seed of the parameters and of the noise.

    Raises
    ------
    InputError
        If the design, the law, a prior or a setting cannot be used, or hardly any table drawn from
        the priors has finite losses in the target's domain.
    """
    check_count("count", count)
    check_seed(seed)
    unbound = as_model(model)
    law = unbound.law
    bound = unbound.bind(_design(runs, law))
    points, observed = [], []
    rejected = kept = 0
    for step in range(_MOST_ROUNDS):
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
            f"Of {_MOST_ROUNDS * count} tables drawn from the priors of law {law.name!r} only "
            f"{kept} have a {law.target.column} that is finite and "
            f"{law.target.on_scale.domain.name} in every run: give narrower priors, or a design "
            f"over smaller ranges."
        )
    chosen = np.concatenate(points)
    return Simulation(bound, _in_units(bound, chosen), chosen, np.concatenate(observed), rejected)


def _plausible(
    model: BoundModel, losses: Float[np.ndarray, "tables runs"]
) -> Bool[np.ndarray, " tables"]:
    """Say which tables are such as someone might have."""
    scale = model.law.target.on_scale
    inside = (np.isfinite(losses) & ~scale.domain.excludes(losses)).all(1)
    with precision("float64"):
        on_scale = np.asarray(scale.link(jnp.asarray(np.where(inside[:, None], losses, 0.5))))
        told_apart = np.isclose(scale.inverse()(on_scale), losses, rtol=1e-9, atol=0.0).all(1)
    return inside & told_apart & (np.ptp(on_scale, axis=1) < _WIDEST * model.unit)


def check_count(name: str, count: int) -> None:
    """Check a number of tables.

    Raises
    ------
    InputError
        If it is not a whole number of 1 or more.
    """
    if not isinstance(count, int | np.integer) or isinstance(count, bool) or count < 1:
        raise InputError(f"{name} must be a whole number of 1 or more; got {count!r}.")


def _design(runs: Table | None, law: Law) -> Runs:
    """Make a design a table, with a target that stands for none."""
    if runs is None:
        inputs = typical_inputs(law, _ROWS, np.random.default_rng(0))
        runs = Runs(inputs, name=f"typical runs of {law.name}")
    runs = as_runs(runs)
    if law.target.column in runs.frame:
        return runs
    stand_in = 0.5 if law.target.scale == "logit" else 1.0  # at which the reference is 1
    return Runs(pd.DataFrame(runs.frame).assign(**{law.target.column: stand_in}), name=runs.name)


def _stream(*numbers: int) -> int:
    """Make one seed of several numbers; others make another."""
    seeds = np.random.SeedSequence([int(each) for each in numbers])
    return int(seeds.generate_state(1, np.uint64)[0] >> 1)


def _observe(
    model: BoundModel, points: Float[np.ndarray, "tables dim"], seed: int
) -> Float[np.ndarray, "tables runs"]:
    with precision("float64"):
        on_scale = _scatter(model.density("float64", len(model.runs)), jnp.asarray(points), seed)
        ratios = np.asarray(model.noise.scale.inverse()(on_scale))
    return ratios * model.reference[model.law.target.column]


def _in_units(model: BoundModel, points: Float[np.ndarray, "tables dim"]) -> xr.Dataset:
    with precision("float64"):
        values = _values(model.density("float64"), jnp.asarray(points))
    return xr.Dataset({name: ("table", np.asarray(values[name])) for name in model.parameters})


@jax.jit
def _scatter(
    density: LogDensity, points: Float[Array, "tables dim"], seed: Int[ArrayLike, ""]
) -> Float[Array, "tables runs"]:
    """Draw what runs reach, over its reference value, on the scale on which it scatters."""
    locations = jax.vmap(density.location)(points)
    values = {n: each[:, None] for n, each in jax.vmap(density.at_reference)(points).items()}
    scatter = density.noise.about(locations, values, density.inputs, density.errors)
    return scatter.sample(jax.random.key(seed))


@jax.jit
def _values(
    density: LogDensity, points: Float[Array, "tables dim"]
) -> dict[str, Float[Array, " tables"]]:
    return jax.vmap(density.in_units)(points)
