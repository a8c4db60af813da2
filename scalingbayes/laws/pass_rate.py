"""Pass rates of tasks that are checked: -log of the pass rate is a power law."""

import jax.numpy as jnp
import numpyro.distributions as dist
from jaxtyping import Array

from scalingbayes.laws.base import priors
from scalingbayes.laws.base.family import family
from scalingbayes.laws.base.law import Input, Law, signed
from scalingbayes.laws.base.parameters import Parameter
from scalingbayes.laws.base.targets import Target

_SMALLEST_LOG = -80.0  # of the pass rate: exp of less is no positive number in single precision
_LARGEST_FAILURE = 80.0  # of -log(pass rate), likewise


@family
def pass_rate(x: str = "compute", attempts: bool = False, target: str = "pass_rate") -> Law:
    """Return a law of the rate at which answers pass a check, such as unit tests.

    -log p = A / x^alpha: the mean of log pass rates of HumanEval's problems in the GPT-4 report, as
    a function of the training compute. With ``attempts``, -log p = A / (x^alpha k^beta), where p is
    pass@k, the share of problems that at least one of k answers solves: for one model it is the
    exponentiated power law of Brown et al. 2024. A single problem is solved with probability
    1 - (1 - p)^k; a set of problems of unequal difficulty is not, so this law does not assume it.

    Parameters
    ----------
    x
        A column of positive numbers that the pass rate rises with.
    attempts
        Whether the pass rate is pass@k: the law then reads the column ``attempts``, k.
    target
        The column of the pass rate, a fraction strictly between 0 and 1.
    """

    def rate(x: Array, *attempts: Array, A: Array, alpha: Array, **others: Array) -> Array:
        log_failure = jnp.log(A) - alpha * jnp.log(x)
        if attempts:
            log_failure = log_failure - others["beta"] * jnp.log(attempts[0])
        failure = jnp.exp(jnp.clip(log_failure, _SMALLEST_LOG, jnp.log(_LARGEST_FAILURE)))
        return jnp.exp(-failure)

    parameters = {
        "A": Parameter("-log of the pass rate", dist.LogNormal(0.0, 1.5), f"{x}**alpha"),
        "alpha": priors.exponent(x),
    }
    inputs = {}
    if attempts:
        parameters["beta"] = priors.exponent("attempts")
        inputs["attempts"] = Input("answers to each problem, k", unit="1")
    return Law(
        name="pass_rate",
        function=signed(rate, [x, *inputs], parameters),
        equation=f"p = exp(-A / (x^alpha k^beta)), x = {x}, k = attempts"
        if attempts
        else f"p = exp(-A / x^alpha), x = {x}",
        source="OpenAI 2023 (GPT-4, arXiv:2303.08774), section 3.2; "
        "Brown et al. 2024 (arXiv:2407.21787), section 3.1",
        target=Target(target, "logit", higher_is_better=True),
        inputs=inputs,
        parameters=parameters,
    )
