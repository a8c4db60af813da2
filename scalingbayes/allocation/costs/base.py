"""What a cost is: the FLOPs of a training token and of a served token, by the scale of a model."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, override

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from scalingbayes._core.arguments import Positive, PositiveNumbers, PositiveOrInfiniteNumbers
from scalingbayes._core.checked import checked
from scalingbayes._core.domains import NONNEGATIVE, POSITIVE
from scalingbayes._core.precision import precision
from scalingbayes._core.roots import bisect

Scale = Float[Array, "*#shape"]
Real = Any
"""A number, or a JAX tracer."""

PositiveReal = Annotated[Real, POSITIVE]
NonNegativeReal = Annotated[Real, NONNEGATIVE]

LOG_SCALE_RANGE = (-50.0, 150.0)
"""Range of scales that searches cover; no real model is outside of it."""

TRAINING_OVER_SERVING = 3.0
"""FLOPs of training over those of serving: the backward pass costs twice the forward pass."""


@checked
@dataclass(frozen=True)
class Cost(ABC):
    """FLOPs of a training token and of a served token, as functions of a model's scale.

    Each subclass chooses its scale: the logarithm of a quantity with which size and FLOPs increase.
    Costs are pytrees, so that a change of their numbers does not compile anew.

    Parameters
    ----------
    served_tokens
        Tokens that the model will read or write after training, D_inf. A budget pays for them too.
    serving_price
        Price of a serving FLOP over the price of a training FLOP, for instance because serving has
        a lower utilisation: ``served_on.price / trained_on.price`` of two :class:`Hardware`.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> isinstance(sb.costs.Transformer(context=4096, vocab=50_000), sb.costs.Cost)
    True
    """

    served_tokens: NonNegativeReal = field(default=0.0, kw_only=True)
    serving_price: PositiveReal = field(default=1.0, kw_only=True)

    @property
    @abstractmethod
    def size(self) -> str:
        """Name of the law's input that measures the size of a model."""

    @property
    @abstractmethod
    def equation(self) -> str:
        """What a budget pays for, as text."""

    @abstractmethod
    def log_size(self, scale: Scale) -> Scale:
        """Return the log of the size."""

    @abstractmethod
    def log_training(self, scale: Scale) -> Scale:
        """Return the log of the FLOPs of a training token."""

    @abstractmethod
    def log_serving(self, scale: Scale) -> Scale:
        """Return the log of the FLOPs of a served token."""

    @abstractmethod
    def of_shapes(self, n_layer: Scale, d_model: Scale) -> tuple[Scale, Scale, Scale]:
        """Return logs of the size and of the FLOPs of a training and a served token, by shape.

        Raises
        ------
        InputError
            If the size cannot be computed from shapes.
        """

    def scale(self, log_size: Scale) -> Scale:
        """Return the scale of models, given the logs of their sizes."""
        low, high = (jnp.full_like(log_size, end) for end in LOG_SCALE_RANGE)
        return bisect(lambda scale: self.log_size(scale) - log_size, low, high)

    def scale_at_ratio(self, log_ratio: Real, log_budget: Scale) -> Scale:
        """Return the scale at which a budget pays for training with a ratio of tokens to size.

        Parameters
        ----------
        log_ratio
            Log of tokens over size.
        log_budget
            Logs of budgets, without serving.
        """

        def log_overspent(scale: Scale) -> Scale:
            return log_ratio + self.log_size(scale) + self.log_training(scale) - log_budget

        low, high = (jnp.full_like(log_budget, end) for end in LOG_SCALE_RANGE)
        return bisect(log_overspent, low, high)

    def training_flops(
        self, size: PositiveNumbers, tokens: PositiveOrInfiniteNumbers = 1.0
    ) -> Float[np.ndarray, "*shape"]:
        """Return the FLOPs of training runs, without serving.

        Parameters
        ----------
        size
            Size of the model of each run.
        tokens
            Training tokens of each run. By default one.

        Examples
        --------
        >>> import scalingbayes as sb
        >>> f"{sb.costs.Proportional().training_flops(1e9, 2e10):.3g}"
        '1.2e+20'
        """
        with precision("float64"):
            per_token = self.log_training(self.scale(jnp.log(jnp.asarray(size, float))))
            return np.exp(np.asarray(per_token)) * np.asarray(tokens)

    def at(self, inputs: Mapping[str, ArrayLike]) -> "Cost":
        """Return the cost of models with given values of a law's other inputs, such as sparsity.

        Most costs do not depend on them.
        """
        return self

    def log_params(self, scale: Scale) -> Scale:
        """Return the log of all params, of which a token may use a part; by default the size."""
        return self.log_size(scale)

    def serve(self, tokens: Positive, price: Positive = 1.0) -> "Cost":
        """Return the same cost with serving included (Sardana & Frankle 2023, arXiv:2401.00448).

        Parameters
        ----------
        tokens
            Tokens that the model will read or write after training.
        price
            Price of a serving FLOP over the price of a training FLOP.

        Raises
        ------
        InputError
            If ``tokens`` or ``price`` is not a positive number.

        Examples
        --------
        >>> import scalingbayes as sb
        >>> sb.costs.Proportional().serve(1e13).equation
        'C = 6 N D + 2 N D_inf, D_inf = 10T'
        """
        return replace(self, served_tokens=float(tokens), serving_price=float(price))

    @property
    def log_served_tokens(self) -> Float[Array, ""]:
        """Log of the served tokens times the serving price."""
        return jnp.log(jnp.asarray(self.served_tokens)) + jnp.log(jnp.asarray(self.serving_price))

    def log_served(self, scale: Scale) -> Scale:
        """Return the log of the total cost of serving, in training FLOPs; -inf without serving."""
        return self.log_serving(scale) + self.log_served_tokens

    def log_tokens(self, scale: Scale, log_budget: Scale) -> Scale:
        """Return the log of the training tokens that a budget pays for.

        NaN where serving costs more than the budget.
        """
        log_training, log_serving = self.log_training(scale), self.log_serving(scale)
        return self.log_tokens_after_serving(log_training, log_serving, log_budget)

    def log_tokens_after_serving(
        self, log_training: Scale, log_serving: Scale, log_budget: Scale
    ) -> Scale:
        """Return the log of the training tokens, from logs of the FLOPs of a token."""
        left = jnp.log1p(-jnp.exp(log_serving + self.log_served_tokens - log_budget))
        return log_budget + left - log_training


@dataclass(frozen=True)
class SizeCost(Cost):
    """What costs share whose scale is the logarithm of the size.

    Serving costs a third of training.
    """

    @override
    def scale(self, log_size: Scale) -> Scale:
        return log_size

    @override
    def log_size(self, scale: Scale) -> Scale:
        return scale

    @override
    def log_serving(self, scale: Scale) -> Scale:
        return self.log_training(scale) - jnp.log(TRAINING_OVER_SERVING)
