"""Steps to a loss against batch size: the critical batch size from a sweep."""

import jax.numpy as jnp
import numpyro.distributions as dist
from jaxtyping import Array, Float

from scalingbayes.laws.base.derived import Derived
from scalingbayes.laws.base.family import family
from scalingbayes.laws.base.law import Input, Law, Values, signed
from scalingbayes.laws.base.parameters import Parameter
from scalingbayes.laws.base.targets import Target


def steps(batch_size: Values, *, S_min: Values, B_crit: Values) -> Float[Array, "*shape"]:
    """S(B) = S_min (1 + B_crit / B).

    The same as (S / S_min - 1) (E / E_min - 1) = 1 with the examples E = B S and
    B_crit = E_min / S_min (Kaplan et al. 2020, eq. 5.1 and 5.2).
    """
    return S_min * (1 + B_crit / batch_size)


def steps_by(
    batch_size: Values, x: Values, *, S_min: Values, B_crit: Values, s: Values, c: Values
) -> Float[Array, "*shape"]:
    """S(B, x) = S_min x^s (1 + B_crit x^c / B).

    Zhang et al. 2024 also fit a power law of N, but to the batch at which steps are 20 % above
    linear scaling from a batch of 256. That batch is 1.2 * 256 + 0.2 B_crit.
    """
    log_x = jnp.log(x)
    return steps(batch_size, S_min=S_min * jnp.exp(s * log_x), B_crit=B_crit * jnp.exp(c * log_x))


def _derived(by: str) -> dict[str, Derived]:
    """Return the steps and batch sizes, of each value of ``by`` if there is one."""
    names, where = [*filter(None, [by])], f" at {by}" if by else ""

    def at(*x: Array, scale: Array, power: Array | float = 0.0) -> Array:
        return scale * jnp.exp(power * jnp.log(x[0])) if x else scale

    def least(*x: Array, S_min: Array, s: Array | float = 0.0) -> Array:
        return at(*x, scale=S_min, power=s)

    def critical(*x: Array, B_crit: Array, c: Array | float = 0.0) -> Array:
        return at(*x, scale=B_crit, power=c)

    def examples(*x: Array, S_min: Array, B_crit: Array, **powers: Array) -> Array:
        return at(*x, scale=S_min * B_crit, power=powers.get("s", 0.0) + powers.get("c", 0.0))

    of_steps, of_batch = ["S_min", *(["s"] if by else [])], ["B_crit", *(["c"] if by else [])]
    return {
        "B_crit": Derived(f"critical batch size{where}", signed(critical, names, of_batch)),
        "S_min": Derived(f"least steps{where}, at a large batch", signed(least, names, of_steps)),
        "E_min": Derived(
            f"least sequences or tokens{where}, at a small batch",
            signed(examples, names, [*of_steps, *of_batch]),
        ),
    }


@family
def critical_batch(by: str = "") -> Law:
    """Return a law of the steps to a target loss, with the critical batch size.

    Parameters
    ----------
    by
        A column, such as ``params``, of which the steps and the critical batch size are power laws.
        None by default.
    """
    per = {"S_min": "", "B_crit": ""}
    if by:
        per = {"S_min": f" * {by}**-s", "B_crit": f" * {by}**-c"}
    parameters = {
        "S_min": Parameter(
            "steps of an infinite batch", dist.LogNormal(0.0, 1.0), unit=f"steps{per['S_min']}"
        ),
        "B_crit": Parameter(
            "critical batch size", dist.LogNormal(0.0, 2.0), unit=f"batch_size{per['B_crit']}"
        ),
    }
    if by:
        parameters |= {
            "s": Parameter(f"exponent of {by} in the steps", dist.Normal(0.0, 1.0)),
            "c": Parameter(f"exponent of {by} in the critical batch", dist.Normal(0.0, 1.0)),
        }
    return Law(
        name="critical_batch",
        function=signed(steps_by if by else steps, ["batch_size", *filter(None, [by])], parameters),
        equation=f"S = S_min {by and 'x^s '}(1 + B_crit{by and ' x^c'}/B){by and f', x = {by}'}",
        source="McCandlish et al. 2018 (arXiv:1812.06162); "
        "Kaplan et al. 2020 (arXiv:2001.08361), eq. 5.1 and 5.2",
        target=Target("steps"),
        inputs={"batch_size": Input("sequences or tokens in a batch, B")},
        parameters=parameters,
        decreasing=("batch_size",),
        derived=_derived(by),
    )
