"""The cost of training as a table of runs counts it, fitted to its column of compute."""

from dataclasses import dataclass, field, replace
from typing import NamedTuple, override

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from scalingbayes._core.errors import InputError
from scalingbayes._core.numbers import write
from scalingbayes.allocation.costs import Active, Proportional, own_cost
from scalingbayes.allocation.costs.base import TRAINING_OVER_SERVING, Cost, Real, Scale, SizeCost
from scalingbayes.data.derived import SAME_RATIO, TYPING_ERROR
from scalingbayes.data.runs import Runs
from scalingbayes.laws import Law

_SAME = np.log(SAME_RATIO)
_STEEPEST = 0.95  # of bend times power, below 1, so that FLOPs per token increase with size
_POWERS = (1 / 3, 2 / 3)  # at which the share of attention, and of embeddings, falls with size
_FAR_OFF = np.log(TYPING_ERROR)  # such runs are left out
_EXPLAINED = 0.5  # of the squares of the log ratios, that a bend must leave unexplained at most
_SIZES = ("params", "active_params", "image_params")
"""Sizes whose FLOPs a table can count in several ways."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class FittedCost(SizeCost):
    """FLOPs per token that are in proportion to large sizes, and bend at small ones.

    A token costs ``training * N * (1 + (middle / N)^power)^bend`` FLOPs. If shapes are constant,
    attention has N^(2/3) FLOPs and embeddings have N^(1/3) params: their shares fall as N^(-1/3)
    and as N^(-2/3).

    Parameters
    ----------
    training
        FLOPs per param and token of large models.
    bend
        How much more small models cost (above 0), or less (below 0).
    middle
        A typical size of the table's models.
    power
        Power of N at which the bend vanishes.
    size
        Name of the law's input that measures the size of a model.
    """

    training: Real
    bend: Real
    middle: Real
    power: Real
    size: str = field(default="params", metadata={"static": True})

    @property
    @override
    def equation(self) -> str:
        middle, tokens = (write(float(x), "count") for x in (self.middle, self.served_tokens))
        served = f"; and serving {tokens} tokens" if self.served_tokens else ""
        return (
            f"C = {self.training:.3g} N D (1 + ({middle} / N)^{self.power:.2g})"
            f"^{self.bend:.2g}, fitted to the compute of the runs{served}"
        )

    @override
    def log_training(self, scale: Scale) -> Scale:
        bent = jax.nn.softplus(self.power * (jnp.log(jnp.asarray(self.middle)) - scale))
        return scale + jnp.log(jnp.asarray(self.training)) + self.bend * bent

    @override
    def of_shapes(self, n_layer: Scale, d_model: Scale) -> tuple[Scale, Scale, Scale]:
        raise InputError(
            "Shapes cannot be used with a cost that was fitted to the runs: pass "
            "cost=sb.costs.Transformer(context=..., vocab=...)."
        )


def table_cost(law: Law, runs: Runs) -> Cost:
    """Return the cost of training as a table counts it; the law's own cost if the two agree.

    Parameters
    ----------
    law
        A law that divides compute between a model's size and tokens.
    runs
        The table. Its column of compute is compared with the law's own cost.
    """
    own, size = own_cost(law.budget), law.budget.size
    if isinstance(own, Active):
        return _of_experts(own, law, runs)
    if size not in _SIZES or not {size, "tokens", "compute"} <= set(runs.frame.columns):
        return own
    sizes, tokens, compute = (runs.column(name) for name in (size, "tokens", "compute"))
    ratio = np.log(compute / (law.budget.flops * sizes * tokens))
    if np.abs(ratio).max() <= _SAME:
        return Proportional.of(law.budget)
    return _fit(law.budget.flops, size, np.log(sizes), ratio)


def _of_experts(own: Active, law: Law, runs: Runs) -> Cost:
    """Return the law's own cost, times a constant if the table counts FLOPs otherwise.

    A table with no active params may count FLOPs as if a token used all params: it then says
    nothing about experts.
    """
    if not {*law.inputs, "compute"} <= set(runs.frame.columns):
        return own
    size, tokens, compute = (runs.column(name) for name in (own.size, "tokens", "compute"))
    cost = own.at({name: runs.column(name) for name in law.beside_budget})
    counted = np.log(compute / (own.budget.flops * size * tokens))
    ratio = np.log(compute / cost.training_flops(size, tokens))
    of_all_params = own.budget.active is not None and np.abs(counted).max() <= _SAME
    if of_all_params or np.abs(ratio).max() <= _SAME:
        return own
    return replace(own, factor=float(np.exp(np.median(ratio))))


def _fit(
    flops: float, size: str, log_size: Float[np.ndarray, " runs"], ratio: Float[np.ndarray, " runs"]
) -> Cost:
    """Fit the log ratios of measured compute to the law's own cost, by least squares."""
    middle = float(log_size.mean())
    usual = np.abs(ratio - np.median(ratio)) <= _FAR_OFF  # the others are probably errors
    ratio, below = ratio[usual], (middle - log_size)[usual]
    fits = [_fit_bend(power, below, ratio) for power in _POWERS]
    best = min(fits, key=lambda fit: fit.error)
    constant = float(np.square(ratio - np.median(ratio)).sum())
    if np.ptp(best.bent) <= _SAME or best.error > _EXPLAINED * constant:
        training = flops * float(np.exp(np.median(ratio)))
        return Proportional(training, training / TRAINING_OVER_SERVING, size)
    training = flops * float(np.exp(best.level))
    return FittedCost(training, best.bend, float(np.exp(middle)), best.power, size)


class _Bend(NamedTuple):
    """A fit of log ratios by ``level + bend * softplus(power * (middle - log size))``."""

    power: float
    level: float
    bend: float
    bent: Float[np.ndarray, " runs"]
    error: float


def _fit_bend(
    power: float, below: Float[np.ndarray, " runs"], ratio: Float[np.ndarray, " runs"]
) -> _Bend:
    x = np.logaddexp(0.0, power * below)
    bend = 0.0
    if np.ptp(x) > 0:
        bend = min(float(np.polyfit(x, ratio, 1)[0]), _STEEPEST / power)
    bent = bend * x
    level = float((ratio - bent).mean())
    return _Bend(power, level, bend, bent, float(np.square(ratio - level - bent).sum()))
