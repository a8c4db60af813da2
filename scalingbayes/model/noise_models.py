"""Noise models: two-sided and one-sided noise, each with the same options."""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import cache, partial
from math import log
from typing import ClassVar

import numpyro.distributions as dist
from numpyro.distributions import Distribution

from scalingbayes._core.distributions import RoundedLaplace
from scalingbayes._core.errors import InputError, unknown
from scalingbayes.laws import Law
from scalingbayes.laws.base.family import read_call
from scalingbayes.laws.base.parameters import Parameter
from scalingbayes.laws.base.targets import Target
from scalingbayes.model import noise_distributions as distributions
from scalingbayes.model.noise import EXCESS, SIGMA, SPREAD_EXPONENT, TAU, Noise

HUBER_DELTA = 1e-3
"""Log loss at which Huber's loss turns from a square to a line (Hoffmann et al. 2022, eq. 3)."""


@dataclass(frozen=True)
class NoiseModel:
    """How observed values scatter about a law; the base class of noise models.

    Parameters
    ----------
    varying
        ``"compute"`` or one of the law's inputs. The spread sigma falls as a power of it, and the
        power is inferred.
    error
        A column of the table with the known standard error of each target. The known error is
        added to the spread in quadrature.
    groups
        A column of the table. Runs with the same label share an error, which is normal with sd
        tau.
    discrepancy
        ``"compute"`` or one of the law's inputs. The law's own error is a random walk in the log
        of it; tau is the sd of the walk over a factor of e.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> issubclass(sb.StudentTNoise, sb.NoiseModel)
    True
    """

    name: ClassVar[str]
    """Name in strings such as ``"student_t(varying=compute)"``."""

    varying: str = ""
    error: str = ""
    groups: str = ""
    discrepancy: str = ""

    def __post_init__(self) -> None:
        for option in fields(self):
            if not isinstance(value := getattr(self, option.name), str):
                raise InputError(
                    f"{option.name} of noise {self.name!r} must be a name; got {value!r}."
                )

    def for_law(self, law: Law) -> Noise:
        """Return the noise for a law's target.

        Two calls with equal arguments return the same object, so that a compiled program serves
        both.

        Raises
        ------
        InputError
            If the law has no such input, or the options exclude each other.
        """
        return _with_options(self, law)

    def __str__(self) -> str:
        given = [f"{f.name}={value}" for f in fields(self) if (value := getattr(self, f.name))]
        return f"{self.name}({', '.join(given)})" if given else self.name


class StudentTNoise(NoiseModel):
    """Student's t on the target's scale, with inferred degrees of freedom nu.

    Its tails accommodate a few bad runs, which need not be removed by hand.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> str(sb.StudentTNoise(varying="compute"))
    'student_t(varying=compute)'
    """

    name = "student_t"


class NormalNoise(NoiseModel):
    """Normal noise on the target's scale. One bad run can bend the law.

    Examples
    --------
    >>> model = sb.Model("chinchilla", sb.NormalNoise(groups="run_id"))
    """

    name = "normal"


class LaplaceNoise(NoiseModel):
    """Laplace noise on the target's scale: its mode is the fit of least absolute deviations.

    Examples
    --------
    >>> model = sb.Model("chinchilla", sb.LaplaceNoise())
    """

    name = "laplace"


class HuberNoise(NoiseModel):
    """A Laplace distribution with a rounded tip: its log density is minus Huber's loss.

    Given the width of the tip, the maximum of the likelihood is the minimum of the Huber loss that
    Hoffmann et al. 2022 use (eq. 3). They state no likelihood; the spread sigma, which they do not
    need, is inferred here. The tip is 1e-3 wide on a log or logit scale.

    Examples
    --------
    >>> model = sb.Model("chinchilla", "huber")  # the same as sb.HuberNoise()
    """

    name = "huber"


