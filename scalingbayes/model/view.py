"""What a model shows of itself in a terminal or notebook."""

from collections.abc import Mapping

from scalingbayes.laws import Law
from scalingbayes.laws.base.parameters import Prior
from scalingbayes.model.noise import Noise
from scalingbayes.results import View


def view_of_model(
    title: str, law: Law, noise: Noise, priors: Mapping[str, Prior], reference: str
) -> View:
    """Return what a model shows: law, noise, and the prior of each parameter.

    Parameters
    ----------
    title
        The first line.
    law, noise, priors
        The parts of the model.
    reference
        Where default priors are stated, and where they come from.
    """
    parameters = {**law.parameters, **noise.parameters}
    lines = (
        f"Law {law.name}: {law.equation} ({law.source})",
        f"Noise: {noise.equation}",
        f"Priors, at the reference point {reference}:",
        *(f"  {each.describe(name, parameters[name])}" for name, each in priors.items()),
    )
    return View(title, lines=lines)
