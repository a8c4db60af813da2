"""What a scaling law is: one pure function, and what is known about its inputs and parameters."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from scalingbayes.parameters import Parameter


def power(base: Float[ArrayLike, "*#shape"], exponent: Float[ArrayLike, "*#shape"]) -> Array:
    """Raise a positive base to a power.

    The logarithm of a law's input does not depend on its parameters, so XLA moves it out of a
    sampler's loop: twice as fast there as ``base ** exponent``.
    """
    return jnp.exp(exponent * jnp.log(base))


@dataclass(frozen=True, eq=False)
class Law:
    """A scaling law.

    Its inputs and parameters are read off the signature of its function and checked against what
    is declared.

    Parameters
    ----------
    name
        The name that :func:`scalingbayes.fit` knows it by.
    function
        ``function(*inputs, **parameters)``, the expected loss: pure, and written with jax.numpy so
        that it broadcasts, differentiates and compiles. Inputs come first, by position;
        parameters after them, by keyword only.
    parameters
        Each parameter's meaning, unit and default prior, under the name that the paper gives it.
    equation
        The law as a reader would write it.
    source
        The publication, with the equation's number.
    optimum
        ``optimum(compute, **parameters) -> (params, tokens)``: the model size and the number of
        tokens of least loss at ``compute = 6 * params * tokens``, where there is a closed form.
    terms
        Parameters that add up to the loss at the reference point, where every input is 1. Their
        sum is known far better than each, so samplers work on the sum and the shares.

    Raises
    ------
    TypeError
        If function, parameters and units do not fit together.
    """

    name: str
    function: Callable[..., Array]
    parameters: Mapping[str, Parameter]
    equation: str
    source: str
    optimum: Callable[..., tuple[Array, Array]] | None = None
    terms: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        keywords = self._arguments(inspect.Parameter.KEYWORD_ONLY)
        if set(keywords) != set(self.parameters):
            raise TypeError(
                f"law {self.name!r}: the function takes the parameters {sorted(keywords)} but "
                f"{sorted(self.parameters)} are declared. Declare each with its prior, and make "
                f"them keyword-only."
            )
        if others := set(self.terms) - set(self.parameters):
            raise TypeError(f"law {self.name!r}: terms name {sorted(others)}, no parameters of it.")
        plain = {name for name, p in self.parameters.items() if p.unit == "1"}
        for name, parameter in self.parameters.items():
            if stray := parameter.depends_on - {"loss", *self.inputs} - plain:
                raise TypeError(
                    f"law {self.name!r}: the unit of {name!r} names {sorted(stray)}, which are "
                    f"neither inputs, nor 'loss', nor dimensionless parameters."
                )

    def _arguments(self, kind: object) -> tuple[str, ...]:
        signature = inspect.signature(self.function).parameters.values()
        return tuple(argument.name for argument in signature if argument.kind is kind)

    @property
    def inputs(self) -> tuple[str, ...]:
        """Columns of the table of runs that the law reads."""
        return self._arguments(inspect.Parameter.POSITIONAL_OR_KEYWORD)

    def __call__(self, inputs: Mapping[str, Array], values: Mapping[str, Array]) -> Array:
        """Evaluate the law; ``inputs`` and ``values`` may hold more than it needs."""
        return self.function(
            *(inputs[name] for name in self.inputs),
            **{name: values[name] for name in self.parameters},
        )

    def __repr__(self) -> str:
        return f"Law({self.name!r}: {self.equation}; {self.source})"
