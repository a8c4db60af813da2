"""A model: a law, a noise model and priors, before it meets a table of runs."""

from collections.abc import Mapping
from numbers import Real
from typing import Literal

import numpy as np
from jaxtyping import Float
from numpyro.distributions import Distribution

from scalingbayes._core.arguments import WEIGHT, as_floats, shown
from scalingbayes._core.checked import checked
from scalingbayes._core.errors import InputError
from scalingbayes._core.numbers import write_all
from scalingbayes.data.runs import Table, as_runs
from scalingbayes.laws import Law, get_law
from scalingbayes.laws.base.parameters import Parameter
from scalingbayes.laws.base.resolved_priors import resolve_priors
from scalingbayes.model.bound_model import BoundModel
from scalingbayes.model.identifiability import check_identifiable
from scalingbayes.model.learned_priors import ReferencePriors, describe_origin, find_learned
from scalingbayes.model.noise import Noise
from scalingbayes.model.noise_models import NoiseModel, default_noise, get_noise
from scalingbayes.model.view import view_of_model
from scalingbayes.results import View

DEFAULT_LAW = "coupled"
"""This law contains Chinchilla's law and Kaplan's law, and predicted larger runs best on public
sweeps (benchmarks/scoreboard.py)."""

type DefaultPriors = Literal["learned", "weak"] | Mapping[str, Distribution]
"""Which priors a model has by default: a name, or priors at the reference point by parameter."""


@checked
class Model:
    """What is fitted: a law, how runs scatter about it, and priors.

    A model holds no data. Pass it to :func:`scalingbayes.fit` and to every other function that
    fits.

    Parameters
    ----------
    law
        The law, by name or as an object.
    noise
        How runs scatter about the law: ``"normal"``, ``"student_t(varying=compute)"`` or an object
        such as ``StudentTNoise(varying="compute")``. The default is Student's t; its spread falls
        with compute if the law divides compute between size and tokens.
    priors
        Priors that replace defaults, by parameter, in the units of the table:
        ``{"alpha": numpyro.distributions.LogNormal(-1, 0.2)}``.
    groups
        A column whose labels say which runs share an error, such as the id of a training curve
        or the IsoFLOP budget. Each label has an error of its own, normal with an inferred sd tau.
    default_priors
        The priors of the other parameters. ``"learned"`` are the distributions of the parameters
        over public sweeps, where they are known: :func:`scalingbayes.learned_priors` lists them.
        ``"weak"`` are those that the law declares. A mapping gives the priors of some parameters
        at the reference point, as :func:`scalingbayes.learned_priors` returns them; the rest are
        weak.
    reference
        The reference point at which default priors are stated: a positive number for each input
        that has a unit and for the target. By default each table has its own: the geometric mean
        of each input and the smallest loss. ``post.record.reference`` of another fit gives this
        fit the same priors.

    Raises
    ------
    InputError
        If there is no such law or noise model, or a prior or the reference cannot be used.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> import numpyro.distributions as dist
    >>> model = sb.Model("chinchilla", sb.NormalNoise(), priors={"E": dist.Normal(1.7, 0.1)})
    >>> model.law.name, list(model.parameters)
    ('chinchilla', ['E', 'A', 'B', 'alpha', 'beta', 'sigma'])
    """

    def __init__(
        self,
        law: str | Law = DEFAULT_LAW,
        noise: str | NoiseModel | Noise | None = None,
        *,
        priors: Mapping[str, Distribution] | None = None,
        default_priors: DefaultPriors = "learned",
        groups: str | None = None,
        reference: Mapping[str, float] | None = None,
    ) -> None:
        self.law = get_law(law)
        self.noise = get_noise(noise or default_noise(self.law), self.law, groups)
        if shared := set(self.law.parameters) & set(self.noise.parameters):
            raise InputError(
                f"Law {self.law.name!r} and noise model {self.noise.name!r} both have parameters "
                f"called {', '.join(sorted(shared))}: rename those of the law."
            )
        if isinstance(priors, ReferencePriors):
            raise InputError(
                "These priors are stated at the reference point, and priors= takes priors in the "
                "units of the table: give default_priors= these."
            )
        self.given_priors = {} if priors is None else priors
        self.default_priors = default_priors
        defaults = self._defaults()
        self.priors = resolve_priors(self.parameters, self.given_priors, defaults)
        if isinstance(default_priors, str):
            names = [name for name, prior in self.priors.items() if prior.at_reference]
            self.origin_of_priors = describe_origin(defaults, names)
        else:
            self.origin_of_priors = "given"
        self.reference = _checked_reference(reference, self.law)

    def _defaults(self) -> Mapping[str, Distribution]:
        """Return the default priors that replace those that the law and the noise declare."""
        if not isinstance(self.default_priors, str):
            return self.default_priors
        if self.default_priors not in ("learned", "weak"):
            raise InputError(
                f"default_priors must be 'learned', 'weak' or a mapping of parameters to "
                f"distributions at the reference point; got {self.default_priors!r}."
            )
        return find_learned(self.law, self.noise) if self.default_priors == "learned" else {}

    @property
    def parameters(self) -> dict[str, Parameter]:
        """Parameters of the law, then of the noise."""
        return {**self.law.parameters, **self.noise.parameters}

    def with_reference(self, reference: Mapping[str, float]) -> "Model":
        """Return the same model with default priors stated at a reference point."""
        return Model(
            self.law,
            self.noise,
            priors=self.given_priors,
            default_priors=self.default_priors,
            reference=reference,
        )

    def bind(self, runs: Table, weights: Float[np.ndarray, " runs"] | None = None) -> BoundModel:
        """Join the model with a table of runs, and check that the model can be fitted to them.

        Parameters
        ----------
        runs
            The table. It must have the columns that the law and the noise read.
        weights
            How much each run counts: 0 holds it out, a fraction discounts it; 1 by default.

        Raises
        ------
        InputError
            If the law cannot be identified from the table, or the weights cannot be used.
        """
        runs = as_runs(runs)
        checked = _checked_weights(weights, len(runs))
        bound = BoundModel(
            self.law,
            self.noise,
            self.priors,
            runs,
            checked,
            self.reference,
            self.origin_of_priors,
        )
        check_identifiable(bound)
        return bound

    def view(self) -> View:
        """Return what the model shows of itself in a terminal or notebook."""
        where = "of each table" if self.reference is None else f"({write_all(self.reference)})"
        where = f"{where}; defaults {self.origin_of_priors}"
        return view_of_model("Model", self.law, self.noise, self.priors, where)

    def __repr__(self) -> str:
        return self.view().text()

    def _repr_html_(self) -> str:
        return self.view().html()


