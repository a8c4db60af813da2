"""Check that a fit fits into memory before it starts."""

from collections.abc import Sequence

from scalingbayes._core.memory import check_size
from scalingbayes.inference import Engine, Optimize, PriorDraws, engine_name
from scalingbayes.model.bound_model import BoundModel

_BYTES_OF_LIKELIHOOD = 32  # of one draw and one run, with copies
_BYTES_OF_PARAMETER = 64  # of one draw and one parameter, with copies


def check_fit_size(engine: Engine | Optimize, models: Sequence[BoundModel]) -> None:
    """Check that the draws of an engine, or its searches, fit into memory.

    Parameters
    ----------
    engine
        The engine.
    models
        The models that are fitted at once.

    Raises
    ------
    InputError
        If they do not.
    """
    rows = max(len(each.runs) for each in models)
    parameters = len(models[0].parameters)
    draws = getattr(engine, "resamples", getattr(engine, "draws", 0)) * getattr(engine, "chains", 1)
    likelihoods = 0 if isinstance(engine, PriorDraws) else rows
    check_size(
        f"A fit by engine {engine_name(engine)!r} with {draws:,} draws",
        float(draws) * len(models),
        _BYTES_OF_LIKELIHOOD * likelihoods + _BYTES_OF_PARAMETER * parameters,
        "Ask for fewer draws, chains or resamples",
    )
    starts = getattr(engine, "starts", 0)
    if isinstance(starts, int):
        check_size(
            f"A search from {starts:,} starts",
            float(starts) * len(models),
            _BYTES_OF_PARAMETER * (rows + parameters),
            "Ask for fewer starts",
        )
