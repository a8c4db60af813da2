"""The loss on one domain as a function of model size, tokens and the training mixture."""

from collections.abc import Mapping

import jax.numpy as jnp
import numpyro.distributions as dist
from jaxtyping import Array, Float

from scalingbayes._core.domains import FRACTION
from scalingbayes._core.errors import InputError
from scalingbayes.laws.base.family import family
from scalingbayes.laws.base.law import Input, Law, power, signed
from scalingbayes.laws.base.parameters import Parameter
from scalingbayes.laws.base.priors import exponent, floor, weight
from scalingbayes.laws.base.targets import Target

_SMALLEST_SHARE = 1e-12  # smaller shares count as this: the power of 0 has no derivative


def _log(shares: Float[Array, " *shape"]) -> Array:
    return jnp.log(jnp.maximum(shares, _SMALLEST_SHARE))


def _power_mean(shares: Mapping[str, Array], weights: Mapping[str, Array], p: Array) -> Array:
    """Return (sum_i h_i w_i^(1/p))^p, scaled by the largest weight so that it cannot overflow."""
    logs = jnp.stack(jnp.broadcast_arrays(*(jnp.log(weights[each]) for each in shares)))
    largest = jnp.max(logs, axis=0)
    total = sum(
        h * jnp.exp((log - largest) / p) for h, log in zip(shares.values(), logs, strict=True)
    )
    return jnp.exp(largest + p * jnp.log(jnp.maximum(total, _SMALLEST_SHARE)))


@family
def scaled_mixture(
    domains: tuple[str, ...] = ("web", "code"), joint: bool = False, target: str = "loss"
) -> Law:
    """Return a law of the loss on one domain in model size, tokens and the shares h of domains.

    The additive law is L = E + 1 / (sum_i C_i h_i^gamma_i) + A/N^alpha + B/D^beta (Shukor et al.
    2025, eq. 2.4): the best mixture is the same at every size. In the joint law (eq. 2.5) A and B
    depend on the mixture, and the best mixture depends on the size. The paper writes
    A^h = (sum_i C_i^A h_i)^gamma^A. Here A_i is the weight A of a run on domain i alone:
    C_i^A = A_i^(1 / p_A), and gamma^A is p_A; likewise B. The additive law is the joint law whose
    A_i are all the same, and whose B_i are.

    Of a mixture between those of the runs, several C and gamma may say nearly the same.

    Parameters
    ----------
    domains
        The columns of the shares, from 0 to 1.
    joint
        Whether the mixture changes the effect of model size and tokens.
    target
        The column of the loss on the domain.

    Raises
    ------
    InputError
        If domains has fewer than two names.
    """
    if len(domains) < 2:
        raise InputError(f"domains must be two columns or more, ('web', 'code'); got {domains!r}.")

    def loss(params: Array, tokens: Array, *shares: Array, **values: Array) -> Array:
        h = dict(zip(domains, shares, strict=True))
        usefulness = sum(
            values[f"C_{each}"] * jnp.exp(values[f"gamma_{each}"] * _log(share))
            for each, share in h.items()
        )
        A, B = (
            _power_mean(h, {each: values[f"{w}_{each}"] for each in h}, values[f"p_{w}"])
            if joint
            else values[w]
            for w in ("A", "B")
        )
        scale = A * power(params, -values["alpha"]) + B * power(tokens, -values["beta"])
        return values["E"] + 1 / usefulness + scale

    inputs = ("params", "tokens", *domains)
    parameters = _parameters(domains, joint, target)
    A, B = ("A^h", "B^h") if joint else ("A", "B")
    where = (
        ", A^h = (sum_i h_i A_i^(1/p_A))^p_A, B^h = (sum_i h_i B_i^(1/p_B))^p_B" if joint else ""
    )
    return Law(
        name="scaled_mixture",
        function=signed(loss, inputs, parameters),
        equation=f"L = E + 1/(sum_i C_i h_i^gamma_i) + {A}/N^alpha + {B}/D^beta{where}",
        source=f"Shukor et al. 2025 (arXiv:2507.09404), eq. {'2.5' if joint else '2.4'}",
        target=Target(target),
        inputs={each: Input(f"share of {each}", FRACTION, unit="1") for each in domains},
        parameters=parameters,
        decreasing=("params", "tokens"),
    )


def _parameters(domains: tuple[str, ...], joint: bool, target: str) -> dict[str, Parameter]:
    """Return the parameters with their priors."""
    of_scale = {
        "A": ("finite model", f"{target} * params**alpha"),
        "B": ("finite data", f"{target} * tokens**beta"),
    }
    weights: dict[str, Parameter] = {}
    for name, (of, unit) in of_scale.items():
        if not joint:
            weights[name] = weight(of, unit)
            continue
        weights |= {f"{name}_{each}": weight(f"{of} on {each} alone", unit) for each in domains}
        weights[f"p_{name}"] = Parameter(
            f"power of the mean of {name} over domains", dist.LogNormal(0.0, 0.5)
        )
    return {
        "E": floor(unit=target),
        **{
            f"C_{each}": Parameter(
                f"usefulness of {each}", dist.LogNormal(1.0, 1.5), unit=f"1 / {target}"
            )
            for each in domains
        },
        **{f"gamma_{each}": exponent(f"share of {each}") for each in domains},
        **weights,
        "alpha": exponent("model's size"),
        "beta": exponent("training tokens"),
    }
