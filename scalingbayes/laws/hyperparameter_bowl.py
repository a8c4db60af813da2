"""The loss of a sweep over learning rate and batch size: quadratic about a moving optimum."""

import jax.numpy as jnp
import numpyro.distributions as dist
from jaxtyping import Array, Float

from scalingbayes.laws import chinchilla
from scalingbayes.laws.base.law import Input, Law, Sum, Values
from scalingbayes.laws.base.parameters import Parameter


def loss(
    params: Values,
    tokens: Values,
    learning_rate: Values,
    batch_size: Values,
    *,
    E: Values,
    A: Values,
    B: Values,
    alpha: Values,
    beta: Values,
    c_lr: Values,
    lr_N: Values,
    lr_D: Values,
    c_bs: Values,
    bs_N: Values,
    bs_D: Values,
    h_lr: Values,
    h_bs: Values,
    tilt: Values,
) -> Float[Array, "*shape"]:
    """L = E + A/N^alpha + B/D^beta + (h_lr x^2 + h_bs y^2 + 2 tilt sqrt(h_lr h_bs) x y) / 2.

    x = log(learning_rate / (c_lr N^lr_N D^lr_D)) and y = log(batch_size / (c_bs N^bs_N D^bs_D)) are
    the distances from the optimum. Its form is the step law of Li et al. 2025: learning rate
    1.79 N^-0.713 D^0.307, batch size 0.58 D^0.571 tokens. Far from the optimum the loss is not
    quadratic: leave out runs that diverged.
    """
    at_best = chinchilla.loss(params, tokens, E=E, A=A, B=B, alpha=alpha, beta=beta)
    log_N, log_D = jnp.log(params), jnp.log(tokens)
    x = jnp.log(learning_rate) - jnp.log(c_lr) - lr_N * log_N - lr_D * log_D
    y = jnp.log(batch_size) - jnp.log(c_bs) - bs_N * log_N - bs_D * log_D
    steep_x, steep_y = jnp.sqrt(h_lr) * x, jnp.sqrt(h_bs) * y
    return at_best + (steep_x**2 + steep_y**2 + 2 * tilt * steep_x * steep_y) / 2


def _optimum(of: str, size: str, tokens: str) -> Parameter:
    return Parameter(
        f"best {of.replace('_', ' ')} at a scale of 1",
        dist.LogNormal(0.0, 2.0),
        unit=f"{of} * params**-{size} * tokens**-{tokens}",
    )


def _moves(of: str, by: str) -> Parameter:
    return Parameter(f"exponent of {by} in the best {of}", dist.Normal(0.0, 0.7))


def _curvature(of: str) -> Parameter:
    return Parameter(f"curvature in log {of}", dist.LogNormal(-4.0, 1.5), unit="loss")


hyperparameter_bowl = Law(
    name="hyperparameter_bowl",
    function=loss,
    equation="L = E + A/N^alpha + B/D^beta + bowl(log lr - log(c_lr N^lr_N D^lr_D), "
    "log B - log(c_bs N^bs_N D^bs_D))",
    source="the optima of Li et al. 2025 (arXiv:2503.04715), from whole sweeps",
    inputs={
        "learning_rate": Input("peak learning rate"),
        "batch_size": Input("sequences or tokens in a batch"),
    },
    parameters={
        **chinchilla.surface_parameters(),
        "c_lr": _optimum("learning_rate", "lr_N", "lr_D"),
        "lr_N": _moves("learning rate", "params"),
        "lr_D": _moves("learning rate", "tokens"),
        "c_bs": _optimum("batch_size", "bs_N", "bs_D"),
        "bs_N": _moves("batch size", "params"),
        "bs_D": _moves("batch size", "tokens"),
        "h_lr": _curvature("learning rate"),
        "h_bs": _curvature("batch size"),
        "tilt": Parameter("correlation of the two, from -1 to 1", dist.Uniform(-1.0, 1.0)),
    },
    terms=Sum("A", "B", "E"),
)
