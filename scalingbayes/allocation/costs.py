"""What a model costs to train and to serve, and what money and GPU hours buy."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, override

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from scalingbayes._core.arguments import check_number, check_numbers
from scalingbayes._core.errors import InputError
from scalingbayes.data import architecture
from scalingbayes.data.architecture import FLOPS_PER_PARAM_TOKEN
from scalingbayes.laws.base.law import Budget

Scale = Float[Array, "*#shape"]
Numbers = ArrayLike | Sequence[float]
Real = Any
"""A number, or what JAX puts in its place when it traces."""

LOG_SCALE_RANGE = (-50.0, 150.0)
"""Range of the log of a model's scale that searches cover; no real model is outside."""

_BACKWARD_AND_FORWARD = 3.0  # a training token costs three times what a served one does
_SECONDS_PER_HOUR = 3600.0


@dataclass(frozen=True)
class Cost(ABC):
    """FLOPs of a training token and of a served token, as functions of a model's scale.

    A scale is whatever a cost takes for the logarithm of how large a model is; size and FLOPs rise
    with it. A pytree: other numbers compile nothing new.

    Parameters
    ----------
    served_tokens
        Tokens that the model will read or write in its life, D_inf: a budget pays for them too.
    serving_price
        Price of a FLOP of serving over that of one of training, for instance for its lower
        utilisation: ``served_on.price / trained_on.price`` of two :class:`Hardware`.
    """

    served_tokens: Real = field(default=0.0, kw_only=True)
    serving_price: Real = field(default=1.0, kw_only=True)

    @property
    @abstractmethod
    def size(self) -> str:
        """The input of a law that says how large the model is."""

    @property
    @abstractmethod
    def equation(self) -> str:
        """What a budget pays for, in words or symbols."""

    @abstractmethod
    def log_size(self, scale: Scale) -> Scale:
        """Log of the size."""

    @abstractmethod
    def log_training(self, scale: Scale) -> Scale:
        """Log of the FLOPs of a training token."""

    @abstractmethod
    def log_serving(self, scale: Scale) -> Scale:
        """Log of the FLOPs of a served token."""

    @abstractmethod
    def of_shapes(self, n_layer: Scale, d_model: Scale) -> tuple[Scale, Scale, Scale]:
        """Take logs of the size and of the FLOPs of a training and a served token of given shapes.

        Raises
        ------
        InputError
            If shapes do not say how large such a model is.
        """

    def serve(self, tokens: float, price: float = 1.0) -> "Cost":
        """Count in that the model will serve so many tokens (Sardana & Frankle 2023).

        Parameters
        ----------
        tokens
            Tokens that it will read or write in its life.
        price
            Price of a FLOP of serving over that of one of training.

        Raises
        ------
        InputError
            If one is not a number above 0.
        """
        return replace(
            self,
            served_tokens=check_number("tokens", tokens),
            serving_price=check_number("price", price),
        )

    @property
    def log_served_tokens(self) -> Float[Array, ""]:
        """Log of the served tokens, at the price of a FLOP of training."""
        return jnp.log(jnp.asarray(self.served_tokens)) + jnp.log(jnp.asarray(self.serving_price))

    def log_served(self, scale: Scale) -> Scale:
        """Log of what serving costs in all; -inf without it."""
        return self.log_serving(scale) + self.log_served_tokens

    def log_tokens(self, scale: Scale, log_budget: Scale) -> Scale:
        """Log of the training tokens that a budget leaves; NaN where serving takes it all."""
        return self.log_tokens_left(self.log_training(scale), self.log_serving(scale), log_budget)

    def log_tokens_left(self, log_training: Scale, log_serving: Scale, log_budget: Scale) -> Scale:
        """Log of the training tokens that a budget leaves, from logs of the FLOPs of a token."""
        left = jnp.log1p(-jnp.exp(log_serving + self.log_served_tokens - log_budget))
        return log_budget + left - log_training


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Proportional(Cost):
    """So many FLOPs a token for each unit of size: 6 N D in training, 2 N D_inf in serving.

    Parameters
    ----------
    training, serving
        FLOPs per unit of size and token.
    size
        The input of the law that says how large a model is: ``"flops_per_token"`` for DeepSeek's
        M D, whose ``training`` is 1.
    """

    training: Real = FLOPS_PER_PARAM_TOKEN
    serving: Real = FLOPS_PER_PARAM_TOKEN / _BACKWARD_AND_FORWARD
    size: str = field(default="params", metadata={"static": True})

    @classmethod
    def of(cls, budget: Budget) -> "Proportional":
        """Take what a law says that its models cost."""
        return cls(budget.flops, budget.flops / _BACKWARD_AND_FORWARD, budget.size)

    @property
    @override
    def equation(self) -> str:
        size, tokens = ("N", "D") if self.size == "params" else (self.size, "tokens")
        training = f"C = {self.training:g} {size} {tokens}"
        if not self.served_tokens:
            return training
        serving = f"{self.serving * self.serving_price:.3g} {size} D_inf"
        return f"{training} + {serving}, D_inf = {self.served_tokens:.4g}"

    @override
    def log_size(self, scale: Scale) -> Scale:
        return scale

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
                f"Shapes say how many parameters a model has, and the law reads {self.size!r}: "
                f"give no shapes."
            )
        scale = jnp.log(architecture.params_non_embedding(n_layer, d_model))
        return scale, self.log_training(scale), self.log_serving(scale)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Transformer(Cost):
    """FLOPs of a transformer with attention, embedding and logits (Hoffmann et al. 2022, app. F).

    A token costs n_layer (24 d_model^2 + 4 context d_model + 3 heads context) + 4 vocab d_model
    FLOPs to serve, and three times that to train. A scale is the logarithm of ``d_model``.

    Parameters
    ----------
    context
        Tokens that attention looks at.
    vocab
        Tokens of the vocabulary.
    aspect
        ``d_model / n_layer``, which is kept as models grow.
    head_size
        Of an attention head.
    embedding
        Whether ``params`` counts the embedding matrix, as Hoffmann's do and Kaplan's do not.
    logits
        Whether FLOPs of the embedding and of the logits are counted. The paper's text counts them;
        the ratios to 6 N D of its table A4 come out without them.
    """

    context: Real
    vocab: Real
    aspect: Real = 128.0
    head_size: Real = 128.0
    embedding: bool = field(default=True, metadata={"static": True})
    logits: bool = field(default=True, metadata={"static": True})

    @property
    @override
    def size(self) -> str:
        return "params"

    @property
    @override
    def equation(self) -> str:
        served = " and serving" if self.served_tokens else ""
        return (
            f"C = FLOPs of training{served} with attention over {self.context:g} tokens, "
            f"{self.vocab:g} tokens of vocabulary"
        )

    @override
    def log_size(self, scale: Scale) -> Scale:
        d_model = jnp.exp(scale)
        return jnp.log(self._size(d_model / self.aspect, d_model))

    @override
    def log_training(self, scale: Scale) -> Scale:
        return self.log_serving(scale) + jnp.log(_BACKWARD_AND_FORWARD)

    @override
    def log_serving(self, scale: Scale) -> Scale:
        d_model = jnp.exp(scale)
        return jnp.log(self._forward(d_model / self.aspect, d_model))

    @override
    def of_shapes(self, n_layer: Scale, d_model: Scale) -> tuple[Scale, Scale, Scale]:
        serving = jnp.log(self._forward(n_layer, d_model))
        return (
            jnp.log(self._size(n_layer, d_model)),
            serving + jnp.log(_BACKWARD_AND_FORWARD),
            serving,
        )

    def _size(self, n_layer: Scale, d_model: Scale) -> Scale:
        if not self.embedding:
            return architecture.params_non_embedding(n_layer, d_model)
        return architecture.params_with_embedding(n_layer, d_model, self.vocab)

    def _forward(self, n_layer: Scale, d_model: Scale) -> Scale:
        vocab = self.vocab if self.logits else 0.0
        heads = d_model / self.head_size
        return architecture.forward_flops(n_layer, d_model, self.context, vocab, heads)


