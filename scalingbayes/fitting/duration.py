"""An estimate of how long a fit of many runs will take, given before the fit begins."""

import time
import warnings

import jax
from jaxtyping import Array, Float

from scalingbayes._core.errors import InputWarning
from scalingbayes._core.precision import precision
from scalingbayes._core.programs import compiled
from scalingbayes.inference import NUTS, Engine, Laplace
from scalingbayes.inference.importance import OVERSAMPLING
from scalingbayes.model.bound_model import BoundModel
from scalingbayes.model.log_density import LogDensity

_MANY_RUNS = 100_000  # tables of fewer runs take minutes at most
_LONG = 60.0  # seconds
_SHORT_PART = 50_000  # runs that are fitted in a minute or so
# In gradients of the exact law's density; rounded from the fits in docs/benchmarks.md.
_PER_DRAW = 7.0
_OF_MIXTURE = 2.0
_PER_VALUE = 0.7
_OF_CHOICE = 40_000 * _PER_VALUE  # evaluations that choose an allowance
_OF_STARTS = 2_000


def announce_duration(model: BoundModel, engine: Engine, dtype: str, allowance: bool) -> None:
    """Warn with an estimate if the fit will take more than a minute.

    The estimate is the time of a gradient of the log density, which is measured, times the number
    of gradients that such fits take. Only fits of many runs are estimated.

    Parameters
    ----------
    model
        The model and its runs.
    engine
        The engine of the fit. Only ``"nuts"`` and ``"laplace"`` are estimated.
    dtype
        ``"float64"`` or ``"float32"``.
    allowance
        Whether the fit chooses an allowance for the law's error.
    """
    count = _gradients(engine, allowance)
    if len(model.runs) <= _MANY_RUNS or count is None or model.noise.has_random_effects:
        return
    each = _seconds_per_gradient(model, dtype)
    if each * count < _LONG:
        return
    faster = [
        f"a random part of the runs, such as runs.filter(np.random.default_rng(0).random("
        f"{len(model.runs)}) < {_SHORT_PART / len(model.runs):.2g})"
    ]
    if isinstance(engine, NUTS):
        faster.append("engine='laplace'")
    if allowance:
        faster.append("exact=True")
    warnings.warn(
        f"The fit of {len(model.runs):,} runs will take about {_in_words(each * count)}: about "
        f"{count:,.0f} gradients of {each:.2g} s. Faster are {', or '.join(faster)}.",
        InputWarning,
        stacklevel=3,
    )


def _gradients(engine: Engine, allowance: bool) -> float | None:
    """Return about how many gradients a fit takes; None if that is not known of the engine."""
    if isinstance(engine, NUTS):
        draws = engine.chains * (engine.warmup + engine.draws) * _PER_DRAW
    elif isinstance(engine, Laplace):
        draws = engine.draws * OVERSAMPLING * _PER_VALUE
    else:
        return None
    return _OF_STARTS + (draws * _OF_MIXTURE + _OF_CHOICE if allowance else draws)


def _seconds_per_gradient(model: BoundModel, dtype: str) -> float:
    with precision(dtype):
        density = model.density(dtype)
        center = density.coordinates.center(dtype)
        jax.block_until_ready(_gradient(density, center))
        times = []
        for _ in range(3):
            start = time.perf_counter()
            jax.block_until_ready(_gradient(density, center))
            times.append(time.perf_counter() - start)
        return min(times)


@compiled
def _gradient(density: LogDensity, point: Float[Array, " dim"]) -> tuple[Array, Array]:
    return jax.value_and_grad(density)(point)


def _in_words(seconds: float) -> str:
    """Return a duration in minutes or hours."""
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.1f} hours"
