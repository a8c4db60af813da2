"""Optimal hyperparameters as power laws of scale."""

import jax.numpy as jnp
import numpyro.distributions as dist
from jaxtyping import Array

from scalingbayes._core.errors import InputError
from scalingbayes.laws.base.family import family
from scalingbayes.laws.base.law import Budget, Law, signed
from scalingbayes.laws.base.parameters import Parameter
from scalingbayes.laws.base.targets import Target


@family
def hyperparameters(of: str = "learning_rate", by: tuple[str, ...] = ("params", "tokens")) -> Law:
    """Return a law of an optimal hyperparameter, such as the learning rate: a power law of scale.

    A row of the table is an optimum: the best setting for one model and number of tokens, or for
    one budget. Published laws: learning rate 1.79 N^-0.713 D^0.307 and batch size 0.58 D^0.571
    tokens (Li et al. 2025, step law); learning rate 0.3118 C^-0.1250 and batch size 0.2920 C^0.3271
    tokens (DeepSeek-AI 2024, eq. 1).

    Parameters
    ----------
    of
        The column of the optimum: ``learning_rate``, ``batch_size``.
    by
        The column or columns of which it is a power law.

    Raises
    ------
    InputError
        If ``by`` is empty.
    """
    if not by:
        raise InputError(
            "hyperparameters needs a column to be a power law of, such as by='compute'."
        )

    def best(*scales: Array, c: Array, **alpha: Array) -> Array:
        logs = [alpha[f"alpha_{x}"] * jnp.log(s) for x, s in zip(by, scales, strict=True)]
        return c * jnp.exp(sum(logs))

    exponents = {f"alpha_{x}": x for x in by}
    unit = " * ".join([of, *(f"{x}**-{e}" for e, x in exponents.items())])
    parameters = {
        "c": Parameter("the optimum at a scale of 1", dist.LogNormal(1.0, 1.5), unit=unit),
        **{e: Parameter(f"exponent of {x}", dist.Normal(0.0, 1.0)) for e, x in exponents.items()},
    }
    return Law(
        name="hyperparameters",
        function=signed(best, by, parameters),
        equation=f"{of} = c {' '.join(f'{x}^{e}' for e, x in exponents.items())}",
        source="DeepSeek-AI 2024 (arXiv:2401.02954), eq. 1; Li et al. 2025 (arXiv:2503.04715)",
        target=Target(of),
        parameters=parameters,
        budget=Budget(size=""),  # an optimal setting divides no compute
    )
