"""A model: a law, a noise model and priors, joined with a table of runs."""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax.numpy as jnp
import numpy as np
import numpyro
from jaxtyping import Bool, Float
from numpyro.distributions import Distribution, TransformedDistribution
from numpyro.distributions.transforms import AffineTransform

from scalingbayes.density import LogDensity
from scalingbayes.errors import InputError, InputWarning
from scalingbayes.laws import Law, get_law
from scalingbayes.noise import Noise, get_noise
from scalingbayes.parameters import Parameter, Prior, resolve_priors
from scalingbayes.precision import to_device
from scalingbayes.runs import Runs

_SMALLEST_PADDING = 64
_LARGE_TABLE = 1 << 16
_COLLINEAR = 0.01  # smallest over largest span of the standardised log inputs


@dataclass(frozen=True, eq=False)
class Model:
    """A law, a noise model, priors and the runs they are to explain.

    Made by :func:`build_model`, which checks that they fit together.
    """

    law: Law
    noise: Noise
    priors: Mapping[str, Prior]
    runs: Runs
    weights: Float[np.ndarray, " runs"]

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
        return {name: self.runs.column(name) for name in self.law.inputs}

    @cached_property
    def reference(self) -> dict[str, float]:
        """The data's own point: the geometric mean of each input and the smallest loss."""
        counted = self.counted
        means = {name: _geometric_mean(x[counted]) for name, x in self.inputs.items()}
        return {**means, "loss": float(self.runs.column("loss")[counted].min())}

    def density(self, dtype: str) -> LogDensity:
        """Return the log density on R^k, with rows padded so that few lengths are ever compiled.

        Call it inside :func:`~scalingbayes.precision.precision` of the same dtype.
        """
        length = padded_length(len(self.runs))
        reference = self.reference
        columns = {**self.inputs, "loss": self.runs.column("loss")}
        padded = {name: _pad(x / reference[name], length, 1.0) for name, x in columns.items()}
        arrays = to_device(
            {
                "priors": dict(self.priors),
                "loss": padded.pop("loss"),
                "inputs": padded,
                "weights": _pad(self.weights, length, 0.0),
                "reference": reference,
            },
            dtype,
        )
        return LogDensity(self.law, self.noise, **arrays)

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
        loss = jnp.asarray(self.runs.column("loss")[counted])
        weights = jnp.asarray(self.weights[counted])
        reference = self.reference

        def model() -> None:
            values: dict[str, Any] = {}
            for name, parameter in sorted(self.parameters.items(), key=lambda p: p[1].unit != "1"):
                scale = parameter.scale({**reference, **values})
                values[name] = numpyro.sample(name, _in_units(self.priors[name], scale))
            expected = numpyro.deterministic("expected_loss", self.law(inputs, values))
            with numpyro.plate("run", len(loss)), numpyro.handlers.scale(scale=weights):
                numpyro.sample("loss", self.noise(expected, values), obs=loss if observed else None)

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


def build_model(
    runs: Runs,
    law: str | Law = "chinchilla",
    noise: str | Noise = "student_t",
    priors: Mapping[str, Distribution] | None = None,
    weights: Float[np.ndarray, " runs"] | None = None,
) -> Model:
    """Join a law, a noise model and priors with a table of runs.

    Parameters
    ----------
    runs
        The table; it must have the columns that the law reads.
    law, noise
        By name or as objects.
    priors
        Priors in place of the defaults, by parameter, in the units of the table:
        ``{"alpha": dist.LogNormal(-1, 0.2)}``.
    weights
        How much each row counts: 0 holds it out, a fraction discounts it. All 1 by default.

    Raises
    ------
    InputError
        If there is no such law or noise model, the law cannot be identified from the table, or
        priors or weights cannot be used.
    """
    law, noise = get_law(law), get_noise(noise)
    if shared := set(law.parameters) & set(noise.parameters):
        raise InputError(
            f"Law {law.name!r} and noise model {noise.name!r} both have parameters called "
            f"{', '.join(sorted(shared))}: rename those of the law."
        )
    model = Model(
        law,
        noise,
        resolve_priors({**law.parameters, **noise.parameters}, priors or {}),
        runs,
        _checked_weights(weights, len(runs)),
    )
    counted = model.counted
    unknowns = len(model.parameters)
    if counted.sum() < unknowns:
        raise InputError(
            f"The table has {int(counted.sum())} runs that count, fewer than the {unknowns} "
            f"unknowns of law {law.name!r} with {noise.name} noise "
            f"({', '.join(model.parameters)}): add runs, or choose a law with fewer parameters."
        )
    for name, values in model.inputs.items():
        if np.ptp(np.log(values[counted])) < 1e-6:
            raise InputError(
                f"Column {name!r} has the single value {values[counted][0]:.6g}: law "
                f"{law.name!r} cannot be identified. Add runs with other {name}."
            )
    _warn_of_collinear({name: values[counted] for name, values in model.inputs.items()})
    return model


def padded_length(rows: int) -> int:
    """Round a number of rows up to 64, 96, 128, 192, 256, 384, ... so that few are compiled.

    Large tables, where padding costs more than compiling, are rounded to eight lengths an octave.
    """
    octave = 1 << (rows - 1).bit_length() >> 1
    step = octave // (2 if rows <= _LARGE_TABLE else 8)
    return max(_SMALLEST_PADDING, -(-rows // max(step, 1)) * max(step, 1))


def _warn_of_collinear(inputs: Mapping[str, Float[np.ndarray, " runs"]]) -> None:
    logs = np.log(np.stack(list(inputs.values())))
    deviations = logs - logs.mean(axis=1, keepdims=True)
    spans = np.linalg.svd(deviations / deviations.std(axis=1, keepdims=True), compute_uv=False)
    if len(inputs) > 1 and spans[-1] < _COLLINEAR * spans[0]:
        warnings.warn(
            f"{' and '.join(inputs)} move together in all runs (as in a single IsoFLOP budget, or "
            f"at a fixed ratio): their effects cannot be told apart, and the priors decide what "
            f"goes to which. Add runs that change one and not the other.",
            InputWarning,
            stacklevel=4,
        )


def _pad(values: Float[np.ndarray, " runs"], length: int, filler: float) -> np.ndarray:
    return np.pad(values, (0, length - len(values)), constant_values=filler)


def _geometric_mean(values: Float[np.ndarray, " runs"]) -> float:
    return float(np.exp(np.log(values).mean()))


def _in_units(prior: Prior, scale: Any) -> Distribution:
    if not prior.at_reference:
        return prior.distribution
    support = prior.distribution.support
    return TransformedDistribution(prior.distribution, AffineTransform(0.0, scale, domain=support))


def _checked_weights(
    weights: Float[np.ndarray, " runs"] | None, rows: int
) -> Float[np.ndarray, " runs"]:
    if weights is None:
        return np.ones(rows)
    try:
        checked = np.asarray(weights, float)
    except (TypeError, ValueError):
        checked = np.array(np.nan)
    if checked.shape != (rows,) or not np.all(np.isfinite(checked)) or np.any(checked < 0):
        raise InputError(
            f"weights must be {rows} finite numbers of 0 or more, one for each run; got an array "
            f"of shape {checked.shape}."
        )
    return checked
