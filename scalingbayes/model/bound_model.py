"""A model: a law, a noise model and priors, joined with a table of runs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
from jaxtyping import Bool, Float
from numpyro.distributions import Distribution, Normal, TransformedDistribution
from numpyro.distributions.transforms import AffineTransform, PowerTransform, Transform

from scalingbayes._core.domains import NONNEGATIVE
from scalingbayes._core.numbers import write_all
from scalingbayes._core.precision import precision, to_dtype
from scalingbayes.data.runs import Runs
from scalingbayes.laws import Law
from scalingbayes.laws.base.parameters import Parameter, Prior, in_order
from scalingbayes.model.allowance import LIKELIHOOD_POWERS, ROW_EXPONENTS, Allowance
from scalingbayes.model.coordinates import Coordinates
from scalingbayes.model.discrepancy import Discrepancy, log_scale
from scalingbayes.model.likelihood import Likelihood
from scalingbayes.model.log_density import LogDensity
from scalingbayes.model.mixture_density import MixtureDensity
from scalingbayes.model.noise import TAU, Noise
from scalingbayes.model.random_effects import (
    DenseDesign,
    Design,
    EffectsDesign,
    design_of_groups,
)
from scalingbayes.model.view import view_of_model
from scalingbayes.results import View

_SMALLEST_LENGTH = 64
_LARGE_TABLE = 1 << 16  # rows above which padding costs more than compiling another program


@dataclass(frozen=True, eq=False)
class BoundModel:
    """A model joined with the table of runs that it is fitted to. :meth:`Model.bind` returns one.

    Parameters
    ----------
    law, noise, priors
        Those of the model.
    runs
        The table.
    weights
        How much each run counts.
    given_reference
        The reference point of the model, if it has one.
    origin_of_priors
        Where the default priors come from, in a few words.
    allowance
        The allowance for the law's error; None if the law is taken as exact.
    """

    law: Law
    noise: Noise
    priors: Mapping[str, Prior]
    runs: Runs
    weights: Float[np.ndarray, " runs"]
    given_reference: Mapping[str, float] | None = None
    origin_of_priors: str = "weak"
    allowance: Allowance | None = None

    def with_weights(self, weights: Float[np.ndarray, " runs"]) -> "BoundModel":
        """Return the same model with other weights; the columns are not read again."""
        found = replace(self, weights=weights)
        for name in ("inputs", "observed", "errors", "run_scale"):
            found.__dict__[name] = getattr(self, name)  # where cached_property keeps a value
        return found

    def discounted(self, exponent: float) -> Float[np.ndarray, " runs"]:
        """Return the weights times (scale / largest scale)^exponent: small runs count for less."""
        scale = self.run_scale
        return self.weights * (scale / scale[self.counted].max()) ** exponent

    @property
    def parameters(self) -> dict[str, Parameter]:
        """Parameters of the law, then of the noise."""
        return {**self.law.parameters, **self.noise.parameters}

    @property
    def counted(self) -> Bool[np.ndarray, " runs"]:
        """Which runs count; the others are held out."""
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
        """Known standard errors of the target, on the target's scale."""
        return known_errors(self.noise, self.runs, self.observed)

    @cached_property
    def reference(self) -> dict[str, float]:
        """The reference point: the model's, or that of the runs that count.

        The reference point of runs is the geometric mean of each input that has a unit of its own,
        1 for an input without a unit, and the smallest loss for the target and inputs in its unit.
        """
        if self.given_reference is not None:
            return dict(self.given_reference)
        target = self.law.target
        smallest = target.on_scale.reference(self.observed[self.counted])
        reference: dict[str, float] = {}
        for name, each in self.law.inputs.items():
            if each.unit == "1":
                reference[name] = 1.0
            elif each.unit == target.column:
                reference[name] = smallest
            else:
                reference[name] = geometric_mean(self.inputs[each.unit or name][self.counted])
        return {**reference, target.column: smallest}

    @cached_property
    def run_scale(self) -> Float[np.ndarray, " runs"]:
        """The scale of each run: compute, or the product of the inputs that reduce the target.

        If an input is a loss, its inverse enters the product. If a law has no such inputs, as a
        mixture of domains, all runs have scale 1.
        """
        law = self.law
        names: Sequence[str] = law.decreasing
        if law.allocates:
            names = (law.budget.size, "tokens")
        elif not names:
            names = [name for name, each in law.inputs.items() if each.unit is None]
        scale = np.ones(len(self.runs))
        for name in names:
            scale *= 1 / self.inputs[name] if name == "loss" else self.inputs[name]
        return scale

    @property
    def unit(self) -> float:
        """The unit of deviations on the target's scale, at the reference point.

        It is 1, except for a target on a plain scale, where it is the reference value of the
        target.
        """
        target = self.law.target
        return 1.0 if target.unit == "1" else self.reference[target.column]

    @cached_property
    def discrepancy(self) -> Discrepancy | None:
        """The discrepancy over the range of all runs; None if the model has none."""
        if not self.noise.discrepancy:
            return None
        log_scale = self.log_scale
        return Discrepancy(float(log_scale.min()), float(log_scale.max()))

    @property
    def log_scale(self) -> Float[np.ndarray, " runs"]:
        """The coordinate of each run on the discrepancy: log of its scale over the reference."""
        return log_scale(self.noise.discrepancy, self.inputs, self.reference)

    @cached_property
    def effects_labels_and_design(self) -> tuple[np.ndarray, Design] | None:
        """Labels of the random effects, and the map from effects to runs."""
        if self.discrepancy is not None:
            with precision("float64"):
                design = DenseDesign(np.asarray(self.discrepancy.basis(self.log_scale)))
            return np.array([f"step {i}" for i in range(design.count)]), design
        if not self.noise.groups:
            return None
        return design_of_groups(self.runs.labels(self.noise.groups))

    def density(
        self, dtype: str, length: int | None = None, effects: int | None = None
    ) -> LogDensity:
        """Return the log density over unconstrained coordinates.

        The arguments are those of :meth:`host_density`.
        """
        return jax.tree.map(jnp.asarray, self.host_density(dtype, length, effects))

    def host_density(
        self, dtype: str, length: int | None = None, effects: int | None = None
    ) -> LogDensity:
        """Return the log density over unconstrained coordinates, with arrays of NumPy.

        Parameters
        ----------
        dtype
            ``"float64"`` or ``"float32"``. Call this method inside
            ``precision`` of the same precision.
        length
            Number of rows, padding included; by default ``padded_length`` of the table's.
        effects
            Number of random effects, padding included; by default the number in the table.
        """
        length = length or padded_length(len(self.runs))
        reference, errors = self.reference, self.errors

        def at_reference(name: str, values: Float[np.ndarray, " runs"]) -> np.ndarray:
            scaled = values / reference[name]
            return _pad(scaled, length, scaled[0])

        arrays = to_dtype(
            {
                "observed": at_reference(self.law.target.column, self.observed),
                "inputs": {name: at_reference(name, x) for name, x in self.inputs.items()},
                "weights": _pad(self.weights, length, 0.0),
                "errors": None if errors is None else _pad(errors / self.unit, length, 1.0),
            },
            dtype,
        )
        random_effects, effects = None, effects or 0
        if self.effects_labels_and_design is not None:
            _, design = self.effects_labels_and_design
            effects = effects or design.count
            weights = _pad(self.weights, length, 0.0)
            random_effects = EffectsDesign.of(design.padded(length, effects), weights, dtype)
        numbers = to_dtype((dict(self.priors), reference), dtype)
        return LogDensity(
            Coordinates(self.law, self.noise, effects, *numbers),
            Likelihood(self.law, self.noise, **arrays, random_effects=random_effects),
        )

    def mixture(self, dtype: str, length: int | None = None) -> MixtureDensity:
        """Return the log density of the law's parameters under the allowance's mixture.

        The arguments are those of :meth:`density`.
        """
        allowance, length = self.allowance, length or padded_length(len(self.runs))
        assert allowance is not None
        row_weights = [_pad(self.discounted(g), length, 0.0) for g in ROW_EXPONENTS]
        with np.errstate(divide="ignore"):
            log_weights = np.log(allowance.weights) - allowance.log_evidence
        arrays = {
            "noise_values": dict(allowance.noise_values),
            "row_weights": np.stack(row_weights),
            "powers": np.array(LIKELIHOOD_POWERS),
            "log_weights": log_weights,
        }
        arrays = to_dtype(arrays, dtype)
        of_first = {name: x[0] for name, x in arrays["noise_values"].items()}
        density = self.host_density(dtype, length).given_noise(of_first)
        return jax.tree.map(jnp.asarray, MixtureDensity(density, **arrays))

    def numpyro_model(self, observed: bool = True) -> Callable[[], None]:
        """Return the same model as a numpyro model.

        Its sites are the parameters, under their names and in the table's units. The draws of
        ``post.tree["posterior"]`` can be passed to ``numpyro.infer.Predictive`` and
        ``numpyro.infer.log_likelihood`` unchanged. The priors of A and B are conditional on alpha
        and beta; to sample in coordinates at the reference point, use
        ``numpyro.infer.reparam.TransformReparam``. Runs of weight 0 are left out.

        Parameters
        ----------
        observed
            Whether the model is conditioned on the observed losses. If not, ``Predictive`` draws
            new losses.
        """
        counted = self.counted
        inputs = {name: jnp.asarray(x[counted]) for name, x in self.inputs.items()}
        target, targets = self.law.target.column, jnp.asarray(self.observed[counted])
        weights = jnp.asarray(self.weights[counted])
        reference = self.reference
        ratios = {name: x / reference[name] for name, x in inputs.items()}
        errors = None if self.errors is None else jnp.asarray(self.errors[counted])
        design = None
        if self.effects_labels_and_design is not None:
            design = self.effects_labels_and_design[1].rows(counted)

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
                with numpyro.plate("effect", design.count):
                    effects = numpyro.sample("shared_error_over_tau", Normal(0.0, 1.0))
            with numpyro.plate("run", len(targets)), numpyro.handlers.scale(scale=weights):
                if design is not None:
                    location = self.noise.scale.link(expected)
                    location += values[TAU] * design.apply(effects)
                    expected = self.noise.scale.inverse()(location)
                scatter = self.noise(expected, values, ratios, errors)
                numpyro.sample(target, scatter, obs=targets if observed else None)

        return model

    def describe_priors(self) -> dict[str, str]:
        """Return each parameter's prior as a sampling statement."""
        return {
            name: self.priors[name].describe(name, parameter)
            for name, parameter in self.parameters.items()
        }

    def view(self) -> View:
        """Return what the model shows of itself in a terminal or notebook."""
        title = f"Model of {self.runs.name!r} ({len(self.runs)} runs)"
        where = f"({write_all(self.reference)}); defaults {self.origin_of_priors}"
        return view_of_model(title, self.law, self.noise, self.priors, where)

    def __repr__(self) -> str:
        return self.view().text()

    def _repr_html_(self) -> str:
        return self.view().html()


