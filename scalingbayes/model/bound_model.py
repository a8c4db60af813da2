"""A model: a law, a noise model and priors, joined with a table of runs."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import pandas as pd
from jaxtyping import Bool, Float
from numpyro.distributions import Distribution, Normal, TransformedDistribution
from numpyro.distributions.transforms import AffineTransform, PowerTransform, Transform

from scalingbayes._core.domains import NONNEGATIVE
from scalingbayes._core.errors import InputError, InputWarning
from scalingbayes._core.precision import precision, to_device
from scalingbayes.data.runs import Runs, missing_column
from scalingbayes.laws import COMMON_INPUTS, Law
from scalingbayes.laws.base.parameters import Parameter, Prior, in_order
from scalingbayes.model.discrepancy import Discrepancy, log_scale
from scalingbayes.model.log_density import LogDensity
from scalingbayes.model.noise import TAU, Noise
from scalingbayes.model.random_effects import RandomEffects, design_of_groups

_SMALLEST_PADDING = 64
_CURVE = 5  # rows of a label, on average, that make a curve of it
_LARGE_TABLE = 1 << 16
_COLLINEAR = 0.01  # smallest over largest span of the standardised log inputs


@dataclass(frozen=True, eq=False)
class BoundModel:
    """A model joined with the table of runs that it is fitted to; :meth:`Model.bind` makes it."""

    law: Law
    noise: Noise
    priors: Mapping[str, Prior]
    runs: Runs
    weights: Float[np.ndarray, " runs"]
    given_reference: Mapping[str, float] | None = None

    def with_likelihood_power(self, likelihood_power: float) -> "BoundModel":
        """Raise the likelihood to a power: multiply the weights by it."""
        return replace(self, weights=likelihood_power * self.weights)

    @property
    def parameters(self) -> dict[str, Parameter]:
        """Parameters of the law, then of the noise."""
        return {**self.law.parameters, **self.noise.parameters}

    @property
    def counted(self) -> Bool[np.ndarray, " runs"]:
        """Which runs count; the others are hold-outs."""
        return self.weights > 0

    @cached_property
    def inputs(self) -> dict[str, Float[np.ndarray, " runs"]]:
        """The columns that the law reads."""
        return {name: self.runs.column(name, each.domain) for name, each in self.law.inputs.items()}

    @cached_property
    def observed(self) -> Float[np.ndarray, " runs"]:
        """The column that the law predicts."""
        target = self.law.target
        return self.runs.column(target.column, target.on_scale.domain)

    @cached_property
    def errors(self) -> Float[np.ndarray, " runs"] | None:
        """Known standard errors of the target, on the scale on which it scatters."""
        return known_errors(self.noise, self.runs, self.observed)

    @cached_property
    def reference(self) -> dict[str, float]:
        """The data's own point, or the one that was given.

        The geometric mean of each input that has a unit of its own, and for a loss the smallest.
        """
        if self.given_reference is not None:
            return dict(self.given_reference)
        target = self.law.target
        reference: dict[str, float] = {}
        for name, each in self.law.inputs.items():
            if each.unit == "1":
                reference[name] = 1.0
            else:
                reference[name] = _geometric_mean(self.inputs[each.unit or name][self.counted])
        return {**reference, target.column: target.on_scale.reference(self.observed[self.counted])}

    @property
    def unit(self) -> float:
        """What deviations on the target's scale are counted in at the reference point.

        1 but where the target is on a plain scale, of which it is the reference value.
        """
        target = self.law.target
        return 1.0 if target.unit == "1" else self.reference[target.column]

    @cached_property
    def discrepancy(self) -> Discrepancy | None:
        """The range over which the law itself errs, that of all runs."""
        if not self.noise.discrepancy:
            return None
        here = self.log_scale
        return Discrepancy(float(here.min()), float(here.max()))

    @property
    def log_scale(self) -> Float[np.ndarray, " runs"]:
        """How far each run is along the discrepancy: log of its scale over the reference."""
        return log_scale(self.noise.discrepancy, self.inputs, self.reference)

    @cached_property
    def shared(self) -> tuple[np.ndarray, Float[np.ndarray, "runs effects"]] | None:
        """Labels of the errors that runs share, and how much each run has of each."""
        if self.discrepancy is not None:
            with precision("float64"):
                design = np.asarray(self.discrepancy.basis(self.log_scale))
            return np.array([f"step {i}" for i in range(design.shape[1])]), design
        if not self.noise.groups:
            return None
        return design_of_groups(self.runs.labels(self.noise.groups))

    def density(
        self, dtype: str, length: int | None = None, effects: int | None = None
    ) -> LogDensity:
        """Return the log density on R^k.

        Parameters
        ----------
        dtype
            ``"float64"`` or ``"float32"``; call this inside
            :func:`~scalingbayes._core.precision.precision` of the same.
        length
            How many rows it has: as many as :func:`padded_length` says, so that few lengths are
            ever compiled, or more.
        effects
            How many errors runs share: as many as in the table, or more.
        """
        length = length or padded_length(len(self.runs))
        reference, errors = self.reference, self.errors

        def at_reference(name: str, values: Float[np.ndarray, " runs"]) -> np.ndarray:
            scaled = values / reference[name]
            return _pad(scaled, length, scaled[0])

        arrays = to_device(
            {
                "priors": dict(self.priors),
                "observed": at_reference(self.law.target.column, self.observed),
                "inputs": {name: at_reference(name, x) for name, x in self.inputs.items()},
                "weights": _pad(self.weights, length, 0.0),
                "reference": reference,
                "errors": None if errors is None else _pad(errors / self.unit, length, 1.0),
            },
            dtype,
        )
        if self.shared is None:
            return LogDensity(self.law, self.noise, **arrays)
        _, design = self.shared
        effects = effects or design.shape[1]
        padded = np.zeros((length, effects))
        padded[: design.shape[0], : design.shape[1]] = design
        shared = RandomEffects.of(padded, _pad(self.weights, length, 0.0), dtype)
        return LogDensity(self.law, self.noise, **arrays, shared=shared)

    def numpyro_model(self, observed: bool = True) -> Callable[[], None]:
        """Return the same model in numpyro's language.

        Its sites are the parameters in the table's units, under their own names, so that the draws
        of ``post.tree["posterior"]`` go into ``numpyro.infer.Predictive`` and
        ``numpyro.infer.log_likelihood`` as they are. The priors of A and B are stated given alpha
        and beta; ``numpyro.infer.reparam.TransformReparam`` moves a sampler that works on these
        sites to the reference point. Runs of weight 0 are left out.

        Parameters
        ----------
        observed
            Whether the losses are given; if not, ``Predictive`` draws new ones.
        """
        counted = self.counted
        inputs = {name: jnp.asarray(x[counted]) for name, x in self.inputs.items()}
        target, there = self.law.target.column, jnp.asarray(self.observed[counted])
        weights = jnp.asarray(self.weights[counted])
        reference = self.reference
        ratios = {name: x / reference[name] for name, x in inputs.items()}
        errors = None if self.errors is None else jnp.asarray(self.errors[counted])
        design = None if self.shared is None else jnp.asarray(self.shared[1][counted])

        def model() -> None:
            values: dict[str, Any] = {}
            for name, parameter in in_order(self.parameters).items():
                prior = _in_units(self.priors[name], parameter, {**reference, **values})
                values[name] = numpyro.sample(name, prior)
                if self.priors[name].may_leave(parameter):
                    values[name], inside = parameter.keep(values[name], {**reference, **values})
                    numpyro.factor(f"{name}_in_range", jnp.where(inside, 0.0, -jnp.inf))
            expected = numpyro.deterministic(f"expected_{target}", self.law(inputs, values))
            if design is not None:
                with numpyro.plate("effect", design.shape[1]):
                    effects = numpyro.sample("shared_error_over_tau", Normal(0.0, 1.0))
            with numpyro.plate("run", len(there)), numpyro.handlers.scale(scale=weights):
                if design is not None:
                    location = self.noise.scale.link(expected)
                    location += values[TAU] * (design @ effects)
                    expected = self.noise.scale.inverse()(location)
                scatter = self.noise(expected, values, ratios, errors)
                numpyro.sample(target, scatter, obs=there if observed else None)

        return model

    def describe_priors(self) -> dict[str, str]:
        """Write each parameter's prior as a sampling statement."""
        return {
            name: self.priors[name].describe(name, parameter)
            for name, parameter in self.parameters.items()
        }

    def __repr__(self) -> str:
        reference = ", ".join(f"{name} {value:.4g}" for name, value in self.reference.items())
        lines = [
            f"Model of {self.runs.name!r} ({len(self.runs)} runs)",
            f"  law    {self.law.equation}   ({self.law.source})",
            f"  noise  {self.noise.equation}",
            f"  priors at the reference point ({reference})",
            *(f"    {statement}" for statement in self.describe_priors().values()),
        ]
        return "\n".join(lines)


