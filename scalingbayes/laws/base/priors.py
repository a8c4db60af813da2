"""Parameters that many laws share, with weak default priors at the data's reference point."""

import numpyro.distributions as dist

from scalingbayes.laws.base.parameters import Parameter


def floor(of: str = "loss of an ideal model", unit: str = "loss") -> Parameter:
    """Return a floor of the loss; its prior covers 0 to about twice the smallest loss."""
    return Parameter(of, dist.HalfNormal(1.0), unit=unit)


def weight(of: str, unit: str, power: str = "1") -> Parameter:
    """Return the weight of a term; its prior covers 0.02 to 5 times the loss at the reference."""
    return Parameter(f"weight of the {of}", dist.LogNormal(-1.2, 1.5), unit=unit, power=power)


def exponent(of: str) -> Parameter:
    """Return an exponent of a power law; its prior covers 0.07 to 1.8."""
    return Parameter(f"exponent of the {of}", dist.LogNormal(-1.0, 0.8))
