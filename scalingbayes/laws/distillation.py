"""Distillation: the loss of a student as a function of its teacher's loss."""

import jax
import jax.numpy as jnp
import numpyro.distributions as dist
from jaxtyping import Array, Float

from scalingbayes.laws.base.law import Budget, Input, Law, Values
from scalingbayes.laws.base.parameters import Parameter
from scalingbayes.laws.base.priors import exponent, weight


def loss(
    params: Values,
    tokens: Values,
    teacher_loss: Values,
    supervised_loss: Values,
    *,
    A: Values,
    B: Values,
    alpha: Values,
    beta: Values,
    gamma: Values,
    c0: Values,
    c1: Values,
    d1: Values,
    f1: Values,
) -> Float[Array, "*shape"]:
    """L_S = L_T + L_T^-c0 (1 + (L_T / (L~ d1))^(1/f1))^(-c1 f1) (A / N^alpha + B / D^beta)^gamma.

    Busbridge et al. 2025, eq. 8. N and D are the student's params and tokens, and L_T is the loss
    of the teacher. L~, ``supervised_loss``, is the loss that the student would reach by training
    on D tokens of text without a teacher: a law of supervised runs predicts it. The paper finds
    A = 2243, B = 24181, alpha = 0.321, beta = 0.637, gamma = 0.764, c0 = 2.549, c1 = 522.6,
    d1 = 1.315 and f1 = 0.090; and of L~ = E + (A / N^alpha + B / D^beta)^gamma, the law
    ``coupled``, E = 1.220, A = 3355, B = 18186, alpha = 0.408, beta = 0.431 and gamma = 0.452
    (table 6, with N without embeddings).
    """
    log_ratio = jnp.log(teacher_loss) - jnp.log(supervised_loss) - jnp.log(d1)
    log_terms = jnp.logaddexp(
        jnp.log(A) - alpha * jnp.log(params), jnp.log(B) - beta * jnp.log(tokens)
    )
    log_gap = gamma * log_terms - c0 * jnp.log(teacher_loss)
    return teacher_loss + jnp.exp(log_gap - c1 * f1 * jax.nn.softplus(log_ratio / f1))


distillation = Law(
    name="distillation",
    function=loss,
    equation="L_S = L_T + L_T^-c0 (1 + (L_T/(L~ d1))^(1/f1))^(-c1 f1) (A/N^alpha + B/D^beta)^gamma",
    source="Busbridge et al. 2025 (arXiv:2502.08606), eq. 8",
    inputs={
        "teacher_loss": Input("loss of the teacher, L_T", unit="loss"),
        "supervised_loss": Input("loss of the student if trained without it, L~", unit="loss"),
    },
    parameters={
        "A": weight("finite student", "loss**((1 + c0) / gamma) * params**alpha", power="1/gamma"),
        "B": weight("finite data", "loss**((1 + c0) / gamma) * tokens**beta", power="1/gamma"),
        "alpha": exponent("student's size"),
        "beta": exponent("distillation tokens"),
        "gamma": Parameter("power of both together", dist.LogNormal(0.0, 0.5)),
        "c0": Parameter("exponent of the teacher's loss", dist.LogNormal(0.5, 0.7)),
        # Runs tell how far a teacher as weak as the student has lost its effect, c1 f1 d1^(-1/f1),
        # far better than c1 and d1.
        "c1": Parameter(
            "exponent of the loss ratio of a weak teacher; loss of effect of an equal teacher",
            dist.LogNormal(0.0, 1.5),
            unit="d1**(1 / f1) / f1",
        ),
        "d1": Parameter("loss ratio at which the power law begins", dist.LogNormal(0.2, 0.2)),
        "f1": Parameter("width of the turn", dist.LogNormal(-1.5, 0.7)),
    },
    budget=Budget(size="student_params"),  # which it does not read: a budget moves L~ too
    decreasing=("params", "tokens"),
)
