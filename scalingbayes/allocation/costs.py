"""The FLOPs that a model costs in training and serving, and their price in money and GPU hours."""

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
from scalingbayes._core.numbers import write
from scalingbayes._core.roots import bisect
from scalingbayes.data import architecture
from scalingbayes.data.architecture import FLOPS_PER_PARAM_TOKEN
from scalingbayes.laws.base.law import Budget

Scale = Float[Array, "*#shape"]
Numbers = ArrayLike | Sequence[float]
Real = Any
"""A number, or a JAX tracer."""

LOG_SCALE_RANGE = (-50.0, 150.0)
"""Range of scales that searches cover; no real model is outside of it."""

TRAINING_OVER_SERVING = 3.0
"""FLOPs of training over those of serving: the backward pass costs twice the forward pass."""

_SECONDS_PER_HOUR = 3600.0


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

    served_tokens: Real = field(default=0.0, kw_only=True)
    serving_price: Real = field(default=1.0, kw_only=True)

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

    def serve(self, tokens: float, price: float = 1.0) -> "Cost":
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
        return replace(
            self,
            served_tokens=check_number("tokens", tokens),
            serving_price=check_number("price", price),
        )

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


def scale_of_size(cost: Cost, log_size: Scale) -> Scale:
    """Return the scale of models, given the logs of their sizes."""
    low, high = (jnp.full_like(log_size, end) for end in LOG_SCALE_RANGE)
    return bisect(lambda scale: cost.log_size(scale) - log_size, low, high)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Proportional(Cost):
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

    training: Real = FLOPS_PER_PARAM_TOKEN
    serving: Real = FLOPS_PER_PARAM_TOKEN / TRAINING_OVER_SERVING
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
                f"Shapes give a number of parameters, but the law measures a model's size by "
                f"{self.size!r}. Remove shapes from the limits."
            )
        scale = jnp.log(architecture.params_non_embedding(n_layer, d_model))
        return scale, self.log_training(scale), self.log_serving(scale)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Transformer(Cost):
    """FLOPs of a transformer with attention, embedding and logits (Hoffmann et al. 2022, app. F).

    A token costs n_layer (24 d_model^2 + 4 context d_model + 3 heads context) + 4 vocab d_model
    FLOPs to serve, and three times as many to train. The scale is the logarithm of ``d_model``.

    Parameters
    ----------
    context
        Length of the context, in tokens.
    vocab
        Size of the vocabulary, in tokens.
    aspect
        ``d_model / n_layer``, constant over model sizes.
    head_size
        Width of an attention head.
    embedding
        Whether ``params`` includes the embedding matrix, as in Hoffmann et al. 2022, not in Kaplan
        et al. 2020.
    logits
        Whether FLOPs include the embedding and the logits. Appendix F includes them, but the ratios
        to 6 N D in table A4 are reproduced without them.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> sb.costs.Transformer(context=2048, vocab=32_000).equation
    'C = FLOPs of training with attention over 2048 tokens, 32000 tokens of vocabulary'
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
        return self.log_serving(scale) + jnp.log(TRAINING_OVER_SERVING)

    @override
    def log_serving(self, scale: Scale) -> Scale:
        d_model = jnp.exp(scale)
        return jnp.log(self._forward(d_model / self.aspect, d_model))

    @override
    def of_shapes(self, n_layer: Scale, d_model: Scale) -> tuple[Scale, Scale, Scale]:
        serving = jnp.log(self._forward(n_layer, d_model))
        return (
            jnp.log(self._size(n_layer, d_model)),
            serving + jnp.log(TRAINING_OVER_SERVING),
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
    """An accelerator: converts between FLOPs, GPU hours and dollars.

    Parameters
    ----------
    peak_flops
        Peak FLOPs per second of one accelerator, in the precision of the training.
    utilisation
        Share of the peak that training (or serving) uses (MFU).
    price_per_hour
        Dollars per hour of one accelerator.

    Raises
    ------
    InputError
        If a number is not positive, or the utilisation is above 1.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> hardware = sb.costs.Hardware(peak_flops=1e15, utilisation=0.5, price_per_hour=2.0)
    >>> hardware.flops(gpu_hours=[1, 10])
    array([1.8e+18, 1.8e+19])
    """

    peak_flops: float
    utilisation: float = 0.4
    price_per_hour: float | None = None

    def __post_init__(self) -> None:
        check_number("peak_flops", self.peak_flops)
        if check_number("utilisation", self.utilisation) > 1:
            raise InputError(
                f"utilisation must be above 0 and at most 1; got {self.utilisation!r}."
            )
        if self.price_per_hour is not None:
            check_number("price_per_hour", self.price_per_hour)

    @property
    def flops_per_hour(self) -> float:
        """FLOPs of one accelerator in an hour."""
        return self.peak_flops * self.utilisation * _SECONDS_PER_HOUR

    @property
    def price(self) -> float:
        """Dollars per FLOP.

        Raises
        ------
        InputError
            If ``price_per_hour`` is not set.
        """
        if self.price_per_hour is None:
            raise InputError(
                "The price of a FLOP needs price_per_hour: Hardware(..., price_per_hour=2.0)."
            )
        return self.price_per_hour / self.flops_per_hour

    def flops(
        self, *, dollars: Numbers | None = None, gpu_hours: Numbers | None = None
    ) -> Float[np.ndarray, " budgets"]:
        """Compute the FLOPs that a budget of dollars or of GPU hours buys.

        Raises
        ------
        InputError
            If both or none are passed, a number is not positive, or dollars are passed and
            ``price_per_hour`` is not set.
        """
        if (dollars is None) == (gpu_hours is None):
            raise InputError("flops() needs exactly one of dollars and gpu_hours.")
        if gpu_hours is not None:
            return check_numbers("gpu_hours", gpu_hours) * self.flops_per_hour
        return check_numbers("dollars", dollars) / self.price

    def gpu_hours(self, flops: Numbers) -> Float[np.ndarray, "..."]:
        """Compute the hours that FLOPs take on one accelerator."""
        return check_numbers("flops", flops) / self.flops_per_hour

    def dollars(self, flops: Numbers) -> Float[np.ndarray, "..."]:
        """Compute the price of FLOPs in dollars."""
        return check_numbers("flops", flops) * self.price
