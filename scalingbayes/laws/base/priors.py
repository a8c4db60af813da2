"""Default priors that many laws share: weak, and stated at the data's reference point."""

import numpyro.distributions as dist

from scalingbayes.laws.base.parameters import Parameter


def floor(of: str = "loss of an ideal model", unit: str = "loss") -> Parameter:
    """Bound the loss from below, by some part of the smallest loss or a little more."""
    return Parameter(of, dist.HalfNormal(1.0), unit=unit)


def weight(of: str, unit: str, power: str = "1") -> Parameter:
    """Give the part of the loss that one cause has at the reference point: 0.02 to 5 of it."""
    return Parameter(f"weight of the {of}", dist.LogNormal(-1.2, 1.5), unit=unit, power=power)


def exponent(of: str) -> Parameter:
    """Say how fast the loss falls: exponents from 0.07 to 1.8."""
    return Parameter(f"exponent of the {of}", dist.LogNormal(-1.0, 0.8))
