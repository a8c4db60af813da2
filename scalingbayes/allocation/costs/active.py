"""FLOPs of models of which a token uses a part, such as mixtures of experts."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import override

import jax
import jax.numpy as jnp
from jaxtyping import ArrayLike

from scalingbayes._core.checked import checked
from scalingbayes._core.errors import InputError
from scalingbayes._core.numbers import write
from scalingbayes.allocation.costs.base import (
    TRAINING_OVER_SERVING,
    Cost,
    PositiveReal,
    Scale,
    SizeCost,
)
from scalingbayes.laws.base.law import Budget


@checked
@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Active(SizeCost):
    """FLOPs of the params that a token uses, as a law's :class:`Budget` counts them.

    Training costs ``budget.flops`` FLOPs for each active param and token, serving a third of it.
    The number of active params may depend on other inputs of the law, such as the sparsity, which
    :meth:`at` sets. It is the cost by default of laws of experts, which refuse
    :class:`~scalingbayes.costs.Proportional`.

    Parameters
    ----------
    budget
        The law's budget.
    factor
        FLOPs as a table of runs counts them, over those of the budget.
    inputs
        The law's other inputs.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> cost = sb.costs.Active(sb.get_law("sparse_moe").budget).at({"sparsity": 0.75})
    >>> f"{cost.training_flops(64e9, 1e12):.3g}"  # 16e9 active params
    '9.6e+22'
    """

    budget: Budget = field(metadata={"static": True})
    factor: PositiveReal = 1.0
    inputs: Mapping[str, ArrayLike] = field(default_factory=dict)

    @property
    @override
    def size(self) -> str:
        return self.budget.size

    @property
    @override
    def equation(self) -> str:
        text = f"C = {self.factor * self.budget.flops:.3g} N_active D"
        if self.served_tokens:
            serving = self.factor * self.budget.flops * self.serving_price / TRAINING_OVER_SERVING
            text += f" + {serving:.3g} N_active D_inf"
            text += f", D_inf = {write(self.served_tokens, 'count')}"
        return f"{text}, {self.budget.equation}" if self.budget.equation else text

    @override
    def at(self, inputs: Mapping[str, ArrayLike]) -> Cost:
        return replace(
            self, inputs={name: inputs[name] for name in self.budget.inputs if name in inputs}
        )

    @override
    def log_params(self, scale: Scale) -> Scale:
        return jnp.log(self.budget.count_all(jnp.exp(scale), self._checked))

    @override
    def log_training(self, scale: Scale) -> Scale:
        flops = jnp.log(jnp.asarray(self.factor * self.budget.flops, scale.dtype))
        return jnp.log(self.budget.count_active(jnp.exp(scale), self._checked)) + flops

    @override
    def of_shapes(self, n_layer: Scale, d_model: Scale) -> tuple[Scale, Scale, Scale]:
        raise InputError(
            "Shapes cannot be used with a law of experts, whose size does not follow from n_layer "
            "and d_model alone. Remove shapes from the limits."
        )

    @property
    def _checked(self) -> Mapping[str, ArrayLike]:
        if missing := [name for name in self.budget.inputs if name not in self.inputs]:
            raise InputError(
                f"The FLOPs of a token depend on {' and '.join(missing)}: give "
                f"{', '.join(f'{name}=...' for name in missing)}."
            )
        return self.inputs
