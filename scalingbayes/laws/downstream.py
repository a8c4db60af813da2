"""Error on downstream tasks as a function of the loss."""

import jax.numpy as jnp
import numpyro.distributions as dist
from jaxtyping import Array, Float

from scalingbayes.laws.base.family import family
from scalingbayes.laws.base.law import Law, Values
from scalingbayes.laws.base.parameters import Parameter
from scalingbayes.laws.base.targets import Target


def error(loss: Values, *, epsilon: Values, k: Values, gamma: Values) -> Float[Array, "*shape"]:
    """Err(L) = epsilon - k exp(-gamma L) (Gadre et al. 2024, eq. 5)."""
    return epsilon - k * jnp.exp(-gamma * loss)


@family
def downstream(target: str = "error") -> Law:
    """Return a law of a task's error, a fraction, in the loss.

    Fit it together with a law of the loss, and predict with both:
    ``errors.predict(loss=losses.predict(params=..., tokens=...))``.

    Parameters
    ----------
    target
        The column of the error.
    """
    return Law(
        name="downstream",
        function=error,
        equation="Err = epsilon - k exp(-gamma L)",
        source="Gadre et al. 2024 (arXiv:2403.08540), eq. 5",
        target=Target(target, "logit"),
        parameters={
            "epsilon": Parameter("error of a model that knows nothing", dist.Uniform(0.0, 1.0)),
            "k": Parameter(
                "fall of the error at the reference loss, over epsilon",
                dist.Uniform(0.0, 1.0),
                unit="epsilon * exp(gamma * loss)",
            ),
            "gamma": Parameter("rate at which it falls", dist.LogNormal(1.0, 1.0), unit="1 / loss"),
        },
    )
