"""The loss on one domain as a function of the training mixture."""

import jax.numpy as jnp
import numpyro.distributions as dist
from jaxtyping import Array

from scalingbayes._core.domains import FRACTION
from scalingbayes._core.errors import InputError
from scalingbayes.laws.base.family import family
from scalingbayes.laws.base.law import Input, Law, signed
from scalingbayes.laws.base.parameters import Parameter
from scalingbayes.laws.base.priors import floor, weight
from scalingbayes.laws.base.targets import Target


@family
def mixture(domains: tuple[str, ...] = ("web", "code"), target: str = "loss") -> Law:
    """Return a law of the loss on one domain in the shares r of all: L = c + k exp(sum_j t_j r_j).

    If the shares add up to 1, a constant added to all t is equivalent to a factor of k. Only the
    priors determine it, and predictions do not depend on it.

    Parameters
    ----------
    domains
        The columns of the shares, from 0 to 1.
    target
        The column of the loss on the domain.

    Raises
    ------
    InputError
        If domains has fewer than two names.
    """
    if len(domains) < 2:
        raise InputError(f"domains must be two columns or more, ('web', 'code'); got {domains!r}.")

    def loss(*shares: Array, c: Array, k: Array, **t: Array) -> Array:
        exponents = [t[f"t_{name}"] * r for name, r in zip(domains, shares, strict=True)]
        return c + k * jnp.exp(sum(exponents))

    effects = {
        f"t_{each}": Parameter(f"effect of the share of {each}", dist.Normal(0.0, 2.0))
        for each in domains
    }
    parameters = {
        "c": floor(unit=target),
        "k": weight("mixture", target),
        **effects,
    }
    return Law(
        name="mixture",
        function=signed(loss, domains, parameters),
        equation="L = c + k exp(sum_j t_j r_j)",
        source="Ye et al. 2024 (arXiv:2403.16952)",
        target=Target(target),
        inputs={each: Input(f"share of {each}", FRACTION, unit="1") for each in domains},
        parameters=parameters,
    )
