"""Quantities that follow from a law's parameters, such as the critical batch size at a loss."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass

from jaxtyping import Array


@dataclass(frozen=True)
class Derived:
    """A quantity that follows from a law's parameters.

    Parameters
    ----------
    description
        What the quantity is, in a few words, with its unit.
    function
        ``function(*inputs, **parameters)``, written as a law's function: inputs are positional, and
        need not be inputs of the law; parameters of the law are keyword-only.

    Examples
    --------
    >>> least_tokens = Derived("least tokens", lambda *, S_min, B_crit: S_min * B_crit)
    >>> least_tokens.parameters
    ('S_min', 'B_crit')
    """

    description: str
    function: Callable[..., Array]

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the inputs."""
        return self._arguments(inspect.Parameter.POSITIONAL_OR_KEYWORD)

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the law's parameters that the quantity depends on."""
        return self._arguments(inspect.Parameter.KEYWORD_ONLY)

    def _arguments(self, kind: object) -> tuple[str, ...]:
        signature = inspect.signature(self.function).parameters.values()
        return tuple(argument.name for argument in signature if argument.kind is kind)
