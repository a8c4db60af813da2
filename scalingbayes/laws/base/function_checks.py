"""Checks of a law's function, which evaluate it: that it compiles, and that its units cancel.

A law must give the same answer in every unit: if a table counts tokens in billions, the parameters
change and the loss does not. The check measures each input, and the target, in a unit seven times
smaller, converts the parameters by their declared units, and compares.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from scalingbayes._core.domains import FRACTION, POSITIVE
from scalingbayes._core.errors import InputError
from scalingbayes._core.precision import precision
from scalingbayes.laws.base.parameters import place_all

if TYPE_CHECKING:
    from scalingbayes.laws.base.law import Law

_FACTOR = 7.0
_POINTS = 20
_TOLERANCE = 1e-6
_LARGEST_POWER = 4.1  # of the factor, that a parameter's unit may be wrong by

Values = dict[str, Any]


def check_function(law: "Law") -> None:
    """Check that a law's function can be compiled, and that its units cancel.

    Raises
    ------
    InputError
        If it cannot, with the parameter whose unit is wrong if it is one parameter.
    """
    rng = np.random.default_rng(0)
    inputs = {name: _draw_input(law, name, rng) for name in law.inputs}
    numbers = _draw_numbers(law)
    reference = dict.fromkeys((*law.inputs, law.target.column), 1.0)
    with precision("float64"):
        _check_that_it_compiles(law, inputs, numbers)
        evaluate = jax.jit(law.__call__)
        at_one = np.asarray(evaluate(inputs, _place(law, numbers, reference)))
        if not np.isfinite(at_one).any():
            raise InputError(
                f"law {law.name!r} gives no finite number for inputs between 0.1 and 10 and "
                f"parameters from their priors: check its function and its priors."
            )
        _check_units(law, evaluate, inputs, numbers, at_one)


def _check_that_it_compiles(law: "Law", inputs: Values, numbers: Mapping[str, float]) -> None:
    what = f"law {law.name!r}: its function"
    try:
        shape = jax.eval_shape(law.__call__, inputs, dict(numbers))
    except jax.errors.TracerArrayConversionError as error:
        raise InputError(
            f"{what} calls NumPy, which JAX cannot compile: use jax.numpy (import jax.numpy as "
            f"jnp, jnp.power instead of np.power)."
        ) from error
    except jax.errors.TracerBoolConversionError as error:
        raise InputError(
            f"{what} branches on a value (if, and, or, min, max): use jnp.where, jnp.minimum or "
            f"jnp.maximum."
        ) from error
    except jax.errors.ConcretizationTypeError as error:
        raise InputError(
            f"{what} turns a value into a Python number (float, int, math.log): use jax.numpy."
        ) from error
    except TypeError as error:
        raise InputError(f"{what} cannot be compiled: {error}. Write it with jax.numpy.") from error
    if not isinstance(shape, jax.ShapeDtypeStruct) or shape.shape != (_POINTS,):
        raise InputError(
            f"{what} must return one array of the shape of its inputs: for {_POINTS} runs it "
            f"returns {getattr(shape, 'shape', shape)}."
        )


def _check_units(
    law: "Law",
    evaluate: Callable[..., Array],
    inputs: Values,
    numbers: Mapping[str, float],
    at_one: Float[np.ndarray, " points"],
) -> None:
    """Check each unit in turn; name the parameter that is wrong in all units that fail."""
    target = law.target.column
    owners = [name for name, each in law.inputs.items() if each.unit is None]
    if law.target.scale != "logit" and target not in law.inputs:
        owners.append(target)
    wrong: dict[str, dict[str, float]] = {}
    for owner in owners:
        reference = {
            name: _FACTOR if owner == (each.unit or name) else 1.0
            for name, each in law.inputs.items()
        }
        reference.setdefault(target, _FACTOR if owner == target else 1.0)
        scaled = {name: x * reference[name] for name, x in inputs.items()}
        values = _place(law, numbers, reference)
        expected = at_one * reference[target]

        def error(values: Values, scaled: Values = scaled, expected: Any = expected) -> Any:
            return np.asarray(evaluate(scaled, values)) / expected - 1

        if np.nanmax(np.abs(error(values))) > _TOLERANCE:
            wrong[owner] = {
                name: power
                for name in law.parameters
                if (power := _missing_power(error, values, name)) is not None
            }
    if wrong:
        raise InputError(_describe(law, wrong, numbers))


def _missing_power(
    error: Callable[[Values], Float[np.ndarray, " points"]], values: Values, name: str
) -> float | None:
    """Return the power of the factor that a parameter lacks, if it is the same at all points."""
    from scipy.optimize import brentq

    def first(power: float) -> float:
        found: float = error({**values, name: values[name] * _FACTOR**power})[0]
        return found

    grid = np.linspace(
        -_LARGEST_POWER, _LARGEST_POWER, 64
    )  # no whole powers, at which the error may be exactly 0
    signs = np.sign([first(power) for power in grid])
    for place in np.flatnonzero(signs[:-1] * signs[1:] < 0):
        power = float(brentq(first, grid[place], grid[place + 1], xtol=1e-12))
        if np.nanmax(np.abs(error({**values, name: values[name] * _FACTOR**power}))) < _TOLERANCE:
            return power
    return None


def _describe(
    law: "Law", wrong: Mapping[str, Mapping[str, float]], numbers: Mapping[str, float]
) -> str:
    units = " and ".join(repr(name) for name in wrong)
    start = f"law {law.name!r}: its answer changes with the unit of {units}. "
    everywhere = set.intersection(*(set(found) for found in wrong.values()))
    if len(everywhere) != 1:
        return start + (
            "Check the unit= of each parameter: a term such as B / tokens**beta needs "
            "unit='loss * tokens**beta'. A number in the function that has a unit must be a "
            "parameter."
        )
    (name,) = everywhere
    factors = [_write_power(owner, found[name], numbers) for owner, found in wrong.items()]
    return start + (
        f"The unit of parameter {name!r}, {str(law.parameters[name].unit)!r}, lacks the factor "
        f"{' * '.join(factors)}."
    )


def _write_power(owner: str, power: float, numbers: Mapping[str, float]) -> str:
    """Return a factor as text, such as ``"tokens**beta"``: its power may equal a parameter."""
    for name, value in {"1": 1.0, **numbers}.items():
        for sign, text in ((1, name), (-1, f"-{name}")):
            if abs(power - sign * value) < _TOLERANCE:
                return owner if text == "1" else f"{owner}**{text}"
    return f"{owner}**{power:.3g}"


def _draw_input(law: "Law", name: str, rng: np.random.Generator) -> Float[np.ndarray, " points"]:
    each = law.inputs[name]
    if each.domain.upper == FRACTION.upper:
        return rng.uniform(0.05, 0.95, _POINTS)
    values = np.exp(rng.uniform(-2.3, 2.3, _POINTS))
    return values if each.domain.lower == POSITIVE.lower and each.unit != "1" else 1 + values


def _draw_numbers(law: "Law") -> dict[str, float]:
    """Return a draw of the number that each parameter's prior describes."""
    keys = jax.random.split(jax.random.key(0), len(law.parameters))
    return {
        name: float(parameter.prior.sample(key))
        for (name, parameter), key in zip(law.parameters.items(), keys, strict=True)
    }


def _place(law: "Law", numbers: Mapping[str, float], reference: Mapping[str, float]) -> Values:
    """Return the parameters in the units of the reference point, as arrays."""
    values = place_all(law.parameters, numbers, reference)
    return {name: jnp.asarray(value, float) for name, value in values.items()}
