"""How observed values scatter about a law."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache, partial
from math import log

import jax.numpy as jnp
import numpyro.distributions as dist
from jaxtyping import Array, Float
from numpyro.distributions import Distribution, TransformedDistribution

from scalingbayes._core.distributions import RoundedLaplace, StudentT
from scalingbayes._core.errors import InputError, unknown
from scalingbayes.laws import Law
from scalingbayes.laws.base.family import read_call
from scalingbayes.laws.base.parameters import Parameter
from scalingbayes.laws.base.targets import Scale, Target

HUBER_DELTA = 1e-3
"""Where Huber's loss turns from a square to a line, in log loss (Hoffmann et al. 2022, eq. 3)."""

SHARED = "tau"
"""The name of the spread that runs of a group share."""

_SPREAD_EXPONENT = "spread_exponent"
_OPTIONS = ("varying", "error", "groups", "discrepancy")
_NORMAL_NU = 1e3  # Student's t counts as normal; its constant would soon be lost in rounding


@dataclass(frozen=True, eq=False)
class Noise:
    """A noise model: the distribution of an observed value, given what the law expects.

    Parameters
    ----------
    name
        The name that :func:`scalingbayes.fit` knows it by.
    scale
        The scale on which values scatter: that of the law's target.
    distribution
        ``distribution(location, **parameters)``, over values on that scale, symmetric about the
        location and falling away from it.
    parameters
        Each parameter's meaning, unit and default prior.
    equation
        The model as a reader would write it.
    varying
        Inputs of the law whose product the spread sigma falls with, as a power.
    error
        The column of the table that holds the known standard error of each target, or "".
    groups
        The column of the table whose labels say which runs err together, or "".
    discrepancy
        Inputs of the law along the log of whose product the law itself errs, as a random walk.
    normal
        Whether the distribution is normal.
    """

    name: str
    scale: Scale
    distribution: Callable[..., Distribution]
    parameters: Mapping[str, Parameter]
    equation: str
    varying: tuple[str, ...] = ()
    error: str = ""
    groups: str = ""
    discrepancy: tuple[str, ...] = ()
    normal: bool = False

    @property
    def shares(self) -> bool:
        """Whether runs share errors."""
        return bool(self.groups or self.discrepancy)

    def __call__(
        self,
        expected: Array,
        values: Mapping[str, Array],
        inputs: Mapping[str, Array],
        errors: Array | None = None,
    ) -> Distribution:
        """Condition on what the law expects of runs.

        Parameters
        ----------
        expected
            What the law expects.
        values
            The parameters; there may be more than the noise has.
        inputs
            The runs' inputs, each over its reference value; there may be more than it needs.
        errors
            Known standard errors of the targets, on the scale; none by default.
        """
        location = self.scale.link(expected)
        about = self.about(location, values, inputs, errors)
        return TransformedDistribution(about, self.scale.inverse())

    def about(
        self,
        location: Array,
        values: Mapping[str, Array],
        inputs: Mapping[str, Array],
        errors: Array | None = None,
    ) -> Distribution:
        """Condition on the location; the same as a call, on the scale."""
        shape = {n: values[n] for n in self.parameters if n not in (SHARED, _SPREAD_EXPONENT)}
        return self.distribution(
            location, **{**shape, "sigma": self.spread(values, inputs, errors)}
        )

    def spread(
        self,
        values: Mapping[str, Array],
        inputs: Mapping[str, Array],
        errors: Array | None = None,
    ) -> Array:
        """Give sigma of each run, on the scale; arguments are those of a call."""
        sigma = values["sigma"]
        if self.varying:
            size = sum(jnp.log(inputs[name]) for name in self.varying)
            sigma = sigma * jnp.exp(-values[_SPREAD_EXPONENT] * size)
        return sigma if errors is None else jnp.hypot(sigma, errors)

    def __repr__(self) -> str:
        return f"Noise({self.name!r}: {self.equation})"


@cache
def student_t(target: Target) -> Noise:
    """Student's t on the target's scale, its degrees of freedom inferred.

    A few bad runs need not be thrown out by hand: the tail takes them.
    """

    def distribution(
        location: Float[Array, "*#shape"],
        *,
        sigma: Float[Array, "*#shape"],
        nu: Float[Array, "*#shape"],
    ) -> Distribution:
        return StudentT(jnp.minimum(nu, _NORMAL_NU), location, sigma)

    return Noise(
        name="student_t",
        scale=target.on_scale,
        distribution=distribution,
        equation=_equation(target, "sigma * t_nu"),
        parameters={
            "sigma": _spread(target),
            # TruncatedBelow 1: what a run will reach has a mean.
            "nu": Parameter(
                "degrees of freedom; small is heavy-tailed", dist.LogNormal(2.0, 1.0), shift="1"
            ),
        },
    )


@cache
def normal(target: Target) -> Noise:
    """Return the normal distribution on the target's scale: one bad run bends the law."""
    return replace(_of_spread_alone("normal", target, dist.Normal, "sigma * normal"), normal=True)


@cache
def laplace(target: Target) -> Noise:
    """Return Laplace's distribution on the target's scale: least absolute deviations."""
    return _of_spread_alone("laplace", target, dist.Laplace, "Laplace(sigma)")