def check_bound(model: BoundModel) -> None:
    """Check that a model can be fitted to its runs.

    Raises
    ------
    InputError
        If the table lacks a column, a value is outside its domain, there are fewer runs than
        unknowns, or an input that the law needs to vary has a single value.
    """
    law, noise, runs = model.law, model.noise, model.runs
    named = [name for name in (noise.error, noise.groups) if name]
    for column in (law.target.column, *law.inputs, *named):
        if column not in runs.frame:
            needed = (
                f"Law {law.name!r} reads {', '.join(law.inputs)} and predicts {law.target.column}."
            )
            raise missing_column(column, runs.frame.columns, needed)
    counted = model.counted
    model.inputs, model.observed, model.errors  # noqa: B018 - reading the columns checks them
    unknowns = len(model.parameters)
    if counted.sum() < unknowns:
        raise InputError(
            f"The table has {int(counted.sum())} runs that count, fewer than the {unknowns} "
            f"unknowns of law {law.name!r} with {noise.name} noise "
            f"({', '.join(model.parameters)}): add runs, or choose a law with fewer parameters."
        )
    varied = {name: x[counted] for name, x in _varied_inputs(model).items()}
    for name, values in varied.items():
        if np.ptp(np.log(values)) < 1e-6:
            raise InputError(
                f"Column {name!r} has the single value {values[0]:.6g}: law "
                f"{law.name!r} cannot be identified. Add runs with other {name}."
            )
    _warn_of_collinear(varied)
    if not noise.has_random_effects:
        _warn_of_curves(model)