@dataclass(frozen=True)
class Hardware:
    """What accelerators give for their time and price.

    Parameters
    ----------
    peak_flops
        FLOPs a second of one of them, at the precision of the training.
    utilisation
        The share of these that training (or serving) makes use of, MFU.
    price_per_hour
        Dollars an hour of one of them.

    Raises
    ------
    InputError
        If a number is not above 0, or the utilisation is above 1.
    """

    peak_flops: float
    utilisation: float = 0.4
    price_per_hour: float | None = None

    def __post_init__(self) -> None:
        check_number("peak_flops", self.peak_flops)
        if check_number("utilisation", self.utilisation) > 1:
            raise InputError(f"utilisation must be above 0, at most 1; got {self.utilisation!r}.")
        if self.price_per_hour is not None:
            check_number("price_per_hour", self.price_per_hour)

    @property
    def flops_per_hour(self) -> float:
        """FLOPs that an hour of one of them does."""
        return self.peak_flops * self.utilisation * _SECONDS_PER_HOUR

    @property
    def price(self) -> float:
        """Dollars a FLOP.

        Raises
        ------
        InputError
            If no price an hour was given.
        """
        if self.price_per_hour is None:
            raise InputError("Say what an hour costs: Hardware(..., price_per_hour=2.0).")
        return self.price_per_hour / self.flops_per_hour

    def flops(
        self, *, dollars: Numbers | None = None, gpu_hours: Numbers | None = None
    ) -> Float[np.ndarray, " budgets"]:
        """Find how many FLOPs a budget of money or of hours buys.

        Raises
        ------
        InputError
            If not just one of them is given, one is not above 0, or the price is not known.
        """
        if (dollars is None) == (gpu_hours is None):
            raise InputError("Give dollars or gpu_hours, one of the two.")
        if gpu_hours is not None:
            return check_numbers("gpu_hours", gpu_hours) * self.flops_per_hour
        return check_numbers("dollars", dollars) / self.price

    def gpu_hours(self, flops: Numbers) -> Float[np.ndarray, "..."]:
        """Find how many hours of one of them so many FLOPs take."""
        return check_numbers("flops", flops) / self.flops_per_hour

    def dollars(self, flops: Numbers) -> Float[np.ndarray, "..."]:
        """Find what so many FLOPs cost."""
        return check_numbers("flops", flops) * self.price
