"""Targets of laws: a column of the table, and the scale on which it scatters."""

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
    """A scale on which values scatter evenly about the value that a law expects.

    Parameters
    ----------
    name
        ``"log"``, ``"logit"`` or ``"plain"``.
    link
        The map from values to the scale.
    inverse
        The map from the scale to values.
    domain
        The values that the link accepts.
    reference
        Function that returns the unit of a table's target, given its values.
    spread
        Typical deviation on the scale, in that unit: the median of its prior.
    """

    name: str
    link: Callable[[Array], Array]
    inverse: type[Transform]
    domain: Domain
    reference: Callable[[Float[np.ndarray, " runs"]], float]
    spread: float

    def slope(self, values: Array) -> Array:
        """Return the derivative of the link at these values."""
        return jax.jvp(self.link, (values,), (jnp.ones_like(values),))[1]

    def __reduce__(self) -> tuple[Callable[[str], "Scale"], tuple[str]]:
        # A scale is pickled by its name, since its functions cannot be pickled.
        return _scale_named, (self.name,)

    def of(self, words: str) -> str:
        """Return the name of a quantity on this scale, such as ``log loss``."""
        return words if self.name == "plain" else f"{self.name} {words}"


_SMALLEST_FRACTION = 1e-6


def _logit(values: Array) -> Array:
    # A law may leave (0, 1) far from the data. Its expectation is then clipped to a fraction.
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
"""Scales by name: ``log`` for losses, ``logit`` for error rates and accuracies, ``plain`` for
quantities of either sign. Their references are the smallest value, 1, and the root mean square."""


def _scale_named(name: str) -> Scale:
    return SCALES[name]


@dataclass(frozen=True)
class Target:
    """What a law predicts.

    Parameters
    ----------
    column
        The column of the table that holds the target.
    scale
        ``"log"``, ``"logit"`` or ``"plain"``.
    higher_is_better
        Whether better runs have a larger target, such as an accuracy.

    Examples
    --------
    >>> Target("accuracy", scale="logit", higher_is_better=True).unit
    '1'
    """

    column: str = "loss"
    scale: str = "log"
    higher_is_better: bool = False

    def __post_init__(self) -> None:
        if self.scale not in SCALES:
            raise TypeError(
                f"the scale of a target must be one of {list(SCALES)}; got {self.scale!r}."
            )

    @property
    def on_scale(self) -> Scale:
        """The scale as an object."""
        return SCALES[self.scale]

    @property
    def unit(self) -> str:
        """The unit of a deviation on the scale: the column for plain values, else 1."""
        return self.column if self.scale == "plain" else "1"

    @property
    def worse(self) -> int:
        """The sign of the deviation of a run that is worse than expected: 1 or -1."""
        return -1 if self.higher_is_better else 1
