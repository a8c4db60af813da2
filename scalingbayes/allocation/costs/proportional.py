"""FLOPs in proportion to a model's size."""

from dataclasses import dataclass, field
from typing import override

import jax
import jax.numpy as jnp

from scalingbayes._core.checked import checked
from scalingbayes._core.errors import InputError
from scalingbayes._core.numbers import write
from scalingbayes.allocation.costs.base import TRAINING_OVER_SERVING, PositiveReal, Scale, SizeCost
from scalingbayes.data import architecture
from scalingbayes.data.architecture import FLOPS_PER_PARAM_TOKEN
from scalingbayes.laws.base.law import Budget


@checked
@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Proportional(SizeCost):
    """FLOPs in proportion to size and tokens: 6 N D in training, 2 N D_inf in serving.

    Parameters
    ----------
    training, serving
        FLOPs per unit of size and token.
    size
        Name of the law's input that measures the size of a model: ``"flops_per_token"`` for
        DeepSeek's M D, whose ``training`` is 1.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> sb.costs.Proportional().equation
    'C = 6 N D'
    """

    training: PositiveReal = FLOPS_PER_PARAM_TOKEN
    serving: PositiveReal = FLOPS_PER_PARAM_TOKEN / TRAINING_OVER_SERVING
    size: str = field(default="params", metadata={"static": True})

    @classmethod
    def of(cls, budget: Budget) -> "Proportional":
        """Return a law's own cost."""
        return cls(budget.flops, budget.flops / TRAINING_OVER_SERVING, budget.size)

    @property
    @override
    def equation(self) -> str:
        size, tokens = ("N", "D") if self.size == "params" else (self.size, "tokens")
        training = f"C = {self.training:g} {size} {tokens}"
        if not self.served_tokens:
            return training
        serving = f"{self.serving * self.serving_price:.3g} {size} D_inf"
        return f"{training} + {serving}, D_inf = {write(self.served_tokens, 'count')}"

    @override
    def log_training(self, scale: Scale) -> Scale:
        return scale + jnp.log(jnp.asarray(self.training, scale.dtype))

    @override
    def log_serving(self, scale: Scale) -> Scale:
        return scale + jnp.log(jnp.asarray(self.serving, scale.dtype))

    @override
    def of_shapes(self, n_layer: Scale, d_model: Scale) -> tuple[Scale, Scale, Scale]:
        if self.size != "params":
            raise InputError(
                f"Shapes give a number of parameters, but the law measures a model's size by "
                f"{self.size!r}. Remove shapes from the limits."
            )
        scale = jnp.log(architecture.params_non_embedding(n_layer, d_model))
        return scale, self.log_training(scale), self.log_serving(scale)
