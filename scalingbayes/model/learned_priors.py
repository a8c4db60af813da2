"""Default priors learned from public sweeps.

``learned_priors.json`` holds the numbers. ``benchmarks/learn_priors.py`` makes it, and
``docs/priors.md`` describes it.
"""

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from numpyro.distributions import Distribution, LogNormal, Normal, constraints

from scalingbayes._core.checked import checked
from scalingbayes._core.errors import unknown
from scalingbayes.laws import Law, get_law
from scalingbayes.laws.base.parameters import Parameter
from scalingbayes.model.noise import Noise
from scalingbayes.model.noise_models import NoiseModel, default_noise, get_noise

_SAME_SURFACE = {
    "data_constrained": "chinchilla",
    "data_constrained(tied=True)": "chinchilla(tied=True)",
}
"""Laws whose surface, for runs that repeat no data, is that of a law with learned priors."""

_LEARNED_NOISES = ("student_t(varying=compute)", "student_t")


class ReferencePriors(dict[str, Distribution]):
    """Priors by parameter that are stated at the reference point: ``default_priors`` of a model."""


@checked
def learned_priors(
    law: str | Law = "coupled",
    noise: str | NoiseModel | Noise | None = None,
    *,
    without: str | None = None,
) -> ReferencePriors:
    """Return the learned priors of a law and its noise, stated at the reference point.

    They are the distribution of each parameter over public sweeps, widened for a new sweep. Models
    use them by default. ``docs/priors.md`` describes how they were made.

    Parameters
    ----------
    law
        The law, by name or as an object.
    noise
        The noise model; by default that of the law. Priors of the noise are learned for
        ``"student_t(varying=compute)"`` and ``"student_t"``.
    without
        A study that is left out, so that the priors can be tested on its sweeps: ``"chinchilla"``,
        ``"llama3"``, ``"porian"``, ``"gemstones"``, ``"misfitting"`` or ``"overtraining"``.

    Returns
    -------
    ReferencePriors
        A dict of the prior of each parameter that has a learned one, for
        ``sb.Model(default_priors=...)``.

    Raises
    ------
    InputError
        If no priors are learned for the law, or there is no such study.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> priors = sb.learned_priors("coupled", without="porian")
    >>> model = sb.Model("coupled", default_priors=priors)
    """
    known = get_law(law)
    found = find_learned(known, get_noise(noise or default_noise(known), known), without)
    if not found:
        learned = [*_read()["populations"], *_SAME_SURFACE]
        raise unknown("law", known.name, learned, "The other laws have weak priors only.")
    return found


def find_learned(law: Law, noise: Noise, without: str | None = None) -> ReferencePriors:
    """Return the learned priors of a law and its noise; empty if the law has none.

    Raises
    ------
    InputError
        If there is no such study.
    """
    if without is not None and without not in _read()["studies"]:
        raise unknown("study", without, _read()["studies"])
    found = _read()["populations"].get(_SAME_SURFACE.get(law.name, law.name))
    if found is None:
        return ReferencePriors()
    population = found["all" if without is None else without]
    learned = noise.name in _LEARNED_NOISES and noise is get_noise(noise.name, law)
    parameters = {**law.parameters, **(noise.parameters if learned else {})}
    return ReferencePriors(
        {
            name: _prior(parameter, *population[name])
            for name, parameter in parameters.items()
            if name in population
        }
    )


def describe_origin(learned: Mapping[str, Distribution], names: list[str]) -> str:
    """Return where default priors come from, in a few words.

    Parameters
    ----------
    learned
        The parameters whose priors are learned.
    names
        The parameters that have a default prior.
    """
    of_these = [name for name in names if name in learned]
    if not of_these:
        return "weak"
    data = _read()
    sweeps = sum(map(len, data["studies"].values()))
    source = f"learned from {sweeps} public sweeps (version {data['version']})"
    others = [name for name in names if name not in learned]
    return f"{source}; those of {', '.join(others)} are weak" if others else source


def _prior(parameter: Parameter, loc: float, scale: float) -> Distribution:
    """Return the prior of a number whose logarithm, if it is positive, is normal over sweeps."""
    return (Normal if parameter.prior.support is constraints.real else LogNormal)(loc, scale)


@cache
def _read() -> Any:
    text = (files(__package__) / "learned_priors.json").read_text("utf-8")
    return json.loads(text)
