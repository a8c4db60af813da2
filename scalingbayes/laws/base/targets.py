"""What a law predicts: a column of the table, and the scale on which it scatters."""

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy import special
from jaxtyping import Array, Float
from numpyro.distributions.transforms import (
    ExpTransform,
    IdentityTransform,
    SigmoidTransform,
    Transform,
)

from scalingbayes._core.domains import OPEN_FRACTION, POSITIVE, REAL, Domain


@dataclass(frozen=True)
class Scale:
    """A scale on which values scatter evenly about what a law expects.

    Parameters
    ----------
    name
        ``"log"``, ``"logit"`` or ``"plain"``.
    link
        From values to the scale.
    inverse
        From the scale to values.
    domain
        The values that it takes.
    reference
        The unit that a table's own values suggest; a number.
    spread
        What deviations on the scale are like, in that unit: the median of their prior.
    """

    name: str
    link: Callable[[Array], Array]
    inverse: type[Transform]
    domain: Domain
    reference: Callable[[Float[np.ndarray, " runs"]], float]
    spread: float

    def slope(self, values: Array) -> Array:
        """How fast the scale grows with values there: the derivative of the link."""
        return jax.jvp(self.link, (values,), (jnp.ones_like(values),))[1]

    def __reduce__(self) -> tuple[Callable[[str], "Scale"], tuple[str]]:
        # Its functions cannot be pickled; its name is enough.
        return SCALES.__getitem__, (self.name,)

    def of(self, words: str) -> str:
        """Name a quantity on this scale: ``log loss``."""
        return words if self.name == "plain" else f"{self.name} {words}"


_SMALLEST_FRACTION = 1e-6


def _logit(values: Array) -> Array:
    # A law may leave (0, 1) far from the data: its expectation counts as the nearest fraction.
    return special.logit(jnp.clip(values, _SMALLEST_FRACTION, 1 - _SMALLEST_FRACTION))


SCALES = {
    scale.name: scale
    for scale in (
        Scale("log", jnp.log, ExpTransform, POSITIVE, lambda values: float(values.min()), 0.01),
        Scale("logit", _logit, SigmoidTransform, OPEN_FRACTION, lambda values: 1.0, 0.05),
        Scale(
            "plain",
            lambda values: values,
            IdentityTransform,
            REAL,
            lambda values: float(np.sqrt(np.mean(values**2))),
            0.01,
        ),
    )
}
"""The scales there are: ``log`` for losses, ``logit`` for error rates and accuracies, ``plain``
for what may have either sign. Their references are the smallest value, 1, and the root mean
square."""


@dataclass(frozen=True)
class Target:
    """What a law predicts.

    Parameters
    ----------
    column
        The column of the table that holds it.
    scale
        One of :data:`SCALES`, by name.
    """

    column: str = "loss"
    scale: str = "log"

    def __post_init__(self) -> None:
        if self.scale not in SCALES:
            raise TypeError(f"the scale of a target is one of {list(SCALES)}, not {self.scale!r}.")

    @property
    def on_scale(self) -> Scale:
        """The scale itself."""
        return SCALES[self.scale]

    @property
    def unit(self) -> str:
        """The unit of a deviation on the scale; only plain values have one."""
        return self.column if self.scale == "plain" else "1"
