"""Conversion between FLOPs and what they cost: GPU hours, days, money, energy and carbon."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
import pandas as pd
from jaxtyping import Float

from scalingbayes._core.arguments import (
    Positive,
    PositiveNumbers,
    PositiveOrInfiniteNumbers,
    check_numbers,
)
from scalingbayes._core.checked import checked
from scalingbayes._core.domains import POSITIVE_OR_INFINITE, Domain
from scalingbayes._core.errors import InputError

Costs = Float[np.ndarray, "..."]

_SECONDS_PER_HOUR = 3600.0
_HOURS_PER_DAY = 24.0


@checked
@dataclass(frozen=True)
class Hardware:
    """An accelerator, or a cluster of them: converts FLOPs to hours, money, energy and carbon.

    Parameters
    ----------
    peak_flops
        Peak FLOPs per second of one accelerator, in the precision of the training.
    utilisation
        Share of the peak that training (or serving) uses (MFU).
    price_per_hour
        Dollars per hour of one accelerator.
    devices
        Number of accelerators that work at once, for the wall-clock time.
    watts
        Mean power of one accelerator, for the energy; its share of the server may be included.
    pue
        Power usage effectiveness: energy of the data centre over that of its computers.
    carbon_intensity
        Grams of CO2 equivalent per kWh of the electricity, for the carbon.

    Raises
    ------
    InputError
        If a number is not positive, the utilisation is above 1, or ``pue`` is below 1.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> hardware = sb.costs.Hardware(peak_flops=1e15, utilisation=0.5, price_per_hour=2.0)
    >>> hardware.flops(gpu_hours=[1, 10])
    array([1.8e+18, 1.8e+19])

    A cluster:

    >>> h100s = sb.costs.Hardware(989e12, 0.4, devices=1024, watts=700, pue=1.2)
    >>> h100s.flops(days=30).round(-22)
    array([1.05e+24])
    >>> h100s.kwh(1e24).round()
    array([589821.])
    """

    peak_flops: Positive
    utilisation: Annotated[float, Domain("above 0 and at most 1", 0.0, 1.0, closed="upper")] = 0.4
    price_per_hour: Positive | None = None
    devices: Positive | None = None
    watts: Positive | None = None
    pue: Annotated[float, Domain("1 or more", 1.0, closed="lower")] = 1.0
    carbon_intensity: Positive | None = None

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
        return self._given("price_per_hour", 2.0) / self.flops_per_hour

    def flops(
        self,
        *,
        dollars: PositiveNumbers | None = None,
        gpu_hours: PositiveNumbers | None = None,
        days: PositiveNumbers | None = None,
    ) -> Float[np.ndarray, " budgets"]:
        """Compute the FLOPs that dollars, GPU hours, or days of the whole cluster buy.

        Raises
        ------
        InputError
            If not exactly one of the three is passed, a number is not positive, or dollars are
            passed and ``price_per_hour`` is not set, or days and ``devices`` is not set.
        """
        if sum(each is not None for each in (dollars, gpu_hours, days)) != 1:
            raise InputError("flops() needs exactly one of dollars, gpu_hours and days.")
        if dollars is not None:
            return check_numbers("dollars", dollars) / self.price
        if days is not None:
            gpu_hours = check_numbers("days", days) * _HOURS_PER_DAY * self._given("devices", 1024)
        return check_numbers("gpu_hours", gpu_hours) * self.flops_per_hour

    def gpu_hours(self, flops: PositiveOrInfiniteNumbers) -> Costs:
        """Compute the hours that FLOPs take on one accelerator.

        Draws of FLOPs may be infinite, where no budget suffices; so are their costs.

        Raises
        ------
        InputError
            If a number is not positive.
        """
        return check_numbers("flops", flops, POSITIVE_OR_INFINITE) / self.flops_per_hour

    def days(self, flops: PositiveOrInfiniteNumbers) -> Costs:
        """Compute the days that FLOPs take on the cluster, if it never fails.

        Raises
        ------
        InputError
            If ``devices`` is not set, or a number is not positive.
        """
        return self.gpu_hours(flops) / _HOURS_PER_DAY / self._given("devices", 1024)

    def dollars(self, flops: PositiveOrInfiniteNumbers) -> Costs:
        """Compute the price of FLOPs in dollars.

        Raises
        ------
        InputError
            If ``price_per_hour`` is not set, or a number is not positive.
        """
        return self.gpu_hours(flops) * self._given("price_per_hour", 2.0)

    def kwh(self, flops: PositiveOrInfiniteNumbers) -> Costs:
        """Compute the energy that FLOPs take, in kWh of the data centre.

        Raises
        ------
        InputError
            If ``watts`` is not set, or a number is not positive.
        """
        return self.gpu_hours(flops) * self._given("watts", 700) / 1000 * self.pue

    def carbon(self, flops: PositiveOrInfiniteNumbers) -> Costs:
        """Compute the emissions of FLOPs, in kg of CO2 equivalent.

        Only the electricity counts, not the manufacture of the hardware.

        Raises
        ------
        InputError
            If ``watts`` or ``carbon_intensity`` is not set, or a number is not positive.
        """
        return self.kwh(flops) * self._given("carbon_intensity", 400) / 1000

    def bill(self, flops: PositiveOrInfiniteNumbers) -> pd.DataFrame:
        """Return what FLOPs cost, in all units whose rates are set.

        Returns
        -------
        pandas.DataFrame
            One budget a row: ``gpu_hours`` and, where they are known, ``days``, ``dollars``,
            ``kwh`` and ``kg_co2e``.

        Raises
        ------
        InputError
            If a number is not positive.

        Examples
        --------
        >>> import scalingbayes as sb
        >>> h100s = sb.costs.Hardware(989e12, 0.4, price_per_hour=2.0, devices=1024)
        >>> h100s.bill([1e23, 1e24]).round().astype(int).to_dict("list")
        {'gpu_hours': [70217, 702168], 'days': [3, 29], 'dollars': [140434, 1404337]}
        """
        budgets = np.atleast_1d(np.asarray(flops, float)).ravel()
        ways = {"gpu_hours": self.gpu_hours}
        if self.devices is not None:
            ways["days"] = self.days
        if self.price_per_hour is not None:
            ways["dollars"] = self.dollars
        if self.watts is not None:
            ways["kwh"] = self.kwh
            if self.carbon_intensity is not None:
                ways["kg_co2e"] = self.carbon
        index = pd.Index(budgets, name="flops")
        return pd.DataFrame({name: cost(budgets) for name, cost in ways.items()}, index)

    def _given(self, name: str, example: float) -> float:
        """Return a rate that must be set."""
        value: float | None = getattr(self, name)
        if value is None:
            raise InputError(f"This needs {name}: Hardware(..., {name}={example:g}).")
        return value