def known_errors(
    noise: Noise, runs: Runs, observed: Float[np.ndarray, " runs"]
) -> Float[np.ndarray, " runs"] | None:
    """Take the known standard errors of a table's targets, if any, to the target's scale.

    Raises
    ------
    InputError
        If the column is missing or has negative numbers.
    """
    if not noise.error:
        return None
    with precision("float64"):
        slope = noise.scale.slope(jnp.asarray(observed))
    return runs.column(noise.error, NONNEGATIVE) * np.abs(slope)


def stack_densities(models: Sequence[BoundModel], dtype: str) -> LogDensity:
    """Stack the log densities of models of one law, noise model and families of priors.

    Returns a density whose arrays have one more axis, the models', in front; rows are padded to the
    longest table. They are NumPy's, which devices of any number and host take.
    """
    length = max(padded_length(len(model.runs)) for model in models)
    effects = max(0 if model.shared is None else len(model.shared[0]) for model in models)
    densities = [model.density(dtype, length, effects) for model in models]
    return jax.tree.map(lambda *arrays: np.stack(arrays), *densities)


def padded_length(rows: int) -> int:
    """Round a number of rows up to 64, 96, 128, 192, 256, 384, ... so that few are compiled.

    Large tables, where padding costs more than compiling, are rounded to eight lengths an octave.
    """
    octave = 1 << (rows - 1).bit_length() >> 1
    step = octave // (2 if rows <= _LARGE_TABLE else 8)
    return max(_SMALLEST_PADDING, -(-rows // max(step, 1)) * max(step, 1))


def _varied_inputs(model: BoundModel) -> dict[str, Float[np.ndarray, " runs"]]:
    """Pick the inputs that must vary: counts of experts and the like may be the same in all."""
    own = [name for name, x in model.law.inputs.items() if x.unit is None or name in COMMON_INPUTS]
    return {name: model.inputs[name] for name in own}


def _warn_of_collinear(inputs: Mapping[str, Float[np.ndarray, " runs"]]) -> None:
    if len(inputs) < 2:
        return
    logs = np.log(np.stack(list(inputs.values())))
    deviations = logs - logs.mean(axis=1, keepdims=True)
    spans = np.linalg.svd(deviations / deviations.std(axis=1, keepdims=True), compute_uv=False)
    if spans[-1] < _COLLINEAR * spans[0]:
        warnings.warn(
            f"{' and '.join(inputs)} move together in all runs (as in a single IsoFLOP budget, or "
            f"at a fixed ratio): their effects cannot be told apart, and the priors decide what "
            f"goes to which. Add runs that change one and not the other.",
            InputWarning,
            stacklevel=4,
        )


def _warn_of_curves(model: BoundModel) -> None:
    """Warn of a column that names training curves: many rows of one model size each."""
    frame = model.runs.frame[model.counted]
    if not {"params", "tokens"} <= set(model.law.inputs):
        return
    for column in frame.columns:
        if pd.api.types.is_numeric_dtype(frame[column]) or frame[column].isna().any():
            continue
        curves = frame.groupby(column)
        if len(curves) < 3 or len(frame) < _CURVE * len(curves):
            continue
        if (curves["params"].min() == curves["params"].max()).all() and curves[
            "tokens"
        ].nunique().min() > 2:
            warnings.warn(
                f"Column {column!r} names {len(curves)} training curves of {len(frame)} rows: rows "
                f"of one curve share errors. Fit with groups={column!r}, or keep the last row of "
                f"each.",
                InputWarning,
                stacklevel=4,
            )
            return


def _pad(values: Float[np.ndarray, " runs"], length: int, filler: float) -> np.ndarray:
    return np.pad(values, (0, length - len(values)), constant_values=filler)


def _geometric_mean(values: Float[np.ndarray, " runs"]) -> float:
    return float(np.exp(np.log(values).mean()))


def _in_units(prior: Prior, parameter: Parameter, names: Mapping[str, Any]) -> Distribution:
    if parameter.plain or not prior.at_reference:
        return prior.distribution
    transforms: list[Transform] = []
    support = prior.distribution.support
    if parameter.power.constant != 1:
        transforms.append(PowerTransform(parameter.power.evaluate(names)))
    transforms.append(
        AffineTransform(
            parameter.shift.evaluate(names), parameter.unit.evaluate(names), domain=support
        )
    )
    return TransformedDistribution(prior.distribution, transforms)