ModelLike = str | Law | Model
"""A model, or a law by name or as an object, with default noise and default priors."""


def as_model(model: ModelLike, noise: str | None = None) -> Model:
    """Return a model as it is; give a law the noise and the default priors.

    Parameters
    ----------
    model
        A model, a law, or the name of a law.
    noise
        The noise that a law gets; by default the law's own default.
    """
    return model if isinstance(model, Model) else Model(model, noise)


def _checked_weights(
    weights: Float[np.ndarray, " runs"] | None, rows: int
) -> Float[np.ndarray, " runs"]:
    if weights is None:
        return np.ones(rows)
    checked = as_floats(weights)
    usable = checked is not None and not np.any(~np.isfinite(checked) | WEIGHT.excludes(checked))
    if checked is None or not usable or checked.shape != (rows,):
        raise InputError(
            f"weights must be {rows} finite numbers {WEIGHT.name}, one for each run; got "
            f"{shown(weights)}."
        )
    return checked


def _checked_reference(
    reference: Mapping[str, float] | None, law: Law
) -> Mapping[str, float] | None:
    if reference is None:
        return None
    target = law.target.column
    needed = [name for name, each in law.inputs.items() if each.unit is None] + [target]
    given = dict(reference) if isinstance(reference, Mapping) else {}
    positive = all(isinstance(x, Real) and 0 < x < np.inf for x in given.values())
    if not (positive and set(needed) <= set(given) <= {*law.inputs, target}):
        raise InputError(
            f"reference must be a positive number for each of {', '.join(needed)}; "
            f"got {reference!r}."
        )
    places = {
        name: 1.0 if each.unit == "1" else float(given[each.unit or name])
        for name, each in law.inputs.items()
    }
    return {**places, target: float(given[target])}
