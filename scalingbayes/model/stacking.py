"""Densities of several models as one, which a compiled program serves at once."""

from collections.abc import Sequence

from scalingbayes._core.trees import stack
from scalingbayes.model.bound_model import BoundModel, padded_length
from scalingbayes.model.log_density import LogDensity
from scalingbayes.model.mixture_density import MixtureDensity


def stack_densities(models: Sequence[BoundModel], dtype: str) -> LogDensity:
    """Return the log densities of several models as one, with a leading axis for the models.

    Parameters
    ----------
    models
        Models with the same law, noise model and families of priors.
    dtype
        ``"float64"`` or ``"float32"``.

    Returns
    -------
    LogDensity
        Its arrays are NumPy arrays, which can be sent to any number of devices and hosts. Rows are
        padded to the longest table, and random effects to the largest number.
    """
    length = max(padded_length(len(model.runs)) for model in models)
    effects = max(
        0 if found is None else len(found[0])
        for found in (model.effects_labels_and_design for model in models)
    )
    return stack([model.host_density(dtype, length, effects) for model in models])


def stack_mixtures(models: Sequence[BoundModel], dtype: str) -> tuple[MixtureDensity, LogDensity]:
    """Return the allowances' mixtures of several models, and each mixture's largest posterior.

    The arguments are those of :func:`stack_densities`.
    """
    length = max(padded_length(len(model.runs)) for model in models)
    mixtures = [model.mixture(dtype, length) for model in models]
    largest = [model.allowance.largest for model in models if model.allowance is not None]
    typical = [each.posterior(*at) for each, at in zip(mixtures, largest, strict=True)]
    return stack(mixtures), stack(typical)