class OneSidedNoise(NoiseModel):
    """Normal noise plus an exponential excess: every run may be worse than the law.

    For tables whose runs are undertuned or undertrained to different degrees. The law describes
    runs without excess. The excess is above the law for losses, errors and other targets, and
    below it for the target of law ``accuracy``. On the target's scale the sum has the density of
    the exponentially modified Gaussian (Grushka 1972, Analytical Chemistry 44, 1733). Its mean
    ``excess`` has a log-normal prior with the median and the spread of the prior of sigma. The
    level of the law and the excess are hard to tell apart if sigma is larger than the excess.

    Examples
    --------
    >>> model = sb.Model("coupled", sb.OneSidedNoise())
    """

    name = "one_sided"


class FailureNoise(NoiseModel):
    """Student's t for runs on the law, and an exponential excess for a share of failed runs.

    For tables in which some runs crashed, diverged or stopped early. A run has failed with
    probability ``failed``, whose prior is Beta(1, 4). A failed run is worse than the law by normal
    noise plus an exponential excess, as in :class:`OneSidedNoise`. The mean ``excess`` of failed
    runs has a log-normal prior whose median is ten times that of sigma.

    Examples
    --------
    >>> model = sb.Model("coupled", sb.FailureNoise())
    """

    name = "failures"


NOISE_MODELS: dict[str, type[NoiseModel]] = {
    model.name: model
    for model in (
        StudentTNoise,
        NormalNoise,
        LaplaceNoise,
        HuberNoise,
        OneSidedNoise,
        FailureNoise,
    )
}
"""The noise models by name."""


def default_noise(law: Law) -> NoiseModel:
    """Return the noise model that a law is fitted with by default.

    It is Student's t. For a law that divides compute between model size and tokens, the spread
    falls with compute: small runs scatter more than large runs, and should count for less.
    """
    return StudentTNoise(varying="compute") if law.allocates else StudentTNoise()


def get_noise(noise: str | NoiseModel | Noise, law: Law, groups: str | None = None) -> Noise:
    """Return the noise for a law.

    Parameters
    ----------
    noise
        A noise model, its name, or a name with options: ``"student_t(varying=compute)"``. A
        :class:`Noise` is returned as it is.
    law
        The law.
    groups
        The option ``groups``, in addition to those that ``noise`` has.

    Raises
    ------
    InputError
        If no noise model has the name, or an option cannot be used.
    """
    if isinstance(noise, Noise):
        if groups not in (None, "", noise.groups):
            raise InputError(
                f"groups={groups!r} cannot be combined with the Noise object {noise.name!r}: make "
                f"the object with groups, or name a noise model such as 'student_t'."
            )
        return noise
    model = read_noise(noise) if isinstance(noise, str) else noise
    return (replace(model, groups=groups) if groups else model).for_law(law)


def read_noise(text: str) -> NoiseModel:
    """Return the noise model that a text such as ``"normal(groups=run_id)"`` names.

    Raises
    ------
    InputError
        If there is no such noise model, or it has no such option.
    """
    name, options = (text, {}) if text in NOISE_MODELS else read_call(text)
    if name not in NOISE_MODELS:
        raise unknown("noise model", name, NOISE_MODELS)
    known = [option.name for option in fields(NoiseModel)]
    for option in options:
        if option not in known:
            raise unknown("option", option, known, of="noise models")
    return NOISE_MODELS[name](**options)


@cache
def _with_options(model: NoiseModel, law: Law) -> Noise:
    noise = _FAMILIES[model.name](law.target)
    equation, parameters = noise.equation, dict(noise.parameters)
    products: dict[str, tuple[str, ...]] = {
        name: (name,) for name, each in law.inputs.items() if each.unit is None
    }
    if law.allocates:
        products["compute"] = (law.budget.size, "tokens")
    for name in (model.varying, model.discrepancy):
        if name and name not in products:
            raise unknown("input", name, products, of=f"law {law.name!r}")
    if model.discrepancy and model.groups:
        raise InputError(
            f"A noise model has groups={model.groups} or discrepancy={model.discrepancy}, not "
            f"both: give groups or discrepancy."
        )
    if model.varying:
        equation += f", sigma falling as {model.varying}^-{SPREAD_EXPONENT}"
        parameters[SPREAD_EXPONENT] = Parameter(
            f"power at which the spread falls with {model.varying}", dist.Normal(0.0, 0.3)
        )
    if model.error:
        equation += f", widened by {model.error}"
    # tau comes first: LogDensity.location_size counts it among the leading coordinates.
    if model.groups:
        equation += f" + an error shared by each {model.groups}"
        meaning = f"sd of the error that runs of one {model.groups} share"
        parameters = {TAU: replace(parameters[SIGMA], description=meaning), **parameters}
    if model.discrepancy:
        equation += f" + a random walk in log {model.discrepancy}"
        meaning = f"sd of the law's own error over a factor of e in {model.discrepancy}"
        parameters = {TAU: replace(parameters[SIGMA], description=meaning), **parameters}
    return replace(
        noise,
        name=str(model),
        equation=equation,
        parameters=parameters,
        varying=products[model.varying] if model.varying else (),
        error=model.error,
        groups=model.groups,
        discrepancy=products[model.discrepancy] if model.discrepancy else (),
    )