def known_errors(
    noise: Noise, runs: Runs, observed: Float[np.ndarray, " runs"]
) -> Float[np.ndarray, " runs"] | None:
    """Return known standard errors of the target, on the target's scale.

    Parameters
    ----------
    noise
        The noise model; ``noise.error`` names the column of standard errors.
    runs
        The table.
    observed
        The target of each run, in the table's units.

    Returns
    -------
    Float[numpy.ndarray, " runs"] | None
        The errors; None if the noise model has no known errors. They are converted from the table's
        units to first order.

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


def padded_length(rows: int) -> int:
    """Return the number of rows that a table is padded to: 64, 96, 128, 192, 256, 384, ...

    Tables of one padded length share a compiled program. There are two lengths for each factor of
    two, and eight for tables of more than 65,536 rows, where padding costs more than compiling.

    Parameters
    ----------
    rows
        Number of rows of the table.
    """
    octave = 1 << (rows - 1).bit_length() >> 1
    step = octave // (2 if rows <= _LARGE_TABLE else 8)
    return max(_SMALLEST_LENGTH, -(-rows // max(step, 1)) * max(step, 1))


def _pad(values: Float[np.ndarray, " runs"], length: int, filler: float) -> np.ndarray:
    return np.pad(values, (0, length - len(values)), constant_values=filler)


def geometric_mean(values: Float[np.ndarray, " runs"]) -> float:
    """Return the geometric mean of positive values."""
    return float(np.exp(np.log(values).mean()))


def _in_units(prior: Prior, parameter: Parameter, names: Mapping[str, Any]) -> Distribution:
    """Return a prior in the table's units; ``names`` has the reference and earlier parameters."""
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