@cache
def huber(target: Target) -> Noise:
    """Laplace's distribution with a rounded tip, whose log density is minus Huber's loss.

    Given the tip's width, the law of greatest likelihood is that of least Huber loss, which is
    what Hoffmann et al. 2022 minimise. It stands in for a likelihood, since they state none; the
    spread sigma, which they do not need, is inferred.

    Raises
    ------
    InputError
        If the target scatters on a plain scale, where the tip's width has no meaning.
    """
    if target.scale == "plain":
        raise InputError(
            f"Noise model 'huber' has a tip of {HUBER_DELTA:g} on a log or logit scale, and "
            f"{target.column!r} scatters on its own: use 'student_t'."
        )

    return _of_spread_alone(
        "huber",
        target,
        partial(RoundedLaplace, tip=HUBER_DELTA),
        f"Laplace(sigma), its tip rounded within {HUBER_DELTA:g}",
    )


NOISES: dict[str, Callable[[Target], Noise]] = {
    "student_t": student_t,
    "normal": normal,
    "laplace": laplace,
    "huber": huber,
}
"""The noise models there are, by name: each is made for a target."""


def default_noise(law: Law) -> str:
    """Name the noise model that a law is fitted with if none is asked for.

    Small runs stray from a law further than large ones. Where the spread may fall with compute,
    they count for as much as they tell of large ones.
    """
    return "student_t(varying=compute)" if law.allocates else "student_t"


def get_noise(noise: str | Noise, law: Law, groups: str = "") -> Noise:
    """Look up a noise model for a law by its name; a noise model is returned as it is.

    Parameters
    ----------
    noise
        A name, with options in it if there are any. ``"student_t(varying=compute)"``: the spread
        falls as a power of compute, or of one of the law's inputs; at which power is inferred.
        ``"student_t(error=loss_se)"``: a column of the table holds the known standard error of each
        target, which adds to the spread. ``"student_t(groups=run_id)"``: runs of one label in a
        column share an error too, normal with sd tau. ``"student_t(discrepancy=compute)"``: the law
        itself errs, by a random walk in log compute whose sd over a factor of e is tau.
    law
        The law about which values scatter.
    groups
        The option ``groups``, beside those in the name.

    Raises
    ------
    InputError
        If no noise model has the name, or an option cannot be used.
    """
    if isinstance(noise, Noise):
        if groups not in ("", noise.groups):
            raise InputError(
                f"groups={groups!r} goes with a noise model by name; {noise.name!r} is an object."
            )
        return noise
    name, options = (noise, {}) if noise in NOISES else read_call(noise)
    if name not in NOISES:
        raise unknown("noise model", name, NOISES)
    options |= {"groups": groups} if groups else {}
    for option, value in options.items():
        if option not in _OPTIONS:
            raise unknown("option of noise models", option, _OPTIONS)
        if not isinstance(value, str):
            raise InputError(f"{option} of noise {name!r} must be a name; got {value!r}.")
    return _with_options(NOISES[name](law.target), law, **options)


@cache
def _with_options(
    noise: Noise,
    law: Law,
    varying: str = "",
    error: str = "",
    groups: str = "",
    discrepancy: str = "",
) -> Noise:
    equation, parameters = noise.equation, dict(noise.parameters)
    options = {"varying": varying, "error": error, "groups": groups, "discrepancy": discrepancy}
    products: dict[str, tuple[str, ...]] = {
        name: (name,) for name, each in law.inputs.items() if each.unit is None
    }
    if law.allocates:
        products["compute"] = (law.budget.size, "tokens")
    for name in (varying, discrepancy):
        if name and name not in products:
            raise unknown(f"input of law {law.name!r}", name, products)
    if varying:
        equation += f", sigma falling as {varying}^-{_SPREAD_EXPONENT}"
        parameters[_SPREAD_EXPONENT] = Parameter(
            f"how fast the spread falls with {varying}", dist.Normal(0.0, 0.3)
        )
    if error:
        equation += f", widened by {error}"
    if groups:
        equation += f" + an error that each {groups} shares"
        shared = replace(parameters["sigma"], description=f"spread that runs of one {groups} share")
        parameters = {SHARED: shared, **parameters}
    if discrepancy and groups:
        raise InputError(
            f"A noise model has groups={groups} or discrepancy={discrepancy}, not both: "
            f"give groups or discrepancy."
        )
    if discrepancy:
        equation += f" + a random walk in log {discrepancy}"
        meaning = f"sd of the law's own error over a factor of e in {discrepancy}"
        parameters = {SHARED: replace(parameters["sigma"], description=meaning), **parameters}
    given = ", ".join(f"{option}={value}" for option, value in options.items() if value)
    return replace(
        noise,
        name=f"{noise.name}({given})" if given else noise.name,
        equation=equation,
        parameters=parameters,
        varying=products[varying] if varying else (),
        error=error,
        groups=groups,
        discrepancy=products[discrepancy] if discrepancy else (),
    )


def _of_spread_alone(
    name: str, target: Target, family: Callable[..., Distribution], scatter: str
) -> Noise:
    """Make a noise model of a family of location and scale, with no other parameter."""

    def distribution(
        location: Float[Array, "*#shape"], *, sigma: Float[Array, "*#shape"]
    ) -> Distribution:
        return family(location, sigma)

    return Noise(
        name=name,
        scale=target.on_scale,
        distribution=distribution,
        equation=_equation(target, scatter),
        parameters={"sigma": _spread(target)},
    )


def _equation(target: Target, scatter: str) -> str:
    scale = target.on_scale
    return f"{scale.of(target.column)} = {scale.of(f'expected {target.column}')} + {scatter}"


def _spread(target: Target) -> Parameter:
    return Parameter(
        f"spread of the {target.on_scale.of(target.column)} about the law",
        dist.LogNormal(log(target.on_scale.spread), 1.5),
        unit=target.unit,
    )