def _student_t(target: Target) -> Noise:
    return Noise(
        name="student_t",
        scale=target.on_scale,
        distribution=distributions.student_t,
        equation=_equation(target, "sigma * t_nu"),
        parameters={
            SIGMA: _spread(target),
            "nu": _degrees_of_freedom(),
        },
    )


def _normal(target: Target) -> Noise:
    return replace(_of_spread_alone("normal", target, dist.Normal, "sigma * normal"), normal=True)


def _laplace(target: Target) -> Noise:
    return _of_spread_alone("laplace", target, dist.Laplace, "Laplace(sigma)")


def _huber(target: Target) -> Noise:
    if target.scale == "plain":
        raise InputError(
            f"Noise model 'huber' needs a target on a log or logit scale; {target.column!r} is on "
            f"a plain scale. Use 'student_t'."
        )

    return _of_spread_alone(
        "huber",
        target,
        partial(RoundedLaplace, tip=HUBER_DELTA),
        f"Laplace(sigma), its tip rounded within {HUBER_DELTA:g}",
    )


def _one_sided(target: Target) -> Noise:
    excess = f"{'-' if target.higher_is_better else '+'} Exponential(mean excess)"
    return Noise(
        name="one_sided",
        scale=target.on_scale,
        distribution=partial(distributions.one_sided, target.worse),
        equation=f"{_equation(target, 'sigma * normal')} {excess}",
        parameters={SIGMA: _spread(target), EXCESS: _excess(target, "runs", 1.0)},
        symmetric=False,
    )


def _failures(target: Target) -> Noise:
    excess = f"{'-' if target.higher_is_better else '+'} Exponential(mean excess)"
    return Noise(
        name="failures",
        scale=target.on_scale,
        distribution=partial(distributions.with_failures, target.worse),
        equation=f"{_equation(target, 'sigma * t_nu')}, or with probability failed "
        f"sigma * normal {excess}",
        parameters={
            SIGMA: _spread(target),
            "nu": _degrees_of_freedom(),
            "failed": Parameter("share of runs that failed", dist.Beta(1.0, 4.0)),
            EXCESS: _excess(target, "failed runs", 10.0),
        },
        symmetric=False,
    )


_FAMILIES: dict[str, Callable[[Target], Noise]] = {
    "student_t": _student_t,
    "normal": _normal,
    "laplace": _laplace,
    "huber": _huber,
    "one_sided": _one_sided,
    "failures": _failures,
}


def _of_spread_alone(
    name: str, target: Target, family: Callable[..., Distribution], scatter: str
) -> Noise:
    """Return the noise of a location-scale family without other parameters."""
    return Noise(
        name=name,
        scale=target.on_scale,
        distribution=partial(distributions.location_scale, family),
        equation=_equation(target, scatter),
        parameters={SIGMA: _spread(target)},
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


def _degrees_of_freedom() -> Parameter:
    # Above 1, so that the predicted loss has a mean.
    return Parameter(
        "degrees of freedom; small is heavy-tailed", dist.LogNormal(2.0, 1.0), shift="1"
    )


def _excess(target: Target, of: str, over_spread: float) -> Parameter:
    """Return the mean excess; the median of its prior is a multiple of that of the spread."""
    return Parameter(
        f"mean excess of {of}, on the {target.on_scale.of(target.column)}",
        dist.LogNormal(log(over_spread * target.on_scale.spread), 1.5),
        unit=target.unit,
    )
