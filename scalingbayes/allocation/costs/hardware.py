"""Conversion between FLOPs, GPU hours and money."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import ArrayLike, Float

from scalingbayes._core.arguments import check_number, check_numbers
from scalingbayes._core.errors import InputError

Numbers = ArrayLike | Sequence[float]

_SECONDS_PER_HOUR = 3600.0


@dataclass(frozen=True)
class Hardware:
    """An accelerator: converts between FLOPs, GPU hours and dollars.

    Parameters
    ----------
    peak_flops
        Peak FLOPs per second of one accelerator, in the precision of the training.
    utilisation
        Share of the peak that training (or serving) uses (MFU).
    price_per_hour
        Dollars per hour of one accelerator.

    Raises
    ------
    InputError
        If a number is not positive, or the utilisation is above 1.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> hardware = sb.costs.Hardware(peak_flops=1e15, utilisation=0.5, price_per_hour=2.0)
    >>> hardware.flops(gpu_hours=[1, 10])
    array([1.8e+18, 1.8e+19])
    """

    peak_flops: float
    utilisation: float = 0.4
    price_per_hour: float | None = None

    def __post_init__(self) -> None:
        check_number("peak_flops", self.peak_flops)
        if check_number("utilisation", self.utilisation) > 1:
            raise InputError(
                f"utilisation must be above 0 and at most 1; got {self.utilisation!r}."
            )
        if self.price_per_hour is not None:
            check_number("price_per_hour", self.price_per_hour)

    @property
    def flops_per_hour(self) -> float:
        """FLOPs of one accelerator in an hour."""
        return self.peak_flops * self.utilisation * _SECONDS_PER_HOUR

    @property
    def price(self) -> float:
        """Dollars per FLOP.

        Raises
        ------
        InputError
            If ``price_per_hour`` is not set.
        """
        if self.price_per_hour is None:
            raise InputError(
                "The price of a FLOP needs price_per_hour: Hardware(..., price_per_hour=2.0)."
            )
        return self.price_per_hour / self.flops_per_hour

    def flops(
        self, *, dollars: Numbers | None = None, gpu_hours: Numbers | None = None
    ) -> Float[np.ndarray, " budgets"]:
        """Compute the FLOPs that a budget of dollars or of GPU hours buys.

        Raises
        ------
        InputError
            If both or none are passed, a number is not positive, or dollars are passed and
            ``price_per_hour`` is not set.
        """
        if (dollars is None) == (gpu_hours is None):
            raise InputError("flops() needs exactly one of dollars and gpu_hours.")
        if gpu_hours is not None:
            return check_numbers("gpu_hours", gpu_hours) * self.flops_per_hour
        return check_numbers("dollars", dollars) / self.price

    def gpu_hours(self, flops: Numbers) -> Float[np.ndarray, "..."]:
        """Compute the hours that FLOPs take on one accelerator."""
        return check_numbers("flops", flops) / self.flops_per_hour

    def dollars(self, flops: Numbers) -> Float[np.ndarray, "..."]:
        """Compute the price of FLOPs in dollars."""
        return check_numbers("flops", flops) * self.price
